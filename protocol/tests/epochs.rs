//! What a ledger says of epochs, attempts and alarms.

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{JournalId, MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::{Ledger, NotOffered};
use modelferry_protocol::limits::{EPOCH_FORCED_STEP, EPOCH_LEARNED_MAX};
use modelferry_protocol::record::{Acknowledged, Alarm, AlarmKind, Body, Conflict, Reimported, Removed, Restored};
use modelferry_protocol::switch::source::{SourceRecord, SourceState};
use modelferry_protocol::switch::target::{Active, TargetRecord, TargetState};
use modelferry_protocol::switch::{Head, Profile, Root};

const MODEL: ModelUuid = ModelUuid([7; 16]);
const PEER: Pin = Pin([1; 32]);
const OTHER: Pin = Pin([2; 32]);
const ROOT: Root = modelferry_protocol::ids::Hash([3; 32]);

fn head(number: u8, epoch_to: u64, peer: Pin) -> Head {
    let (mid, journal) = (MigrationId([number; 16]), JournalId([4; 16]));
    Head { mid, model: MODEL, epoch_to, peer, journal, profile: Profile::Embedded }
}

fn moved(number: u8, epoch_to: u64, peer: Pin) -> Body {
    Body::Source(SourceRecord { head: head(number, epoch_to, peer), state: SourceState::Moved(ROOT) })
}

fn came(number: u8, epoch_to: u64, peer: Pin) -> Body {
    let state = TargetState::Active(Active { root: ROOT, reply: Default::default() });
    Body::Target(TargetRecord { head: head(number, epoch_to, peer), state })
}

fn restored(epoch: u64) -> Body {
    Body::Restored(Restored { model: MODEL, epoch, cause: Text::default() })
}

fn ledger(bodies: &[Body]) -> Ledger {
    let mut ledger = Ledger::default();
    bodies.iter().for_each(|body| ledger.apply(body));
    ledger
}

#[test]
fn a_copy_that_the_target_knows_a_later_owner_of_is_not_offered() {
    let ledger = ledger(&[]);
    assert_eq!(ledger.offer_epoch(MODEL, 0, false), Ok(1));
    assert_eq!(ledger.offer_epoch(MODEL, 1, false), Err(NotOffered::Superseded { own: 0, known: 1 }));
    assert_eq!(ledger.offer_epoch(MODEL, 1, true), Ok(2), "the target handed it to this very agent");
}

#[test]
fn a_restored_copy_goes_beyond_what_the_target_knows_until_it_has_moved() {
    let mut ledger = ledger(&[restored(0)]);
    assert_eq!(ledger.offer_epoch(MODEL, 5, false), Ok(6));
    ledger.apply(&moved(1, 6, PEER));
    assert_eq!(ledger.offer_epoch(MODEL, 9, false), Err(NotOffered::Superseded { own: 6, known: 9 }));
    ledger.apply(&restored(6));
    ledger.apply(&came(2, 8, PEER));
    assert_eq!(ledger.offer_epoch(MODEL, 9, false), Err(NotOffered::Superseded { own: 8, known: 9 }));
}

#[test]
fn an_epoch_that_no_model_comes_to_is_not_believed() {
    let ledger = ledger(&[restored(0)]);
    assert_eq!(ledger.offer_epoch(MODEL, EPOCH_LEARNED_MAX, false), Ok(EPOCH_LEARNED_MAX + 1));
    let known = EPOCH_LEARNED_MAX + 1;
    assert_eq!(ledger.offer_epoch(MODEL, known, true), Err(NotOffered::TooLarge { known }));
}

#[test]
fn the_last_agent_that_a_model_was_handed_to_is_told() {
    assert_eq!(ledger(&[]).handed_to(MODEL), None);
    assert_eq!(ledger(&[moved(1, 1, PEER)]).handed_to(MODEL), Some(PEER));
    assert_eq!(ledger(&[moved(1, 1, PEER), came(2, 2, PEER)]).handed_to(MODEL), None, "it came back");
    let there_and_on = [moved(1, 1, PEER), came(2, 2, PEER), moved(3, 3, OTHER)];
    assert_eq!(ledger(&there_and_on).handed_to(MODEL), Some(OTHER));
}

#[test]
fn a_restored_copy_is_live_and_out_of_its_conflict_and_the_peer_hears_of_it() {
    let conflict = Conflict { model: MODEL, peer: PEER, epoch: 0, peer_epoch: 1, cause: Text::default() };
    let mut ledger = ledger(&[Body::Conflict(conflict)]);
    let shared = |ledger: &Ledger| ledger.shared_with(PEER).next().map(|(_, holding)| (holding.epoch, holding.live));
    // Met without any migration between the two: shared all the same.
    assert_eq!((ledger.conflicts().count(), shared(&ledger)), (1, Some((0, false))));
    ledger.apply(&restored(1 + EPOCH_FORCED_STEP));
    assert_eq!((ledger.conflicts().count(), shared(&ledger)), (0, Some((1 + EPOCH_FORCED_STEP, true))));
    assert_eq!(ledger.shared_with(OTHER).count(), 0);
}

#[test]
fn an_alarm_stands_until_it_is_acknowledged_beside_others_of_its_peer() {
    let alarm = |peer, kind| Body::Alarm(Alarm { peer, kind, text: Text::default() });
    let (journal, conflict) = (AlarmKind::Journal, AlarmKind::Conflict(MODEL));
    let mut ledger =
        ledger(&[alarm(PEER, journal), alarm(PEER, conflict), alarm(PEER, journal), alarm(OTHER, journal)]);
    assert_eq!(ledger.alarms().count(), 3, "the last of a kind");
    ledger.apply(&Body::Acknowledged(Acknowledged { peer: PEER, cause: Text::default() }));
    assert!(ledger.alarms().all(|alarm| alarm.peer == OTHER));
    ledger.apply(&alarm(PEER, journal));
    assert_eq!(ledger.alarms().count(), 2, "what comes again is shown again");
}

#[test]
fn a_removed_model_is_not_live_until_it_comes_back_and_its_epoch_stays_known() {
    let removed = || Body::Removed(Removed { model: MODEL, cause: Text::default() });
    let imported = || Body::Reimported(Reimported { model: MODEL, cause: Text::default() });
    let seen = |bodies: &[Body]| {
        let ledger = ledger(bodies);
        (ledger.is_live(MODEL), ledger.is_removed(MODEL), ledger.epoch(MODEL))
    };
    assert_eq!(seen(&[came(1, 3, PEER), removed()]), (false, true, 3));
    assert_eq!(seen(&[came(1, 3, PEER), removed(), imported()]), (true, false, 3));
    assert_eq!(seen(&[came(1, 3, PEER), removed(), came(2, 5, PEER)]), (true, false, 5));
    assert_eq!(seen(&[came(1, 3, PEER), removed(), restored(4)]), (true, false, 4));
    // What was not removed is not put into service by an import: a model that has left is its new owner's.
    assert_eq!(seen(&[moved(1, 3, PEER), imported()]), (false, false, 3));
}
