//! The journal: what was promised, durable before it is said.
//!
//! Two small preallocated files; see `format` for their bytes and `replay` for how a start goes. When
//! [`Journal::append_with`] returns, its entries are on the disk. An error that leaves this in doubt is
//! fatal, and poisons the journal: a second sync proves nothing, as the kernel may have dropped the pages.

mod error;
mod format;
mod replay;
#[cfg(test)]
mod tests;
mod witness;

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use modelferry_protocol::codec::encode;
use modelferry_protocol::ids::{Hash, JournalId, MigrationId};
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::limits::RECORD_BYTES_MAX;
use modelferry_protocol::record::Entry;

pub use error::JournalError;
pub use replay::{Opened, UnreplayedJournal};
pub use witness::Witness;

use crate::disk::{DirLock, Disk, DiskFile};
use format::{HEADER_BYTES, Replayed, encode_batch};

/// Bytes that both files are kept ahead of what is used, so that a full disk cannot stop a decision.
pub const RESERVE_BYTES: u64 = 1 << 20;
/// Bytes that a file has ahead of what is used after it was extended: more than the reserve, so that this is
/// not done for every record.
const EXTENDED_BYTES: u64 = RESERVE_BYTES + (256 << 10);

/// A journal that was proved whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Its records.
    pub records: u64,
    /// The last one's checksum.
    pub last: Hash,
}

/// An open journal. Clones share it.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    disk: Disk,
    id: JournalId,
    /// In use.
    file: DiskFile,
    /// Takes over at the next start.
    spare: DiskFile,
    state: Mutex<State>,
    _lock: DirLock,
}

struct State {
    ledger: Ledger,
    /// The last record's; 0 for none.
    sequence: u64,
    /// The last record's checksum.
    chain: Hash,
    /// Where the next record goes.
    end: u64,
    /// What is known about the disk ended with an error.
    is_poisoned: bool,
}

impl Journal {
    /// Opens the journal in `dir`, or makes a new one, and replays it.
    ///
    /// Errors: see [`UnreplayedJournal`]. Whatever the error, the agent may neither thaw nor commit.
    pub fn open(dir: &std::path::Path, disk: Disk) -> Result<(Self, Opened), JournalError> {
        UnreplayedJournal::open(dir, disk)?.replay()
    }

    fn begin(
        disk: Disk,
        lock: DirLock,
        id: JournalId,
        [file, spare]: [DiskFile; 2],
        replayed: &Replayed,
        ledger: Ledger,
    ) -> Self {
        let end = HEADER_BYTES + replayed.end as u64;
        let (sequence, chain) = (replayed.sequence, replayed.chain);
        let state = Mutex::new(State { ledger, sequence, chain, end, is_poisoned: false });
        Self { shared: Arc::new(Shared { disk, id, file, spare, state, _lock: lock }) }
    }

    /// Returns the journal's id, made with it.
    pub fn id(&self) -> JournalId {
        self.shared.id
    }

    /// Returns the sequence of the last record; 0 for none.
    pub fn sequence(&self) -> u64 {
        self.lock().sequence
    }

    /// Shows what the durable records amount to.
    pub fn ledger<R>(&self, look: impl FnOnce(&Ledger) -> R) -> R {
        look(&self.lock().ledger)
    }

    /// Appends `entries`; see [`Journal::append_with`].
    pub fn append(&self, entries: Vec<Entry>) -> Result<(), JournalError> {
        let Ok(_sequences) = self.append_with(|_| Ok::<_, Infallible>(entries))?;
        Ok(())
    }

