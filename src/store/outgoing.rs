//! The sending side: a blob's pages, and the bytes of its chunks.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::CHUNK_BYTES_MAX;
use modelferry_protocol::manifest::{ChunkRef, Page};
use modelferry_protocol::snapshot::BlobRef;

use super::cut::{CUTTER, Cutting};
use super::members::Members;
use super::{Store, StoreError, lock};

impl Store {
    /// Returns a page of a complete blob's manifest. It is cut when it is first asked for, from where the
    /// one before it ends, and remembered.
    ///
    /// Errors: [`StoreError::NotHeld`], [`StoreError::NoSuchPage`] after the last, [`StoreError::Truncated`],
    /// [`StoreError::Busy`], [`StoreError::Full`], [`StoreError::Io`].
    pub fn page(&self, blob: BlobRef, index: u32) -> Result<Page, StoreError> {
        let rows = &self.inner.rows;
        let file = self.open_sized(blob)?;
        let mut members = lock(&self.inner.cutting);
        let mut manifest = {
            let (receiving, _live) = self.inner.receiving(blob.hash);
            match self.manifest_of(blob, CUTTER)? {
                // Stored while it was being received: the rows are the receiver's until it has finished.
                _ if receiving => return Err(StoreError::Busy(blob.hash)),
                Some(manifest) => manifest,
                None => rows.begin(blob, CUTTER, false)?,
            }
        };
        while manifest.pages <= index {
            if manifest.is_whole() {
                return Err(StoreError::NoSuchPage { hash: blob.hash, index, pages: manifest.pages });
            }
            let known = members.take_if(|(hash, _)| *hash == blob.hash).map(|(_, members)| members);
            let known = known.unwrap_or_else(|| Arc::new(Members::of(&file, blob.bytes)));
            let path = self.inner.blob_path(blob.hash);
            let page = Cutting::begin(&file, &path, blob, known.clone()).page(manifest.pages, manifest.end)?;
            *members = Some((blob.hash, known));
            manifest = rows.add_pages(blob.hash, manifest, &[page], true)?;
        }
        rows.page(blob.hash, index)
    }

    /// Opens a complete blob for reading chunks. Errors: [`StoreError::NotHeld`], [`StoreError::Io`].
    pub fn reader(&self, hash: Hash) -> Result<BlobReader, StoreError> {
        Ok(BlobReader { hash, path: self.inner.blob_path(hash), file: self.open_blob(hash)? })
    }
}

/// A complete blob, open for reading.
#[derive(Debug)]
pub struct BlobReader {
    hash: Hash,
    path: PathBuf,
    file: File,
}

impl BlobReader {
    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    /// Proves a chunk that is `offset` bytes into the blob, which its manifest names.
    ///
    /// Errors: [`StoreError::BlobDamaged`]; as [`BlobReader::read_at`].
    pub fn prove_at(&self, offset: u64, chunk: ChunkRef) -> Result<(), StoreError> {
        if Hash::of(&self.read_at(offset, chunk.bytes)?) == chunk.hash {
            return Ok(());
        }
        Err(StoreError::BlobDamaged { path: self.path.clone(), offset })
    }

    /// Reads `bytes` bytes at `offset`, at most [`CHUNK_BYTES_MAX`]. They are not proven: who needs that hashes them.
    ///
    /// Errors: [`StoreError::Truncated`] if the file ends before them, [`StoreError::TooLarge`],
    /// [`StoreError::Io`].
    pub fn read_at(&self, offset: u64, bytes: u32) -> Result<Vec<u8>, StoreError> {
        if bytes > CHUNK_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes: bytes.into(), bytes_max: CHUNK_BYTES_MAX.into() });
        }
        let unreadable = |source| StoreError::io("read", &self.path, source);
        let mut plain = vec![0; bytes as usize];
        match self.file.read_exact_at(&mut plain, offset) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                let actual = self.file.metadata().map_err(unreadable)?.len();
                Err(StoreError::Truncated { hash: self.hash, expected: offset + u64::from(bytes), actual })
            }
            outcome => outcome.map(|()| plain).map_err(unreadable),
        }
    }
}
