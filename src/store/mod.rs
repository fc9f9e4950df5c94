//! The store: blobs by hash, their chunk tables, and blobs on their way in.
//!
//! Complete blobs are plain files, `blobs/<blake3>`; unfinished ones `partial/<blake3>`. What is known about
//! both is in `state.redb`, which can be removed at the price of resume information. Bytes are synced
//! before the row that says they are held, and a row is committed before anybody is told. `leases` says who works with
//! a blob, `sweep` how those are removed that nobody needs.
//!
//! Everything here blocks, and may be called from any thread.

mod cut;
mod ears;
mod error;
mod files;
mod incoming;
mod kept;
mod leases;
mod members;
mod outgoing;
mod place;
mod progress;
mod rates;
mod rows;
mod sweep;
#[cfg(test)]
mod tests;
mod uses;
mod versions;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::BLOB_BYTES_MAX;
use modelferry_protocol::manifest::Page;
use modelferry_protocol::snapshot::BlobRef;

pub use cut::CUTTER;
pub use ears::Ear;
pub use error::StoreError;
pub use incoming::Incoming;
pub use leases::Lease;
pub use outgoing::BlobReader;
pub use place::Place;
pub use rates::Rate;
pub use sweep::{Item, Sweep};

use crate::disk::{Disk, DiskFile, Open};
use cut::Cutting;
use error::is_out_of_space;
use files::{READ_BYTES, file_size, files, fill, hash_file, hash_of};
use leases::Claims;
use members::Members;
use rows::{Manifest, Rows};

/// Pages cut when a blob is stored: some 2 GiB of it. Those after them are cut when they are asked for.
const PUT_PAGES_MAX: usize = 64;

/// A handle on the store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    blobs: PathBuf,
    partial: PathBuf,
    kept: PathBuf,
    disk: Disk,
    rows: Rows,
    temporaries: AtomicU64,
    /// Blobs on their way in. Held locked while what is known of a blob begins or ends.
    live: Mutex<HashMap<Hash, Weak<Incoming>>>,
    /// One page is cut at a time, with what is known of the archive it is cut from.
    cutting: Mutex<Option<(Hash, Arc<Members>)>>,
    /// Who works with which blobs. Held locked while one is removed because nobody does; taken before `live`.
    claims: Mutex<Claims>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No lock here is held over a state that a panic could leave half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn blob_path(&self, hash: Hash) -> PathBuf {
        self.blobs.join(hash.to_string())
    }

    fn partial_path(&self, hash: Hash) -> PathBuf {
        self.partial.join(hash.to_string())
    }

    /// Returns the error for a write of `needed` bytes to `path` that failed.
    fn not_written(&self, path: &Path, needed: usize, source: io::Error) -> StoreError {
        if is_out_of_space(&source) { self.rows.full(needed as u64) } else { StoreError::io("write", path, source) }
    }

    /// Reports whether a blob is on its way in, and returns the lock under which that stays so.
    fn receiving(&self, hash: Hash) -> (bool, MutexGuard<'_, HashMap<Hash, Weak<Incoming>>>) {
        let live = lock(&self.live);
        (live.get(&hash).and_then(Weak::upgrade).is_some_and(|incoming| incoming.is_receiving()), live)
    }

    /// Removes what a crash has left over, and rows that nothing stands behind.
    fn tidy(&self) -> Result<(), StoreError> {
        for blob in self.rows.manifests()? {
            let complete = file_size(&self.blob_path(blob.hash))? == Some(blob.bytes);
            let partial = self.rows.partial(blob.hash)?;
            let arrived = file_size(&self.partial_path(blob.hash))?;
            match partial {
                None if complete => {}
                // It died between the rename and the rows.
                Some(_) if complete => match self.rows.settle(blob.hash) {
                    // A start needs no room that the disk does not have: the next one makes up for it.
                    Err(error) if error.is_full() => {}
                    settled => settled?,
                },
                Some(partial) if arrived.is_some_and(|arrived| arrived >= partial.extent) => {}
                _ => match self.rows.forget(blob.hash) {
                    Err(error) if error.is_full() => self.rows.distrust(blob.hash),
                    forgotten => forgotten?,
                },
            }
        }
        for path in files(&self.partial)? {
            let known = match hash_of(&path) {
                Some(hash) => self.rows.partial(hash)?.is_some(),
                None => false,
            };
            if !known {
                self.disk.remove(&path).map_err(|source| StoreError::io("remove", &path, source))?;
            }
        }
        Ok(())
    }
}

