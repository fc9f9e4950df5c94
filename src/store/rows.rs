//! The tables in `state.redb`. All their content can be rebuilt from the blobs.

use std::collections::HashSet;
use std::path::Path;

use modelferry_protocol::codec::{decode, encode};
use modelferry_protocol::ids::Hash;
use modelferry_protocol::manifest::{ChunkSet, Page};
use modelferry_protocol::snapshot::BlobRef;
use parking_lot::Mutex;
use redb::{Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError, WriteTransaction};

use super::StoreError;
use super::tables;
use super::tables::{BROUGHT, CHUNKS, HELD, Key, MANIFESTS, PAGES, PARTIALS};
use crate::disk::Disk;
use crate::disk::database::{Database, Outcome, Schema};

/// Page cache of the database, bytes.
const CACHE_BYTES: usize = 16 << 20;
/// Manifest pages per transaction, to bound its memory.
const PAGES_PER_COMMIT: u32 = 64;

/// The known part of a blob's chunk table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Size of the blob.
    pub bytes: u64,
    /// The cutter that cut the pages; see [`CUTTER`](super::CUTTER).
    pub cutter: u16,
    /// Number of known pages, from the first.
    pub pages: u32,
    /// End offset of the last known page.
    pub end: u64,
}

impl Manifest {
    pub fn empty(blob: BlobRef, cutter: u16) -> Self {
        Self { bytes: blob.bytes, cutter, pages: 0, end: 0 }
    }

    /// Reports whether the last page is known.
    pub fn is_whole(&self) -> bool {
        self.pages > 0 && self.end == self.bytes
    }

    /// Reports whether this manifest belongs to `blob` and `cutter`.
    pub fn is_of(&self, blob: BlobRef, cutter: u16) -> bool {
        self.bytes == blob.bytes && self.cutter == cutter
    }

    /// Returns this manifest with one more page.
    pub fn with(self, page: &Page) -> Self {
        Self { pages: page.index + 1, end: page.end(), ..self }
    }
}

/// The durable part of a partial blob.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Partial {
    /// Bytes of the held chunks.
    pub held: u64,
    /// End offset of the furthest held chunk.
    pub extent: u64,
}

pub(super) struct Rows {
    database: Database,
    /// Blobs with wrong rows that a full disk did not let us remove. They count as unknown.
    distrusted: Mutex<HashSet<Hash>>,
}

impl Rows {
    pub fn open(path: &Path, disk: Disk) -> Result<Self, StoreError> {
        let names =
            &["manifests", "pages", "partials", "held", "chunks", "rates", "versions", "wanted", "idle", "brought"];
        let schema = Schema { names, make: tables::make, cache_bytes: CACHE_BYTES };
        Ok(Self { database: Database::open(path, disk, schema)?, distrusted: Mutex::default() })
    }

    fn explained(&self, error: redb::Error) -> StoreError {
        self.database.explained(error).into()
    }

    fn damaged(&self, reason: impl std::fmt::Display) -> StoreError {
        StoreError::Damaged { path: self.database.path().to_owned(), reason: reason.to_string() }
    }

    pub fn full(&self, needed: u64) -> StoreError {
        let free = self.database.disk().free_bytes(self.database.path()).unwrap_or(0);
        StoreError::Full { needed, free }
    }

    pub(super) fn read<K: redb::Key, V: redb::Value, R>(
        &self,
        table: TableDefinition<K, V>,
        look: impl FnOnce(redb::ReadOnlyTable<K, V>) -> Result<R, redb::StorageError>,
    ) -> Result<R, StoreError> {
        let read = |database: &redb::Database| -> Outcome<R> { Ok(look(database.begin_read()?.open_table(table)?)?) };
        self.database.with(|database| read(database).map_err(|error| self.explained(error)))
    }

    pub(super) fn write<R>(&self, act: impl FnOnce(&WriteTransaction) -> Outcome<R>) -> Result<R, StoreError> {
        self.database.need_room()?;
        self.commit(Durability::Immediate, act)
    }

    /// Like [`Rows::write`], but also works on an almost full disk. For writes that free space.
    fn write_regardless<R>(&self, mut act: impl FnMut(&WriteTransaction) -> Outcome<R>) -> Result<R, StoreError> {
        let act = |transaction: &WriteTransaction| act(transaction).map_err(|error| self.explained(error));
        self.database.commit_regardless(StoreError::is_full, act)
    }

