//! Single steps of the two machines that the model does not reach, or that deserve a name.

use modelferry_protocol::codec::{Bytes, Text};
use modelferry_protocol::ids::{Hash, JournalId, MigrationId, ModelUuid, Pin};
use modelferry_protocol::limits::{EPOCH_FORCED_STEP, EPOCH_MAX};
use modelferry_protocol::message::{Activated, Commit, End, Message, MigrationKey, Sealed, Vote};
use modelferry_protocol::snapshot::KeptReply;
use modelferry_protocol::switch::offer::{self, OfferRefused};
use modelferry_protocol::switch::source::{self, SourceInput, SourceRecord, SourceState};
use modelferry_protocol::switch::target::{self, Dropping, TargetInput, TargetRecord, TargetState};
use modelferry_protocol::switch::{Cause, CommitStamp, Handover, Head, Ignored, Outcome, Profile};

const ROOT: Hash = Hash([4; 32]);
const OTHER_ROOT: Hash = Hash([5; 32]);
const HEAD: Head = Head {
    mid: MigrationId([1; 16]),
    model: ModelUuid([3; 16]),
    epoch_to: 2,
    peer: Pin([9; 32]),
    journal: JournalId([2; 16]),
    profile: Profile::Embedded,
};

fn key() -> MigrationKey {
    MigrationKey::of(&HEAD)
}

fn handed() -> source::Handed {
    source::Handed { root: ROOT, reply: Default::default() }
}

fn handover() -> Handover {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Handover { activate: Bytes::new(bytes("activate")).unwrap(), adopt: Bytes::new(bytes("adopt")).unwrap() }
}

fn stamp() -> CommitStamp {
    CommitStamp { time_ms: 1_767_225_600_000, signature: [0x99; 64].into() }
}

fn staging() -> TargetState {
    TargetState::Staging(target::Staging { root: ROOT, imported: false })
}

fn activating() -> TargetState {
    TargetState::Activating(target::Activating { root: ROOT, handover: handover(), stamp: stamp() })
}

fn live(forced: Option<Cause>) -> TargetState {
    let adopt = if forced.is_some() { Default::default() } else { handover().adopt };
    TargetState::Live(target::Live { root: ROOT, adopt, forced })
}

fn active() -> TargetState {
    TargetState::Active(target::Active { root: ROOT, reply: Default::default() })
}

fn cause() -> Cause {
    Text::new("the disk is full").unwrap()
}

fn target(state: TargetState) -> TargetRecord {
    TargetRecord { head: HEAD, state }
}

fn source_hears(state: SourceState, message: &Message) -> Outcome<SourceState> {
    source::on(&SourceRecord { head: HEAD, state }, SourceInput::Heard { message, fresh: true })
}

fn target_hears(state: TargetState, message: &Message) -> Outcome<TargetState> {
    target::on(&target(state), TargetInput::Heard(message))
}

#[test]
fn an_offer_that_comes_late_does_not_take_a_record_back() {
    for state in [TargetState::Receiving, TargetState::Prepared(ROOT), active()] {
        let known = target(state);
        assert_eq!(offer::accept(HEAD, Some(&known), 0, Some(HEAD.mid)), Ok(known));
    }
}

#[test]
fn an_offer_by_another_agent_under_a_known_id_is_refused() {
    let head = Head { peer: Pin([8; 32]), ..HEAD };
    let refused = offer::accept(head, Some(&target(TargetState::Receiving)), 0, Some(HEAD.mid));
    assert_eq!(refused, Err(OfferRefused::Busy(HEAD.mid)));
}

