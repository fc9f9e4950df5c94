//! Leaves out what a journal no longer needs: the records of offers that came to nothing, and are forgotten but for their ids.

use std::collections::BTreeSet;

use modelferry_protocol::codec::{Bounded, encode};
use modelferry_protocol::ids::{Hash, JournalId, MigrationId};
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::limits::TOMBSTONES_MAX;
use modelferry_protocol::record::{Body, Entry, Tombstones};
use modelferry_protocol::snapshot::Name;

use super::format::{BadRecords, chain_begin, encode_batch, replay};

/// The records of a compacted file.
pub struct Compacted {
    pub bytes: Vec<u8>,
    /// Sequence of the last record.
    pub sequence: u64,
    /// Checksum of the last record.
    pub chain: Hash,
}

/// Compacts the records in `content`, which `ledger` is the fold of. What is kept keeps its sequence, and a record of
/// tombstones has the sequence of a record that is left out.
pub fn compacted(content: &[u8], journal: JournalId, ledger: &Ledger) -> Result<Compacted, BadRecords> {
    let mut sieve = Sieve::default();
    replay(content, journal, 0, |sequence, entry| sieve.take(ledger, sequence, entry))?;
    let mut kept = sieve.end();
    kept.sort_by_key(|(sequence, _)| *sequence);
    let mut compacted = Compacted { bytes: Vec::new(), sequence: 0, chain: chain_begin(journal) };
    for (sequence, entry) in kept {
        compacted.chain = encode_batch(sequence, compacted.chain, &[encode(&entry)], &mut compacted.bytes);
        compacted.sequence = sequence;
    }
    Ok(compacted)
}

#[derive(Default)]
struct Sieve {
    kept: Vec<(u64, Entry)>,
    left_out: BTreeSet<MigrationId>,
    /// Migrations that were left out and are in no record of tombstones yet.
    buried: Vec<MigrationId>,
    /// Sequence and time of the last record that was left out.
    last: (u64, u64),
}

impl Sieve {
    fn take(&mut self, ledger: &Ledger, sequence: u64, entry: Entry) {
        let Some(mid) = entry.body.mid().filter(|mid| ledger.is_forgotten(*mid)) else {
            return self.kept.push((sequence, entry));
        };
        self.last = (sequence, entry.time_ms);
        if self.left_out.insert(mid) {
            self.buried.push(mid);
        }
        if self.buried.len() == TOMBSTONES_MAX {
            self.bury();
        }
    }

    fn bury(&mut self) {
        let (sequence, time_ms) = self.last;
        let mids = Bounded::truncated(std::mem::take(&mut self.buried));
        let body = Body::Tombstones(Tombstones { mids });
        self.kept.push((sequence, Entry { time_ms, actor: Name::cut("agent"), body }));
    }

    fn end(mut self) -> Vec<(u64, Entry)> {
        if !self.buried.is_empty() {
            self.bury();
        }
        self.kept
    }
}
