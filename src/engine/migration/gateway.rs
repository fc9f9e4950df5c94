//! What operators are told of a migration that a Juju controller drives: it decides, and this agent relays. Each refusal
//! says what is true in the state; `protocol/SPEC.md`, 9.7, has them as a table.

use modelferry_protocol::switch::Profile;
use modelferry_protocol::switch::source::{SourceRecord, SourceState};

use crate::engine::base::error::EngineError;

/// What an operator asks of a migration at its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// `abort`.
    Abort,
    /// `pause`, `resume`, `cutover`, and another `migrate` with `--at` or `--hold`.
    Steer,
    /// `reap`.
    Reap,
    /// `resolve --proof`.
    Proof,
    /// `resolve --renounce`.
    Renounce,
    /// `resolve --reclaim`.
    Reclaim,
    /// `resolve --force-activate`.
    ForceActivate,
}

/// Returns why a migration that a Juju controller drives is not what an operator asks; nothing where its machine takes it,
/// or where this agent decides.
///
/// `id`: the migration's.
pub fn refusal(record: &SourceRecord, asked: Asked, id: &str) -> Option<EngineError> {
    let relays = record.head.profile == Profile::Gateway;
    let why = relays.then(|| why(&record.state, asked)).flatten()?.replace("{id}", id);
    let undecided = matches!(record.state, SourceState::Answered(_) | SourceState::Committed(_));
    let state = record.state.name().to_owned();
    Some(EngineError::Relayed { id: id.to_owned(), state, why, undecided })
}

