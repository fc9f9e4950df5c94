//! The tables of `state.redb` that more than one file reads.

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

/// Creates the tables about the need for blobs.
pub(super) fn make_uses(transaction: &WriteTransaction) -> Outcome<()> {
    transaction.open_table(WANTED)?;
    transaction.open_table(IDLE)?;
    Ok(())
}