#[test]
fn an_offer_is_refused_for_its_tombstone_its_epoch_and_another_migration() {
    let tombstone = target(TargetState::Dropped(cause()));
    assert_eq!(offer::accept(HEAD, Some(&tombstone), 0, None), Err(OfferRefused::Tombstone(cause())));
    assert_eq!(offer::accept(HEAD, None, 2, None), Err(OfferRefused::Epoch { offered: 2, known: 2 }));
    let other = MigrationId([5; 16]);
    assert_eq!(offer::accept(HEAD, None, 1, Some(other)), Err(OfferRefused::Busy(other)));
    assert_eq!(offer::accept(HEAD, None, 1, None), Ok(target(TargetState::Receiving)));
}

#[test]
fn an_epoch_that_leaves_no_room_is_refused() {
    let head = |epoch_to| Head { epoch_to, ..HEAD };
    assert!(offer::accept(head(EPOCH_MAX), None, 0, None).is_ok());
    let refused = offer::accept(head(EPOCH_MAX + 1), None, 0, None);
    assert_eq!(refused, Err(OfferRefused::EpochTooLarge { offered: EPOCH_MAX + 1 }));
}

#[test]
fn a_model_found_live_is_ours_only_after_a_vote() {
    let dropping = |root| target(TargetState::Dropping(Dropping { root, cause: cause() }));
    let found = |record| target::on(&record, TargetInput::FoundLive);
    let Outcome::Record(TargetState::Live(live)) = found(dropping(Some(ROOT))) else { panic!("not ours") };
    assert_eq!((live.root, live.forced), (ROOT, None));
    assert_eq!(found(dropping(None)), Outcome::Record(TargetState::Dropped(cause())));
    let failed = target::on(&target(staging()), TargetInput::Drop(&cause()));
    assert_eq!(failed, Outcome::Record(TargetState::Dropping(Dropping { root: None, cause: cause() })));
}

#[test]
fn a_seal_is_answered_while_its_bytes_arrive() {
    let seal = |root| Message::Seal(Sealed::asking(key(), root));
    let progress = Outcome::Reply(Message::Progress(key()));
    assert_eq!(target_hears(TargetState::Receiving, &seal(ROOT)), progress);
    assert_eq!(target_hears(staging(), &seal(ROOT)), progress);
    assert_eq!(target_hears(staging(), &seal(OTHER_ROOT)), Outcome::Ignore(Ignored::OtherRoot));
}

#[test]
fn a_source_that_has_heard_of_the_activation_says_so_as_often_as_it_is_told() {
    let activated = Message::Activated(Activated { key: key(), root: ROOT, reply: Default::default() });
    for state in [SourceState::Handed(handed()), SourceState::Reaping(ROOT), SourceState::Moved(ROOT)] {
        assert_eq!(source_hears(state, &activated), Outcome::Reply(Message::Finished(key())));
    }
}

#[test]
fn a_source_that_will_not_commit_any_more_tells_a_waiting_target() {
    let vote = Message::Prepared(Vote::unsigned(key(), ROOT));
    let reclaiming = source::Reclaiming { root: ROOT, cause: cause() };
    for state in [
        SourceState::Aborting(cause()),
        SourceState::Aborted(cause()),
        SourceState::Reclaiming(reclaiming.clone()),
        SourceState::Seizing(reclaiming),
        SourceState::Reclaimed(3),
    ] {
        for asks in [vote.clone(), Message::Progress(key())] {
            let told = source_hears(state.clone(), &asks);
            assert!(matches!(told, Outcome::Reply(Message::Abort(_))), "{} says {told:?}", state.name());
        }
    }
}

#[test]
fn a_vote_that_is_not_fresh_commits_nothing() {
    let frozen = SourceState::Frozen(source::Frozen { root: ROOT, deadline_ms: 0 });
    let message = &Message::Prepared(Vote::unsigned(key(), ROOT));
    let record = SourceRecord { head: HEAD, state: frozen.clone() };
    let stale = source::on(&record, SourceInput::Heard { message, fresh: false });
    assert_eq!(stale, Outcome::Ignore(Ignored::Stale));
    assert!(matches!(source_hears(frozen, message), Outcome::Record(SourceState::Committed(_))));
}

