//! The handle on a store: opens it, reads, checks and removes blobs.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::BlobRef;
use parking_lot::{Mutex, MutexGuard};

use super::StoreError;
use super::error::is_out_of_space;
use super::files::{file_size, files, hash_file, hash_of};
use super::lease_table::LeaseTable;
use super::members::Members;
use super::receiver::Receiver;
use super::rows::{Manifest, Rows};
use crate::disk::Disk;
use crate::disk::descriptors::when_available;

/// A handle on the store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) blobs: PathBuf,
    pub(super) partial: PathBuf,
    pub(super) kept: PathBuf,
    /// What migrations have been sent so far.
    pub(super) drafts: PathBuf,
    /// What stays of models that have left.
    pub(super) handed: PathBuf,
    pub(super) disk: Disk,
    pub(super) rows: Rows,
    pub(super) temporaries: AtomicU64,
    /// Bytes that must stay free beside what peers send.
    pub(super) reserve: AtomicU64,
    /// Blobs that are being received. The lock is held while rows of a blob are created or removed.
    pub(super) live: Mutex<HashMap<Hash, Weak<Receiver>>>,
    /// The archive members of the blob that was cut last. The lock also allows only one page to be cut at a time.
    pub(super) cutting: Mutex<Option<(Hash, Arc<Members>)>>,
    /// The leases. The lock is held while a sweep removes a blob. Lock order: this before `live`.
    pub(super) lease_table: Mutex<LeaseTable>,
}

impl Inner {
    pub(super) fn blob_path(&self, hash: Hash) -> PathBuf {
        self.blobs.join(hash.to_string())
    }

    pub(super) fn partial_path(&self, hash: Hash) -> PathBuf {
        self.partial.join(hash.to_string())
    }

    /// Converts the error of a write of `needed` bytes to `path`.
    pub(super) fn not_written(&self, path: &Path, needed: usize, source: io::Error) -> StoreError {
        if is_out_of_space(&source) { self.rows.full(needed as u64) } else { StoreError::io("write", path, source) }
    }

    /// Reports whether a blob is being received. The returned lock keeps the answer valid.
    pub(super) fn receiving(&self, hash: Hash) -> (bool, MutexGuard<'_, HashMap<Hash, Weak<Receiver>>>) {
        let live = self.live.lock();
        (live.get(&hash).and_then(Weak::upgrade).is_some_and(|receiver| receiver.is_receiving()), live)
    }

