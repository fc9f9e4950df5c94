//! Tests that kill the process and fail syncs at every point.

use std::path::Path;

use modelferry_protocol::record::Entry;
use tempfile::TempDir;

use super::{Journal, JournalError, assert_holds, copy_of, entries_in, journal_of, note, open, story, story_from};
use crate::disk::{Disk, FaultPlan, Faults};

fn batches() -> Vec<Vec<Entry>> {
    let story = story_from(4);
    vec![story[..1].to_vec(), story[1..4].to_vec(), story[4..].to_vec()]
}

/// Opens the journal and appends until an operation fails. Returns the number of acknowledged batches.
fn run(dir: &Path, faults: &Faults) -> (usize, Option<JournalError>) {
    let journal = match Journal::open(dir, Disk::faulty(faults)) {
        Ok((journal, _)) => journal,
        Err(error) => return (0, Some(error)),
    };
    for (acknowledged, batch) in batches().into_iter().enumerate() {
        if let Err(error) = journal.append(batch) {
            assert!(matches!(error, JournalError::Failed { .. } | JournalError::Poisoned), "{error}");
            assert!(matches!(journal.append(vec![note(1, "after")]), Err(JournalError::Poisoned)));
            assert!(matches!(journal.ensure_reserve(), Err(JournalError::Poisoned)));
            return (acknowledged, Some(error));
        }
    }
    (batches().len(), None)
}

/// Asserts that `dir` holds the entries from before, every acknowledged batch, and no partial batch.
fn assert_survived(dir: &Path, before: &[Entry], acknowledged: usize, context: &str) {
    let (journal, _) = open(dir).unwrap_or_else(|error| panic!("{context}: {error}"));
    let entries = entries_in(&journal);
    let whole: Vec<Vec<Entry>> =
        (acknowledged..=batches().len()).map(|count| [before, &batches()[..count].concat()].concat()).collect();
    assert!(whole.contains(&entries), "{context}: {} entries, {acknowledged} batches acknowledged", entries.len());
    drop(journal);
    assert_holds(dir, &entries);
}

type Kept = fn(usize) -> bool;

/// Which unsynced writes survive a power cut, by position from the last.
const KEPT: [(&str, Kept); 3] =
    [("no power cut", |_| true), ("all lost", |_| false), ("the last kept", |place| place == 0)];

/// Runs `plan(n)` on copies of a journal with the entries `before`, for n from 0 until nothing fails, with and without
/// a power cut.
fn at_every(before: &[Entry], fresh: bool, plan: impl Fn(u64) -> FaultPlan) {
    let origin = if fresh { TempDir::new().unwrap() } else { journal_of(before) };
    for (name, kept) in KEPT {
        let failed = (0..).take_while(|at| {
            let dir = if fresh { TempDir::new().unwrap() } else { copy_of(origin.path()) };
            let faults = Faults::new(plan(*at));
            let (acknowledged, error) = run(dir.path(), &faults);
            faults.power_cut(kept).unwrap();
            assert_survived(dir.path(), before, acknowledged, &format!("{:?}, {name}", plan(*at)));
            error.is_some()
        });
        assert!(failed.count() > 3, "the plan never failed");
    }
}

#[test]
fn a_process_that_dies_at_any_point_loses_nothing_acknowledged() {
    at_every(&story(), false, |at| FaultPlan { die_at: Some(at), ..FaultPlan::default() });
}

#[test]
fn a_process_that_dies_while_it_makes_the_journal_can_be_started_again() {
    at_every(&[], true, |at| FaultPlan { die_at: Some(at), ..FaultPlan::default() });
}

#[test]
fn the_nth_sync_failing_poisons_and_loses_nothing_acknowledged() {
    at_every(&story(), false, |at| FaultPlan { fail_sync: Some(at), ..FaultPlan::default() });
}

#[test]
fn a_short_write_of_a_batch_poisons_and_loses_nothing_acknowledged() {
    let dir = journal_of(&story());
    let faults = Faults::default();
    let (journal, _) = Journal::open(dir.path(), Disk::faulty(&faults)).unwrap();
    faults.set(FaultPlan { short_write: Some(0), ..FaultPlan::default() });
    let error = journal.append(batches().concat()).unwrap_err();
    assert!(matches!(error, JournalError::Failed { .. }), "{error}");
    assert!(matches!(journal.append(vec![note(1, "after")]), Err(JournalError::Poisoned)));
    drop(journal);
    let opened = assert_holds(dir.path(), &story());
    assert!(opened.truncated_bytes.is_some());
}

#[test]
fn starts_that_die_again_and_again_lose_nothing() {
    let dir = journal_of(&story());
    for at in (0..30).chain(0..30) {
        let faults = Faults::new(FaultPlan { die_at: Some(at), ..FaultPlan::default() });
        let _ = Journal::open(dir.path(), Disk::faulty(&faults));
        faults.power_cut(KEPT[at as usize % KEPT.len()].1).unwrap();
    }
    assert_holds(dir.path(), &story());
}
