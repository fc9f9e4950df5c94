//! The open journal: appends, and reads what it holds.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use modelferry_protocol::codec::encode;
use modelferry_protocol::ids::{Hash, JournalId, MigrationId};
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::limits::{RECORD_BYTES_MAX, TOMBSTONES_MAX};
use modelferry_protocol::record::Entry;
use parking_lot::{Mutex, MutexGuard};

use super::compaction::compacted;
use super::error::JournalError;
use super::files;
use super::format::{self, HEADER_BYTES, Header, MARK_AT, Replayed, State as FileState, encode_batch, encode_mark};
use crate::disk::{DirLock, Disk, DiskFile};

/// Space that both files hold beyond their last record, 1 MiB, so that a full disk cannot stop a decision.
pub const RESERVE_BYTES: u64 = 1 << 20;
/// Space beyond the last record after a file was extended. Larger than the reserve, so that most records need no
/// extension.
pub(super) const EXTENDED_BYTES: u64 = RESERVE_BYTES + (256 << 10);

/// Forgotten migrations whose records are in the file still, before it is compacted.
const COMPACT_AFTER: usize = 2 * TOMBSTONES_MAX;

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
    pub(super) state: Mutex<State>,
    _lock: DirLock,
}

pub(super) struct State {
    /// The file that appends go to.
    pub(super) file: DiskFile,
    /// The file that the next start, or the next compaction, rewrites and switches to.
    spare: DiskFile,
    /// Generation of the file in use.
    generation: u64,
    ledger: Ledger,
    /// How many forgotten migrations the file holds no records of.
    buried: usize,
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

/// All records, as they lie in a file.
struct Content {
    bytes: Vec<u8>,
    path: PathBuf,
    /// Sequence and checksum of the last record.
    sequence: u64,
    chain: Hash,
}

/// What a journal's records amount to when it is opened.
pub(super) struct Begun {
    pub(super) ledger: Ledger,
    /// How many forgotten migrations have no records any more.
    pub(super) buried: usize,
    pub(super) replayed: Replayed,
}

impl Journal {
    pub(super) fn begin(disk: Disk, lock: DirLock, [file, spare]: [DiskFile; 2], header: Header, read: Begun) -> Self {
        let Begun { ledger, buried, replayed } = read;
        let end = HEADER_BYTES + replayed.end as u64;
        let (sequence, chain, generation) = (replayed.sequence, replayed.chain, header.generation);
        let state = State { file, spare, generation, ledger, buried, sequence, chain, end, is_poisoned: false };
        Self { shared: Arc::new(Shared { disk, id: header.journal, state: Mutex::new(state), _lock: lock }) }
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
        let written = state.file.write_once_synced_at(state.end, &bytes);
        written.map_err(|source| self.fail("write", source, &mut state))?;
        let sequences = (first..).take(entries.len()).collect();
        entries.iter().for_each(|entry| state.ledger.apply(&entry.body));
        state.sequence += entries.len() as u64;
        (state.chain, state.end, state.is_poisoned) = (chain, end, false);
        self.mark(&state);
        if state.ledger.forgotten().saturating_sub(state.buried) >= COMPACT_AFTER {
            self.compact(&mut state)?;
        }
        Ok(Ok(sequences))
    }

