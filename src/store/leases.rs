//! Blobs that somebody works with and that nothing durable names yet: no [`Sweep`](super::Sweep) removes them.
//!
//! Whoever is about to rely on a blob takes a lease on it first and looks whether it is here afterwards: it is then
//! either here to stay, or lacking and fetched. A lease ends when what was done with the blob is durable elsewhere: a
//! row of the controller, a document that is kept, a record of the journal.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::MutexGuard;

use modelferry_protocol::ids::{Hash, MigrationId};

use super::{Store, StoreError, lock};

/// All of them.
#[derive(Default)]
pub(super) struct Claims {
    next: u64,
    leases: HashMap<u64, Held>,
    /// What peers offered for each migration, or for a copy to keep. It is in the rows as well, for after a restart.
    wanted: BTreeMap<MigrationId, HashSet<Hash>>,
    /// While there is a sweep, whatever was held since it began: what names a blob may have become durable since the
    /// sweep looked for such names.
    swept: Option<HashSet<Hash>>,
    sweeps: usize,
}

/// What one lease holds.
#[derive(Default)]
struct Held {
    /// Whether it takes in what is put while it lasts.
    with_puts: bool,
    blobs: HashSet<Hash>,
}

impl Claims {
    pub fn loaded(wanted: Vec<(MigrationId, Hash)>) -> Self {
        let mut claims = Self::default();
        for (mid, hash) in wanted {
            claims.wanted.entry(mid).or_default().insert(hash);
        }
        claims
    }

    /// Notes that a blob is put: its bytes are about to be where all blobs are.
    pub fn put(&mut self, hash: Hash) {
        let takers = self.leases.values_mut().filter(|lease| lease.with_puts);
        takers.for_each(|lease| _ = lease.blobs.insert(hash));
        self.swept.iter_mut().for_each(|swept| _ = swept.insert(hash));
    }

    pub fn begin_sweep(&mut self) {
        self.sweeps += 1;
        // What an earlier one spares, this one does as well.
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

    /// Reports whether a blob was held at any time since the sweep began.
    pub fn spares(&self, hash: Hash) -> bool {
        self.swept.as_ref().is_none_or(|swept| swept.contains(&hash))
    }

    fn hold(&mut self, number: u64, hash: Hash) {
        self.leases.entry(number).or_default().blobs.insert(hash);
        self.swept.iter_mut().for_each(|swept| _ = swept.insert(hash));
    }
}

/// Holds some blobs until it is dropped.
pub struct Lease {
    store: Store,
    number: u64,
}

impl Lease {
    /// Holds these blobs as well.
    pub fn keep(&self, blobs: impl IntoIterator<Item = Hash>) {
        let mut claims = self.store.claims();
        blobs.into_iter().for_each(|hash| claims.hold(self.number, hash));
    }

    /// Holds these and nothing else from now on.
    pub fn narrow(&self, blobs: impl IntoIterator<Item = Hash>) {
        let mut claims = self.store.claims();
        claims.leases.insert(self.number, Held::default());
        blobs.into_iter().for_each(|hash| claims.hold(self.number, hash));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.store.claims().leases.remove(&self.number);
    }
}

impl Store {
    pub(super) fn claims(&self) -> MutexGuard<'_, Claims> {
        lock(&self.inner.claims)
    }

    /// Returns a lease that holds nothing yet.
    pub fn lease(&self) -> Lease {
        self.leased(Held::default())
    }

    /// Returns a lease that takes in every blob that is put while it lasts, by whomever.
    pub fn lease_with_puts(&self) -> Lease {
        self.leased(Held { with_puts: true, ..Held::default() })
    }

    fn leased(&self, held: Held) -> Lease {
        let mut claims = self.claims();
        claims.next += 1;
        let number = claims.next;
        claims.leases.insert(number, held);
        Lease { store: self.clone(), number }
    }

    /// Holds blobs that arrive, or are here already, for a migration, until [`Store::release`]; also after a restart,
    /// save what was wanted last before a power cut. To be asked before anybody is told what is here of them.
    ///
    /// Errors: [`StoreError::Io`]; a disk that is full is none.
    pub fn want(&self, mid: MigrationId, blobs: impl IntoIterator<Item = Hash>) -> Result<(), StoreError> {
        let mut new = Vec::new();
        {
            let mut claims = self.claims();
            for hash in blobs {
                if claims.wanted.entry(mid).or_default().insert(hash) {
                    new.push(hash);
                }
                claims.swept.iter_mut().for_each(|swept| _ = swept.insert(hash));
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        match self.inner.rows.want(mid, &new) {
            // They are held as long as this process lives.
            Err(error) if error.is_full() => Ok(()),
            done => done,
        }
    }

    /// Ends what [`Store::want`] began: the migration is over, or the copy is kept or given up.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn release(&self, mid: MigrationId) -> Result<(), StoreError> {
        let Some(_) = self.claims().wanted.remove(&mid) else { return Ok(()) };
        match self.inner.rows.release(mid) {
            // After a restart it is released again.
            Err(error) if error.is_full() => Ok(()),
            done => done,
        }
    }

    /// Returns what is held for each migration.
    pub fn wanted(&self) -> Vec<(MigrationId, Vec<Hash>)> {
        let claims = self.claims();
        claims.wanted.iter().map(|(mid, blobs)| (*mid, blobs.iter().copied().collect())).collect()
    }
}
