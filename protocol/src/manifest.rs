//! A blob's chunk table, page by page, and which of a page's chunks are meant.

use crate::codec::{Bounded, Decode, Encode};
use crate::ids::Hash;
use crate::limits::{CHUNK_BYTES_MAX, PAGE_CHUNKS_MAX, RANGES_MAX};

/// One chunk of a blob: the hash of its plain bytes, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ChunkRef {
    /// BLAKE3 of the plain bytes; the chunk's id.
    pub hash: Hash,
    /// Plain bytes, 1 to [`CHUNK_BYTES_MAX`].
    pub bytes: u32,
}

/// Consecutive chunks of a blob: a page of its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Page {
    /// Place of this page among the blob's, from 0.
    pub index: u32,
    /// Offset in the blob of the page's first byte.
    pub offset: u64,
    /// Whether no page follows.
    pub last: bool,
    /// The chunks, in the order of their bytes; empty only for the one page of an empty blob.
    pub chunks: Bounded<ChunkRef, PAGE_CHUNKS_MAX>,
}

/// A page that cannot belong to the blob it was sent for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Not the page that follows the ones known.
    #[error("page {actual} at offset {offset} was sent where page {expected} at offset {offset_expected} follows")]
    OutOfOrder {
        /// The page's index.
        actual: u32,
        /// The page's offset.
        offset: u64,
        /// The index that follows.
        expected: u32,
        /// The offset that follows.
        offset_expected: u64,
    },
    /// A chunk of no bytes, or of too many.
    #[error("chunk {index} has {bytes} bytes, allowed are 1 to {CHUNK_BYTES_MAX}")]
    ChunkSize {
        /// Place of the chunk in the page.
        index: usize,
        /// What it claims.
        bytes: u32,
    },
    /// The chunks do not add up to the blob.
    #[error("the manifest's chunks end at byte {end} of a blob of {blob_bytes}")]
    Sum {
        /// Where the page ends.
        end: u64,
        /// The blob's size.
        blob_bytes: u64,
    },
    /// A range of chunks that the page does not have, or that is out of order.
    #[error("chunk range {start}..{end} does not lie, in order, within the {count} chunks of its page")]
    Range {
        /// First chunk of the range.
        start: u32,
        /// First chunk after it.
        end: u32,
        /// Chunks in the page.
        count: usize,
    },
}

impl Page {
    /// Returns the offset in the blob of the first byte after this page.
    pub fn end(&self) -> u64 {
        self.chunks.iter().fold(self.offset, |end, chunk| end.saturating_add(u64::from(chunk.bytes)))
    }

    /// Returns where chunk `index` begins in the blob, or nothing if the page is shorter.
    pub fn chunk_offset(&self, index: usize) -> Option<u64> {
        let before = self.chunks.get(..index).filter(|_| index < self.chunks.len())?;
        Some(before.iter().fold(self.offset, |at, chunk| at + u64::from(chunk.bytes)))
    }

    /// Checks that this page follows one that ended at `offset_expected`, and fits a blob of `blob_bytes`.
    ///
    /// Errors: [`PageError`].
    pub fn check(&self, expected: u32, offset_expected: u64, blob_bytes: u64) -> Result<(), PageError> {
        if self.index != expected || self.offset != offset_expected {
            let (actual, offset) = (self.index, self.offset);
            return Err(PageError::OutOfOrder { actual, offset, expected, offset_expected });
        }
        for (index, chunk) in self.chunks.iter().enumerate() {
            if chunk.bytes == 0 || chunk.bytes > CHUNK_BYTES_MAX {
                return Err(PageError::ChunkSize { index, bytes: chunk.bytes });
            }
        }
        let end = self.end();
        // An empty page in the middle would let a peer send pages for ever.
        let adds_up = if self.last { end == blob_bytes } else { end < blob_bytes && !self.chunks.is_empty() };
        if adds_up { Ok(()) } else { Err(PageError::Sum { end, blob_bytes }) }
    }
}

/// Chunks `start..end` of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ChunkRange {
    /// The first chunk.
    pub start: u32,
    /// The first chunk after it.
    pub end: u32,
}

/// Ranges of one page's chunks: ascending, not empty, not touching.
pub type Ranges = Bounded<ChunkRange, RANGES_MAX>;

/// Which chunks of a page are held: bit `i % 8` of byte `i / 8`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkSet {
    bits: Vec<u8>,
    count: usize,
}

impl ChunkSet {
    /// Makes the empty set over `count` chunks, at most [`PAGE_CHUNKS_MAX`].
    pub fn empty(count: usize) -> Self {
        assert!(count <= PAGE_CHUNKS_MAX, "a page has at most {PAGE_CHUNKS_MAX} chunks");
        Self { bits: vec![0; count.div_ceil(8)], count }
    }

    /// Takes the set from its bytes, as [`ChunkSet::as_bytes`] gave them; none if the length is wrong.
    pub fn from_bytes(bits: Vec<u8>, count: usize) -> Option<Self> {
        (count <= PAGE_CHUNKS_MAX && bits.len() == count.div_ceil(8)).then_some(Self { bits, count })
    }