/// Opens what is known of the blobs. A file that is damaged is set aside: nothing in it that cannot be found out again.
fn open_rows(path: &Path, disk: &Disk) -> Result<Rows, StoreError> {
    match Rows::open(path, disk.clone()) {
        Err(StoreError::Damaged { reason, .. }) => {
            tracing::error!(
                "`{}` is damaged and set aside; blobs on their way in are sent again: {reason}",
                path.display()
            );
            disk.set_aside(path).map_err(|source| StoreError::io("set aside", path, source))?;
            Rows::open(path, disk.clone())
        }
        opened => opened,
    }
}

impl Store {
    /// Opens the store in `state_dir`, and makes it where there is none. Removes what a crash has left over.
    ///
    /// Errors: [`StoreError::Locked`], [`StoreError::Io`]; [`StoreError::Full`] only where there was no store yet.
    pub fn open(state_dir: &Path, disk: Disk) -> Result<Self, StoreError> {
        let (blobs, partial, kept) = (state_dir.join("blobs"), state_dir.join("partial"), state_dir.join("kept"));
        for dir in [state_dir, &blobs, &partial, &kept] {
            disk.create_dir(dir).map_err(|source| StoreError::io("make the directory", dir, source))?;
        }
        let rows = open_rows(&state_dir.join("state.redb"), &disk)?;
        let (temporaries, live, cutting) = (AtomicU64::new(0), Mutex::default(), Mutex::default());
        let claims = Mutex::new(Claims::loaded(rows.wanted()?));
        let inner = Inner { blobs, partial, kept, disk, rows, temporaries, live, cutting, claims };
        inner.tidy()?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Stores what `source` gives; durable when this returns. What is there already is replaced by the same.
    ///
    /// Errors: [`StoreError::Source`], [`StoreError::TooLarge`], [`StoreError::Full`], [`StoreError::Io`].
    pub fn put(&self, source: &mut dyn Read) -> Result<BlobRef, StoreError> {
        let number = self.inner.temporaries.fetch_add(1, Ordering::Relaxed);
        let path = self.inner.partial.join(format!("put-{number}.new"));
        let file = self.inner.disk.open(&path, Open::Fresh);
        let file = file.map_err(|source| StoreError::io("make", &path, source))?;
        let stored = self.put_into(&file, source);
        if stored.is_err() {
            // A file that stays is removed at the next start.
            let _ = self.inner.disk.remove(&path);
        }
        stored
    }

    /// Stores `bytes`; see [`Store::put`].
    pub fn put_bytes(&self, mut bytes: &[u8]) -> Result<BlobRef, StoreError> {
        self.put(&mut bytes)
    }

    fn put_into(&self, file: &DiskFile, source: &mut dyn Read) -> Result<BlobRef, StoreError> {
        let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = fill(source, &mut buffer).map_err(StoreError::Source)?;
            if bytes + read as u64 > BLOB_BYTES_MAX {
                return Err(StoreError::TooLarge { bytes: bytes + read as u64, bytes_max: BLOB_BYTES_MAX });
            }
            hasher.update(&buffer[..read]);
            let written = file.write_all_at(bytes, &buffer[..read]);
            written.map_err(|source| self.inner.not_written(file.path(), read, source))?;
            bytes += read as u64;
            if read < buffer.len() {
                break;
            }
        }
        file.sync().map_err(|source| StoreError::io("sync", file.path(), source))?;
        let blob = BlobRef { hash: hasher.finalize().into(), bytes };
        let path = self.inner.blob_path(blob.hash);
        // Before it can be found there, and removed by somebody who has not heard of it.
        self.claims().put(blob.hash);
        let renamed = self.inner.disk.rename(file.path(), &path);
        renamed.map_err(|source| StoreError::io("make", &path, source))?;
        self.inner.rows.used([blob.hash])?;
        match self.learn(blob, &self.cut(blob)?) {
            // The blob is stored; its pages are cut again when they are asked for.
            Err(error) if error.is_full() => Ok(blob),
            learned => learned.map(|()| blob),
        }
    }

