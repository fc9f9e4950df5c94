//! Offers that come to nothing: their records go, their ids and everything else stay.

use modelferry_protocol::ids::{JournalId, MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::limits::{OFFERS_PAST_MAX, TOMBSTONES_MAX};
use modelferry_protocol::record::Body;
use modelferry_protocol::record::Entry;
use modelferry_protocol::snapshot::Name;
use modelferry_protocol::switch::target::{Dropping, TargetRecord, TargetState};
use modelferry_protocol::switch::{Cause, Head, Profile, Terms};
use tempfile::TempDir;

use super::{Journal, copy_of, entry, note, open, step, story};
use crate::disk::{Disk, FaultPlan, Faults};
use modelferry_protocol::switch::source::SourceState;

const LIAR: Pin = Pin([0xee; 32]);

fn offered(number: u32) -> MigrationId {
    let mut id = [0xbb; 16];
    id[..4].copy_from_slice(&number.to_le_bytes());
    MigrationId(id)
}

/// The records of an offer that its source takes back at once.
fn nothing(number: u32) -> Vec<Entry> {
    let (mid, model) = (offered(number), ModelUuid(offered(number).0));
    let head = Head { mid, model, epoch_to: 1, peer: LIAR, journal: JournalId([7; 16]), profile: Profile::Embedded };
    let terms = Terms {
        mid,
        model,
        attempt: 0,
        name: Name::cut("shelf"),
        owner: Name::cut("admin"),
        peer: Name::cut("liar"),
        controller: Default::default(),
        freeze_ms_max: 0,
        skip_log: false,
        reap_hold_ms: 0,
    };
    let cause = Cause::cut("never mind");
    let states = [
        TargetState::Receiving,
        TargetState::Dropping(Dropping { root: None, cause: cause.clone() }),
        TargetState::Dropped(cause),
    ];
    let steps = states.map(|state| entry(Body::Target(TargetRecord { head, state })));
    std::iter::once(entry(Body::Terms(terms))).chain(steps).collect()
}

/// As many offers as fill the past of a peer, and make the journal compact itself so often.
fn offers(compactions: u32) -> u32 {
    OFFERS_PAST_MAX as u32 + compactions * 2 * TOMBSTONES_MAX as u32
}

fn file_bytes(journal: &Journal) -> u64 {
    journal.shared.state.lock().end
}

#[test]
fn a_hundred_thousand_offers_that_came_to_nothing_cost_their_ids_in_the_file_and_in_memory() {
    let dir = TempDir::new().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    journal.append(story()).unwrap();
    const OFFERS: u32 = 100_000;
    for number in 0..OFFERS {
        journal.append(nothing(number)).unwrap();
    }
    let sequence = journal.sequence();
    assert_eq!(sequence, 6 + 4 * u64::from(OFFERS), "what peers have seen of this journal stays true");
    let forgotten = OFFERS as usize - OFFERS_PAST_MAX;
    let remembered = |ledger: &Ledger| (ledger.last_records().count(), ledger.holdings().count(), ledger.forgotten());
    assert_eq!(journal.ledger(remembered), (3 + OFFERS_PAST_MAX, 3 + OFFERS_PAST_MAX, forgotten));
    // The ids, and as much again as is waited for before the file is compacted.
    assert!(file_bytes(&journal) < 16 * u64::from(OFFERS) * 3 / 2 + (1 << 20), "{} bytes", file_bytes(&journal));
    let before = journal.ledger(Ledger::clone);
    drop(journal);
    let (journal, _) = open(dir.path()).unwrap();
    assert_eq!((journal.ledger(Ledger::clone), journal.sequence()), (before, sequence));
    assert!(journal.ledger(|ledger| ledger.is_forgotten(offered(0)) && !ledger.is_forgotten(offered(OFFERS - 1))));
}

#[test]
fn a_compacted_journal_has_the_same_ledger_the_same_records_of_others_and_is_proved_whole() {
    let dir = TempDir::new().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    journal.append(story()).unwrap();
    let mut whole = Ledger::default();
    story().iter().for_each(|entry| whole.apply(&entry.body));
    for number in 0..offers(2) {
        let entries = nothing(number);
        entries.iter().for_each(|entry| whole.apply(&entry.body));
        journal.append(entries).unwrap();
    }
    journal.append(vec![step(9, SourceState::Offered)]).unwrap();
    whole.apply(&step(9, SourceState::Offered).body);
    journal.ledger(|ledger| assert_eq!(*ledger, whole));
    let own = |journal: &Journal| {
        let entries = journal.entries(None).unwrap().into_iter();
        let own =
            entries.filter(|(_, entry)| !matches!(entry.body, Body::Terms(_) | Body::Target(_) | Body::Tombstones(_)));
        own.collect::<Vec<_>>()
    };
    let kept = own(&journal);
    assert_eq!(
        kept.iter().map(|(_, entry)| entry.clone()).collect::<Vec<_>>(),
        [story(), vec![step(9, SourceState::Offered)]].concat()
    );
    assert_eq!(kept.last().unwrap().0, journal.sequence(), "a record keeps its number");
    let verified = journal.verify().unwrap();
    assert!(verified.records < journal.sequence());
    drop(journal);
    let (journal, _) = open(dir.path()).unwrap();
    assert_eq!((own(&journal), journal.verify().unwrap()), (kept, verified));
    journal.ledger(|ledger| assert_eq!(*ledger, whole));
}

#[test]
fn a_process_that_dies_at_any_point_of_a_compaction_loses_nothing_acknowledged() {
    let origin = TempDir::new().unwrap();
    let (journal, _) = open(origin.path()).unwrap();
    let last = offers(1) - 1;
    (0..last).for_each(|number| journal.append(nothing(number)).unwrap());
    drop(journal);
    let kept: [fn(usize) -> bool; 3] = [|_| true, |_| false, |place| place == 0];
    let mut died = 0;
    for (at, kept) in (0..40).flat_map(|at| kept.map(|kept| (at, kept))) {
        let dir = copy_of(origin.path());
        let faults = Faults::default();
        let (journal, _) = Journal::open(dir.path(), Disk::faulty(&faults)).unwrap();
        let before = journal.ledger(Ledger::clone);
        faults.set(FaultPlan { die_at: Some(at), ..FaultPlan::default() });
        // The last of them makes the journal compact itself.
        let acknowledged = journal.append(nothing(last)).is_ok();
        died += usize::from(!acknowledged);
        drop(journal);
        faults.power_cut(kept).unwrap();
        let (journal, _) = open(dir.path()).unwrap_or_else(|error| panic!("at {at}: {error}"));
        let is_whole = journal.ledger(|ledger| ledger.last_record(offered(last)).is_some());
        assert!(is_whole || !acknowledged && journal.ledger(Ledger::clone) == before, "at {at}");
        journal.append(vec![note(1, "more")]).unwrap();
    }
    assert!(died > 12, "{died}: a compaction has more steps than that");
}
