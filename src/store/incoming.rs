//! The receiving side of the store: a blob that is being received.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::sync::{Arc, Weak};

use modelferry_protocol::limits::BLOB_BYTES_MAX;
use modelferry_protocol::manifest::{ChunkSet, Page, PageError};
use modelferry_protocol::snapshot::BlobRef;

use super::chunk_slot::{ChunkSlot, Run};
use super::files::hash_file;
use super::progress::{Phase, Progress, insert};
use super::receiver::Receiver;
use super::rows::{Manifest, Partial, Rows};
use super::subscribers::{DurabilitySubscription, union};
use super::{BlobReader, Store, StoreError};
use crate::disk::descriptors::when_available;
use crate::disk::{DiskFile, Open};

/// A partially received blob. Clones are the same one, and so are all that [`Store::incoming`] returns for a blob. After
/// the last is dropped, receiving can resume from the durable chunks.
#[derive(Clone)]
pub struct Incoming {
    store: Store,
    shared: Arc<Receiver>,
}

impl Store {
    /// Begins or resumes receiving a blob. Concurrent calls for the same blob share one [`Incoming`].
    ///
    /// `cutter`: the sender's. Pages cut with another cutter are dropped, together with their chunks.
    ///
    /// Errors: [`StoreError::Full`] if the disk has no room for the missing bytes, [`StoreError::Busy`] if the blob is
    /// being received with another cutter or size, [`StoreError::TooLarge`], [`StoreError::Damaged`],
    /// [`StoreError::Io`].
    pub fn incoming(&self, blob: BlobRef, cutter: u16) -> Result<Incoming, StoreError> {
        if blob.bytes > BLOB_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes: blob.bytes, bytes_max: BLOB_BYTES_MAX });
        }
        let mut live = self.inner.live.lock();
        live.retain(|_, receiver| receiver.strong_count() > 0);
        if let Some(shared) = live.get(&blob.hash).and_then(Weak::upgrade)
            && shared.is_receiving()
        {
            let is_same = (shared.blob, shared.cutter) == (blob, cutter);
            return if is_same {
                Ok(Incoming { store: self.clone(), shared })
            } else {
                Err(StoreError::Busy(blob.hash))
            };
        }
        let incoming = Incoming::begin(self.clone(), blob, cutter)?;
        live.insert(blob.hash, Arc::downgrade(&incoming.shared));
        Ok(incoming)
    }
}

impl Incoming {
    fn begin(store: Store, blob: BlobRef, cutter: u16) -> Result<Self, StoreError> {
        let rows = &store.inner.rows;
        let complete = store.size(blob.hash)? == Some(blob.bytes);
        let known = store.manifest_of(blob, cutter)?;
        let (phase, manifest, partial, file) = match (complete, known, rows.partial(blob.hash)?) {
            (true, known, _) => {
                let manifest = known.unwrap_or(Manifest::empty(blob, cutter));
                (Phase::Finished, manifest, Partial { held: blob.bytes, extent: blob.bytes }, None)
            }
            (false, Some(manifest), Some(partial)) => {
                let file = open(&store, blob, Open::Existing, blob.bytes.saturating_sub(partial.held))?;
                (Phase::Receiving, manifest, partial, Some(file))
            }
            (false, ..) => {
                // Create the file before the rows. After a crash in between, `tidy` removes the file without rows.
                let file = open(&store, blob, Open::Fresh, blob.bytes)?;
                (Phase::Receiving, rows.begin(blob, cutter, true)?, Partial::default(), Some(file))
            }
        };
        let (written, syncing, pages) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        let progress = Progress { phase, manifest, partial, reused: 0, written, syncing, pages };
        Ok(Self { store, shared: Arc::new(Receiver::new(blob, cutter, file, progress)) })
    }

    fn rows(&self) -> &Rows {
        &self.store.inner.rows
    }

    pub fn blob(&self) -> BlobRef {
        self.shared.blob
    }

    /// Subscribes to chunks that become durable from now on. Calls `wake` after each sync that made some durable.
    pub fn subscribe(&self, wake: impl Fn() + Send + Sync + 'static) -> Arc<DurabilitySubscription> {
        self.shared.subscribers.add(Box::new(wake))
    }

    /// Returns the number of known pages, counted from the first.
    pub fn pages(&self) -> u32 {
        self.shared.progress.lock().manifest.pages
    }

    /// Reports whether the last page is known. Always true for a complete blob.
    #[cfg(test)]
    pub fn all_pages_known(&self) -> bool {
        let progress = self.shared.progress.lock();
        progress.phase == Phase::Finished || progress.manifest.is_whole()
    }

