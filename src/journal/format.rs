//! The byte format of a journal file.
//!
//! A file begins with a header, padded to a block:
//!
//! | bytes | field |
//! |---|---|
//! | 8 | magic `MFJOURNL` |
//! | 2 | format, 2 |
//! | 1 | state: 1 active, 2 superseded by the other file |
//! | 8 | generation |
//! | 16 | journal id |
//! | 8 | carried: the last record that was durable before this header was written |
//! | 32 | BLAKE3 of the above |
//!
//! The next block holds the mark. It is written after the sync of each batch, and has no sync of its own: it tells a record that
//! was never durable, and may be cut off, from one that was, and has been damaged since.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | sequence of a record that was durable |
//! | 32 | BLAKE3 of the journal id and the above |
//!
//! Records follow without gaps, then zeros:
//!
//! | bytes | field |
//! |---|---|
//! | 4 | length of the body |
//! | 8 | sequence, from 1; a compaction leaves gaps, and no record in between is lost without breaking the chain |
//! | 8 | sequence of the first record of its batch |
//! | 4 | records in its batch |
//! | 32 | checksum of the previous record; for the first record, a hash of the journal id |
//! | n | body, an encoded `Entry` |
//! | 32 | checksum: BLAKE3 of the above |
//!
//! A batch is written and synced in one step. It is valid only if all its records are present. A compaction rewrites each
//! record that it keeps as a batch of its own, under the record's old sequence. Integers are little endian.

use modelferry_protocol::codec::{CodecError, decode};
use modelferry_protocol::ids::{Hash, JournalId};
use modelferry_protocol::limits::RECORD_BYTES_MAX;
use modelferry_protocol::record::Entry;

/// Bytes before the first record: a block for the header and one for the mark, so that a torn write of one of the three
/// cannot damage the others.
pub const HEADER_BYTES: u64 = MARK_AT + 4096;
/// File offset of the mark.
pub const MARK_AT: u64 = 4096;
/// Length of the mark.
pub const MARK_BYTES: usize = 8 + HASH_BYTES;

const MAGIC: [u8; 8] = *b"MFJOURNL";
const FORMAT: u16 = 2;
const HASH_BYTES: usize = 32;
const HEADER_USED_BYTES: usize = 8 + 2 + 1 + 8 + 16 + 8 + HASH_BYTES;
const RECORD_HEAD_BYTES: usize = 4 + 8 + 8 + 4 + HASH_BYTES;

/// Whether a file holds the current records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The file is current, unless the other file is active with a higher generation.
    Active,
    /// The other file has replaced this one.
    Superseded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub state: State,
    pub generation: u64,
    pub journal: JournalId,
    pub carried: u64,
}

/// The content of a file's first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The file does not exist.
    Absent,
    /// Zeros: the file was created but not used yet.
    Blank,
    /// A valid header.
    Sound(Header),
    /// A valid header of another format.
    OtherFormat(u16),
    /// Anything else.
    Damaged,
}

/// Splits fields off the front of `bytes`.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }
}

impl Header {
    pub fn encode(&self) -> Vec<u8> {
        let state = match self.state {
            State::Active => 1,
            State::Superseded => 2,
        };
        let mut bytes = Vec::with_capacity(HEADER_USED_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.push(state);
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.journal.0);
        bytes.extend_from_slice(&self.carried.to_le_bytes());
        let checksum = Hash::of(&bytes);
        bytes.extend_from_slice(&checksum.0);
        bytes
    }
}

impl Slot {
    /// Classifies the first block of a file. `block` may be shorter if the file is.
    pub fn of(block: &[u8]) -> Self {
        if block.iter().all(|byte| *byte == 0) {
            return Self::Blank;
        }
        Self::sound(block).unwrap_or(Self::Damaged)
    }

    fn sound(block: &[u8]) -> Option<Self> {
        let used = block.get(..HEADER_USED_BYTES)?;
        let (content, checksum) = used.split_at(HEADER_USED_BYTES - HASH_BYTES);
        if Hash::of(content).0 != checksum {
            return None;
        }
        let mut fields = Fields(content);
        if fields.take()? != MAGIC {
            return None;
        }
        let format = u16::from_le_bytes(fields.take()?);
        if format != FORMAT {
            return Some(Self::OtherFormat(format));
        }
        let state = match fields.take()? {
            [1] => State::Active,
            [2] => State::Superseded,
            _ => return None,
        };
        let generation = u64::from_le_bytes(fields.take()?);
        let journal = JournalId(fields.take()?);
        let carried = u64::from_le_bytes(fields.take()?);
        Some(Self::Sound(Header { state, generation, journal, carried }))
    }
}

/// Encodes the mark that says that record `sequence` was durable.
pub fn encode_mark(journal: JournalId, sequence: u64) -> [u8; MARK_BYTES] {
    let mut mark = [0; MARK_BYTES];
    let (number, checksum) = mark.split_at_mut(8);
    number.copy_from_slice(&sequence.to_le_bytes());
    checksum.copy_from_slice(&Hash::of(&[&journal.0[..], number].concat()).0);
    mark
}

/// Returns the sequence of a mark; 0 if it is none of this journal, or was torn.
pub fn marked(mark: [u8; MARK_BYTES], journal: JournalId) -> u64 {
    let sequence = Fields(&mark).take().map_or(0, u64::from_le_bytes);
    if encode_mark(journal, sequence) == mark { sequence } else { 0 }
}