    /// Marks a record that is durable. Nothing rests on the mark but how the next start judges a damaged last record, so it costs
    /// no sync, and may fail.
    fn mark(&self, state: &State) {
        let sequence = state.sequence;
        if let Err(error) = state.file.write_all_at(MARK_AT, &encode_mark(self.shared.id, sequence)) {
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
        let Content { bytes, path, .. } = self.content()?;
        let mut entries = Vec::new();
        let wanted = |entry: &Entry| mid.is_none_or(|mid| entry.body.mid() == Some(mid));
        let each = |sequence, entry| {
            if wanted(&entry) {
                entries.push((sequence, entry))
            }
        };
        format::replay(&bytes, self.shared.id, 0, each).map_err(|bad| files::refuse(&path, bad))?;
        Ok(entries)
    }

    /// Reads the whole journal again and checks it: each record is chained to the previous one, the first to the
    /// journal's id, and the last is the record that was written last.
    ///
    /// Errors: [`JournalError::Corrupt`], [`JournalError::Unreadable`], [`JournalError::Io`].
    pub fn verify(&self) -> Result<Verified, JournalError> {
        let Content { bytes, path, sequence, chain } = self.content()?;
        let replayed = format::replay(&bytes, self.shared.id, sequence, |_, _| ());
        let replayed = replayed.map_err(|bad| files::refuse(&path, bad))?;
        if replayed.chain != chain {
            let reason = "its last record is not the one that was written";
            let offset = HEADER_BYTES + bytes.len() as u64;
            return Err(JournalError::Corrupt { path, offset, sequence, reason });
        }
        Ok(Verified { records: replayed.records, last: chain })
    }

    /// Reads all records. Nothing is appended or compacted meanwhile.
    fn content(&self) -> Result<Content, JournalError> {
        let state = self.shared.state.lock();
        let path = state.file.path().to_owned();
        Ok(Content { bytes: records_of(&state)?, path, sequence: state.sequence, chain: state.chain })
    }

    /// Rewrites the journal into the other file without the records of forgotten migrations, whose ids one record for many
    /// keeps. The sequence of the last record stays what it is.
    ///
    /// Errors: [`JournalError::Failed`]: which file counts may be in doubt.
    fn compact(&self, state: &mut State) -> Result<(), JournalError> {
        let content = records_of(state)?;
        let path = state.file.path().to_owned();
        let compacted = compacted(&content, self.shared.id, &state.ledger);
        let compacted = compacted.map_err(|bad| files::refuse(&path, bad))?;
        if compacted.sequence != state.sequence {
            // The last record's sequence is what peers have seen of this journal. It is never one of a forgotten migration.
            return Ok(());
        }
        let header = Header {
            state: FileState::Active,
            generation: state.generation + 1,
            journal: self.shared.id,
            carried: state.sequence,
        };
        let superseded = Header { state: FileState::Superseded, generation: state.generation, ..header };
        state.is_poisoned = true;
        let failed = |error: JournalError| match error {
            JournalError::Io { doing, path, source } => JournalError::Failed { doing, path, source },
            other => other,
        };
        files::rewrite(&state.spare, &compacted.bytes, &header).map_err(failed)?;
        files::put(&state.file, &superseded.encode()).map_err(failed)?;
        let State { file, spare, .. } = state;
        std::mem::swap(file, spare);
        state.generation = header.generation;
        state.end = HEADER_BYTES + compacted.bytes.len() as u64;
        state.chain = compacted.chain;
        (state.buried, state.is_poisoned) = (state.ledger.forgotten(), false);
        self.mark(state);
        Ok(())
    }

    /// Extends each file that holds less than `ahead` bytes beyond the last record. Extends the spare file first.
    fn reserve(&self, state: &mut State, ahead: u64) -> Result<(), JournalError> {
        match self.extend(state, ahead) {
            Err(JournalError::Io { doing, source, .. }) => Err(self.fail(doing, source, state)),
            other => other,
        }
    }

    fn extend(&self, state: &State, ahead: u64) -> Result<(), JournalError> {
        for file in [&state.spare, &state.file] {
            let size = file.size().map_err(|source| files::cannot("read", file.path(), source))?;
            if size < state.end + ahead {
                files::preallocate(&self.shared.disk, file, state.end + EXTENDED_BYTES)?;
                file.sync().map_err(|source| files::cannot("sync", file.path(), source))?;
            }
        }
        Ok(())
    }

    fn fail(&self, doing: &'static str, source: io::Error, state: &mut State) -> JournalError {
        state.is_poisoned = true;
        JournalError::Failed { doing, path: state.file.path().to_owned(), source }
    }

    fn lock_sound(&self) -> Result<MutexGuard<'_, State>, JournalError> {
        let state = self.shared.state.lock();
        if state.is_poisoned { Err(JournalError::Poisoned) } else { Ok(state) }
    }
}

/// Reads the bytes of all records.
fn records_of(state: &State) -> Result<Vec<u8>, JournalError> {
    let mut content = vec![0; (state.end - HEADER_BYTES) as usize];
    let read = state.file.read_exact_at(HEADER_BYTES, &mut content);
    read.map_err(|source| files::cannot("read", state.file.path(), source))?;
    Ok(content)
}
