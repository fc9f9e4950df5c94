//! Content-defined chunking: cuts blobs into chunks, and groups chunks into pages.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use fastcdc::v2020::FastCDC;
use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::{CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, PAGE_CHUNKS_MAX};
use modelferry_protocol::manifest::{ChunkRef, Page};
use modelferry_protocol::snapshot::BlobRef;

use super::StoreError;
use super::members::Members;

/// Version of the cutting rules. Pages from different cutters are incompatible. Increase it when the chunk sizes, the
/// algorithm, or the cut points of `fastcdc` change; a test detects the latter.
pub const CUTTER: u16 = 2;

/// Bytes per read, several chunks.
const READ_BYTES: usize = 1 << 20;

/// Cuts a blob's file. A cut point depends only on the bytes since the previous cut and on the archive members, so
/// cutting can resume at any cut point.
pub(super) struct Cutting<'a> {
    file: &'a File,
    path: &'a Path,
    blob: BlobRef,
    members: Arc<Members>,
    buffer: Vec<u8>,
    /// Offset of the buffer in the blob.
    buffer_begin: u64,
}

impl<'a> Cutting<'a> {
    /// Begins to cut `blob`, whose bytes are in `file`.
    pub fn begin(file: &'a File, path: &'a Path, blob: BlobRef, members: Arc<Members>) -> Self {
        Self { file, path, blob, members, buffer: Vec::new(), buffer_begin: 0 }
    }

    /// Cuts page `index`, which begins at `offset`.
    ///
    /// Errors: [`StoreError::Truncated`] if the file is shorter than the blob, [`StoreError::Io`].
    pub fn page(&mut self, index: u32, offset: u64) -> Result<Page, StoreError> {
        let (mut chunks, mut end) = (Vec::new(), offset);
        while end < self.blob.bytes && chunks.len() < PAGE_CHUNKS_MAX {
            let chunk = chunk_ref(self.chunk(end)?);
            end += u64::from(chunk.bytes);
            chunks.push(chunk);
        }
        let chunks = Bounded::new(chunks).expect("a page is ended when it is full");
        Ok(Page { index, offset, last: end == self.blob.bytes, chunks })
    }

    /// Returns the chunk that begins at `at`, which must be less than the blob's size.
    fn chunk(&mut self, at: u64) -> Result<&[u8], StoreError> {
        let stretch_end = self.members.stretch_end(at).unwrap_or(self.blob.bytes);
        let longest = (stretch_end - at).min(CHUNK_BYTES_MAX.into()) as usize;
        let begin = self.read(at, longest)?;
        let plain = &self.buffer[begin..begin + longest];
        let (least, average, most) = (CHUNK_BYTES_MIN, CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX);
        let (_, end) = FastCDC::new(plain, least as usize, average as usize, most as usize).cut(0, longest);
        Ok(&plain[..end])
    }

    /// Loads `bytes` bytes from offset `at` into the buffer and returns their position in it.
    fn read(&mut self, at: u64, bytes: usize) -> Result<usize, StoreError> {
        if let Some(begin) = at.checked_sub(self.buffer_begin)
            && begin + bytes as u64 <= self.buffer.len() as u64
        {
            return Ok(begin as usize);
        }
        let unreadable = |source| StoreError::io("read", self.path, source);
        self.buffer.resize(READ_BYTES.min((self.blob.bytes - at) as usize), 0);
        self.buffer_begin = at;
        match self.file.read_exact_at(&mut self.buffer, at) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                let actual = self.file.metadata().map_err(unreadable)?.len();
                Err(StoreError::Truncated { hash: self.blob.hash, expected: self.blob.bytes, actual })
            }
            outcome => outcome.map(|()| 0).map_err(unreadable),
        }
    }
}

/// Returns the hash and length of a chunk.
pub(super) fn chunk_ref(plain: &[u8]) -> ChunkRef {
    ChunkRef { hash: Hash::of(plain), bytes: plain.len() as u32 }
}
