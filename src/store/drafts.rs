//! Small documents about migrations, each a file that is replaced as a whole: `drafts/` holds what a migration has been sent so
//! far, before it is sealed; `handed/` holds what people still ask about a model that has left, once its description is wiped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::MigrationId;

use super::kept::{checked, proven};
use super::{Store, StoreError};

impl Store {
    /// Stores the draft of a migration in place of the one before, durably. [`Store::release`] removes it.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`].
    pub fn draft(&self, mid: MigrationId, document: &[u8]) -> Result<(), StoreError> {
        self.replace_document(&self.draft_path(mid), document)
    }

    /// Returns the draft of a migration; nothing if there is none.
    ///
    /// Errors: [`StoreError::KeptDamaged`], [`StoreError::Io`].
    pub fn drafted(&self, mid: MigrationId) -> Result<Option<Vec<u8>>, StoreError> {
        read_document(&self.draft_path(mid))
    }

    pub(super) fn forget_draft(&self, mid: MigrationId) -> Result<(), StoreError> {
        let path = self.draft_path(mid);
        if !path.exists() {
            return Ok(());
        }
        self.inner.disk.remove(&path).map_err(|source| StoreError::io("remove", &path, source))
    }

    /// Stores what stays of a model that a migration has taken away, durably.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`].
    pub fn keep_handed(&self, mid: MigrationId, document: &[u8]) -> Result<(), StoreError> {
        self.replace_document(&self.handed_path(mid), document)
    }

    /// Returns what [`Store::keep_handed`] stored; nothing if there is none.
    ///
    /// Errors: [`StoreError::KeptDamaged`], [`StoreError::Io`].
    pub fn handed(&self, mid: MigrationId) -> Result<Option<Vec<u8>>, StoreError> {
        read_document(&self.handed_path(mid))
    }

    fn replace_document(&self, path: &Path, document: &[u8]) -> Result<(), StoreError> {
        let content = checked(document);
        let replaced = self.inner.disk.replace(path, &content);
        replaced.map_err(|source| self.inner.not_written(path, content.len(), source))
    }

    fn draft_path(&self, mid: MigrationId) -> PathBuf {
        self.inner.drafts.join(format!("{mid}.draft"))
    }

    fn handed_path(&self, mid: MigrationId) -> PathBuf {
        self.inner.handed.join(format!("{mid}.json"))
    }
}

fn read_document(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(content) => proven(&content).map(Some).ok_or_else(|| StoreError::KeptDamaged(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::io("read", path, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn a_draft_outlives_a_restart_and_ends_with_its_migration() {
        let dir = tempfile::tempdir().unwrap();
        let (mid, other) = (MigrationId([1; 16]), MigrationId([2; 16]));
        let store = Store::open(dir.path(), Disk::real()).unwrap();
        assert_eq!(store.drafted(mid).unwrap(), None);
        store.draft(mid, b"one").unwrap();
        store.draft(mid, b"one and two").unwrap();
        store.draft(other, b"another").unwrap();
        drop(store);
        let store = Store::open(dir.path(), Disk::real()).unwrap();
        assert_eq!(store.drafted(mid).unwrap().as_deref(), Some(&b"one and two"[..]));
        store.release(mid).unwrap();
        assert_eq!(store.drafted(mid).unwrap(), None);
        assert_eq!(store.drafted(other).unwrap().as_deref(), Some(&b"another"[..]));
    }

    #[test]
    fn a_draft_that_was_damaged_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let mid = MigrationId([1; 16]);
        let store = Store::open(dir.path(), Disk::real()).unwrap();
        store.draft(mid, b"one").unwrap();
        let path = store.draft_path(mid);
        let mut content = fs::read(&path).unwrap();
        *content.last_mut().unwrap() ^= 1;
        fs::write(&path, content).unwrap();
        assert!(matches!(store.drafted(mid), Err(StoreError::KeptDamaged(_))));
    }
}
