//! Opens the journal: chooses one of the two files, replays it, and rewrites its records into the other.
//!
//! A start takes three steps, each durable before the next:
//! 1. write the valid records into the file not in use, followed by zeros;
//! 2. mark that file's header active, with the next generation;
//! 3. mark the old file's header superseded.
//!
//! Before step 2 is durable the old file is valid. Between steps 2 and 3 both files are valid and equal, because
//! nothing is appended before step 3. A header damaged *later* therefore cannot pass for one torn in step 2: the old
//! file says that it was superseded, and the journal is refused.

use std::io;
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::JournalId;
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::record::{Body, Entry};
use ring::rand::{SecureRandom, SystemRandom};

use super::error::JournalError;
use super::files::{cannot, preallocate, put, refuse, rewrite};
use super::format::{HEADER_BYTES, Header, MARK_AT, MARK_BYTES, Slot, State, marked, replay};
use super::log::{Begun, EXTENDED_BYTES, Journal};
use crate::disk::{DirLock, Disk, DiskFile, Open};

const NAMES: [&str; 2] = ["journal.0", "journal.1"];

/// What opening a journal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Whether a new journal was created.
    pub created: bool,
    /// Bytes of an incomplete last record or batch that was dropped.
    pub truncated_bytes: Option<u64>,
    /// Generation of the file in use; each start adds 1.
    pub generation: u64,
}

/// An opened journal whose records are not checked yet. It can only be replayed.
pub struct UnreplayedJournal {
    disk: Disk,
    dir: PathBuf,
    lock: DirLock,
    /// Slot and header of the file with the valid records.
    active: (usize, Header),
    /// The other file, if it may replace the active one should that turn out damaged.
    fallback: Option<(usize, Header)>,
    created: bool,
}

impl Journal {
    /// Opens the journal in `dir` and replays it. Creates a new one if there is none.
    ///
    /// Errors: see [`UnreplayedJournal`]. After any error the agent must neither thaw nor commit.
    pub fn open(dir: &std::path::Path, disk: Disk) -> Result<(Self, Opened), JournalError> {
        UnreplayedJournal::open(dir, disk)?.replay()
    }
}

impl UnreplayedJournal {
    /// Opens the journal in `dir`. Creates the directory and a new journal if there is none.
    ///
    /// Errors: [`JournalError::Locked`], [`JournalError::Corrupt`] if no header is valid, [`JournalError::Format`],
    /// [`JournalError::Io`], [`JournalError::ReserveLow`].
    pub fn open(dir: &Path, disk: Disk) -> Result<Self, JournalError> {
        disk.create_dir(dir).map_err(|source| cannot("make the directory", dir, source))?;
        let lock = disk.lock_dir(dir).map_err(|source| cannot("lock", dir, source))?;
        let lock = lock.ok_or_else(|| JournalError::Locked(dir.to_owned()))?;
        let mut slots = read_slots(&disk, dir)?;
        let created = slots.iter().all(|slot| matches!(slot, Slot::Absent | Slot::Blank));
        if created {
            // A header full of zeros means a new journal only if no records follow it.
            refuse_records_without_header(&disk, dir, &slots)?;
            create(&disk, dir, new_id()?)?;
            slots = read_slots(&disk, dir)?;
        }
        let (active, fallback) = choose(dir, &slots)?;
        Ok(Self { disk, dir: dir.to_owned(), lock, active, fallback, created })
    }

    /// Reads the records and rewrites them durably into the other file, with the next generation.
    ///
    /// Errors: [`JournalError::Corrupt`], [`JournalError::Unreadable`], [`JournalError::Io`],
    /// [`JournalError::ReserveLow`].
    pub fn replay(self) -> Result<(Journal, Opened), JournalError> {
        let read = match (self.read(self.active), self.fallback) {
            (Err(JournalError::Corrupt { .. }), Some(fallback)) => self.read(fallback)?,
            (outcome, _) => outcome?,
        };
        let opened = Opened {
            created: self.created,
            truncated_bytes: (read.begun.replayed.torn > 0).then_some(read.begun.replayed.torn as u64),
            generation: self.generation_next(),
        };
        let old = self.file(read.slot)?;
        let new = self.rewrite(&read)?;
        let Read { header, begun, .. } = read;
        let superseded = Header { state: State::Superseded, ..header };
        put(&old, &superseded.encode())?;
        let header = Header { generation: opened.generation, ..header };
        Ok((Journal::begin(self.disk, self.lock, [new, old], header, begun), opened))
    }

