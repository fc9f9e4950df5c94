//! Cutting blobs into chunks where their content says so, and chunks into pages.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use fastcdc::v2020::StreamCDC;
use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::{CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, PAGE_CHUNKS_MAX};
use modelferry_protocol::manifest::{ChunkRef, Page};
use modelferry_protocol::snapshot::BlobRef;

use super::StoreError;

/// How chunks are cut; pages of one cutter mean nothing to another. To be raised with the sizes, the
/// algorithm, or an upgrade of `fastcdc` that cuts elsewhere (a test notices).
pub const CUTTER: u16 = 1;

/// Cuts what `source` gives. A cut depends on the bytes since the one before it alone, so cutting may begin at
/// any of them.
pub(super) fn cut<R: Read>(source: R) -> StreamCDC<R> {
    StreamCDC::new(source, CHUNK_BYTES_MIN as usize, CHUNK_BYTES_AVERAGE as usize, CHUNK_BYTES_MAX as usize)
}

/// Returns the name of a chunk.
pub(super) fn chunk_ref(plain: &[u8]) -> ChunkRef {
    ChunkRef { hash: Hash::of(plain), bytes: plain.len() as u32 }
}

/// Makes a page of `chunks`, of which there are at most [`PAGE_CHUNKS_MAX`].
pub(super) fn page_of(index: u32, offset: u64, last: bool, chunks: Vec<ChunkRef>) -> Page {
    Page { index, offset, last, chunks: Bounded::new(chunks).expect("a page is ended when it is full") }
}

/// Cuts page `index` of `blob`, which begins at `offset`, out of its file.
///
/// Errors: [`StoreError::Truncated`] if the file ends before the blob does.
pub(super) fn cut_page(
    mut file: &File,
    path: &Path,
    blob: BlobRef,
    index: u32,
    offset: u64,
) -> Result<Page, StoreError> {
    let unreadable = |source| StoreError::io("read", path, source);
    file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
    let mut chunks = Vec::new();
    let mut end = offset;
    for chunk in cut(file.take(blob.bytes - offset)).take(PAGE_CHUNKS_MAX) {
        let chunk = chunk.map_err(|error| unreadable(error.into()))?;
        end += chunk.data.len() as u64;
        chunks.push(chunk_ref(&chunk.data));
    }
    if end < blob.bytes && chunks.len() < PAGE_CHUNKS_MAX {
        return Err(StoreError::Truncated { hash: blob.hash, expected: blob.bytes, actual: end });
    }
    Ok(page_of(index, offset, end == blob.bytes, chunks))
}