#[test]
fn a_commit_of_another_root_epoch_journal_or_migration_is_ignored() {
    let commit = |key, root, epoch_to| {
        target_hears(
            TargetState::Prepared(ROOT),
            &Message::Commit(Commit { key, root, epoch_to, handover: handover(), stamp: stamp() }),
        )
    };
    let other_mid = MigrationKey { mid: MigrationId([7; 16]), ..key() };
    let other_journal = MigrationKey { journal: JournalId([7; 16]), ..key() };
    assert_eq!(commit(key(), OTHER_ROOT, 2), Outcome::Ignore(Ignored::OtherRoot));
    assert_eq!(commit(key(), ROOT, 3), Outcome::Ignore(Ignored::OtherEpoch));
    assert_eq!(commit(other_journal, ROOT, 2), Outcome::Ignore(Ignored::OtherJournal));
    assert_eq!(commit(other_mid, ROOT, 2), Outcome::Ignore(Ignored::OtherMigration));
    assert_eq!(commit(key(), ROOT, 2), Outcome::Record(activating()));
}

#[test]
fn a_vote_for_a_juju_source_cannot_be_renounced() {
    let record = TargetRecord { head: Head { profile: Profile::Gateway, ..HEAD }, state: TargetState::Prepared(ROOT) };
    let renounced = target::on(&record, TargetInput::Renounce(&cause()));
    assert_eq!(renounced, Outcome::Ignore(Ignored::NotRevocable));
}

#[test]
fn a_last_resort_is_taken_in_doubt_alone_and_takes_an_epoch_far_ahead() {
    let committed = || source::Committed { root: ROOT, vote: Default::default(), handover: Handover::default() };
    let why = cause();
    let seize = |state| source::on(&SourceRecord { head: HEAD, state }, SourceInput::Seize(&why));
    let Outcome::Record(seizing) = seize(SourceState::Committed(committed())) else { panic!("refused") };
    for state in [SourceState::Offered, SourceState::Handed(handed()), SourceState::Moved(ROOT), seizing.clone()] {
        assert_eq!(seize(state), Outcome::Ignore(Ignored::NotExpected));
    }
    let record = SourceRecord { head: HEAD, state: seizing };
    assert_eq!(source::next(&record), Some(source::SourceCommand::Thaw));
    let thawed = source::on(&record, SourceInput::Done);
    assert_eq!(thawed, Outcome::Record(SourceState::Reclaimed(HEAD.epoch_to + EPOCH_FORCED_STEP)));

    let seize = |state| target::on(&target(state), TargetInput::Seize(&why));
    let Outcome::Record(seizing) = seize(TargetState::Prepared(ROOT)) else { panic!("refused") };
    for state in [TargetState::Receiving, staging(), active(), seizing.clone()] {
        assert_eq!(seize(state), Outcome::Ignore(Ignored::NotExpected));
    }
    let record = target(seizing);
    assert_eq!(target::next(&record), Some(target::TargetCommand::Activate));
    let Outcome::Record(state) = target::on(&record, TargetInput::Done) else { panic!("not recorded") };
    assert_eq!(state, live(Some(cause())));
    assert_eq!(target(state.clone()).owned_epoch(), HEAD.epoch_to + EPOCH_FORCED_STEP, "users write to it already");
    let adopted = target::on(&target(state), TargetInput::Adopted(&Default::default()));
    let Outcome::Record(seized) = adopted else { panic!("not recorded") };
    let seized = target(seized);
    assert!(seized.is_at_rest());
    assert_eq!(seized.owned_epoch(), HEAD.epoch_to + EPOCH_FORCED_STEP);
}