    /// Returns the number of durable bytes.
    pub fn bytes_held(&self) -> u64 {
        self.shared.progress.lock().partial.held
    }

    /// Returns the bytes copied from other blobs since this process began to receive the blob.
    pub fn bytes_reused(&self) -> u64 {
        self.shared.progress.lock().reused
    }

    /// Returns the chunks of a page that have not been written, durably or not.
    ///
    /// Errors: [`StoreError::NoSuchPage`], [`StoreError::Broken`].
    pub fn lacking(&self, page: u32) -> Result<ChunkSet, StoreError> {
        let mut progress = self.shared.sound()?;
        if progress.phase == Phase::Finished {
            let count =
                progress.page(self.rows(), self.shared.blob.hash, page).map_or(0, |known| known.page.chunks.len());
            return Ok(ChunkSet::empty(count));
        }
        Ok(progress.here(self.rows(), self.shared.blob.hash, page)?.complement())
    }

    /// Returns the positions of `chunks`, which are indices in page `page`.
    ///
    /// Errors: [`StoreError::NoSuchPage`], [`StoreError::NoSuchChunk`], [`StoreError::Broken`].
    pub fn slots(&self, page: u32, chunks: impl IntoIterator<Item = u32>) -> Result<Vec<ChunkSlot>, StoreError> {
        let (mut progress, hash) = (self.shared.sound()?, self.shared.blob.hash);
        let known = &progress.page(self.rows(), hash, page)?.page;
        let slot = |index: u32| {
            let chunk = known.chunks.get(index as usize).copied().zip(known.chunk_offset(index as usize));
            let (chunk, offset) = chunk.ok_or(StoreError::NoSuchChunk { hash, page, index })?;
            Ok(ChunkSlot::new(index, offset, chunk))
        };
        chunks.into_iter().map(slot).collect()
    }

    /// Returns the total plain bytes of `chunks` of a page.
    ///
    /// Errors: as [`Incoming::slots`].
    pub fn bytes_of(&self, page: u32, chunks: &ChunkSet) -> Result<u64, StoreError> {
        let mut progress = self.shared.sound()?;
        let known = &progress.page(self.rows(), self.shared.blob.hash, page)?.page;
        Ok(chunks.iter().filter_map(|index| known.chunks.get(index)).map(|chunk| u64::from(chunk.bytes)).sum())
    }

    /// Adds the next page of the manifest durably, then copies those of its chunks that other complete blobs contain.
    /// Accepts a known page again if it is identical.
    ///
    /// Errors: [`StoreError::Page`], [`StoreError::Full`], [`StoreError::Broken`], [`StoreError::Io`].
    pub fn add_page(&self, page: Page) -> Result<(), StoreError> {
        let _adding = self.shared.adding.lock();
        let known = {
            let mut progress = self.shared.sound()?;
            if progress.phase == Phase::Finished {
                return Ok(());
            }
            let manifest = progress.manifest;
            let (expected, offset_expected) = (manifest.pages, manifest.end);
            let known = page.index < manifest.pages
                && progress.page(self.rows(), self.shared.blob.hash, page.index)?.page == page;
            // `check` alone would accept an empty page after the last one.
            if !known && manifest.is_whole() {
                let (actual, offset) = (page.index, page.offset);
                return Err(PageError::OutOfOrder { actual, offset, expected, offset_expected }.into());
            }
            if !known {
                page.check(expected, offset_expected, self.shared.blob.bytes)?;
            }
            known.then_some(()).ok_or(manifest)
        };
        if let Err(manifest) = known {
            let pages = std::slice::from_ref(&page);
            let manifest = self.rows().add_pages(self.shared.blob.hash, manifest, pages, false)?;
            self.shared.progress.lock().manifest = manifest;
        }
        self.reuse(&page)
    }

    /// Copies chunks of a page from other complete blobs. The index may be stale, so `write` checks every copied
    /// chunk's hash.
    fn reuse(&self, page: &Page) -> Result<(), StoreError> {
        let found = self.rows().find(page.chunks.iter().map(|chunk| chunk.hash))?;
        let mut reader: Option<BlobReader> = None;
        let mut donors = BTreeSet::new();
        let slots = self.slots(page.index, 0..page.chunks.len() as u32)?;
        for (slot, found) in slots.iter().zip(found) {
            let Some((hash, offset)) = found else { continue };
            if reader.as_ref().is_none_or(|reader| reader.hash() != hash) {
                reader = self.store.reader(hash).ok();
            }
            let Some(plain) = reader.as_ref().and_then(|reader| reader.read_at(offset, slot.bytes()).ok()) else {
                continue;
            };
            let is_new = !self.here(page.index)?.contains(slot.index() as usize);
            if is_new && self.write(page.index, std::slice::from_ref(slot), &plain)?.is_empty() {
                self.shared.progress.lock().reused += plain.len() as u64;
                donors.insert(hash);
            }
        }
        self.rows().used(donors)
    }