/// Returns what is true in `state`, with `{id}` for the migration's; nothing where the machine takes what is asked.
fn why(state: &SourceState, asked: Asked) -> Option<&'static str> {
    use Asked::*;
    use SourceState::{Aborted, Answered, Committed, Handed, Moved, Offered, Relaying};
    Some(match (state, asked) {
        (Offered, Abort | Steer | Proof) | (Relaying(_), Abort) | (Relaying(_) | Committed(_), Proof) => return None,

        (Aborted(_), _) => "it has ended: the model is where it was",
        (Moved(_), _) => "it has ended: the model is on its target",

        (_, Renounce) => "only a target can renounce, and none that has promised a Juju controller to take a model",
        (_, ForceActivate) => "the model was to leave here; `--force-activate` is for its target",

        (Relaying(_), Steer) => {
            "the Juju controller drives it, and has frozen the model already; `modelferry abort {id}` gives it up"
        }
        (Offered | Relaying(_), Reap) => {
            "the model has not been handed over, and the Juju controller deletes its copy by itself"
        }
        (Offered | Relaying(_), Reclaim) => {
            "nothing is decided yet; `modelferry abort {id}` gives it up without any risk"
        }

        (Answered(_), Abort | Reclaim) => {
            "the Juju controller was told that the target is ready, and may have decided; it alone can end the migration now: \
             bring it up, and see `juju show-model` there"
        }
        (Answered(_), Steer | Reap) => {
            "the Juju controller was told that the target is ready, and its decision is awaited"
        }
        (Answered(_), Proof) => "the Juju controller decides, and nothing that the target has signed can; bring it up",

        (Committed(_), Abort | Reclaim) => {
            "too late: the Juju controller has decided for the target, and cannot take the model back; bring the target up"
        }
        (Committed(_), Steer) => {
            "the Juju controller has decided for the target; the model goes as soon as that answers"
        }
        (Committed(_), Reap) => "the target has not said yet that the model is live there",

        (Handed(_), Abort | Reclaim) => "too late: the target has said that the model is live there",
        (Handed(_), Steer) => "the model is live on its target already",
        (Handed(_), Reap) => "the Juju controller deletes its copy by itself, once the log has followed",
        (Handed(_), Proof) => "the target has said already that the model is live there",

        // The states of an embedded source.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use modelferry_protocol::ids::{Hash, JournalId, MigrationId, ModelUuid, Pin};
    use modelferry_protocol::switch::relay::{self, Relaying};
    use modelferry_protocol::switch::source::{self, SourceInput};
    use modelferry_protocol::switch::{Cause, Head, Outcome};

    use super::*;
    use crate::engine::ErrorKind;

    const ROOT: Hash = Hash([5; 32]);
    const COMMANDS: [(&str, Asked); 7] = [
        ("`abort`", Asked::Abort),
        ("`pause`, `resume`, `cutover`, `migrate --at`", Asked::Steer),
        ("`reap`", Asked::Reap),
        ("`resolve --proof`", Asked::Proof),
        ("`resolve --renounce`", Asked::Renounce),
        ("`resolve --reclaim`", Asked::Reclaim),
        ("`resolve --force-activate`", Asked::ForceActivate),
    ];

    fn record(profile: Profile, state: SourceState) -> SourceRecord {
        let (mid, model) = (MigrationId([1; 16]), ModelUuid([2; 16]));
        let (peer, journal) = (Pin([3; 32]), JournalId([4; 16]));
        SourceRecord { head: Head { mid, model, epoch_to: 1, peer, journal, profile }, state }
    }

    fn handed() -> source::Handed {
        source::Handed { root: ROOT, reply: Default::default() }
    }

    fn states() -> [SourceState; 7] {
        let answered = relay::Answered { root: ROOT, vote: Default::default(), arguments: Default::default() };
        let committed = source::Committed { root: ROOT, vote: Default::default(), handover: Default::default() };
        [
            SourceState::Offered,
            SourceState::Relaying(Relaying { root: Some(ROOT), deadline_ms: 1 }),
            SourceState::Answered(answered),
            SourceState::Committed(committed),
            SourceState::Handed(handed()),
            SourceState::Moved(ROOT),
            SourceState::Aborted(Cause::cut("why")),
        ]
    }

    #[test]
    fn every_command_is_answered_in_every_state_of_a_gateway_as_the_specification_says() {
        let spec = include_str!("../../../protocol/SPEC.md");
        let section = spec.split("#### What operators are told").nth(1).unwrap().split("\n### ").next().unwrap();
        let told: BTreeSet<String> =
            section.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
        let mut said = BTreeSet::new();
        for (command, asked) in COMMANDS {
            for state in states() {
                let name = state.name();
                let answer = match refusal(&record(Profile::Gateway, state), asked, "ID") {
                    None => "taken".to_owned(),
                    Some(EngineError::Relayed { why, .. }) => format!("refused: {why}"),
                    Some(other) => panic!("{other:?}"),
                };
                said.insert(format!("| {command} | {name} | {answer} |"));
            }
        }
        assert_eq!(told, said, "the table should be:\n{}", said.iter().cloned().collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn what_is_refused_is_what_the_machine_ignores_and_a_doubt_has_its_own_exit_code() {
        let cause = Cause::cut("no longer wanted");
        for state in states() {
            let record = record(Profile::Gateway, state);
            let taken = matches!(source::on(&record, SourceInput::Abort(&cause)), Outcome::Record(_));
            let refused = refusal(&record, Asked::Abort, "ID");
            assert_eq!(taken, refused.is_none(), "{}", record.state.name());
            let undecided = matches!(record.state, SourceState::Answered(_) | SourceState::Committed(_));
            let in_doubt = refused.is_some_and(|error| error.kind() == ErrorKind::InDoubt);
            assert_eq!(in_doubt, undecided, "{}", record.state.name());
            let seized = source::on(&record, SourceInput::Seize(&cause));
            assert!(matches!(seized, Outcome::Ignore(_)) && refusal(&record, Asked::Reclaim, "ID").is_some());
        }
    }

    #[test]
    fn a_migration_that_this_agent_decides_is_none_of_these() {
        for (_, asked) in COMMANDS {
            assert!(refusal(&record(Profile::Embedded, SourceState::Handed(handed())), asked, "ID").is_none());
        }
    }
}
