//! Tests with changed bytes on disk. A torn end is cut off; any other damage is refused.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use modelferry_protocol::codec::encode;
use modelferry_protocol::ids::{Hash, JournalId};
use modelferry_protocol::record::Entry;

use super::super::format::{
    BadRecords, HEADER_BYTES, MARK_AT, MARK_BYTES, Slot, State, chain_begin, encode_batch, encode_mark, replay,
};
use super::{JournalError, NAMES, assert_holds, copy_of, journal_of, note, open, step, story};

const ID: JournalId = JournalId([7; 16]);

/// Returns the encoded batches and the offset of each.
fn written(batches: &[Vec<Entry>]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut begins) = (Vec::new(), Vec::new());
    let (mut chain, mut first) = (chain_begin(ID), 1);
    for batch in batches {
        begins.push(bytes.len());
        let bodies: Vec<Vec<u8>> = batch.iter().map(encode).collect();
        chain = encode_batch(first, chain, &bodies, &mut bytes);
        first += bodies.len() as u64;
    }
    begins.push(bytes.len());
    (bytes, begins)
}

/// Replays `bytes` as a file that ends in zeros.
fn replayed(bytes: &[u8]) -> Result<(Vec<Entry>, usize), BadRecords> {
    let mut entries = Vec::new();
    let content = [bytes, &[0; 512]].concat();
    let replayed = replay(&content, ID, 0, |_, entry| entries.push(entry))?;
    Ok((entries, replayed.torn))
}

fn singles() -> Vec<Vec<Entry>> {
    story().into_iter().map(|entry| vec![entry]).collect()
}

/// Returns the id of the journal that a file is of.
fn journal_id(path: &Path) -> JournalId {
    match Slot::of(&fs::read(path).unwrap()[..HEADER_BYTES as usize]) {
        Slot::Sound(header) => header.journal,
        other => panic!("{other:?}"),
    }
}

/// Returns the file in use.
fn active(dir: &Path) -> PathBuf {
    let is_active = |path: &PathBuf| {
        matches!(Slot::of(&fs::read(path).unwrap()[..HEADER_BYTES as usize]),
            Slot::Sound(header) if header.state == State::Active)
    };
    NAMES.iter().map(|name| dir.join(name)).find(is_active).unwrap()
}