    /// Writes the chunks at `slots`, whose bytes follow each other in `plain`, after checking the length and hash of
    /// each. They are durable after [`Incoming::sync`]. Skips chunks that are already written. One disk write covers
    /// chunks that also follow each other in the blob.
    ///
    /// The last chunk gets all remaining bytes of `plain`. Returns the chunks that do not match their page, with
    /// [`StoreError::ChunkLength`] or [`StoreError::ChunkMismatch`]; these are not written.
    ///
    /// Errors: [`StoreError::NoSuchPage`], [`StoreError::Full`], [`StoreError::Broken`], [`StoreError::Io`].
    pub fn write(&self, page: u32, slots: &[ChunkSlot], plain: &[u8]) -> Result<Vec<(u32, StoreError)>, StoreError> {
        let (here, mut wrong, mut run, mut end) = (self.here(page)?, Vec::new(), Run::default(), 0);
        for (at, slot) in slots.iter().enumerate() {
            let begin = end;
            end = if at + 1 == slots.len() { plain.len() } else { plain.len().min(begin + slot.bytes() as usize) };
            match slot.prove(page, &plain[begin..end]) {
                Err(error) => wrong.push((slot.index(), error)),
                Ok(()) if here.contains(slot.index() as usize) => {}
                Ok(()) => {
                    if !run.goes_on(begin, slot) {
                        self.write_run(page, here.count(), &run, plain)?;
                        run = Run::begin(begin, slot);
                    }
                    run.add(end, slot);
                }
            }
        }
        self.write_run(page, here.count(), &run, plain)?;
        Ok(wrong)
    }

    /// Returns the chunks of a page that need no write.
    fn here(&self, page: u32) -> Result<ChunkSet, StoreError> {
        let mut progress = self.shared.sound()?;
        let here = progress.here(self.rows(), self.shared.blob.hash, page)?;
        // A complete blob needs no chunk, even if its pages are unknown.
        Ok(if progress.phase == Phase::Finished { ChunkSet::empty(here.count()).complement() } else { here })
    }

    /// Writes one run of chunks. `count`: the number of chunks in the page. Does nothing for an empty run.
    fn write_run(&self, page: u32, count: usize, run: &Run, plain: &[u8]) -> Result<(), StoreError> {
        let Some(file) = self.shared.file.as_ref().filter(|_| !run.chunks.is_empty()) else { return Ok(()) };
        let plain = &plain[run.bytes.clone()];
        self.store.ensure_room(plain.len() as u64)?;
        let written = file.write_all_at(run.offset, plain);
        written.map_err(|source| self.store.inner.not_written(file.path(), plain.len(), source))?;
        let mut progress = self.shared.sound()?;
        run.chunks.iter().for_each(|index| insert(&mut progress.written, page, *index as usize, count));
        Ok(())
    }

    /// Makes all written chunks durable: syncs the bytes, then records the chunks. Returns the chunks that this call
    /// made durable, by page.
    ///
    /// Errors: [`StoreError::Full`]: the caller may retry. [`StoreError::Io`]: the bytes are in doubt; every later call
    /// returns [`StoreError::Broken`], and receiving must restart with [`Store::incoming`].
    pub fn sync(&self) -> Result<Vec<(u32, ChunkSet)>, StoreError> {
        let _ending = self.shared.ending.lock();
        let Some(file) = &self.shared.file else { return Ok(Vec::new()) };
        let taken = {
            let mut progress = self.shared.sound()?;
            progress.syncing = std::mem::take(&mut progress.written);
            progress.syncing.clone()
        };
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        if let Err(source) = file.sync() {
            // The kernel may have dropped the dirty pages, and reports a failed write-back only once.
            self.shared.progress.lock().phase = Phase::Broken;
            return Err(StoreError::io("sync", file.path(), source));
        }
        let recorded = self.record(&taken);
        let mut progress = self.shared.progress.lock();
        let syncing = std::mem::take(&mut progress.syncing);
        match recorded {
            Ok(partial) => progress.partial = partial,
            Err(error) => {
                for (page, set) in syncing {
                    let count = set.count();
                    union(progress.written.entry(page).or_insert_with(|| ChunkSet::empty(count)), &set);
                }
                return Err(error);
            }
        }
        for known in &mut progress.pages {
            taken.get(&known.page.index).into_iter().for_each(|set| union(&mut known.durable, set));
        }
        drop(progress);
        self.shared.subscribers.notify(&taken);
        Ok(taken.into_iter().collect())
    }