    /// Appends what `decide` returns for the ledger as it is; nobody else appends in between.
    ///
    /// When this returns sequences, the entries are durable and in the ledger. They are one batch: after a
    /// crash either all of them are found, or none. An error of `decide` changes nothing.
    ///
    /// Errors: [`JournalError::Failed`] and [`JournalError::Poisoned`], on which the process must stop;
    /// [`JournalError::TooLarge`], [`JournalError::Illegal`] and [`JournalError::ReserveLow`], on which nothing was written.
    pub fn append_with<E>(
        &self,
        decide: impl FnOnce(&Ledger) -> Result<Vec<Entry>, E>,
    ) -> Result<Result<Vec<u64>, E>, JournalError> {
        let mut state = self.lock_sound()?;
        let entries = match decide(&state.ledger) {
            Ok(entries) => entries,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let bodies: Vec<Vec<u8>> = entries.iter().map(encode).collect();
        if let Some(body) = bodies.iter().find(|body| body.len() > RECORD_BYTES_MAX) {
            return Err(JournalError::TooLarge { bytes: body.len() });
        }
        if bodies.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let first = state.sequence + 1;
        // What the next start would refuse must never become durable.
        let legal = state.ledger.check_all(entries.iter().map(|entry| &entry.body));
        legal.map_err(|(place, source)| JournalError::Illegal { sequence: first + place as u64, source })?;
        let mut bytes = Vec::new();
        let chain = encode_batch(first, state.chain, &bodies, &mut bytes);
        let end = state.end + bytes.len() as u64;
        // In both files, for the next start writes into the other one.
        self.reserve(&mut state, bytes.len() as u64)?;
        // Poisoned until it is known to be durable.
        state.is_poisoned = true;
        let written = self.shared.file.write_once_synced_at(state.end, &bytes);
        written.map_err(|source| self.fail("write", source, &mut state))?;
        let sequences = (first..).take(entries.len()).collect();
        entries.iter().for_each(|entry| state.ledger.apply(&entry.body));
        state.sequence += entries.len() as u64;
        (state.chain, state.end, state.is_poisoned) = (chain, end, false);
        Ok(Ok(sequences))
    }

    /// Sees to it that both files are [`RESERVE_BYTES`] ahead of what is used: every record that a
    /// migration still needs then fits, whatever happens to the disk. To be called before a migration begins.
    ///
    /// Errors: [`JournalError::ReserveLow`] if the disk is full: nothing is lost, but do not begin.
    pub fn ensure_reserve(&self) -> Result<(), JournalError> {
        self.reserve(&mut *self.lock_sound()?, RESERVE_BYTES)
    }

    /// Reads the entries of a migration, or all, back for people, with their sequences, ascending.
    pub fn entries(&self, mid: Option<MigrationId>) -> Result<Vec<(u64, Entry)>, JournalError> {
        let end = self.lock().end;
        let path = self.shared.file.path();
        let mut content = vec![0; (end - HEADER_BYTES) as usize];
        let read = self.shared.file.read_exact_at(HEADER_BYTES, &mut content);
        read.map_err(|source| JournalError::Io { doing: "read", path: path.to_owned(), source })?;
        let mut entries = Vec::new();
        let wanted = |entry: &Entry| mid.is_none_or(|mid| entry.body.mid() == Some(mid));
        let each = |sequence, entry| {
            if wanted(&entry) {
                entries.push((sequence, entry))
            }
        };
        format::replay(&content, self.shared.id, 0, each).map_err(|bad| replay::refuse(path, bad))?;
        Ok(entries)
    }

    /// Reads the whole journal again and proves that its records are those that were written: each is chained to
    /// the one before, the first to the journal's id, and the last is the one that was written last.
    ///
    /// Errors: [`JournalError::Corrupt`], [`JournalError::Unreadable`], [`JournalError::Io`].
    pub fn verify(&self) -> Result<Verified, JournalError> {
        let (end, sequence, chain) = {
            let state = self.lock();
            (state.end, state.sequence, state.chain)
        };
        let path = self.shared.file.path();
        let mut content = vec![0; (end - HEADER_BYTES) as usize];
        let read = self.shared.file.read_exact_at(HEADER_BYTES, &mut content);
        read.map_err(|source| JournalError::Io { doing: "read", path: path.to_owned(), source })?;
        let replayed = format::replay(&content, self.shared.id, sequence, |_, _| ());
        let replayed = replayed.map_err(|bad| replay::refuse(path, bad))?;
        if replayed.chain != chain {
            let reason = "its last record is not the one that was written";
            return Err(JournalError::Corrupt { path: path.to_owned(), offset: end, sequence, reason });
        }
        Ok(Verified { records: replayed.sequence, last: chain })
    }

    /// Extends both files, the spare one first, where one is less than `ahead` bytes ahead.
    fn reserve(&self, state: &mut State, ahead: u64) -> Result<(), JournalError> {
        for file in [&self.shared.spare, &self.shared.file] {
            let size = file.size().map_err(|source| self.fail("read", source, state))?;
            if size >= state.end + ahead {
                continue;
            }
            match replay::preallocate(&self.shared.disk, file, state.end + EXTENDED_BYTES) {
                Err(JournalError::Io { doing, source, .. }) => return Err(self.fail(doing, source, state)),
                other => other?,
            }
            file.sync().map_err(|source| self.fail("sync", source, state))?;
        }
        Ok(())
    }

    fn fail(&self, doing: &'static str, source: io::Error, state: &mut State) -> JournalError {
        state.is_poisoned = true;
        JournalError::Failed { doing, path: self.shared.file.path().to_owned(), source }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock leaves what was durable; while writing, `is_poisoned` is set.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_sound(&self) -> Result<MutexGuard<'_, State>, JournalError> {
        let state = self.lock();
        if state.is_poisoned { Err(JournalError::Poisoned) } else { Ok(state) }
    }
}