    /// Cuts the first pages of a blob that has just been stored: only its end tells whether it is an archive.
    fn cut(&self, blob: BlobRef) -> Result<Vec<Page>, StoreError> {
        let (file, path) = (self.open_sized(blob)?, self.inner.blob_path(blob.hash));
        let mut cutting = Cutting::begin(&file, &path, blob, Arc::new(Members::of(&file, blob.bytes)));
        let mut pages = vec![cutting.page(0, 0)?];
        while let Some(page) = pages.last().filter(|page| !page.last && pages.len() < PUT_PAGES_MAX) {
            let next = cutting.page(page.index + 1, page.end())?;
            pages.push(next);
        }
        Ok(pages)
    }

    /// Remembers the pages of a blob that has been stored, unless they are known.
    fn learn(&self, blob: BlobRef, pages: &[Page]) -> Result<(), StoreError> {
        let (receiving, _live) = self.inner.receiving(blob.hash);
        let known = self.inner.rows.manifest(blob.hash)?;
        let partial = self.inner.rows.partial(blob.hash)?;
        if receiving || partial.is_none() && known.is_some_and(|known| known.is_of(blob, CUTTER) && known.pages > 0) {
            return Ok(());
        }
        let manifest = self.inner.rows.begin(blob, CUTTER, false)?;
        self.inner.rows.add_pages(blob.hash, manifest, pages, true)?;
        let partial = self.inner.partial_path(blob.hash);
        self.inner.disk.remove(&partial).map_err(|source| StoreError::io("remove", &partial, source))
    }

    /// Returns a blob's size, or nothing when it is not, or not completely, held.
    pub fn size(&self, hash: Hash) -> Result<Option<u64>, StoreError> {
        file_size(&self.inner.blob_path(hash))
    }

