//! Single steps of the machine that relays for a Juju controller, and its answers against the specification.

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{Hash, JournalId, MigrationId, ModelUuid, Pin};
use modelferry_protocol::message::{Activated, End, Message, MigrationKey, Vote};
use modelferry_protocol::snapshot::{Arguments, KeptReply, Params};
use modelferry_protocol::switch::relay::{self, Answered, Evidence, MasterCall, RelayInput, RelayReply, Relaying};
use modelferry_protocol::switch::source::{self, Committed, Handed, SourceInput, SourceRecord, SourceState};
use modelferry_protocol::switch::{Cause, Handover, Head, Ignored, Outcome, Profile, Signature};

const ROOT: Hash = Hash([4; 32]);
const HEAD: Head = Head {
    mid: MigrationId([1; 16]),
    model: ModelUuid([3; 16]),
    epoch_to: 2,
    peer: Pin([9; 32]),
    journal: JournalId([2; 16]),
    profile: Profile::Gateway,
};

fn record(state: SourceState) -> SourceRecord {
    SourceRecord { head: HEAD, state }
}

fn relayed(state: SourceState, input: RelayInput<'_>) -> Outcome<SourceState> {
    source::on(&record(state), SourceInput::Relayed(input))
}

fn heard(state: SourceState, message: &Message) -> Outcome<SourceState> {
    source::on(&record(state), SourceInput::Heard { message, fresh: true })
}

fn cause() -> Cause {
    Text::new("no longer wanted").unwrap()
}

fn relaying(root: Option<Hash>) -> SourceState {
    SourceState::Relaying(Relaying { root, deadline_ms: 5 })
}

fn answered() -> Answered {
    let signature = Signature::new(vec![7; 64]).unwrap();
    Answered { root: ROOT, vote: signature, arguments: Arguments::new(b"{}".to_vec()).unwrap() }
}

fn committed() -> Committed {
    let Answered { root, vote, arguments } = answered();
    let adopt = Params::new(br#"{"source-controller-version":"3.6.11"}"#.to_vec()).unwrap();
    Committed { root, vote, handover: Handover { activate: arguments, adopt } }
}

fn handed() -> Handed {
    Handed { root: ROOT, reply: KeptReply::new(b"{}".to_vec()).unwrap() }
}

/// The states, in the order of the specification's table of calls.
fn states() -> [SourceState; 6] {
    [
        relaying(Some(ROOT)),
        SourceState::Answered(answered()),
        SourceState::Committed(committed()),
        SourceState::Handed(handed()),
        SourceState::Moved(ROOT),
        SourceState::Aborted(cause()),
    ]
}

#[test]
fn every_call_is_answered_as_the_specification_says() {
    let spec = include_str!("../SPEC.md");
    let row = |begin: &str| {
        let line = spec.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("no row {begin}"));
        line.split('|').skip(2).map(|cell| cell.trim().to_owned()).take(6).collect::<Vec<_>>()
    };
    let calls = [("| whatever brings", MasterCall::Stage), ("| `Activate` |", MasterCall::Activate)];
    for (begin, call) in
        calls.into_iter().chain([("| `AdoptResources` |", MasterCall::Adopt), ("| `Abort` |", MasterCall::Abort)])
    {
        for (state, written) in states().into_iter().zip(row(begin)) {
            let answer = relay::reply(&record(state.clone()), call);
            let fits = match written.trim_end_matches(", alarm") {
                "ok" => answer == RelayReply::Done,
                "error" => matches!(answer, RelayReply::Failed(_)),
                // Everything is there already; the row's "ok" is of the state before.
                "ok until sealed" => {
                    matches!(answer, RelayReply::Failed(_))
                        && relay::reply(&record(relaying(None)), call) == RelayReply::Done
                }
                // The call leads to another state first.
                "no reply yet" | "–" => answer == RelayReply::Hold,
                other => panic!("{other} is no answer"),
            };
            assert!(fits, "{call:?} in {}: {answer:?}, written is {written:?}", state.name());
        }
    }
}

