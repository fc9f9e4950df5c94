//! Describes an unfinished migration to an operator whose command would change its model: its state, what to type next, and what
//! ends it on this side should the peer never come back.

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::switch::source::SourceState;
use modelferry_protocol::switch::target::TargetState;

/// Why a model must stay as it is: how it stands, and what to type next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Where the model is.
    pub state: String,
    /// What ends the migration.
    pub next: String,
    /// What ends it on this side without the peer.
    pub alone: String,
}

/// Returns why a model must stay as it is while the last record of a migration of it is `last`; nothing if that
/// migration has ended. Every command that it names is taken in that state, on that side.
///
/// `id`: the migration's. `peer`: as operators call it.
pub fn unfinished(last: &LastRecord, id: &str, peer: &str) -> Option<Unfinished> {
    match last {
        LastRecord::Source(record) => of_source(&record.state, id, peer),
        LastRecord::Target(record) => of_target(&record.state, id, peer),
    }
}

/// What is said where only the other side knows the outcome.
const WHO: &str = "`modelferry status` says who must act, and what to type";
/// What ends that without the link.
const BY_HAND: &str = "a proof that is carried by hand, or a last resort: read docs/in-doubt.md";
/// What is said where the controller beside this agent has to follow.
const BY_ITSELF: &str = "nothing is to be typed: it needs only the controller here";

/// What is said where only time ends it.
fn wait(id: &str) -> String {
    format!("follow it with `modelferry wait {id}`, and type this again when it has ended")
}

fn of_source(state: &SourceState, id: &str, peer: &str) -> Option<Unfinished> {
    let abort = format!("`modelferry abort {id}`");
    let give_up = format!("follow it with `modelferry wait {id}`, or give it up first with {abort}");
    let copy = "the copy here goes once its log has followed and no hold is left";
    let (state, next, alone) = match state {
        SourceState::Offered => (format!("the model is live here, and on its way to {peer}"), give_up, abort),
        SourceState::Freezing(_) | SourceState::Frozen(_) => {
            (format!("the model is frozen here, on its way to {peer}"), give_up, abort)
        }
        SourceState::Committed(_) => (
            format!("the model has been given to {peer}, which has not answered yet: the outcome is not known here"),
            WHO.to_owned(),
            BY_HAND.to_owned(),
        ),
        SourceState::Handed(_) => (
            format!("the model is live on {peer}; {copy}"),
            format!(
                "follow it with `modelferry wait {id}`, or give up its log and the hold, and delete the copy, with `modelferry reap \
                 {id} --skip-logs`"
            ),
            format!("`modelferry reap {id} --skip-logs`"),
        ),
        SourceState::Reaping(_) => (
            format!("the model is live on {peer}; the copy here is being deleted"),
            format!("follow it with `modelferry wait {id}`, or try it again at once with `modelferry reap {id}`"),
            BY_ITSELF.to_owned(),
        ),
        SourceState::Aborting(_) | SourceState::Reclaiming(_) | SourceState::Seizing(_) => {
            ("the model is about to be live here again".to_owned(), wait(id), BY_ITSELF.to_owned())
        }
        SourceState::Relaying(_) | SourceState::Answered(_) => (
            "the controller that the model leaves decides about it".to_owned(),
            wait(id),
            "that controller decides: bring it up".to_owned(),
        ),
        SourceState::Moved(_) | SourceState::Aborted(_) | SourceState::Reclaimed(_) => return None,
    };
    Some(Unfinished { state, next, alone })
}

