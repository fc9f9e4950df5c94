//! Transfers blobs: only what the target lacks, over several streams, resumable at any chunk.
//!
//! The source offers a blob and sends its manifest page by page; the target answers each page with the
//! chunks it needs; the source sends those within a window; the target acknowledges what is durable.
//! Nothing about a transfer is remembered by the source, but for its rate: after any interruption it offers again, and
//! the target's durable held sets say what is still to be sent.

pub mod adhoc;
pub mod pace;
pub mod pack;
pub mod patches;
pub mod rate;
pub mod receive;
pub mod send;

use crate::link::SessionClosed;
use crate::store::StoreError;

/// A transfer that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The connection ended: the transfer goes on with the next one.
    #[error("the connection ended")]
    Closed(#[from] SessionClosed),
    /// This side's store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// The target named ranges that no page has.
    #[error("the target named chunks that no page has: {0}")]
    Ranges(#[from] modelferry_protocol::manifest::PageError),
    /// The target asked for a chunk that its page does not have.
    #[error("the target asked for chunk {chunk} of page {page}, which does not exist")]
    Asked {
        /// The page.
        page: u32,
        /// The chunk's place in it.
        chunk: usize,
    },
    /// The target cannot take what belongs to a migration that is at rest there.
    #[error("the target: {reason}")]
    Refused {
        /// Why, as it tells.
        reason: String,
    },
}
