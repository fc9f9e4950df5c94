//! The journal of migration decisions. An entry is durable before anybody acts on it or reports it.
//!
//! The journal consists of two small preallocated files. `format` describes their bytes, `replay` describes a start.
//! Entries are on disk when [`Journal::append_with`] returns. A failed write or sync is fatal and poisons the journal:
//! a second sync proves nothing, because the kernel may have dropped the dirty pages.

mod compaction;
mod error;
mod files;
mod format;
mod log;
mod replay;
#[cfg(test)]
mod tests;
mod witness;

pub use error::JournalError;
pub use log::{Journal, RESERVE_BYTES, Verified};
pub use replay::{Opened, UnreplayedJournal};
pub use witness::Witness;