    /// Like [`Rows::write`], but becomes durable only with the next durable write.
    pub(super) fn write_soon<R>(&self, act: impl FnOnce(&WriteTransaction) -> Outcome<R>) -> Result<R, StoreError> {
        self.database.need_room()?;
        self.commit(Durability::None, act)
    }

    fn commit<R>(
        &self,
        durability: Durability,
        act: impl FnOnce(&WriteTransaction) -> Outcome<R>,
    ) -> Result<R, StoreError> {
        self.database.commit(durability, |transaction| act(transaction).map_err(|error| self.explained(error)))
    }

    /// Treats a blob as unknown until its rows can be removed.
    pub fn distrust(&self, hash: Hash) {
        self.distrusted.lock().insert(hash);
    }

    pub fn manifest(&self, hash: Hash) -> Result<Option<Manifest>, StoreError> {
        if self.distrusted.lock().contains(&hash) {
            return Ok(None);
        }
        self.stored_manifest(hash)
    }

    fn stored_manifest(&self, hash: Hash) -> Result<Option<Manifest>, StoreError> {
        let row = self.read(MANIFESTS, |table| Ok(table.get(&hash.0)?.map(|row| row.value())))?;
        Ok(row.map(|(bytes, cutter, pages, end)| Manifest { bytes, cutter, pages, end }))
    }

    pub fn manifests(&self) -> Result<Vec<BlobRef>, StoreError> {
        self.read(MANIFESTS, |table| {
            let mut blobs = Vec::new();
            for entry in table.iter()? {
                let (hash, row) = entry?;
                blobs.push(BlobRef { hash: Hash(*hash.value()), bytes: row.value().0 });
            }
            Ok(blobs)
        })
    }

    pub fn partial(&self, hash: Hash) -> Result<Option<Partial>, StoreError> {
        let row = self.read(PARTIALS, |table| Ok(table.get(&hash.0)?.map(|row| row.value())))?;
        Ok(row.map(|(held, extent)| Partial { held, extent }))
    }

    /// Returns page `index` of a blob. The page must be known.
    pub fn page(&self, hash: Hash, index: u32) -> Result<Page, StoreError> {
        let row = self.read(PAGES, |table| Ok(table.get((&hash.0, index))?.map(|row| row.value().to_vec())))?;
        let row = row.ok_or_else(|| self.damaged(format_args!("page {index} of blob {hash} is missing")))?;
        decode(&row).map_err(|error| self.damaged(format_args!("page {index} of blob {hash}: {error}")))
    }

    /// Returns the durable chunks of a page of a partial blob.
    pub fn held(&self, hash: Hash, page: &Page) -> Result<ChunkSet, StoreError> {
        let key = (&hash.0, page.index);
        let row = self.read(HELD, |table| Ok(table.get(key)?.map(|row| row.value().to_vec())))?;
        let count = page.chunks.len();
        let Some(row) = row else { return Ok(ChunkSet::empty(count)) };
        let damaged = || self.damaged(format_args!("the held set of page {} of blob {hash}", page.index));
        ChunkSet::from_bytes(row, count).ok_or_else(damaged)
    }

    /// Returns a blob and offset for each chunk that is indexed. The index may be stale: the blob may be gone or
    /// changed.
    pub fn find(&self, chunks: impl Iterator<Item = Hash>) -> Result<Vec<Option<(Hash, u64)>>, StoreError> {
        self.read(CHUNKS, |table| {
            let find = |chunk: Hash| {
                let row = table.get(&chunk.0)?;
                Ok(row.map(|row| (Hash(*row.value().0), row.value().1)))
            };
            chunks.map(find).collect()
        })
    }

    /// Removes all rows of a blob and begins a new manifest; also a held set if `incoming`.
    pub fn begin(&self, blob: BlobRef, cutter: u16, incoming: bool) -> Result<Manifest, StoreError> {
        self.forget(blob.hash)?;
        let manifest = Manifest::empty(blob, cutter);
        self.write(|transaction| {
            put_manifest(transaction, blob.hash, manifest)?;
            if incoming {
                transaction.open_table(PARTIALS)?.insert(&blob.hash.0, (0, 0))?;
            }
            Ok(manifest)
        })
    }