    /// Opens a blob's file. Errors: [`StoreError::NotHeld`], [`StoreError::Io`].
    pub fn open_blob(&self, hash: Hash) -> Result<File, StoreError> {
        let path = self.inner.blob_path(hash);
        File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::NotHeld(hash),
            _ => StoreError::io("open", &path, source),
        })
    }

    /// Opens a blob's file if it has the blob's size.
    fn open_sized(&self, blob: BlobRef) -> Result<File, StoreError> {
        let file = self.open_blob(blob.hash)?;
        let metadata = file.metadata();
        let actual =
            metadata.map_err(|source| StoreError::io("look at", &self.inner.blob_path(blob.hash), source))?.len();
        let (hash, expected) = (blob.hash, blob.bytes);
        if actual == expected { Ok(file) } else { Err(StoreError::Truncated { hash, expected, actual }) }
    }

    /// Reads a blob of at most `bytes_max` bytes whole, and proves it.
    ///
    /// Errors: [`StoreError::TooLarge`] before anything is read, [`StoreError::NotHeld`],
    /// [`StoreError::Truncated`], [`StoreError::BlobMismatch`], [`StoreError::Io`].
    pub fn read(&self, blob: BlobRef, bytes_max: u64) -> Result<Vec<u8>, StoreError> {
        if blob.bytes > bytes_max {
            return Err(StoreError::TooLarge { bytes: blob.bytes, bytes_max });
        }
        let mut content = Vec::with_capacity(blob.bytes as usize);
        let read = self.open_sized(blob)?.take(blob.bytes).read_to_end(&mut content);
        read.map_err(|source| StoreError::io("read", &self.inner.blob_path(blob.hash), source))?;
        let (expected, actual) = (blob.hash, Hash::of(&content));
        if actual == expected { Ok(content) } else { Err(StoreError::BlobMismatch { expected, actual }) }
    }

    /// Proves a blob: hashes its file. Errors: as [`Store::read`].
    pub fn verify(&self, blob: BlobRef) -> Result<(), StoreError> {
        let hashed = hash_file(&mut self.open_sized(blob)?);
        let actual = hashed.map_err(|source| StoreError::io("read", &self.inner.blob_path(blob.hash), source))?;
        let expected = blob.hash;
        if actual == expected { Ok(()) } else { Err(StoreError::BlobMismatch { expected, actual }) }
    }

    /// Removes a blob, complete or not, and what is known about it. One that is not here is no error.
    ///
    /// Errors: [`StoreError::Busy`] while it is received, [`StoreError::Io`].
    pub fn remove(&self, hash: Hash) -> Result<(), StoreError> {
        let (receiving, _live) = self.inner.receiving(hash);
        if receiving {
            return Err(StoreError::Busy(hash));
        }
        for path in [self.inner.blob_path(hash), self.inner.partial_path(hash)] {
            self.inner.disk.remove(&path).map_err(|source| StoreError::io("remove", &path, source))?;
        }
        self.inner.rows.forget(hash)
    }

    /// Returns every complete blob, in the order of their hashes.
    pub fn blobs(&self) -> Result<Vec<BlobRef>, StoreError> {
        let mut blobs = Vec::new();
        for path in files(&self.inner.blobs)? {
            if let (Some(hash), Some(bytes)) = (hash_of(&path), file_size(&path)?) {
                blobs.push(BlobRef { hash, bytes });
            }
        }
        blobs.sort();
        Ok(blobs)
    }

    /// Returns the directory that the store is in.
    pub fn state_dir(&self) -> &Path {
        self.inner.blobs.parent().unwrap_or(&self.inner.blobs)
    }

    /// Returns the bytes that can still be stored.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let free = self.inner.disk.free_bytes(&self.inner.blobs);
        free.map_err(|source| StoreError::io("ask for the space at", &self.inner.blobs, source))
    }

    /// Returns how much of a blob is here and durable: all of it, or the chunks that have arrived.
    pub fn held_bytes(&self, blob: BlobRef) -> Result<u64, StoreError> {
        if self.size(blob.hash)? == Some(blob.bytes) {
            return Ok(blob.bytes);
        }
        let known = self.inner.rows.manifest(blob.hash)?.filter(|known| known.bytes == blob.bytes);
        let partial = if known.is_some() { self.inner.rows.partial(blob.hash)? } else { None };
        Ok(partial.map_or(0, |partial| partial.held))
    }

    /// Begins to receive a blob, or goes on with it. Everybody who asks for the same blob at once shares one.
    ///
    /// `cutter`: the sender's; pages known with another are dropped, and what was held with them.
    /// Errors: [`StoreError::Full`] if the rest of it has no space, [`StoreError::Busy`] if it is being received
    /// with another cutter or size, [`StoreError::TooLarge`], [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn incoming(&self, blob: BlobRef, cutter: u16) -> Result<Arc<Incoming>, StoreError> {
        if blob.bytes > BLOB_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes: blob.bytes, bytes_max: BLOB_BYTES_MAX });
        }
        let mut live = lock(&self.inner.live);
        live.retain(|_, incoming| incoming.strong_count() > 0);
        if let Some(incoming) = live.get(&blob.hash).and_then(Weak::upgrade)
            && incoming.is_receiving()
        {
            return if incoming.is_of(blob, cutter) { Ok(incoming) } else { Err(StoreError::Busy(blob.hash)) };
        }
        let incoming = Arc::new(Incoming::begin(self.clone(), blob, cutter)?);
        live.insert(blob.hash, Arc::downgrade(&incoming));
        Ok(incoming)
    }

    fn manifest_of(&self, blob: BlobRef, cutter: u16) -> Result<Option<Manifest>, StoreError> {
        Ok(self.inner.rows.manifest(blob.hash)?.filter(|known| known.is_of(blob, cutter)))
    }
}
