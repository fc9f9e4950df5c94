//! Progress of a partially received blob: its known pages, and which chunks are written or durable.

use std::collections::{BTreeMap, VecDeque};

use modelferry_protocol::ids::Hash;
use modelferry_protocol::manifest::{ChunkSet, Page};

use super::StoreError;
use super::rows::{Manifest, Partial, Rows};
use super::subscribers::union;

/// Pages cached in memory. More than a source has in flight at once.
const PAGES_CACHED_MAX: usize = 20;

/// Whether the blob still accepts chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Receiving,
    /// The blob is complete and at its final path.
    Finished,
    /// A sync failed, or the blob's hash was wrong. The blob accepts nothing more.
    Broken,
}

/// A page and its durable chunks.
pub(super) struct KnownPage {
    pub page: Page,
    pub durable: ChunkSet,
}

pub(super) struct Progress {
    pub phase: Phase,
    pub manifest: Manifest,
    pub partial: Partial,
    pub reused: u64,
    /// Chunks that are written but not durable.
    pub written: BTreeMap<u32, ChunkSet>,
    /// Chunks that the running sync took out of `written`.
    pub syncing: BTreeMap<u32, ChunkSet>,
    pub pages: VecDeque<KnownPage>,
}

impl Progress {
    /// Returns a known page, from the cache or from the rows.
    pub fn page(&mut self, rows: &Rows, hash: Hash, index: u32) -> Result<&mut KnownPage, StoreError> {
        if index >= self.manifest.pages {
            return Err(StoreError::NoSuchPage { hash, index, pages: self.manifest.pages });
        }
        let at = match self.pages.iter().position(|known| known.page.index == index) {
            Some(at) => at,
            None => {
                let page = rows.page(hash, index)?;
                let durable = rows.held(hash, &page)?;
                self.pages.truncate(PAGES_CACHED_MAX - 1);
                self.pages.push_front(KnownPage { page, durable });
                0
            }
        };
        Ok(&mut self.pages[at])
    }

    /// Returns the chunks of a page that are written or durable.
    pub fn here(&mut self, rows: &Rows, hash: Hash, index: u32) -> Result<ChunkSet, StoreError> {
        let mut here = self.page(rows, hash, index)?.durable.clone();
        for sets in [&self.written, &self.syncing] {
            sets.get(&index).into_iter().for_each(|set| union(&mut here, set));
        }
        Ok(here)
    }
}

pub(super) fn insert(sets: &mut BTreeMap<u32, ChunkSet>, page: u32, index: usize, count: usize) {
    sets.entry(page).or_insert_with(|| ChunkSet::empty(count)).insert(index);
}
