//! The open journal: appends, and reads what it holds.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use modelferry_protocol::codec::encode;
use modelferry_protocol::ids::{Hash, JournalId, MigrationId};
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::limits::RECORD_BYTES_MAX;
use modelferry_protocol::record::Entry;
use parking_lot::{Mutex, MutexGuard};

use super::error::JournalError;
use super::files;
use super::format::{self, HEADER_BYTES, MARK_AT, Replayed, encode_batch, encode_mark};
use crate::disk::{DirLock, Disk, DiskFile};

/// Space that both files hold beyond their last record, 1 MiB, so that a full disk cannot stop a decision.
pub const RESERVE_BYTES: u64 = 1 << 20;
/// Space beyond the last record after a file was extended. Larger than the reserve, so that most records need no
/// extension.
pub(super) const EXTENDED_BYTES: u64 = RESERVE_BYTES + (256 << 10);

/// The result of a successful [`Journal::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The number of records.
    pub records: u64,
    /// Checksum of the last record.
    pub last: Hash,
}

/// An open journal. Clones share it.
#[derive(Clone)]
pub struct Journal {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    disk: Disk,
    id: JournalId,
    /// The file that appends go to.
    pub(super) file: DiskFile,
    /// The file that the next start rewrites and switches to.
    spare: DiskFile,
    pub(super) state: Mutex<State>,
    _lock: DirLock,
}

pub(super) struct State {
    ledger: Ledger,
    /// Sequence of the last record; 0 if there are no records.
    pub(super) sequence: u64,
    /// Checksum of the last record.
    pub(super) chain: Hash,
    /// File offset of the next record.
    pub(super) end: u64,
    /// Set after a failure that leaves the file content in doubt, and during a write, so that a panic leaves it set. Every
    /// later append is refused.
    is_poisoned: bool,
}

impl Journal {
    pub(super) fn begin(
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

    /// Returns the journal's id, a random number chosen when the journal was created.
    pub fn id(&self) -> JournalId {
        self.shared.id
    }

    /// Returns the sequence of the last record; 0 if there are no records.
    pub fn sequence(&self) -> u64 {
        self.shared.state.lock().sequence
    }

    /// Calls `look` with the state that the durable records add up to.
    pub fn ledger<R>(&self, look: impl FnOnce(&Ledger) -> R) -> R {
        look(&self.shared.state.lock().ledger)
    }

    /// Appends `entries` as one batch; see [`Journal::append_with`].
    pub fn append(&self, entries: Vec<Entry>) -> Result<(), JournalError> {
        let Ok(_sequences) = self.append_with(|_| Ok::<_, Infallible>(entries))?;
        Ok(())
    }

    /// Calls `decide` with the current ledger and appends the entries that it returns. No other append happens in
    /// between.
    ///
    /// Returns the sequences of the new entries, which are then durable and in the ledger. They form one batch: after a
    /// crash either all of them exist or none. If `decide` returns an error, nothing changes.
    ///
    /// Errors: [`JournalError::Failed`] and [`JournalError::Poisoned`]: the process must stop.
    /// [`JournalError::TooLarge`], [`JournalError::Illegal`] and [`JournalError::ReserveLow`]: nothing was written.
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
        // Refuse now what replay would refuse at the next start.
        let legal = state.ledger.check_all(entries.iter().map(|entry| &entry.body));
        legal.map_err(|(place, source)| JournalError::Illegal { sequence: first + place as u64, source })?;
        let mut bytes = Vec::new();
        let chain = encode_batch(first, state.chain, &bodies, &mut bytes);
        let end = state.end + bytes.len() as u64;
        // Extend both files, because the next start copies all records into the other one.
        self.reserve(&mut state, bytes.len() as u64)?;
        // Poisoned until the sync succeeds.
        state.is_poisoned = true;
        let written = self.shared.file.write_once_synced_at(state.end, &bytes);
        written.map_err(|source| self.fail("write", source, &mut state))?;
        let sequences = (first..).take(entries.len()).collect();
        entries.iter().for_each(|entry| state.ledger.apply(&entry.body));
        state.sequence += entries.len() as u64;
        (state.chain, state.end, state.is_poisoned) = (chain, end, false);
        self.mark(state.sequence);
        Ok(Ok(sequences))
    }

    /// Marks a record that is durable. Nothing rests on the mark but how the next start judges a damaged last record, so it costs
    /// no sync, and may fail.
    fn mark(&self, sequence: u64) {
        if let Err(error) = self.shared.file.write_all_at(MARK_AT, &encode_mark(self.shared.id, sequence)) {
            tracing::debug!("cannot mark record {sequence} of the journal as durable: {error}");
        }
    }

    /// Extends both files so that they hold [`RESERVE_BYTES`] beyond the last record. Every record that a running
    /// migration still needs then fits, even if the disk fills up. Call this before a migration begins.
    ///
    /// Errors: [`JournalError::ReserveLow`] if the disk is full. Nothing is lost, but the caller must not begin.
    pub fn ensure_reserve(&self) -> Result<(), JournalError> {
        self.reserve(&mut *self.lock_sound()?, RESERVE_BYTES)
    }

    /// Reads the entries of one migration, or all entries, for display. Returns them with their sequences, ascending.
    pub fn entries(&self, mid: Option<MigrationId>) -> Result<Vec<(u64, Entry)>, JournalError> {
        let end = self.shared.state.lock().end;
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
        format::replay(&content, self.shared.id, 0, each).map_err(|bad| files::refuse(path, bad))?;
        Ok(entries)
    }

    /// Reads the whole journal again and checks it: each record is chained to the previous one, the first to the
    /// journal's id, and the last is the record that was written last.
    ///
    /// Errors: [`JournalError::Corrupt`], [`JournalError::Unreadable`], [`JournalError::Io`].
    pub fn verify(&self) -> Result<Verified, JournalError> {
        let (end, sequence, chain) = {
            let state = self.shared.state.lock();
            (state.end, state.sequence, state.chain)
        };
        let path = self.shared.file.path();
        let mut content = vec![0; (end - HEADER_BYTES) as usize];
        let read = self.shared.file.read_exact_at(HEADER_BYTES, &mut content);
        read.map_err(|source| JournalError::Io { doing: "read", path: path.to_owned(), source })?;
        let replayed = format::replay(&content, self.shared.id, sequence, |_, _| ());
        let replayed = replayed.map_err(|bad| files::refuse(path, bad))?;
        if replayed.chain != chain {
            let reason = "its last record is not the one that was written";
            return Err(JournalError::Corrupt { path: path.to_owned(), offset: end, sequence, reason });
        }
        Ok(Verified { records: replayed.sequence, last: chain })
    }

    /// Extends each file that holds less than `ahead` bytes beyond the last record. Extends the spare file first.
    fn reserve(&self, state: &mut State, ahead: u64) -> Result<(), JournalError> {
        for file in [&self.shared.spare, &self.shared.file] {
            let size = file.size().map_err(|source| self.fail("read", source, state))?;
            if size >= state.end + ahead {
                continue;
            }
            match files::preallocate(&self.shared.disk, file, state.end + EXTENDED_BYTES) {
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

    fn lock_sound(&self) -> Result<MutexGuard<'_, State>, JournalError> {
        let state = self.shared.state.lock();
        if state.is_poisoned { Err(JournalError::Poisoned) } else { Ok(state) }
    }
}
