//! Finds the stretch of a large old part that corresponds to bytes of a new part, by votes of content-defined marks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

/// A position is a mark if this many bits of the rolling hash of the 64 bytes before it are zero: about every 8 KiB.
const MARK_BITS: u32 = 13;
/// Maximum number of marks per part, 4 MiB of memory. Enough for 1 GiB.
const MARKS_MAX: usize = 128 << 10;
/// Votes needed to overrule the assumption that nothing has moved.
const VOTES_MIN: usize = 4;

/// A rolling hash over content.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Roller {
    hash: u64,
    at: u64,
}

/// Returns a pseudo-random number derived from the byte (SplitMix64).
const fn mixed(byte: u8) -> u64 {
    let mut mixed = (byte as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

const GEAR: [u64; 256] = {
    let mut gear = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        gear[byte] = mixed(byte as u8);
        byte += 1;
    }
    gear
};

impl Roller {
    /// Begins at offset `at` of the part.
    pub fn at(at: u64) -> Self {
        Self { hash: 0, at }
    }

    /// Hashes `bytes` and calls `mark` with the offset and hash of each mark.
    pub fn roll(&mut self, bytes: &[u8], mut mark: impl FnMut(u64, u64)) {
        for byte in bytes {
            self.hash = (self.hash << 1).wrapping_add(GEAR[usize::from(*byte)]);
            self.at += 1;
            if self.hash >> (64 - MARK_BITS) == 0 {
                mark(self.hash, self.at);
            }
        }
    }
}

/// The marks of an old part.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Offset by hash; `None` for a hash at several offsets.
    places: HashMap<u64, Option<u64>>,
}

impl Marks {
    pub fn add(&mut self, hash: u64, at: u64) {
        if self.places.len() >= MARKS_MAX {
            return;
        }
        match self.places.entry(hash) {
            Entry::Vacant(place) => drop(place.insert(Some(at))),
            Entry::Occupied(mut place) => drop(place.insert(None)),
        }
    }

    /// Returns the stretch of the old part, at most `bytes_max` long, that likely contains `content`. `at`: offset of
    /// `content` in the new part. `old_bytes` and `new_bytes`: sizes of the parts.
    pub fn stretch(&self, content: &[u8], at: u64, new_bytes: u64, old_bytes: u64, bytes_max: u64) -> Range<u64> {
        let mut votes = Vec::new();
        Roller::at(at).roll(content, |hash, here| {
            if let Some(Some(there)) = self.places.get(&hash) {
                votes.push((*there, there.wrapping_sub(here) as i64));
            }
        });
        let bytes = content.len() as u64;
        let (begin, end) = if votes.len() >= VOTES_MIN {
            votes.sort_unstable_by_key(|(_, shift)| *shift);
            let shift = votes[votes.len() / 2].1;
            let begin = at.saturating_add_signed(shift);
            (begin.min(old_bytes), begin.saturating_add(bytes).min(old_bytes))
        } else {
            let begin = u128::from(at) * u128::from(old_bytes) / u128::from(new_bytes.max(1));
            let begin = u64::try_from(begin).unwrap_or(old_bytes);
            (begin, begin.saturating_add(bytes).min(old_bytes))
        };
        // Extend the stretch equally on both sides.
        let slack = bytes_max.saturating_sub(end - begin) / 2;
        begin.saturating_sub(slack)..end.saturating_add(slack).min(old_bytes)
    }
}