#[test]
fn a_live_model_is_never_given_back_and_says_so_once_its_resources_are_taken_over() {
    let Outcome::Record(state) = target::on(&target(activating()), TargetInput::Done) else { panic!("not recorded") };
    assert_eq!(state, live(None), "the parameters of `AdoptResources` came with the commit");
    let record = target(state);
    assert_eq!(target::next(&record), Some(target::TargetCommand::Adopt));
    assert_eq!(target::says(&record), None);
    assert_eq!(record.owned_epoch(), HEAD.epoch_to);
    let abort = Message::Abort(End { key: key(), cause: cause() });
    let commit =
        Message::Commit(Commit { key: key(), root: ROOT, epoch_to: 2, handover: Handover::default(), stamp: stamp() });
    for input in [
        TargetInput::Renounce(&cause()),
        TargetInput::Drop(&cause()),
        TargetInput::Seize(&cause()),
        TargetInput::Discarded,
        TargetInput::Heard(&abort),
        TargetInput::Heard(&commit),
    ] {
        assert_eq!(target::on(&record, input), Outcome::Ignore(Ignored::NotExpected), "{}", input.name());
    }
    let reply = KeptReply::new(b"{}".to_vec()).unwrap();
    let adopted = target::on(&record, TargetInput::Adopted(&reply));
    let Outcome::Record(active @ TargetState::Active(_)) = adopted else { panic!("not recorded") };
    assert!(matches!(target::says(&target(active)), Some(Message::Activated(told)) if told.reply == reply));
}

#[test]
fn a_model_is_imported_ahead_once_and_a_failure_of_that_ends_it_for_ever() {
    let description = Hash([6; 32]);
    let Outcome::Record(importing) = target::on(&target(TargetState::Receiving), TargetInput::Import(description))
    else {
        panic!("not recorded")
    };
    let importing = target(importing);
    assert_eq!(target::next(&importing), Some(target::TargetCommand::Import));
    assert_eq!(target::on(&importing, TargetInput::Import(description)), Outcome::Ignore(Ignored::NotExpected));
    let why = cause();
    let failed = target::on(&importing, TargetInput::Drop(&why));
    assert_eq!(failed, Outcome::Record(TargetState::Dropping(Dropping { root: None, cause: cause() })));

    let Outcome::Record(imported) = target::on(&importing, TargetInput::Done) else { panic!("not recorded") };
    let imported = target(imported);
    assert_eq!(target::next(&imported), None, "each upload is staged as it arrives");
    let complete = |description| target::on(&imported, TargetInput::Complete { root: ROOT, description });
    let staging = target::Staging { root: ROOT, imported: true };
    assert_eq!(complete(description), Outcome::Record(TargetState::Staging(staging)));
    let other = complete(Hash([7; 32]));
    assert!(matches!(other, Outcome::Record(TargetState::Dropping(Dropping { root: None, .. }))), "{other:?}");
    assert!(matches!(
        target_hears(imported.state, &Message::Abort(End { key: key(), cause: cause() })),
        Outcome::Record(TargetState::Dropping(Dropping { root: None, .. }))
    ));
}

#[test]
fn a_source_that_comes_back_committed_hands_over_to_the_target_that_was_forced() {
    let seized = TargetState::Seized(target::Seizure { root: ROOT, cause: cause() });
    let commit =
        Message::Commit(Commit { key: key(), root: ROOT, epoch_to: 2, handover: Handover::default(), stamp: stamp() });
    let Outcome::Reply(told) = target_hears(seized, &commit) else { panic!("no answer") };
    let committed = SourceState::Committed(source::Committed {
        root: ROOT,
        vote: Default::default(),
        handover: Handover::default(),
    });
    assert_eq!(source_hears(committed, &told), Outcome::Record(SourceState::Handed(handed())));
}

#[test]
fn a_missing_record_means_abort_in_the_same_journal_alone() {
    assert!(matches!(source::answer_unknown(key(), HEAD.journal), Message::Abort(End { .. })));
    assert_eq!(source::answer_unknown(key(), JournalId([6; 16])), Message::Unknown(key()));
}
