//! Positions of chunks in their page and in the blob.

use std::ops::Range;

use modelferry_protocol::ids::Hash;
use modelferry_protocol::manifest::ChunkRef;

use super::StoreError;

/// The position and expected content of a chunk.
#[derive(Debug, Clone, Copy)]
pub struct ChunkSlot {
    index: u32,
    offset: u64,
    chunk: ChunkRef,
}

impl ChunkSlot {
    /// `index`: position in the page. `offset`: byte offset in the blob.
    pub(super) fn new(index: u32, offset: u64, chunk: ChunkRef) -> Self {
        Self { index, offset, chunk }
    }

    /// Returns the chunk's index in its page.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Returns the chunk's plain length in bytes.
    pub fn bytes(&self) -> u32 {
        self.chunk.bytes
    }

    /// Checks that `plain` is this chunk of page `page`.
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

/// Chunks that are adjacent both in the received buffer and in the blob, so that one write covers them.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Offset of the first chunk in the blob.
    pub offset: u64,
    /// Range of the chunks in the received buffer.
    pub bytes: Range<usize>,
    /// Indices of the chunks in the page.
    pub chunks: Vec<u32>,
}

impl Run {
    /// Returns an empty run that begins at offset `begin` of the buffer and at `slot` in the blob.
    pub fn begin(begin: usize, slot: &ChunkSlot) -> Self {
        Self { offset: slot.offset, bytes: begin..begin, chunks: Vec::new() }
    }

    /// Reports whether the chunk at `slot`, which begins at offset `begin` of the buffer, is adjacent to this run.
    pub fn goes_on(&self, begin: usize, slot: &ChunkSlot) -> bool {
        self.bytes.end == begin && self.offset + self.bytes.len() as u64 == slot.offset
    }

    /// Appends the adjacent chunk at `slot`, which ends at offset `end` of the buffer.
    pub fn add(&mut self, end: usize, slot: &ChunkSlot) {
        self.bytes.end = end;
        self.chunks.push(slot.index);
    }
}
