//! Journal tests. `damage` changes bytes on disk, `crash` kills the process, `forgotten` makes offers that come to nothing.

mod crash;
mod damage;
mod forgotten;

use std::fs;
use std::path::Path;

use modelferry_protocol::codec::encode;
use modelferry_protocol::ids::{JournalId, MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::{LastRecord, Ledger};
use modelferry_protocol::record::{Body, Entry, Note};
use modelferry_protocol::snapshot::Name;
use modelferry_protocol::switch::source::{Freezing, SourceRecord, SourceState};
use modelferry_protocol::switch::{Cause, Head, Profile, Terms};
use tempfile::TempDir;

use super::format::encode_batch;
use super::{Journal, JournalError, Opened, RESERVE_BYTES};
use crate::disk::{Disk, FaultPlan, Faults};

const NAMES: [&str; 2] = ["journal.0", "journal.1"];

fn mid(number: u8) -> MigrationId {
    MigrationId([number; 16])
}

fn entry(body: Body) -> Entry {
    Entry { time_ms: 1_700_000_000_000, actor: Name::new("uid 0").unwrap(), body }
}

/// Returns a record of migration `number`.
fn step(number: u8, state: SourceState) -> Entry {
    let (mid, model) = (mid(number), ModelUuid([number; 16]));
    let (peer, journal, profile) = (Pin([9; 32]), JournalId([7; 16]), Profile::Embedded);
    entry(Body::Source(SourceRecord { head: Head { mid, model, epoch_to: 2, peer, journal, profile }, state }))
}

fn note(number: u8, text: &str) -> Entry {
    entry(Body::Note(Note { mid: mid(number), text: Cause::new(text).unwrap() }))
}

/// Returns six entries of three migrations.
fn story() -> Vec<Entry> {
    story_from(1)
}

/// Returns six entries of the migrations `first` to `first + 2`.
fn story_from(first: u8) -> Vec<Entry> {
    vec![
        step(first, SourceState::Offered),
        step(first + 1, SourceState::Offered),
        step(first, SourceState::Freezing(Freezing { deadline_ms: 5 })),
        note(first, "asked for by an operator"),
        step(first + 1, SourceState::Aborting(Cause::new("no longer wanted").unwrap())),
        step(first + 2, SourceState::Offered),
    ]
}

fn folded(entries: &[Entry]) -> Ledger {
    let mut ledger = Ledger::default();
    entries.iter().for_each(|entry| ledger.apply(&entry.body));
    ledger
}

/// Opens the journal in `dir` on a fault-free disk whose syncs cost nothing.
fn open(dir: &Path) -> Result<(Journal, Opened), JournalError> {
    Journal::open(dir, Disk::faulty(&Faults::default()))
}

/// Creates a journal with one batch per entry.
fn journal_of(entries: &[Entry]) -> TempDir {
    let dir = TempDir::new().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    entries.iter().for_each(|entry| journal.append(vec![entry.clone()]).unwrap());
    dir
}

fn copy_of(dir: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for name in NAMES {
        fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

fn entries_in(journal: &Journal) -> Vec<Entry> {
    journal.entries(None).unwrap().into_iter().map(|(_, entry)| entry).collect()
}

/// Asserts that the journal in `dir` opens and holds exactly `entries`.
fn assert_holds(dir: &Path, entries: &[Entry]) -> Opened {
    let (journal, opened) = open(dir).unwrap();
    assert_eq!(entries_in(&journal), entries);
    assert_eq!(journal.sequence(), entries.len() as u64);
    journal.ledger(|ledger| assert_eq!(*ledger, folded(entries)));
    opened
}

#[test]
fn a_new_journal_is_empty_and_keeps_its_id() {
    let dir = TempDir::new().unwrap();
    let (journal, opened) = open(dir.path()).unwrap();
    assert!(opened.created);
    assert_eq!((journal.sequence(), opened.truncated_bytes), (0, None));
    let id = journal.id();
    drop(journal);
    let (journal, opened) = open(dir.path()).unwrap();
    assert!(!opened.created);
    assert_eq!(journal.id(), id);
    assert_ne!(open(TempDir::new().unwrap().path()).unwrap().0.id(), id);
}

#[test]
fn a_reopened_ledger_equals_the_one_before() {
    let dir = TempDir::new().unwrap();
    let (journal, _) = Journal::open(dir.path(), Disk::real()).unwrap();
    journal.append(story()).unwrap();
    let before = journal.ledger(Ledger::clone);
    assert_eq!(before, folded(&story()));
    drop(journal);
    let (journal, opened) = Journal::open(dir.path(), Disk::real()).unwrap();
    assert_eq!((journal.ledger(Ledger::clone), opened.truncated_bytes), (before, None));
    drop(journal);
    assert_holds(dir.path(), &story());
}

#[test]
fn generations_alternate_between_the_files() {
    let dir = journal_of(&story());
    let files = || NAMES.map(|name| fs::read(dir.path().join(name)).unwrap());
    let mut in_use = None;
    for generation in 3..8 {
        let (journal, opened) = open(dir.path()).unwrap();
        assert_eq!(opened.generation, generation);
        let now = journal.shared.state.lock().file.path().to_owned();
        assert_ne!(in_use.replace(now.clone()), Some(now));
        let before = files();
        journal.append(vec![note(1, "more")]).unwrap();
        let changed: Vec<bool> = std::iter::zip(before, files()).map(|(before, after)| before != after).collect();
        assert_eq!(changed.iter().filter(|changed| **changed).count(), 1, "an append goes into one file");
    }
}

#[test]
fn a_decision_sees_what_is_durable_and_a_refusal_changes_nothing() {
    let dir = journal_of(&story());
    let (journal, _) = open(dir.path()).unwrap();
    let refused = journal.append_with(|ledger| match ledger.last_record(mid(1)) {
        Some(LastRecord::Source(record)) if matches!(record.state, SourceState::Freezing(_)) => Err("freezing"),
        _ => Ok(vec![note(1, "not to be written")]),
    });
    assert_eq!(refused.unwrap(), Err("freezing"));
    let written = journal.append_with(|_| Ok::<_, ()>(vec![note(1, "a"), note(2, "b")]));
    assert_eq!(written.unwrap(), Ok(vec![7, 8]));
    drop(journal);
    assert_holds(dir.path(), &[story(), vec![note(1, "a"), note(2, "b")]].concat());
}

#[test]
fn appends_of_many_threads_are_all_there_in_one_order() {
    let dir = TempDir::new().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let journal = &journal;
            scope.spawn(move || (0..8).for_each(|_| journal.append(vec![note(number, "x")]).unwrap()));
        }
    });
    let before = journal.entries(None).unwrap();
    assert_eq!(before.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), (1..=32).collect::<Vec<_>>());
    assert_eq!(journal.entries(Some(mid(2))).unwrap().len(), 8);
    drop(journal);
    assert_eq!(open(dir.path()).unwrap().0.entries(None).unwrap(), before);
}

