//! The blobs that are in use: those of every lease, and those that migrations want.

use std::collections::{BTreeMap, HashMap, HashSet};

use modelferry_protocol::ids::{Hash, MigrationId};

/// All leases and all blobs wanted by migrations.
#[derive(Default)]
pub(super) struct LeaseTable {
    pub next: u64,
    pub leases: HashMap<u64, Held>,
    /// Blobs that peers offered for each migration, or for a backup. Also stored in the rows, to survive a restart.
    pub wanted: BTreeMap<MigrationId, HashSet<Hash>>,
    /// During a sweep: every blob held at any time since the sweep began. A reference to such a blob may have become
    /// durable after the sweep looked for references.
    pub swept: Option<HashSet<Hash>>,
    sweeps: usize,
}

/// The blobs of one lease.
#[derive(Default)]
pub(super) struct Held {
    /// Whether the lease adds every blob stored during its lifetime.
    pub with_puts: bool,
    pub blobs: HashSet<Hash>,
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

    pub fn hold(&mut self, number: u64, hash: Hash) {
        self.leases.entry(number).or_default().blobs.insert(hash);
        self.swept.iter_mut().for_each(|swept| _ = swept.insert(hash));
    }
}