    /// Records the chunks of `taken` as held. Their bytes must be durable.
    fn record(&self, taken: &BTreeMap<u32, ChunkSet>) -> Result<Partial, StoreError> {
        let mut rows = Vec::with_capacity(taken.len());
        let mut partial = self.shared.progress.lock().partial;
        for (index, set) in taken {
            let mut progress = self.shared.progress.lock();
            let known = progress.page(self.rows(), self.shared.blob.hash, *index)?;
            let mut end = known.page.offset;
            for (at, chunk) in known.page.chunks.iter().enumerate() {
                end += u64::from(chunk.bytes);
                if set.contains(at) && !known.durable.contains(at) {
                    partial.held += u64::from(chunk.bytes);
                    partial.extent = partial.extent.max(end);
                }
            }
            let mut durable = known.durable.clone();
            union(&mut durable, set);
            rows.push((*index, durable));
        }
        self.rows().hold(self.shared.blob.hash, &rows, partial)?;
        Ok(partial)
    }

    /// Reports whether every page is known and every chunk is durable.
    pub fn is_complete(&self) -> bool {
        let progress = self.shared.progress.lock();
        match progress.phase {
            Phase::Receiving => progress.manifest.is_whole() && progress.partial.held == self.shared.blob.bytes,
            Phase::Finished => true,
            Phase::Broken => false,
        }
    }

    /// Checks the hash of the whole blob and moves the file to its final path. Succeeds without effect if called again.
    ///
    /// Errors: [`StoreError::Incomplete`]; [`StoreError::BlobMismatch`], after which all received bytes are deleted;
    /// [`StoreError::Broken`], [`StoreError::Io`].
    pub fn finish(&self) -> Result<(), StoreError> {
        let _ending = self.shared.ending.lock();
        let inner = &self.store.inner;
        let phase = self.shared.sound()?.phase;
        let Some(file) = self.shared.file.as_ref().filter(|_| phase == Phase::Receiving) else { return Ok(()) };
        if !self.is_complete() {
            return Err(StoreError::Incomplete(self.shared.blob.hash));
        }
        let (expected, path) = (self.shared.blob.hash, inner.blob_path(self.shared.blob.hash));
        let hashed = when_available(|| File::open(file.path())).and_then(|mut file| hash_file(&mut file));
        let actual = hashed.map_err(|source| StoreError::io("read", file.path(), source))?;
        let _live = inner.live.lock();
        if actual != expected {
            // Every chunk matched the manifest, so the manifest is wrong. Nothing of it can be kept.
            self.shared.progress.lock().phase = Phase::Broken;
            inner.disk.remove(file.path()).map_err(|source| StoreError::io("remove", file.path(), source))?;
            inner.rows.forget(expected)?;
            return Err(StoreError::BlobMismatch { expected, actual });
        }
        file.sync().map_err(|source| {
            self.shared.progress.lock().phase = Phase::Broken;
            StoreError::io("sync", file.path(), source)
        })?;
        inner.disk.rename(file.path(), &path).map_err(|source| StoreError::io("make", &path, source))?;
        self.shared.progress.lock().phase = Phase::Finished;
        match inner.rows.settle(expected) {
            // The blob is at its final path. The next start updates the rows.
            Err(error) if error.is_full() => Ok(()),
            settled => settled,
        }
    }
}

/// Opens the file of a partial blob if the disk has room for the `lacking` bytes.
fn open(store: &Store, blob: BlobRef, open: Open, lacking: u64) -> Result<DiskFile, StoreError> {
    store.ensure_room(lacking)?;
    let (path, disk) = (store.inner.partial_path(blob.hash), &store.inner.disk);
    let file = disk.open(&path, open).map_err(|source| StoreError::io("open", &path, source))?;
    // Sync the directory entry too. The sync of a chunk does not cover it, but reports the chunk as durable.
    disk.sync_dir_of(&path).map_err(|source| StoreError::io("sync the directory of", &path, source))?;
    Ok(file)
}