fn of_target(state: &TargetState, id: &str, peer: &str) -> Option<Unfinished> {
    let (state, next, alone) = match state {
        TargetState::Receiving | TargetState::Importing(_) | TargetState::Imported(_) | TargetState::Staging(_) => (
            format!("the model is on {peer}, and a copy of it is on its way here"),
            format!("follow it with `modelferry wait {id}`, or give it up first with `modelferry abort {id}`"),
            format!("`modelferry abort {id}`"),
        ),
        TargetState::Prepared(_) => {
            (format!("the copy here becomes the model as soon as {peer} says so"), WHO.to_owned(), BY_HAND.to_owned())
        }
        TargetState::Activating(_) | TargetState::Seizing(_) => {
            ("the model is about to be live here".to_owned(), wait(id), BY_ITSELF.to_owned())
        }
        TargetState::Live(_) => (
            "the model is live here, and its resources are being taken over".to_owned(),
            wait(id),
            BY_ITSELF.to_owned(),
        ),
        TargetState::Dropping(_) => ("the copy here is being deleted".to_owned(), wait(id), BY_ITSELF.to_owned()),
        TargetState::Active(_) | TargetState::Dropped(_) | TargetState::Seized(_) => return None,
    };
    Some(Unfinished { state, next, alone })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use modelferry_protocol::ids::{Hash, JournalId, MigrationId, ModelUuid, Pin};
    use modelferry_protocol::switch::relay::{Answered, Relaying};
    use modelferry_protocol::switch::source::{Committed, Freezing, Frozen, Handed, Reclaiming, SourceRecord};
    use modelferry_protocol::switch::target::{Activating, Active, Dropping, Live, Seizure, Staging, TargetRecord};
    use modelferry_protocol::switch::{Cause, Head, Profile};

    use super::*;

    fn head() -> Head {
        Head {
            mid: MigrationId([1; 16]),
            model: ModelUuid([2; 16]),
            epoch_to: 1,
            peer: Pin([3; 32]),
            journal: JournalId([4; 16]),
            profile: Profile::Embedded,
        }
    }

    fn every_standing() -> Vec<LastRecord> {
        let (root, cause) = (Hash([5; 32]), Cause::cut("why"));
        let reclaiming = Reclaiming { root, cause: cause.clone() };
        let answered = Answered { root, vote: Default::default(), arguments: Default::default() };
        let sources = [
            SourceState::Offered,
            SourceState::Freezing(Freezing { deadline_ms: 1 }),
            SourceState::Frozen(Frozen { root, deadline_ms: 1 }),
            SourceState::Committed(Committed { root, vote: Default::default(), handover: Default::default() }),
            SourceState::Handed(Handed { root, reply: Default::default() }),
            SourceState::Reaping(root),
            SourceState::Moved(root),
            SourceState::Aborting(cause.clone()),
            SourceState::Aborted(cause.clone()),
            SourceState::Reclaiming(reclaiming.clone()),
            SourceState::Reclaimed(3),
            SourceState::Seizing(reclaiming),
            SourceState::Relaying(Relaying { root: None, deadline_ms: 1 }),
            SourceState::Answered(answered),
        ];
        let seizure = Seizure { root, cause: cause.clone() };
        let targets = [
            TargetState::Receiving,
            TargetState::Importing(root),
            TargetState::Imported(root),
            TargetState::Staging(Staging { root, imported: false }),
            TargetState::Prepared(root),
            TargetState::Activating(Activating { root, handover: Default::default(), stamp: Default::default() }),
            TargetState::Live(Live { root, adopt: Default::default(), forced: None }),
            TargetState::Active(Active { root, reply: Default::default() }),
            TargetState::Dropping(Dropping { root: None, cause: cause.clone() }),
            TargetState::Dropped(cause),
            TargetState::Seizing(seizure.clone()),
            TargetState::Seized(seizure),
        ];
        let sources = sources.map(|state| LastRecord::Source(SourceRecord { head: head(), state }));
        let targets = targets.map(|state| LastRecord::Target(TargetRecord { head: head(), state }));
        sources.into_iter().chain(targets).collect()
    }

    fn named(last: &LastRecord) -> (&'static str, &'static str) {
        match last {
            LastRecord::Source(record) => ("source", record.state.name()),
            LastRecord::Target(record) => ("target", record.state.name()),
        }
    }

    #[test]
    fn a_model_can_be_changed_or_deleted_exactly_when_no_migration_of_it_is_unfinished() {
        for last in every_standing() {
            let refused = unfinished(&last, "ID", "PEER").is_some();
            assert_eq!(refused, !last.is_at_rest(), "{:?}", named(&last));
        }
    }

    /// The document's table, and what the agent says: row by row, both ways.
    #[test]
    fn the_document_has_every_state_with_what_is_said_of_the_model_and_what_to_type() {
        let document = include_str!("../../../docs/while-it-migrates.md");
        let rows = document.lines().filter(|line| line.starts_with("| source |") || line.starts_with("| target |"));
        let told: BTreeSet<String> = rows.map(str::to_owned).collect();
        let rows = every_standing().into_iter().map(|last| {
            let (side, state) = named(&last);
            match unfinished(&last, "ID", "PEER") {
                Some(Unfinished { state: stands, next, alone }) => {
                    format!("| {side} | `{state}` | {stands} | {next} | {alone} |")
                }
                None => format!("| {side} | `{state}` | not refused: the migration has ended | | |"),
            }
        });
        let said: BTreeSet<String> = rows.collect();
        assert_eq!(told, said, "docs/while-it-migrates.md should have these rows:\n{}", {
            said.iter().cloned().collect::<Vec<_>>().join("\n")
        });
    }
}
