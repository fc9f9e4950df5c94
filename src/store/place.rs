//! Where chunks belong, in their page and in the blob.

use std::ops::Range;

use modelferry_protocol::ids::Hash;
use modelferry_protocol::manifest::ChunkRef;

use super::StoreError;

/// Where a chunk belongs.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    index: u32,
    offset: u64,
    chunk: ChunkRef,
}

impl Place {
    /// `index`: in the page; `offset`: in the blob.
    pub(super) fn new(index: u32, offset: u64, chunk: ChunkRef) -> Self {
        Self { index, offset, chunk }
    }

    /// Returns the chunk's place in its page.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Returns the plain bytes that the chunk must have.
    pub fn bytes(&self) -> u32 {
        self.chunk.bytes
    }

    /// Proves that `plain` is this chunk of page `page`.
    ///
    /// Errors: [`StoreError::ChunkLength`], [`StoreError::ChunkMismatch`].
    pub(super) fn prove(&self, page: u32, plain: &[u8]) -> Result<(), StoreError> {
        let index = self.index;
        if plain.len() != self.chunk.bytes as usize {
            return Err(StoreError::ChunkLength { page, index, expected: self.chunk.bytes, actual: plain.len() });
        }
        let (expected, actual) = (self.chunk.hash, Hash::of(plain));
        if actual == expected { Ok(()) } else { Err(StoreError::ChunkMismatch { page, index, expected, actual }) }
    }
}

/// Chunks that follow each other, in what arrived and in the blob: one write.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Where in the blob they begin.
    pub offset: u64,
    /// Where they are in what arrived.
    pub bytes: Range<usize>,
    /// Their places in the page.
    pub chunks: Vec<u32>,
}

impl Run {
    /// Begins a run with no chunk yet, at `begin` of what arrived and where `place` is in the blob.
    pub fn begin(begin: usize, place: &Place) -> Self {
        Self { offset: place.offset, bytes: begin..begin, chunks: Vec::new() }
    }

    /// Reports whether the chunk of `place`, which begins at `begin` of what arrived, follows the others.
    pub fn goes_on(&self, begin: usize, place: &Place) -> bool {
        self.bytes.end == begin && self.offset + self.bytes.len() as u64 == place.offset
    }

    /// Adds the chunk of `place`, which follows the others and ends at `end` of what arrived.
    pub fn add(&mut self, end: usize, place: &Place) {
        self.bytes.end = end;
        self.chunks.push(place.index);
    }
}
