//! The sending side of the store: the pages of a blob and the bytes of its chunks.

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
use super::{Store, StoreError};

impl Store {
    /// Returns a page of a complete blob's manifest. Cuts it on the first call, from the end of the previous page, and
    /// stores it.
    ///
    /// Errors: [`StoreError::NotHeld`], [`StoreError::NoSuchPage`] after the last page, [`StoreError::Truncated`],
    /// [`StoreError::Busy`], [`StoreError::Full`], [`StoreError::Io`].
    pub fn page(&self, blob: BlobRef, index: u32) -> Result<Page, StoreError> {
        let rows = &self.inner.rows;
        let file = self.open_sized(blob)?;
        let mut members = self.inner.cutting.lock();
        let mut manifest = {
            let (receiving, _live) = self.inner.receiving(blob.hash);
            match self.manifest_of(blob, CUTTER)? {
                // The blob was stored while it was being received. The rows belong to the receiver until it finishes.
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

    /// Checks the hash of the chunk at `offset` of the blob.
    ///
    /// Errors: [`StoreError::BlobDamaged`]; as [`BlobReader::read_at`].
    pub fn prove_at(&self, offset: u64, chunk: ChunkRef) -> Result<(), StoreError> {
        if Hash::of(&self.read_at(offset, chunk.bytes)?) == chunk.hash {
            return Ok(());
        }
        Err(StoreError::BlobDamaged { path: self.path.clone(), offset })
    }

    /// Reads `bytes` bytes at `offset`, at most [`CHUNK_BYTES_MAX`]. Does not check their hash.
    ///
    /// Errors: [`StoreError::Truncated`] if the file is too short, [`StoreError::TooLarge`], [`StoreError::Io`].
    pub fn read_at(&self, offset: u64, bytes: u32) -> Result<Vec<u8>, StoreError> {
        if bytes > CHUNK_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes: bytes.into(), bytes_max: CHUNK_BYTES_MAX.into() });
        }
        let mut plain = vec![0; bytes as usize];
        self.read_into(&mut plain, offset).map(|()| plain)
    }

    /// Reads several chunks, given as (offset, bytes), into one buffer, at most [`CHUNK_BYTES_MAX`] bytes. One read
    /// covers chunks that are adjacent in the blob. Does not check their hashes.
    ///
    /// Errors: as [`BlobReader::read_at`].
    pub fn read_chunks(&self, chunks: impl Iterator<Item = (u64, u32)> + Clone) -> Result<Vec<u8>, StoreError> {
        let bytes: u64 = chunks.clone().map(|(_, bytes)| u64::from(bytes)).sum();
        if bytes > CHUNK_BYTES_MAX.into() {
            return Err(StoreError::TooLarge { bytes, bytes_max: CHUNK_BYTES_MAX.into() });
        }
        let mut plain = vec![0; bytes as usize];
        let (mut rest, mut chunks) = (plain.as_mut_slice(), chunks.peekable());
        while let Some((offset, mut bytes)) = chunks.next() {
            while let Some((_, more)) = chunks.next_if(|(next, _)| *next == offset + u64::from(bytes)) {
                bytes += more;
            }
            let (run, after) = rest.split_at_mut(bytes as usize);
            self.read_into(run, offset)?;
            rest = after;
        }
        Ok(plain)
    }

    fn read_into(&self, plain: &mut [u8], offset: u64) -> Result<(), StoreError> {
        let unreadable = |source| StoreError::io("read", &self.path, source);
        match self.file.read_exact_at(plain, offset) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                let actual = self.file.metadata().map_err(unreadable)?.len();
                Err(StoreError::Truncated { hash: self.hash, expected: offset + plain.len() as u64, actual })
            }
            outcome => outcome.map_err(unreadable),
        }
    }
}