    /// Returns one more than the highest generation. The active file has the highest; a fallback has a lower one.
    fn generation_next(&self) -> u64 {
        self.active.1.generation + 1
    }

    fn file(&self, slot: usize) -> Result<DiskFile, JournalError> {
        let path = self.dir.join(NAMES[slot]);
        self.disk.open(&path, Open::Existing).map_err(|source| cannot("open", &path, source))
    }

    fn read(&self, (slot, header): (usize, Header)) -> Result<Read, JournalError> {
        let file = self.file(slot)?;
        let content = read_records(&file)?;
        let durable = header.carried.max(marked(read_mark(&file)?, header.journal));
        let mut ledger = Ledger::default();
        let (mut illegal, mut buried) = (None, 0);
        let each = |sequence, entry: Entry| match ledger.check(&entry.body) {
            _ if illegal.is_some() => {}
            Ok(()) => {
                if let Body::Tombstones(tombstones) = &entry.body {
                    buried += tombstones.mids.len();
                }
                ledger.apply(&entry.body);
            }
            Err(source) => illegal = Some(JournalError::Illegal { sequence, source }),
        };
        let replayed = replay(&content, header.journal, durable, each);
        let replayed = replayed.map_err(|bad| refuse(file.path(), bad))?;
        if let Some(illegal) = illegal {
            return Err(illegal);
        }
        Ok(Read { slot, header, content, begun: Begun { ledger, buried, replayed } })
    }

    /// Writes the valid records into the file not in use, then marks that file active.
    fn rewrite(&self, read: &Read) -> Result<DiskFile, JournalError> {
        let slot = 1 - read.slot;
        let path = self.dir.join(NAMES[slot]);
        let end = HEADER_BYTES + read.begun.replayed.end as u64;
        if !path.exists() {
            make(&self.disk, &self.dir, slot, end + EXTENDED_BYTES, None)?;
        }
        let file = self.file(slot)?;
        // Has an effect only if somebody has truncated the file. The reserve otherwise covers `end`.
        preallocate(&self.disk, &file, end)?;
        let (generation, carried) = (self.generation_next(), read.begun.replayed.sequence);
        let header = Header { state: State::Active, generation, carried, ..read.header };
        rewrite(&file, &read.content[..read.begun.replayed.end], &header)?;
        Ok(file)
    }
}

/// A file whose records are valid.
struct Read {
    slot: usize,
    header: Header,
    content: Vec<u8>,
    begun: Begun,
}

/// Reads the content of a file after its header.
pub fn read_records(file: &DiskFile) -> Result<Vec<u8>, JournalError> {
    let read = || {
        let mut content = vec![0; file.size()?.saturating_sub(HEADER_BYTES) as usize];
        file.read_exact_at(HEADER_BYTES, &mut content)?;
        io::Result::Ok(content)
    };
    read().map_err(|source| cannot("read", file.path(), source))
}

/// Reads the mark of a file; zeros if the file is too short to have one.
fn read_mark(file: &DiskFile) -> Result<[u8; MARK_BYTES], JournalError> {
    let mut mark = [0; MARK_BYTES];
    match file.read_exact_at(MARK_AT, &mut mark) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok([0; MARK_BYTES]),
        read => read.map(|()| mark).map_err(|source| cannot("read", file.path(), source)),
    }
}

