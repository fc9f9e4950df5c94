//! Lists the stored blobs and removes unneeded ones.
//!
//! The store knows which blobs are in use (`leases`), but not which are needed. The caller of a [`Sweep`] finds that
//! out between beginning the sweep and removing blobs. A sweep keeps every blob that was held at any time since it
//! began, so it does not matter when in between a reference to the blob became durable. One lock covers every removal
//! and every new lease: a leased blob either stays or was removed before the lease.
//!
//! The sweep removes a file before its rows. The next start drops rows without a file, so a full disk gets its space
//! back even if the database cannot be written. A reader that has the file open can still read it. Anybody else finds
//! the blob missing.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::BlobRef;

use super::files::{files, hash_of};
use super::{Store, StoreError};

/// A stored blob, complete or partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    pub blob: BlobRef,
    /// Durable bytes; for a complete blob its size.
    pub held: u64,
    /// Whether the blob is complete.
    pub complete: bool,
    /// Whether a lease, a migration or a receiver uses it now.
    pub in_use: bool,
    /// Time since which nobody is known to need it, Unix milliseconds.
    pub idle_since_ms: Option<u64>,
    /// Time of the last write to its file, Unix milliseconds.
    pub written_ms: u64,
}

/// A running removal of unneeded blobs. Dropping it ends the sweep.
pub struct Sweep {
    store: Store,
}

impl Drop for Sweep {
    fn drop(&mut self) {
        self.store.lease_table().end_sweep();
    }
}

impl Sweep {
    /// Removes a blob, complete or partial, with its rows. Returns false, without an effect, if the blob was held at
    /// any time since the sweep began or is being received.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn remove(&self, hash: Hash) -> Result<bool, StoreError> {
        let table = self.store.lease_table();
        if table.spares(hash) {
            return Ok(false);
        }
        match self.store.remove(hash) {
            Ok(()) => Ok(true),
            Err(StoreError::Busy(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Store {
    /// Begins a sweep. It does not remove blobs that are held now or become held while it runs.
    pub fn sweep(&self) -> Sweep {
        self.lease_table().begin_sweep();
        Sweep { store: self.clone() }
    }

    /// Returns all stored blobs, the largest first.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn items(&self) -> Result<Vec<Item>, StoreError> {
        let (rows, in_use) = (&self.inner.rows, self.lease_table().all());
        let idle = rows.idle()?;
        let (mut items, mut complete) = (Vec::new(), HashSet::new());
        for path in files(&self.inner.blobs)? {
            let (Some(hash), Some((bytes, written_ms))) = (hash_of(&path), written(&path)?) else { continue };
            let (in_use, idle_since_ms) = (in_use.contains(&hash), idle.get(&hash).copied());
            complete.insert(hash);
            let blob = BlobRef { hash, bytes };
            items.push(Item { blob, held: bytes, complete: true, in_use, idle_since_ms, written_ms });
        }
        for (blob, held) in rows.partials()? {
            let hash = blob.hash;
            // A partial file of a complete blob: the next start removes it.
            let Some((_, written_ms)) = written(&self.inner.partial_path(hash))?.filter(|_| !complete.contains(&hash))
            else {
                continue;
            };
            let in_use = in_use.contains(&hash) || self.inner.receiving(hash).0;
            let idle_since_ms = idle.get(&hash).copied();
            items.push(Item { blob, held, complete: false, in_use, idle_since_ms, written_ms });
        }
        items.sort_by_key(|item| (std::cmp::Reverse(item.held), item.blob));
        Ok(items)
    }

    /// Replaces the list of unneeded blobs, each with the time since which nobody needs it, Unix milliseconds. Storing,
    /// wanting or reusing a blob later takes it off the list.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`].
    pub fn note_idle(&self, idle: &[(Hash, u64)]) -> Result<(), StoreError> {
        self.inner.rows.set_idle(idle)
    }
}

/// Returns a file's size and the time of its last write, Unix milliseconds; `None` if it does not exist.
fn written(path: &Path) -> Result<Option<(u64, u64)>, StoreError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::io("look at", path, source)),
    };
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let written_ms = modified.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    Ok(Some((metadata.len(), written_ms)))
}
