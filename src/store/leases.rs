//! Leases protect blobs in use that nothing durable refers to yet: no [`Sweep`](super::Sweep) removes a leased blob.
//!
//! Take a lease before you check whether a blob exists. Afterwards the blob either exists and stays, or is missing and
//! must be fetched. End the lease once something durable refers to the blob: a row of the controller, a kept document,
//! or a journal record.

use std::collections::HashMap;

use modelferry_protocol::ids::{Hash, MigrationId, Pin};
use parking_lot::MutexGuard;

use super::lease_table::{Held, LeaseTable};
use super::{Store, StoreError};

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

    /// Notes which peer sends a blob, for its quota.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`].
    pub fn bring(&self, hash: Hash, peer: Pin) -> Result<(), StoreError> {
        self.inner.rows.bring(hash, peer)
    }

    /// Returns the peer that has sent each blob that came from one.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn brought(&self) -> Result<HashMap<Hash, Pin>, StoreError> {
        self.inner.rows.brought()
    }

    /// Returns the protected blobs of each migration.
    pub fn wanted(&self) -> Vec<(MigrationId, Vec<Hash>)> {
        let table = self.lease_table();
        table.wanted.iter().map(|(mid, blobs)| (*mid, blobs.iter().copied().collect())).collect()
    }
}
