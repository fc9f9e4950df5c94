//! Stores blobs that come from this host.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use modelferry_protocol::limits::BLOB_BYTES_MAX;
use modelferry_protocol::manifest::Page;
use modelferry_protocol::snapshot::BlobRef;

use super::cut::{CUTTER, Cutting};
use super::files::{READ_BYTES, fill};
use super::members::Members;
use super::{Store, StoreError};
use crate::disk::{DiskFile, Open};

/// Pages cut when a blob is stored, about 2 GiB. Later pages are cut on demand.
const PUT_PAGES_MAX: usize = 64;

impl Store {
    /// Stores all bytes of `source`, durably. Replaces an existing copy of the same blob.
    ///
    /// Errors: [`StoreError::Source`], [`StoreError::TooLarge`], [`StoreError::Full`], [`StoreError::Io`].
    pub fn put(&self, source: &mut dyn Read) -> Result<BlobRef, StoreError> {
        let number = self.inner.temporaries.fetch_add(1, Ordering::Relaxed);
        let path = self.inner.partial.join(format!("put-{number}.new"));
        let file = self.inner.disk.open(&path, Open::Fresh);
        let file = file.map_err(|source| StoreError::io("make", &path, source))?;
        let stored = self.put_into(&file, source);
        if stored.is_err() {
            // If this fails, the next start removes the file.
            let _ = self.inner.disk.remove(&path);
        }
        stored
    }

    /// Stores `bytes`; see [`Store::put`].
    pub fn put_bytes(&self, mut bytes: &[u8]) -> Result<BlobRef, StoreError> {
        self.put(&mut bytes)
    }

    fn put_into(&self, file: &DiskFile, source: &mut dyn Read) -> Result<BlobRef, StoreError> {
        let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = fill(source, &mut buffer).map_err(StoreError::Source)?;
            if bytes + read as u64 > BLOB_BYTES_MAX {
                return Err(StoreError::TooLarge { bytes: bytes + read as u64, bytes_max: BLOB_BYTES_MAX });
            }
            hasher.update(&buffer[..read]);
            let written = file.write_all_at(bytes, &buffer[..read]);
            written.map_err(|source| self.inner.not_written(file.path(), read, source))?;
            bytes += read as u64;
            if read < buffer.len() {
                break;
            }
        }
        file.sync().map_err(|source| StoreError::io("sync", file.path(), source))?;
        let blob = BlobRef { hash: hasher.finalize().into(), bytes };
        let path = self.inner.blob_path(blob.hash);
        // Register the blob before the rename. Otherwise a sweep could find it at its final path and remove it.
        self.lease_table().put(blob.hash);
        let renamed = self.inner.disk.rename(file.path(), &path);
        renamed.map_err(|source| StoreError::io("make", &path, source))?;
        self.inner.rows.used([blob.hash])?;
        match self.learn(blob, &self.cut(blob)?) {
            // The blob is stored. Its pages are cut again on demand.
            Err(error) if error.is_full() => Ok(blob),
            learned => learned.map(|()| blob),
        }
    }

    /// Cuts the first pages of a stored blob. This needs the complete file, because a zip archive lists its members at
    /// the end.
    fn cut(&self, blob: BlobRef) -> Result<Vec<Page>, StoreError> {
        let (file, path) = (self.open_sized(blob)?, self.inner.blob_path(blob.hash));
        let mut cutting = Cutting::begin(&file, &path, blob, Arc::new(Members::of(&file, blob.bytes)));
        let mut pages = vec![cutting.page(0, 0)?];
        while let Some(page) = pages.last().filter(|page| !page.last && pages.len() < PUT_PAGES_MAX) {
            let next = cutting.page(page.index + 1, page.end())?;
            pages.push(next);
        }
        Ok(pages)
    }

    /// Records the pages of a stored blob, unless they are known.
    fn learn(&self, blob: BlobRef, pages: &[Page]) -> Result<(), StoreError> {
        let (receiving, _live) = self.inner.receiving(blob.hash);
        let known = self.inner.rows.manifest(blob.hash)?;
        let partial = self.inner.rows.partial(blob.hash)?;
        if receiving || partial.is_none() && known.is_some_and(|known| known.is_of(blob, CUTTER) && known.pages > 0) {
            return Ok(());
        }
        let manifest = self.inner.rows.begin(blob, CUTTER, false)?;
        self.inner.rows.add_pages(blob.hash, manifest, pages, true)?;
        let partial = self.inner.partial_path(blob.hash);
        self.inner.disk.remove(&partial).map_err(|source| StoreError::io("remove", &partial, source))
    }
}