/// Returns the checksum that the first record is chained to. It depends on the journal's id, so that records of another
/// journal are refused.
pub fn chain_begin(journal: JournalId) -> Hash {
    Hash::of(&[&MAGIC[..], &journal.0].concat())
}

/// Appends the records of one batch to `bytes`. Returns the checksum of the last record.
pub fn encode_batch(first: u64, mut previous: Hash, bodies: &[Vec<u8>], bytes: &mut Vec<u8>) -> Hash {
    for (sequence, body) in (first..).zip(bodies) {
        let begin = bytes.len();
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&sequence.to_le_bytes());
        bytes.extend_from_slice(&first.to_le_bytes());
        bytes.extend_from_slice(&(bodies.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&previous.0);
        bytes.extend_from_slice(body);
        previous = Hash::of(&bytes[begin..]);
        bytes.extend_from_slice(&previous.0);
    }
    previous
}

/// A record with a correct checksum.
struct Record<'a> {
    sequence: u64,
    batch_first: u64,
    batch_end: u64,
    previous: Hash,
    body: &'a [u8],
    checksum: Hash,
}

impl<'a> Record<'a> {
    /// Parses the record at the start of `bytes`. Returns `None` unless its checksum is correct and its sequence is
    /// above `after`.
    fn find(bytes: &'a [u8], after: u64) -> Option<Self> {
        let mut fields = Fields(bytes);
        let length = u32::from_le_bytes(fields.take()?) as usize;
        let sequence = u64::from_le_bytes(fields.take()?);
        let batch_first = u64::from_le_bytes(fields.take()?);
        let batch_end = batch_first.checked_add(u64::from(u32::from_le_bytes(fields.take()?)))?;
        let in_batch = batch_first <= sequence && sequence < batch_end;
        // Check these before hashing: the search through damaged bytes calls this at every offset.
        if length > RECORD_BYTES_MAX || sequence <= after || !in_batch {
            return None;
        }
        let previous = Hash(fields.take()?);
        let body = fields.0.get(..length)?;
        let (content, rest) = bytes.split_at(RECORD_HEAD_BYTES + length);
        let checksum = Hash::of(content);
        let sound = rest.get(..HASH_BYTES)? == checksum.0;
        sound.then_some(Self { sequence, batch_first, batch_end, previous, body, checksum })
    }

    fn bytes(&self) -> usize {
        RECORD_HEAD_BYTES + self.body.len() + HASH_BYTES
    }
}

/// The result of replaying a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Sequence of the last valid record; 0 if there are none.
    pub sequence: u64,
    /// The number of valid records.
    pub records: u64,
    /// Checksum of the last valid record.
    pub chain: Hash,
    /// Length of the valid records, in bytes.
    pub end: usize,
    /// Bytes of an incomplete batch after the valid records.
    pub torn: usize,
}

/// Records that cannot be replayed.
#[derive(Debug)]
pub enum BadRecords {
    /// Damage other than a torn end.
    Damaged { offset: usize, sequence: u64, reason: &'static str },
    /// A body that does not decode.
    Unreadable { sequence: u64, source: CodecError },
}

/// Replays `content`, a file's bytes after its header. Calls `each` for every entry of a complete batch.
///
/// `durable`: the last record that is known to have been durable. Skips a torn last batch, which was never acknowledged. Errors:
/// [`BadRecords::Damaged`] if the damaged record had been durable: it is such a record, or another one was written after it.
pub fn replay(
    content: &[u8],
    journal: JournalId,
    durable: u64,
    mut each: impl FnMut(u64, Entry),
) -> Result<Replayed, BadRecords> {
    let mut replayed = Replayed { sequence: 0, records: 0, chain: chain_begin(journal), end: 0, torn: 0 };
    let mut batch = Vec::new();
    let (mut at, mut chain) = (0, replayed.chain);
    while let Some(record) = Record::find(&content[at..], replayed.sequence) {
        // The chain tells whether a record is missing. A batch itself has no gaps.
        let expected = record.batch_first + batch.len() as u64;
        if record.sequence != expected || record.batch_first <= replayed.sequence || record.previous != chain {
            break;
        }
        let sequence = record.sequence;
        let entry = decode(record.body).map_err(|source| BadRecords::Unreadable { sequence, source })?;
        batch.push((sequence, entry));
        at += record.bytes();
        chain = record.checksum;
        if sequence + 1 == record.batch_end {
            let records = replayed.records + batch.len() as u64;
            replayed = Replayed { sequence, records, chain, end: at, torn: 0 };
            batch.drain(..).for_each(|(sequence, entry)| each(sequence, entry));
        }
    }
    let rest = &content[replayed.end..];
    replayed.torn = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let damaged = |reason| BadRecords::Damaged { offset: replayed.end, sequence: replayed.sequence, reason };
    if replayed.sequence < durable {
        return Err(damaged("a record that had been durable is damaged or missing"));
    }
    // A batch begins only after the previous one is durable. A valid record of a later batch therefore proves that the
    // bad record had been written completely, and that somebody may have acted on it.
    let later = |at: usize| Record::find(&rest[at..], replayed.sequence + 1);
    if (0..replayed.torn).filter_map(later).any(|record| record.batch_first > replayed.sequence + 1) {
        return Err(damaged("a bad record has good ones after it"));
    }
    Ok(replayed)
}