fn flip(path: &Path, offset: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

#[test]
fn a_last_record_torn_at_any_byte_is_cut_off() {
    let (bytes, begins) = written(&singles());
    let last = begins[5];
    for end in last..bytes.len() {
        let (entries, torn) = replayed(&bytes[..end]).unwrap();
        assert_eq!(entries, story()[..5], "torn after {} bytes", end - last);
        let visible = bytes[last..end].iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        assert_eq!(torn, visible);
    }
    assert_eq!(replayed(&bytes).unwrap(), (story(), 0));
}

#[test]
fn a_batch_torn_at_any_byte_is_cut_off_whole() {
    let (bytes, begins) = written(&[story()[..2].to_vec(), story()[2..].to_vec()]);
    for end in begins[1]..bytes.len() {
        assert_eq!(replayed(&bytes[..end]).unwrap().0, story()[..2]);
    }
}

#[test]
fn a_batch_whose_first_record_alone_was_lost_is_torn_and_not_damaged() {
    // The sectors of one write reach the disk in any order.
    let (mut bytes, begins) = written(&[story()[..2].to_vec(), story()[2..].to_vec()]);
    bytes[begins[1]..][..60].fill(0);
    let (entries, torn) = replayed(&bytes).unwrap();
    assert_eq!(entries, story()[..2]);
    assert_eq!(torn, bytes.len() - begins[1]);
}

#[test]
fn every_flipped_bit_before_the_last_record_is_noticed() {
    let (bytes, begins) = written(&singles());
    for at in 0..begins[5] {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            let record = begins.iter().rposition(|begin| *begin <= at).unwrap();
            match replayed(&bytes) {
                Err(BadRecords::Damaged { offset, sequence, .. }) => {
                    assert_eq!((offset, sequence), (begins[record], record as u64));
                }
                other => panic!("bit {bit} of byte {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_record_taken_out_of_the_middle_is_noticed() {
    let (bytes, begins) = written(&singles());
    let without = [&bytes[..begins[2]], &bytes[begins[3]..]].concat();
    assert!(matches!(replayed(&without), Err(BadRecords::Damaged { sequence: 2, .. })));
}

#[test]
fn a_record_of_another_journal_is_not_taken_in() {
    let (bytes, _) = written(&singles());
    let other = JournalId([8; 16]);
    let replayed = replay(&bytes, other, 0, |_, _| panic!("taken in"));
    assert!(matches!(replayed, Err(BadRecords::Damaged { sequence: 0, .. })));
}

#[test]
fn a_sound_record_of_an_unknown_kind_is_not_cut_off() {
    let mut bytes = Vec::new();
    encode_batch(1, chain_begin(ID), &[vec![0xff; 20]], &mut bytes);
    assert!(matches!(replayed(&bytes), Err(BadRecords::Unreadable { sequence: 1, .. })));
}

/// Returns the offset of the last byte of the last record.
fn last_byte(path: &Path) -> u64 {
    fs::read(path).unwrap().iter().rposition(|byte| *byte != 0).unwrap() as u64
}

/// Overwrites the mark.
fn mark(path: &Path, mark: [u8; MARK_BYTES]) {
    fs::File::options().write(true).open(path).unwrap().write_all_at(&mark, MARK_AT).unwrap();
}

#[test]
fn a_torn_end_is_reported_and_the_journal_goes_on() {
    let dir = journal_of(&story());
    let path = active(dir.path());
    let id = journal_id(&path);
    mark(&path, encode_mark(id, 5));
    fs::File::options().write(true).open(&path).unwrap().write_all_at(&[0; 8], last_byte(&path) - 7).unwrap();
    let (journal, opened) = open(dir.path()).unwrap();
    assert!(opened.truncated_bytes.is_some_and(|bytes| bytes > 0));
    journal.append(vec![note(1, "")]).unwrap();
    drop(journal);
    // The torn bytes are gone from both files.
    for _ in 0..3 {
        let opened = assert_holds(dir.path(), &[&story()[..5], &[note(1, "")]].concat());
        assert_eq!(opened.truncated_bytes, None);
    }
}

#[test]
fn a_bad_record_with_good_ones_after_it_is_refused_and_the_file_left_alone() {
    let dir = journal_of(&story());
    let path = active(dir.path());
    flip(&path, HEADER_BYTES + 200);
    let before = fs::read(&path).unwrap();
    let error = open(dir.path()).map(|_| ()).unwrap_err();
    assert!(matches!(&error, JournalError::Corrupt { path: named, .. } if *named == path), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(open(dir.path()).is_err(), "it stays refused");
}

#[test]
fn a_last_record_that_was_durable_at_the_last_start_is_never_cut_off() {
    let dir = journal_of(&story());
    assert_holds(dir.path(), &story());
    let path = active(dir.path());
    flip(&path, last_byte(&path));
    assert!(matches!(open(dir.path()), Err(JournalError::Corrupt { sequence: 5, .. })));
}

#[test]
fn a_last_record_that_was_durable_since_is_never_cut_off_either() {
    let dir = journal_of(&story());
    let path = active(dir.path());
    let end = last_byte(&path);
    for at in [end, end - 20, end - 60] {
        let copy = copy_of(dir.path());
        flip(&active(copy.path()), at);
        assert!(matches!(open(copy.path()), Err(JournalError::Corrupt { sequence: 5, .. })), "byte {at}");
    }
    fs::File::options().write(true).open(&path).unwrap().write_all_at(&[0; 300], end - 299).unwrap();
    assert!(matches!(open(dir.path()), Err(JournalError::Corrupt { .. })), "it is not there at all");
}

#[test]
fn a_mark_that_is_torn_or_of_another_journal_says_nothing() {
    for bytes in [[0; MARK_BYTES], [0xff; MARK_BYTES], encode_mark(ID, 6)] {
        let dir = journal_of(&story());
        let path = active(dir.path());
        mark(&path, bytes);
        flip(&path, last_byte(&path));
        assert_eq!(assert_holds(dir.path(), &story()[..5]).truncated_bytes.map(|bytes| bytes > 0), Some(true));
    }
}

#[test]
fn a_flipped_byte_of_the_header_does_not_bring_back_an_older_generation() {
    let dir = journal_of(&story());
    // Append a record that the older file lacks.
    open(dir.path()).unwrap().0.append(vec![step(3, super::SourceState::Aborting(Default::default()))]).unwrap();
    for at in 0..75 {
        let copy = copy_of(dir.path());
        flip(&active(copy.path()), at);
        assert!(matches!(open(copy.path()), Err(JournalError::Corrupt { .. })), "byte {at}");
    }
}

#[test]
fn a_lost_spare_is_made_anew_and_a_lost_journal_is_refused() {
    let dir = journal_of(&story());
    for name in NAMES {
        let copy = copy_of(dir.path());
        let is_active = active(copy.path()).ends_with(name);
        fs::remove_file(copy.path().join(name)).unwrap();
        if is_active {
            assert!(matches!(open(copy.path()), Err(JournalError::Corrupt { .. })));
        } else {
            assert_holds(copy.path(), &story());
            assert_holds(copy.path(), &story());
        }
    }
}

#[test]
fn a_header_that_was_wiped_is_not_a_new_journal() {
    let dir = journal_of(&story());
    for name in NAMES {
        let file = fs::File::options().write(true).open(dir.path().join(name)).unwrap();
        file.write_all_at(&[0; HEADER_BYTES as usize], 0).unwrap();
    }
    assert!(matches!(open(dir.path()), Err(JournalError::Corrupt { .. })));
}

#[test]
fn a_header_of_another_format_is_named() {
    let dir = journal_of(&story());
    let path = active(dir.path());
    let mut header = fs::read(&path).unwrap()[..43].to_vec();
    header[8] = 3;
    let sealed = [&header[..], &Hash::of(&header).0].concat();
    fs::File::options().write(true).open(&path).unwrap().write_all_at(&sealed, 0).unwrap();
    assert!(matches!(open(dir.path()), Err(JournalError::Format { format: 3, .. })));
}

#[test]
fn files_of_two_journals_are_refused() {
    let (dir, other) = (journal_of(&story()), journal_of(&story()[..2]));
    fs::copy(other.path().join(NAMES[0]), dir.path().join(NAMES[0])).unwrap();
    assert!(matches!(open(dir.path()), Err(JournalError::Corrupt { .. })));
}