    /// Makes the set of `ranges`.
    ///
    /// Errors: [`PageError::Range`] for a range beyond `count`, empty, or not after the one before it.
    pub fn from_ranges(ranges: &Ranges, count: usize) -> Result<Self, PageError> {
        let mut set = Self::empty(count);
        let mut after = 0;
        for &ChunkRange { start, end } in ranges.iter() {
            if start < after || end <= start || end as usize > count {
                return Err(PageError::Range { start, end, count });
            }
            (start..end).for_each(|index| set.insert(index as usize));
            after = end + 1;
        }
        Ok(set)
    }

    /// Returns the set's bits.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bits
    }

    /// Returns how many chunks the page has.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns how many chunks are in the set.
    pub fn len(&self) -> usize {
        self.bits.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Reports whether no chunk is in the set.
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|byte| *byte == 0)
    }

    /// Reports whether every chunk is in the set.
    pub fn is_full(&self) -> bool {
        self.len() == self.count
    }

    /// Reports whether chunk `index` is in the set.
    pub fn contains(&self, index: usize) -> bool {
        index < self.count && self.bits[index / 8] & (1 << (index % 8)) != 0
    }

    /// Puts chunk `index`, below [`ChunkSet::count`], into the set.
    pub fn insert(&mut self, index: usize) {
        assert!(index < self.count, "chunk {index} of a page of {}", self.count);
        self.bits[index / 8] |= 1 << (index % 8);
    }

    /// Returns the set of the chunks that are not in this one.
    pub fn complement(&self) -> Self {
        let mut other = Self::empty(self.count);
        (0..self.count).filter(|index| !self.contains(*index)).for_each(|index| other.insert(index));
        other
    }

    /// Returns the chunks in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.count).filter(|index| self.contains(*index))
    }

    /// Returns the set as ranges.
    pub fn ranges(&self) -> Ranges {
        let mut ranges: Vec<ChunkRange> = Vec::new();
        for index in self.iter().map(|index| index as u32) {
            match ranges.last_mut() {
                Some(range) if range.end == index => range.end = index + 1,
                _ => ranges.push(ChunkRange { start: index, end: index + 1 }),
            }
        }
        Bounded::new(ranges).expect("a page's chunks make at most every second one a range")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(index: u32, offset: u64, sizes: &[u32], last: bool) -> Page {
        let chunk = |bytes: &u32| ChunkRef { hash: Hash([0; 32]), bytes: *bytes };
        Page { index, offset, last, chunks: Bounded::new(sizes.iter().map(chunk).collect()).unwrap() }
    }

    proptest! {
        #[test]
        fn a_set_survives_being_sent_as_ranges(held in proptest::collection::vec(any::<bool>(), 0..=PAGE_CHUNKS_MAX)) {
            let mut set = ChunkSet::empty(held.len());
            held.iter().enumerate().filter(|(_, held)| **held).for_each(|(index, _)| set.insert(index));
            prop_assert_eq!(&ChunkSet::from_ranges(&set.ranges(), held.len()).unwrap(), &set);
            prop_assert_eq!(set.complement().len() + set.len(), held.len());
        }
    }

    #[test]
    fn a_range_beyond_its_page_is_refused() {
        for (start, end) in [(0, 9), (3, 3), (5, 2), (u32::MAX, 0)] {
            let ranges = Bounded::new(vec![ChunkRange { start, end }]).unwrap();
            assert!(matches!(ChunkSet::from_ranges(&ranges, 8), Err(PageError::Range { .. })), "{start}..{end}");
        }
    }

    #[test]
    fn overlapping_ranges_are_refused() {
        let ranges = Bounded::new(vec![ChunkRange { start: 0, end: 4 }, ChunkRange { start: 3, end: 5 }]).unwrap();
        assert!(ChunkSet::from_ranges(&ranges, 8).is_err());
    }

    #[test]
    fn pages_must_add_up_to_their_blob() {
        assert_eq!(page(0, 0, &[5, 5], true).check(0, 0, 10), Ok(()));
        assert!(matches!(page(0, 0, &[5, 5], true).check(0, 0, 11), Err(PageError::Sum { .. })));
        assert!(matches!(page(0, 0, &[5, 5], false).check(0, 0, 10), Err(PageError::Sum { .. })));
        assert!(matches!(page(0, 0, &[], false).check(0, 0, 10), Err(PageError::Sum { .. })));
        assert_eq!(page(0, 0, &[], true).check(0, 0, 0), Ok(()));
    }

    #[test]
    fn a_page_out_of_order_is_refused() {
        assert!(matches!(page(2, 10, &[5], true).check(1, 10, 15), Err(PageError::OutOfOrder { .. })));
        assert!(matches!(page(1, 9, &[5], true).check(1, 10, 15), Err(PageError::OutOfOrder { .. })));
    }

    #[test]
    fn a_chunk_of_no_bytes_or_too_many_is_refused() {
        for bytes in [0, CHUNK_BYTES_MAX + 1] {
            let checked = page(0, 0, &[bytes], true).check(0, 0, u64::from(bytes));
            assert!(matches!(checked, Err(PageError::ChunkSize { index: 0, .. })));
        }
    }

    #[test]
    fn a_chunk_begins_where_the_ones_before_it_end() {
        let page = page(3, 100, &[5, 7], true);
        assert_eq!((page.chunk_offset(0), page.chunk_offset(1), page.chunk_offset(2)), (Some(100), Some(105), None));
    }
}