fn read_slots(disk: &Disk, dir: &Path) -> Result<[Slot; 2], JournalError> {
    let read = |name: &str| -> Result<Slot, JournalError> {
        let path = dir.join(name);
        if !path.exists() {
            return Ok(Slot::Absent);
        }
        let read = || {
            let file = disk.open(&path, Open::Existing)?;
            let mut block = vec![0; file.size()?.min(HEADER_BYTES) as usize];
            file.read_exact_at(0, &mut block)?;
            io::Result::Ok(Slot::of(&block))
        };
        match read().map_err(|source| cannot("read", &path, source))? {
            Slot::OtherFormat(format) => Err(JournalError::Format { path, format }),
            slot => Ok(slot),
        }
    };
    Ok([read(NAMES[0])?, read(NAMES[1])?])
}

type Choice = ((usize, Header), Option<(usize, Header)>);

/// Chooses the active file, and the fallback if there is one.
fn choose(dir: &Path, slots: &[Slot; 2]) -> Result<Choice, JournalError> {
    let sound = |slot: usize| match slots[slot] {
        Slot::Sound(header) => Some((slot, header)),
        _ => None,
    };
    let corrupt = |slot: usize, reason| {
        Err(JournalError::Corrupt { path: dir.join(NAMES[slot]), offset: 0, sequence: 0, reason })
    };
    let is_active = |(_, header): &(usize, Header)| header.state == State::Active;
    let (one, other) = match (sound(0), sound(1)) {
        (Some(zero), Some(one)) if zero.1.generation > one.1.generation => (zero, Some(one)),
        (Some(zero), Some(one)) => (one, Some(zero)),
        (Some(only), None) | (None, Some(only)) => (only, None),
        (None, None) => return corrupt(0, "neither file has a sound header"),
    };
    if let Some((slot, header)) = other {
        if header.journal != one.1.journal {
            return corrupt(slot, "the two files are of different journals");
        }
        if header.generation == one.1.generation {
            return corrupt(slot, "the two files are of one generation");
        }
    }
    if !is_active(&one) {
        // A later generation was in use and its header is lost.
        return corrupt(1 - one.0, "its header is damaged or missing, and the other file has been superseded by it");
    }
    // Still active: nothing has been appended to the newer file, so both files hold the same records.
    Ok((one, other.filter(is_active)))
}

fn refuse_records_without_header(disk: &Disk, dir: &Path, slots: &[Slot; 2]) -> Result<(), JournalError> {
    for slot in (0..2).filter(|slot| slots[*slot] != Slot::Absent) {
        let path = dir.join(NAMES[slot]);
        let file = disk.open(&path, Open::Existing).map_err(|source| cannot("open", &path, source))?;
        if read_records(&file)?.iter().any(|byte| *byte != 0) {
            let reason = "there are records, and no header";
            return Err(JournalError::Corrupt { path, offset: 0, sequence: 0, reason });
        }
    }
    Ok(())
}

fn new_id() -> Result<JournalId, JournalError> {
    let mut id = [0; 16];
    SystemRandom::new().fill(&mut id).map_err(|_| JournalError::NoRandomness)?;
    Ok(JournalId(id))
}

/// Creates both files. The file with the header is renamed into place last, so that a crash leaves no partial journal.
fn create(disk: &Disk, dir: &Path, journal: JournalId) -> Result<(), JournalError> {
    let header = Header { state: State::Active, generation: 1, journal, carried: 0 };
    make(disk, dir, 1, HEADER_BYTES + EXTENDED_BYTES, None)?;
    make(disk, dir, 0, HEADER_BYTES + EXTENDED_BYTES, Some(header))
}

fn make(disk: &Disk, dir: &Path, slot: usize, bytes: u64, header: Option<Header>) -> Result<(), JournalError> {
    let path = dir.join(NAMES[slot]);
    let new = dir.join(format!(".{}.new", NAMES[slot]));
    let file = disk.open(&new, Open::Fresh).map_err(|source| cannot("make", &new, source))?;
    preallocate(disk, &file, bytes)?;
    if let Some(header) = header {
        file.write_all_at(0, &header.encode()).map_err(|source| cannot("write", &new, source))?;
    }
    file.sync().map_err(|source| cannot("sync", &new, source))?;
    disk.rename(&new, &path).map_err(|source| cannot("make", &path, source))
}
