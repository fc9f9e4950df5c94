//! The tables of `state.redb`.

use redb::{TableDefinition, WriteTransaction};

use crate::disk::database::Outcome;

pub(super) type Key = &'static [u8; 32];
pub(super) type PageKey = (&'static [u8; 32], u32);

/// Blob: its size, its cutter, the number of known pages, and the end offset of the last known page.
pub(super) const MANIFESTS: TableDefinition<Key, (u64, u16, u32, u64)> = TableDefinition::new("manifests");
/// Blob and page index: the encoded page.
pub(super) const PAGES: TableDefinition<PageKey, &[u8]> = TableDefinition::new("pages");
/// Partial blob: bytes held, and the end offset of the furthest held chunk.
pub(super) const PARTIALS: TableDefinition<Key, (u64, u64)> = TableDefinition::new("partials");
/// Partial blob and page index: the durable chunks.
pub(super) const HELD: TableDefinition<PageKey, &[u8]> = TableDefinition::new("held");
/// Chunk: a complete blob that contains it, and the offset.
pub(super) const CHUNKS: TableDefinition<Key, (Key, u64)> = TableDefinition::new("chunks");

/// Migration and a blob that it wants.
pub(super) const WANTED: TableDefinition<(&[u8; 16], &[u8; 32]), ()> = TableDefinition::new("wanted");
/// Blob: time since which nobody needs it, Unix milliseconds.
pub(super) const IDLE: TableDefinition<&[u8; 32], u64> = TableDefinition::new("idle");
/// Blob: the peer that has sent it, or sends it.
pub(super) const BROUGHT: TableDefinition<Key, Key> = TableDefinition::new("brought");

/// Peer: bytes per second of the last transfer, and its time in Unix milliseconds.
pub(super) const RATES: TableDefinition<Key, (u64, u64)> = TableDefinition::new("rates");
/// Versioned name: the blobs sent under it, the latest first, 32 bytes each.
pub(super) const VERSIONS: TableDefinition<&str, &[u8]> = TableDefinition::new("versions");

/// Creates the missing tables.
pub(super) fn make(transaction: &WriteTransaction) -> Outcome<()> {
    transaction.open_table(MANIFESTS)?;
    transaction.open_table(PAGES)?;
    transaction.open_table(PARTIALS)?;
    transaction.open_table(HELD)?;
    transaction.open_table(CHUNKS)?;
    transaction.open_table(RATES)?;
    transaction.open_table(VERSIONS)?;
    transaction.open_table(WANTED)?;
    transaction.open_table(IDLE)?;
    transaction.open_table(BROUGHT)?;
    Ok(())
}