#[test]
fn a_second_agent_on_the_same_journal_is_refused() {
    let dir = journal_of(&story());
    let (_journal, _) = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(JournalError::Locked(_))));
}

#[test]
fn the_largest_terms_that_can_be_written_fit_a_record() {
    let dir = TempDir::new().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    let wide = Name::new("x".repeat(256)).unwrap();
    let card = modelferry_protocol::message::ControllerCard {
        addresses: modelferry_protocol::codec::Bounded::new(vec![wide.clone(); 16]).unwrap(),
        ca_cert: modelferry_protocol::codec::Bytes::new(vec![0xff; 1280]).unwrap(),
        ..Default::default()
    };
    let terms = Terms {
        mid: mid(1),
        model: ModelUuid([1; 16]),
        attempt: 0,
        name: wide.clone(),
        owner: wide.clone(),
        peer: wide,
        controller: card,
        freeze_ms_max: 1,
        skip_log: false,
        reap_hold_ms: 0,
    };
    let entries = vec![note(1, "before"), entry(Body::Terms(terms))];
    journal.append(entries.clone()).unwrap();
    drop(journal);
    assert_holds(dir.path(), &entries);
}

#[test]
fn a_full_disk_is_reported_while_the_reserve_still_takes_every_record() {
    let dir = TempDir::new().unwrap();
    let faults = Faults::default();
    let (journal, _) = Journal::open(dir.path(), Disk::faulty(&faults)).unwrap();
    faults.set(FaultPlan { free_bytes: Some(0), ..FaultPlan::default() });
    let large = note(1, &"x".repeat(2000));
    let mut written = 0;
    while journal.ensure_reserve().is_ok() {
        journal.append(vec![large.clone(); 16]).unwrap();
        written += 16;
    }
    assert!(matches!(journal.ensure_reserve(), Err(JournalError::ReserveLow { free: 0, .. })));
    // No migration begins from here on. Running migrations need far less than the space that is left.
    for _ in 0..(RESERVE_BYTES - 64 * 1024) / (16 * 2300) {
        journal.append(vec![large.clone(); 16]).unwrap();
        written += 16;
    }
    let refused = (0..64).find_map(|_| {
        journal.append(vec![large.clone(); 16]).err().or_else(|| {
            written += 16;
            None
        })
    });
    assert!(matches!(refused, Some(JournalError::ReserveLow { .. })));
    // Nothing was written, so nothing is in doubt. A start needs no free space either.
    drop(journal);
    let (journal, _) = Journal::open(dir.path(), Disk::faulty(&faults)).unwrap();
    assert_eq!(journal.sequence(), written);
    faults.set(FaultPlan::default());
    journal.append(vec![large]).unwrap();
    journal.ensure_reserve().unwrap();
    assert_eq!(journal.sequence(), written + 1);
}