    /// Adds `pages` after those of `manifest`. `index`: also adds their chunks to the index, for a complete blob.
    pub fn add_pages(
        &self,
        hash: Hash,
        mut manifest: Manifest,
        pages: &[Page],
        index: bool,
    ) -> Result<Manifest, StoreError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(PAGES)?;
            let mut chunks = transaction.open_table(CHUNKS)?;
            for page in pages {
                table.insert((&hash.0, page.index), encode(page).as_slice())?;
                if index {
                    index_page(&mut chunks, hash, page)?;
                }
                manifest = manifest.with(page);
            }
            put_manifest(transaction, hash, manifest)?;
            Ok(manifest)
        })
    }

    /// Records the durable chunks of `pages`.
    pub fn hold(&self, hash: Hash, pages: &[(u32, ChunkSet)], partial: Partial) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(HELD)?;
            for (page, held) in pages {
                table.insert((&hash.0, *page), held.as_bytes())?;
            }
            transaction.open_table(PARTIALS)?.insert(&hash.0, (partial.held, partial.extent))?;
            Ok(())
        })
    }

    /// Converts the rows of a partial blob to those of a complete one: indexes its chunks and drops its held sets.
    pub fn settle(&self, hash: Hash) -> Result<(), StoreError> {
        let pages = self.manifest(hash)?.map_or(0, |manifest| manifest.pages);
        self.by_pages(hash, pages, |chunks, page| index_page(chunks, hash, page))?;
        self.write(|transaction| {
            transaction.open_table(HELD)?.retain_in((&hash.0, 0)..=(&hash.0, u32::MAX), |_, _| false)?;
            transaction.open_table(PARTIALS)?.remove(&hash.0)?;
            Ok(())
        })
    }

    /// Removes all rows of a blob.
    pub fn forget(&self, hash: Hash) -> Result<(), StoreError> {
        let Some(manifest) = self.stored_manifest(hash)? else { return Ok(()) };
        self.by_pages(hash, manifest.pages, |chunks, page| {
            for chunk in page.chunks.iter() {
                let is_here = chunks.get(&chunk.hash.0)?.is_some_and(|row| *row.value().0 == hash.0);
                if is_here {
                    chunks.remove(&chunk.hash.0)?;
                }
            }
            Ok(())
        })?;
        self.write_regardless(|transaction| {
            let all = || (&hash.0, 0)..=(&hash.0, u32::MAX);
            transaction.open_table(PAGES)?.retain_in(all(), |_, _| false)?;
            transaction.open_table(HELD)?.retain_in(all(), |_, _| false)?;
            transaction.open_table(PARTIALS)?.remove(&hash.0)?;
            transaction.open_table(MANIFESTS)?.remove(&hash.0)?;
            transaction.open_table(BROUGHT)?.remove(&hash.0)?;
            Ok(())
        })?;
        self.distrusted.lock().remove(&hash);
        Ok(())
    }

    /// Calls a function for each known page of a blob, with a bounded number of pages per transaction.
    fn by_pages(
        &self,
        hash: Hash,
        pages: u32,
        mut act: impl FnMut(&mut Table<Key, (Key, u64)>, &Page) -> Result<(), redb::StorageError>,
    ) -> Result<(), StoreError> {
        for begin in (0..pages).step_by(PAGES_PER_COMMIT as usize) {
            let end = pages.min(begin + PAGES_PER_COMMIT);
            let some = (begin..end).map(|index| self.page(hash, index)).collect::<Result<Vec<_>, _>>()?;
            self.write_regardless(|transaction| {
                let mut chunks = transaction.open_table(CHUNKS)?;
                some.iter().try_for_each(|page| act(&mut chunks, page))?;
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn put_manifest(transaction: &WriteTransaction, hash: Hash, manifest: Manifest) -> Result<(), TableError> {
    let Manifest { bytes, cutter, pages, end } = manifest;
    transaction.open_table(MANIFESTS)?.insert(&hash.0, (bytes, cutter, pages, end))?;
    Ok(())
}

fn index_page(chunks: &mut Table<Key, (Key, u64)>, hash: Hash, page: &Page) -> Result<(), redb::StorageError> {
    let mut offset = page.offset;
    for chunk in page.chunks.iter() {
        chunks.insert(&chunk.hash.0, (&hash.0, offset))?;
        offset += u64::from(chunk.bytes);
    }
    Ok(())
}
