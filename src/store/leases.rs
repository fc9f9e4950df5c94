//! Leases protect blobs in use that nothing durable refers to yet: no [`Sweep`](super::Sweep) removes a leased blob.
//!
//! Take a lease before you check whether a blob exists. Afterwards the blob either exists and stays, or is missing and
//! must be fetched. End the lease once something durable refers to the blob: a row of the controller, a kept document,
//! or a journal record.

use std::collections::{BTreeMap, HashMap, HashSet};

use modelferry_protocol::ids::{Hash, MigrationId};
use parking_lot::MutexGuard;

use super::{Store, StoreError};

/// All leases and all blobs wanted by migrations.
#[derive(Default)]
pub(super) struct LeaseTable {
    next: u64,
    leases: HashMap<u64, Held>,
    /// Blobs that peers offered for each migration, or for a backup. Also stored in the rows, to survive a restart.
    wanted: BTreeMap<MigrationId, HashSet<Hash>>,
    /// During a sweep: every blob held at any time since the sweep began. A reference to such a blob may have become
    /// durable after the sweep looked for references.
    swept: Option<HashSet<Hash>>,
    sweeps: usize,
}

/// The blobs of one lease.
#[derive(Default)]
struct Held {
    /// Whether the lease adds every blob stored during its lifetime.
    with_puts: bool,
    blobs: HashSet<Hash>,
}

impl LeaseTable {
    pub fn loaded(wanted: Vec<(MigrationId, Hash)>) -> Self {
        let mut table = Self::default();
        for (mid, hash) in wanted {
            table.wanted.entry(mid).or_default().insert(hash);
        }
        table
    }

    /// Registers a blob that is about to be renamed to its final path.
    pub fn put(&mut self, hash: Hash) {
        let takers = self.leases.values_mut().filter(|lease| lease.with_puts);
        takers.for_each(|lease| _ = lease.blobs.insert(hash));
        self.swept.iter_mut().for_each(|swept| _ = swept.insert(hash));
    }

    pub fn begin_sweep(&mut self) {
        self.sweeps += 1;
        // A sweep that begins during another one shares its list.
        if self.swept.is_none() {
            self.swept = Some(self.all());
        }
    }

    pub fn end_sweep(&mut self) {
        self.sweeps -= 1;
        if self.sweeps == 0 {
            self.swept = None;
        }
    }

    /// Returns every blob that is held now.
    pub fn all(&self) -> HashSet<Hash> {
        let leased = self.leases.values().flat_map(|lease| &lease.blobs);
        leased.chain(self.wanted.values().flatten()).copied().collect()
    }

    /// Reports whether a sweep must keep this blob: it was held at some time since the sweep began.
    pub fn spares(&self, hash: Hash) -> bool {
        self.swept.as_ref().is_none_or(|swept| swept.contains(&hash))
    }

    fn hold(&mut self, number: u64, hash: Hash) {
        self.leases.entry(number).or_default().blobs.insert(hash);
        self.swept.iter_mut().for_each(|swept| _ = swept.insert(hash));
    }
}

/// Protects blobs from sweeps until it is dropped.
pub struct Lease {
    store: Store,
    number: u64,
}

impl Lease {
    /// Adds blobs to the lease.
    pub fn keep(&self, blobs: impl IntoIterator<Item = Hash>) {
        let mut table = self.store.lease_table();
        blobs.into_iter().for_each(|hash| table.hold(self.number, hash));
    }

    /// Replaces the blobs of the lease. It no longer adds stored blobs by itself.
    pub fn narrow(&self, blobs: impl IntoIterator<Item = Hash>) {
        let mut table = self.store.lease_table();
        table.leases.insert(self.number, Held::default());
        blobs.into_iter().for_each(|hash| table.hold(self.number, hash));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.store.lease_table().leases.remove(&self.number);
    }
}

impl Store {
    pub(super) fn lease_table(&self) -> MutexGuard<'_, LeaseTable> {
        self.inner.lease_table.lock()
    }

    /// Returns an empty lease.
    pub fn lease(&self) -> Lease {
        self.leased(Held::default())
    }

    /// Returns an empty lease that adds every blob that anybody stores during its lifetime.
    pub fn lease_with_puts(&self) -> Lease {
        self.leased(Held { with_puts: true, ..Held::default() })
    }

    fn leased(&self, held: Held) -> Lease {
        let mut table = self.lease_table();
        table.next += 1;
        let number = table.next;
        table.leases.insert(number, held);
        Lease { store: self.clone(), number }
    }

    /// Protects blobs for a migration until [`Store::release`], whether they exist already or arrive later. Survives a
    /// restart, except that a power cut may lose the latest additions. Call this before reporting to anybody which of
    /// the blobs exist.
    ///
    /// Errors: [`StoreError::Io`]. A full disk is not an error.
    pub fn want(&self, mid: MigrationId, blobs: impl IntoIterator<Item = Hash>) -> Result<(), StoreError> {
        let mut new = Vec::new();
        {
            let mut table = self.lease_table();
            for hash in blobs {
                if table.wanted.entry(mid).or_default().insert(hash) {
                    new.push(hash);
                }
                table.swept.iter_mut().for_each(|swept| _ = swept.insert(hash));
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        match self.inner.rows.want(mid, &new) {
            // The blobs stay protected until this process ends.
            Err(error) if error.is_full() => Ok(()),
            done => done,
        }
    }

    /// Ends the protection by [`Store::want`]. Call this when the migration has ended, or when the backup is kept or
    /// given up.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn release(&self, mid: MigrationId) -> Result<(), StoreError> {
        self.forget_draft(mid)?;
        let Some(_) = self.lease_table().wanted.remove(&mid) else { return Ok(()) };
        match self.inner.rows.release(mid) {
            // After a restart the caller releases the migration again.
            Err(error) if error.is_full() => Ok(()),
            done => done,
        }
    }

    /// Returns the protected blobs of each migration.
    pub fn wanted(&self) -> Vec<(MigrationId, Vec<Hash>)> {
        let table = self.lease_table();
        table.wanted.iter().map(|(mid, blobs)| (*mid, blobs.iter().copied().collect())).collect()
    }
}
