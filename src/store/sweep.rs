//! What is here, complete or not, and how that is removed which nobody needs.
//!
//! The store knows who works with a blob (`leases`), and not who needs it: that is the caller's to find out, between
//! the beginning of a [`Sweep`] and the removals. What was held at any time since the beginning stays, so that it does
//! not matter when in between a name for it became durable. One lock covers every removal and every new lease: a blob
//! that is leased is here to stay, or was gone before the lease.
//!
//! A file is removed before its rows: rows without a file are dropped at the next start, and a full disk gets its
//! space back although the database cannot be written to. Bytes that are being read stay readable to whoever has
//! opened them; whoever has not finds nothing there, and takes them for lacking.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::BlobRef;

use super::files::{files, hash_of};
use super::{Store, StoreError};

/// A blob that is here, or some of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// The blob.
    pub blob: BlobRef,
    /// Bytes that are here and durable: all of a complete one.
    pub held: u64,
    /// Whether it has arrived.
    pub complete: bool,
    /// Whether somebody works with it now.
    pub in_use: bool,
    /// Since when it is known that nobody needs it, Unix milliseconds.
    pub idle_since_ms: Option<u64>,
    /// When its file was last written to, Unix milliseconds.
    pub written_ms: u64,
}

/// A removal of what nobody needs.
pub struct Sweep {
    store: Store,
}

impl Drop for Sweep {
    fn drop(&mut self) {
        self.store.claims().end_sweep();
    }
}

impl Sweep {
    /// Removes a blob, complete or not, and what is known of it; returns whether it did. It does not if somebody has
    /// held the blob since the sweep began, or if it is on its way in.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn remove(&self, hash: Hash) -> Result<bool, StoreError> {
        let claims = self.store.claims();
        if claims.spares(hash) {
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
    /// Begins a sweep. What somebody holds now, or begins to hold while it lasts, it does not remove.
    pub fn sweep(&self) -> Sweep {
        self.claims().begin_sweep();
        Sweep { store: self.clone() }
    }

    /// Returns everything that is here, the largest first.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn items(&self) -> Result<Vec<Item>, StoreError> {
        let (rows, in_use) = (&self.inner.rows, self.claims().all());
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
            // It is settled at the next start.
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

    /// Remembers since when nobody needs each of these, Unix milliseconds, and forgets that of all others. What is put,
    /// wanted, or found to be of use again is forgotten by itself.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`].
    pub fn note_idle(&self, idle: &[(Hash, u64)]) -> Result<(), StoreError> {
        self.inner.rows.set_idle(idle)
    }
}

/// Returns a file's size, and when it was written to; nothing where there is none.
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
