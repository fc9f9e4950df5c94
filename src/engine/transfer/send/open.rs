//! The blobs in transfer, as the source knows them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use modelferry_protocol::manifest::{ChunkSet, Page};
use modelferry_protocol::message::Handle;
use modelferry_protocol::snapshot::BlobRef;

use crate::engine::transfer::pace::effort::Compressibility;
use crate::store::BlobReader;

/// A blob that the target does not hold yet.
pub struct Open {
    pub blob: BlobRef,
    pub reader: Option<Arc<BlobReader>>,
    /// The next page to be sent; nothing while the target's answer is awaited, nor after the last page.
    pub next_page: Option<u32>,
    /// Pages sent before the target has told what it knows, and whether it has.
    pub pages_sent: u32,
    pub is_answered: bool,
    pub pages: HashMap<u32, OpenPage>,
    /// Bytes that the target has said it holds.
    pub bytes_held: u64,
    /// Whether its recent frames compressed.
    pub compressibility: Compressibility,
}

impl Open {
    pub fn new(blob: BlobRef, next_page: Option<u32>) -> Self {
        let pages = HashMap::new();
        let (bytes_held, compressibility) = (0, Compressibility::default());
        Self { blob, reader: None, next_page, pages_sent: 0, is_answered: false, pages, bytes_held, compressibility }
    }
}

/// A page with chunks on their way.
pub struct OpenPage {
    pub page: Page,
    pub held: ChunkSet,
    /// Whether the target saw this page on this connection first, so that a chunk which it holds without
    /// having been sent it was found there.
    pub is_new: bool,
    /// Chunks sent and not yet held: they take up window.
    pub sent: HashSet<usize>,
}

/// Chunks of one page that the target asked for and that are not read yet.
pub struct Wanted {
    pub handle: Handle,
    pub page: u32,
    pub chunks: VecDeque<usize>,
}
