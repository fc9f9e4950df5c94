//! The blob store: complete blobs by hash, their chunk tables, and partially received blobs.
//!
//! A complete blob is the plain file `blobs/<blake3>`, a partial one is `partial/<blake3>`. `state.redb` holds the
//! chunk tables and the receive progress. Deleting it loses only resume information. The store syncs bytes before it
//! commits the row that records them, and commits the row before it reports the bytes as durable. `leases` protects
//! blobs in use, `sweep` removes unneeded blobs.
//!
//! All functions block and may be called from any thread.

mod base;
mod chunk_slot;
mod cut;
mod drafts;
mod error;
mod files;
mod incoming;
mod kept;
mod lease_table;
mod leases;
mod members;
mod outgoing;
mod progress;
mod put;
mod rates;
mod receiver;
mod rows;
mod subscribers;
mod sweep;
mod tables;
#[cfg(test)]
mod tests;
mod uses;
mod versions;

pub use base::Store;
pub use chunk_slot::ChunkSlot;
pub use cut::CUTTER;
pub use error::StoreError;
pub use incoming::Incoming;
pub use leases::Lease;
pub use outgoing::BlobReader;
pub use rates::Rate;
pub use subscribers::DurabilitySubscription;
pub use sweep::{Item, Sweep};