    /// Cleans up after a crash: removes partial files without rows and rows without files.
    fn tidy(&self) -> Result<(), StoreError> {
        for blob in self.rows.manifests()? {
            let complete = file_size(&self.blob_path(blob.hash))? == Some(blob.bytes);
            let partial = self.rows.partial(blob.hash)?;
            let arrived = file_size(&self.partial_path(blob.hash))?;
            match partial {
                None if complete => {}
                // The process died between the rename and the update of the rows.
                Some(_) if complete => match self.rows.settle(blob.hash) {
                    // A start must not need free space. The next start updates the rows.
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

/// File name of the table in the state directory.
const TABLE: &str = "state.redb";

/// Opens `state.redb`. Sets a damaged file aside and creates a new one, because all its content can be rebuilt.
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
    /// Reports whether the store in `state_dir` has its table, or the remains of one.
    pub fn has_table(state_dir: &Path) -> bool {
        let path = state_dir.join(TABLE);
        path.exists() || Disk::aside(&path).exists()
    }

    /// Opens the store in `state_dir`, or creates it, and cleans up after a crash.
    ///
    /// Errors: [`StoreError::Locked`], [`StoreError::Io`]; [`StoreError::Full`] only when creating the store.
    pub fn open(state_dir: &Path, disk: Disk) -> Result<Self, StoreError> {
        let [blobs, partial, kept, drafts, handed] =
            ["blobs", "partial", "kept", "drafts", "handed"].map(|dir| state_dir.join(dir));
        for dir in [state_dir, &blobs, &partial, &kept, &drafts, &handed] {
            disk.create_dir(dir).map_err(|source| StoreError::io("make the directory", dir, source))?;
        }
        let rows = open_rows(&state_dir.join(TABLE), &disk)?;
        let (temporaries, reserve) = (AtomicU64::new(0), AtomicU64::new(0));
        let (live, cutting) = (Mutex::default(), Mutex::default());
        let lease_table = Mutex::new(LeaseTable::loaded(rows.wanted()?));
        let inner = Inner {
            blobs,
            partial,
            kept,
            drafts,
            handed,
            disk,
            rows,
            temporaries,
            reserve,
            live,
            cutting,
            lease_table,
        };
        inner.tidy()?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns a blob's size in bytes; `None` unless the complete blob is held.
    pub fn size(&self, hash: Hash) -> Result<Option<u64>, StoreError> {
        file_size(&self.inner.blob_path(hash))
    }

    /// Opens a complete blob's file. Errors: [`StoreError::NotHeld`], [`StoreError::Io`].
    pub fn open_blob(&self, hash: Hash) -> Result<File, StoreError> {
        let path = self.inner.blob_path(hash);
        when_available(|| File::open(&path)).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::NotHeld(hash),
            _ => StoreError::io("open", &path, source),
        })
    }

    /// Opens a complete blob's file and checks its size.
    pub(super) fn open_sized(&self, blob: BlobRef) -> Result<File, StoreError> {
        let file = self.open_blob(blob.hash)?;
        let metadata = file.metadata();
        let actual =
            metadata.map_err(|source| StoreError::io("look at", &self.inner.blob_path(blob.hash), source))?.len();
        let (hash, expected) = (blob.hash, blob.bytes);
        if actual == expected { Ok(file) } else { Err(StoreError::Truncated { hash, expected, actual }) }
    }

    /// Reads a whole blob of at most `bytes_max` bytes and checks its hash.
    ///
    /// Errors: [`StoreError::TooLarge`] before anything is read, [`StoreError::NotHeld`], [`StoreError::Truncated`],
    /// [`StoreError::BlobMismatch`], [`StoreError::Io`].
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

    /// Checks the hash of a stored blob. Errors: as [`Store::read`].
    pub fn verify(&self, blob: BlobRef) -> Result<(), StoreError> {
        let hashed = hash_file(&mut self.open_sized(blob)?);
        let actual = hashed.map_err(|source| StoreError::io("read", &self.inner.blob_path(blob.hash), source))?;
        let expected = blob.hash;
        if actual == expected { Ok(()) } else { Err(StoreError::BlobMismatch { expected, actual }) }
    }

    /// Removes a blob, complete or partial, and its rows. Succeeds if the blob does not exist.
    ///
    /// Errors: [`StoreError::Busy`] while it is being received, [`StoreError::Io`].
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

    /// Returns every complete blob, ordered by hash.
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

    /// Returns the state directory that contains the store.
    pub fn state_dir(&self) -> &Path {
        self.inner.blobs.parent().unwrap_or(&self.inner.blobs)
    }

    /// Returns the free bytes of the file system that holds the blobs.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let free = self.inner.disk.free_bytes(&self.inner.blobs);
        free.map_err(|source| StoreError::io("ask for the space at", &self.inner.blobs, source))
    }

    /// Sets how many bytes of the disk must stay free beside what peers send; 0 until then.
    pub fn keep_free(&self, bytes: u64) {
        self.inner.reserve.store(bytes, Ordering::Relaxed);
    }

    /// Checks that a peer may fill `bytes` more of the disk.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`].
    pub fn ensure_room(&self, bytes: u64) -> Result<(), StoreError> {
        if bytes == 0 {
            return Ok(());
        }
        let needed = bytes.saturating_add(self.inner.reserve.load(Ordering::Relaxed));
        let free = self.free_bytes()?;
        if free < needed { Err(StoreError::Full { needed, free }) } else { Ok(()) }
    }

    /// Returns how many bytes of a blob are durable: all of a complete blob, or those of the received chunks.
    pub fn held_bytes(&self, blob: BlobRef) -> Result<u64, StoreError> {
        if self.size(blob.hash)? == Some(blob.bytes) {
            return Ok(blob.bytes);
        }
        let known = self.inner.rows.manifest(blob.hash)?.filter(|known| known.bytes == blob.bytes);
        let partial = if known.is_some() { self.inner.rows.partial(blob.hash)? } else { None };
        Ok(partial.map_or(0, |partial| partial.held))
    }

    pub(super) fn manifest_of(&self, blob: BlobRef, cutter: u16) -> Result<Option<Manifest>, StoreError> {
        Ok(self.inner.rows.manifest(blob.hash)?.filter(|known| known.is_of(blob, cutter)))
    }
}