#[test]
fn no_journal_is_made_on_a_full_disk() {
    let dir = TempDir::new().unwrap();
    let faults = Faults::new(FaultPlan { free_bytes: Some(1 << 20), ..FaultPlan::default() });
    let refused = Journal::open(dir.path(), Disk::faulty(&faults));
    assert!(matches!(refused, Err(JournalError::ReserveLow { .. })));
    assert!(assert_holds(dir.path(), &[]).created);
}

#[test]
fn a_journal_is_proved_whole_until_a_record_is_changed_under_it() {
    let dir = TempDir::new().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    story().into_iter().for_each(|entry| journal.append(vec![entry]).unwrap());
    let before = journal.verify().unwrap();
    assert_eq!(before.records, 6);
    journal.append(vec![note(2, "one more")]).unwrap();
    assert_ne!(journal.verify().unwrap().last, before.last);

    // Change the disk under the running agent without fixing the checksums.
    for name in NAMES {
        let mut bytes = fs::read(dir.path().join(name)).unwrap();
        let at = bytes.windows(8).position(|window| window == b"operator");
        if let Some(at) = at {
            bytes[at] = b'O';
            fs::write(dir.path().join(name), bytes).unwrap();
        }
    }
    assert!(matches!(journal.verify(), Err(JournalError::Corrupt { sequence: 3, .. })));
}

/// Writes a record that [`Journal::append`] refuses, as a faulty version of the agent might.
fn append_unchecked(journal: &Journal, entry: &Entry) {
    let state = journal.shared.state.lock();
    let mut bytes = Vec::new();
    encode_batch(state.sequence + 1, state.chain, &[encode(entry)], &mut bytes);
    state.file.write_once_synced_at(state.end, &bytes).unwrap();
}

#[test]
fn a_step_that_no_machine_makes_is_refused_with_the_two_states_and_nothing_is_written() {
    let dir = journal_of(&story());
    let (journal, _) = open(dir.path()).unwrap();
    let back = step(1, SourceState::Offered);
    let told = std::error::Error::source(&journal.append(vec![back.clone()]).unwrap_err()).unwrap().to_string();
    assert!(told.contains("cannot go from `Freezing` to `Offered`"), "{told}");
    // The check also covers steps within one batch: migration 4 can make only the first of these.
    let batch = vec![step(4, SourceState::Offered), step(4, SourceState::Aborted(Default::default()))];
    let refused = journal.append(batch);
    assert!(matches!(refused, Err(JournalError::Illegal { sequence: 8, .. })), "{refused:?}");
    drop(journal);
    assert_holds(dir.path(), &story());

    let (journal, _) = open(dir.path()).unwrap();
    append_unchecked(&journal, &back);
    drop(journal);
    let error = open(dir.path()).map(|_| ()).unwrap_err();
    assert!(matches!(error, JournalError::Illegal { sequence: 7, .. }), "{error}");
    let told = std::error::Error::source(&error).unwrap().to_string();
    assert!(told.contains("cannot go from `Freezing` to `Offered`"), "{told}");
}