#[test]
fn activate_succeeds_only_once_the_vote_is_on_disk() {
    let sealed = record(relaying(Some(ROOT)));
    assert_eq!(relay::reply(&sealed, MasterCall::Activate), RelayReply::Hold);
    let Answered { vote: signature, arguments, .. } = answered();
    let vote = |root| Vote { signature: signature.clone(), ..Vote::unsigned(MigrationKey::of(&HEAD), root) };
    let activate =
        |vote: Option<&Vote>| relayed(sealed.state.clone(), RelayInput::Activate { arguments: &arguments, vote });
    assert_eq!(activate(None), Outcome::Ignore(Ignored::NotExpected));
    assert_eq!(activate(Some(&vote(Hash([5; 32])))), Outcome::Ignore(Ignored::OtherRoot));
    assert_eq!(activate(Some(&vote(ROOT))), Outcome::Record(SourceState::Answered(answered())));
}

#[test]
fn what_the_controller_was_told_cannot_be_aborted_here() {
    let cause = cause();
    let abort = |state| source::on(&record(state), SourceInput::Abort(&cause));
    assert_eq!(abort(relaying(None)), Outcome::Record(SourceState::Aborted(cause.clone())));
    assert_eq!(abort(SourceState::Answered(answered())), Outcome::Ignore(Ignored::NotRevocable));
    assert_eq!(abort(SourceState::Committed(committed())), Outcome::Ignore(Ignored::Committed));
    // Nor by the target, which has no way to give back what it has promised.
    let dropped = Message::Dropped(End { key: MigrationKey::of(&HEAD), cause: cause.clone() });
    for state in [SourceState::Answered(answered()), SourceState::Committed(committed())] {
        assert_eq!(heard(state, &dropped), Outcome::Ignore(Ignored::NotExpected));
    }
}

#[test]
fn success_that_is_shown_without_an_answer_of_ours_is_final_all_the_same() {
    let shown = relayed(relaying(Some(ROOT)), RelayInput::Shown(Evidence::Success(None)));
    assert!(matches!(shown, Outcome::Record(SourceState::Committed(committed)) if committed.root == ROOT));
}

#[test]
fn a_commit_carries_what_the_controller_told_and_its_reply_comes_back_as_often_as_it_is_asked_for() {
    let params = committed().handover.adopt;
    let shown = |params| relayed(SourceState::Answered(answered()), RelayInput::Shown(Evidence::Success(params)));
    assert_eq!(shown(Some(&params)), Outcome::Record(SourceState::Committed(committed())));
    // Seen by the status, before the call came: the target's adapter makes up its parameters.
    let Outcome::Record(SourceState::Committed(polled)) = shown(None) else { panic!("not committed") };
    assert!(polled.handover.adopt.is_empty() && polled.handover.activate == answered().arguments);
    let says = source::says(&record(SourceState::Committed(committed())));
    assert!(matches!(says, Some(Message::Commit(commit)) if commit.handover == committed().handover));
    let reply = handed().reply;
    let activated = Message::Activated(Activated { key: MigrationKey::of(&HEAD), root: ROOT, reply: reply.clone() });
    let kept = heard(SourceState::Committed(committed()), &activated);
    assert!(matches!(kept, Outcome::Record(SourceState::Handed(handed)) if handed.reply == reply));
}

#[test]
fn an_activation_of_another_snapshot_hands_nothing_over() {
    let activated = |root| Message::Activated(Activated { key: MigrationKey::of(&HEAD), root, reply: handed().reply });
    let committed = || SourceState::Committed(committed());
    assert_eq!(heard(committed(), &activated(Hash([5; 32]))), Outcome::Ignore(Ignored::OtherRoot));
    assert_eq!(heard(committed(), &activated(ROOT)), Outcome::Record(SourceState::Handed(handed())));
}

/// A source that handed a model over redirects its users and deletes its copy; where a Juju controller decides, all of
/// that is the controller's. A `Handed` of either profile once called for the same command.
#[test]
fn what_the_controller_does_by_itself_the_agent_never_does() {
    for state in states().into_iter().chain([relaying(None)]) {
        assert_eq!(source::next(&record(state.clone())), None, "{}", state.name());
        let done = source::on(&record(state.clone()), SourceInput::Done);
        assert_eq!(done, Outcome::Ignore(Ignored::NotExpected), "{}", state.name());
        let cause = cause();
        let seized = source::on(&record(state.clone()), SourceInput::Seize(&cause));
        assert!(matches!(seized, Outcome::Ignore(_)), "{}", state.name());
    }
    let embedded =
        SourceRecord { head: Head { profile: Profile::Embedded, ..HEAD }, state: SourceState::Handed(handed()) };
    let shown = source::on(&embedded, SourceInput::Relayed(RelayInput::Shown(Evidence::Done)));
    assert_eq!(shown, Outcome::Ignore(Ignored::NotExpected));
}
