//! Remembers which blobs were sent under one versioned name, such as the name of a charm. The most similar earlier
//! version serves as the base of a patch.

use std::collections::HashSet;
use std::fs::File;

use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::BlobRef;

use super::tables::VERSIONS;
use super::{Store, StoreError};
use crate::disk::descriptors::when_available;

/// Maximum number of versions remembered per name.
const VERSIONS_MAX: usize = 4;

impl Store {
    /// Records the blobs sent under each name. Writes nothing for a name whose latest version is unchanged.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`].
    pub fn remember_versions(&self, sent: Vec<(String, Hash)>) -> Result<(), StoreError> {
        let mut changed: Vec<(String, Vec<Hash>)> = Vec::new();
        for (name, hash) in sent {
            let known = match changed.iter().position(|(other, _)| *other == name) {
                Some(at) => changed.remove(at).1,
                None => self.versions(&name)?,
            };
            if known.first() != Some(&hash) {
                let others = known.into_iter().filter(|other| *other != hash);
                changed.push((name, std::iter::once(hash).chain(others).take(VERSIONS_MAX).collect()));
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        self.inner.rows.write(|transaction| {
            let mut table = transaction.open_table(VERSIONS)?;
            for (name, versions) in &changed {
                let row: Vec<u8> = versions.iter().flat_map(|hash| hash.0).collect();
                table.insert(name.as_str(), row.as_slice())?;
            }
            Ok(())
        })
    }

    /// Returns the blobs sent under a name, the latest first. They may no longer be stored.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn versions(&self, name: &str) -> Result<Vec<Hash>, StoreError> {
        let row = self.inner.rows.read(VERSIONS, |table| Ok(table.get(name)?.map(|row| row.value().to_vec())))?;
        Ok(row.unwrap_or_default().as_chunks().0.iter().map(|hash| Hash(*hash)).collect())
    }

    /// Returns how many bytes of a complete blob lie in chunks that `base` does not have.
    ///
    /// Errors: as [`Store::page`].
    pub fn lacking(&self, blob: BlobRef, base: BlobRef) -> Result<u64, StoreError> {
        let mut known = HashSet::new();
        self.each_chunk(base, |hash, _| {
            known.insert(hash);
        })?;
        let mut lacking = 0;
        self.each_chunk(blob, |hash, bytes| lacking += if known.contains(&hash) { 0 } else { bytes })?;
        Ok(lacking)
    }

    fn each_chunk(&self, blob: BlobRef, mut tell: impl FnMut(Hash, u64)) -> Result<(), StoreError> {
        for index in 0.. {
            let page = self.page(blob, index)?;
            page.chunks.iter().for_each(|chunk| tell(chunk.hash, chunk.bytes.into()));
            if page.last {
                break;
            }
        }
        Ok(())
    }

    /// Creates an unnamed temporary file on the store's disk. The system deletes it when it is closed, also after a
    /// crash.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn scratch(&self) -> Result<File, StoreError> {
        let place = &self.inner.partial;
        when_available(|| tempfile::tempfile_in(place))
            .map_err(|source| StoreError::io("make a file in", place, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn the_latest_versions_of_a_name_are_remembered_across_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Disk::real()).unwrap();
        let sent = |name: &str, byte| (name.to_owned(), Hash([byte; 32]));
        for byte in 1..=6 {
            store.remember_versions(vec![sent("charm/a", byte), sent("charm/b", 9)]).unwrap();
        }
        store.remember_versions(vec![sent("charm/a", 4)]).unwrap();
        drop(store);
        let store = Store::open(dir.path(), Disk::real()).unwrap();
        assert_eq!(store.versions("charm/a").unwrap(), [4, 6, 5, 3].map(|byte| Hash([byte; 32])));
        assert_eq!(store.versions("charm/b").unwrap(), [Hash([9; 32])]);
        assert_eq!(store.versions("charm/c").unwrap(), []);
    }

    #[test]
    fn what_two_blobs_share_is_not_lacking() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Disk::real()).unwrap();
        let mut noise = vec![0; 1 << 20];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let base = store.put_bytes(&noise).unwrap();
        noise.extend([7; 1000]);
        let blob = store.put_bytes(&noise).unwrap();
        assert_eq!(store.lacking(base, base).unwrap(), 0);
        let lacking = store.lacking(blob, base).unwrap();
        assert!((1000..300_000).contains(&lacking), "{lacking}");
    }
}
