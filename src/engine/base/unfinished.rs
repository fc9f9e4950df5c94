//! Describes an unfinished migration to an operator whose command would change its model: its state, and what to type next.

use modelferry_protocol::ledger::Standing;
use modelferry_protocol::switch::source::SourceState;
use modelferry_protocol::switch::target::TargetState;

/// Why a model must stay as it is: how it stands, and what to type next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Where the model is.
    pub state: String,
    /// What ends the migration.
    pub next: String,
}

/// Returns why a model must stay as it is while the last record of a migration of it is `standing`; nothing if that
/// migration has ended.
///
/// `id`: the migration's. `model`, `peer`: as operators call them.
pub fn unfinished(standing: &Standing, id: &str, model: &str, peer: &str) -> Option<Unfinished> {
    let give_up = format!("follow it with `modelferry wait {id}`, or give it up first with `modelferry abort {id}`");
    let wait = format!("follow it with `modelferry wait {id}`, and type this again when it has ended");
    let who = "`modelferry status` says who must act, and what to type".to_owned();
    let (state, next) = match standing {
        Standing::Source(record) => match record.state {
            SourceState::Offered => (format!("the model is live here, and on its way to {peer}"), give_up),
            SourceState::Freezing(_) | SourceState::Frozen(_) => {
                (format!("the model is frozen here, on its way to {peer}"), give_up)
            }
            SourceState::Committed(_) => {
                (format!("the model has been handed over to {peer}, which has not answered yet"), who)
            }
            SourceState::Handed(_) | SourceState::Reaping(_) => (
                format!(
                    "the model is live on {peer}; the copy here goes once its log has followed and no hold is left"
                ),
                format!("follow it with `modelferry wait {id}`, or delete the copy with `modelferry reap {id}`"),
            ),
            SourceState::Aborting(_) | SourceState::Reclaiming(_) | SourceState::Seizing(_) => {
                ("the model is about to be live here again".to_owned(), wait)
            }
            SourceState::Relaying(_) | SourceState::Answered(_) => {
                ("the controller that the model leaves decides about it".to_owned(), wait)
            }
            SourceState::Moved(_) | SourceState::Aborted(_) | SourceState::Reclaimed(_) => return None,
        },
        Standing::Target(record) => match record.state {
            TargetState::Receiving | TargetState::Importing(_) | TargetState::Imported(_) | TargetState::Staging(_) => {
                (
                    format!("the model is on {peer}, and a copy of it is on its way here"),
                    format!(
                        "follow it with `modelferry wait {id}`; only its source can give it up: `modelferry abort {model}` there"
                    ),
                )
            }
            TargetState::Prepared(_) => (format!("the copy here becomes the model as soon as {peer} says so"), who),
            TargetState::Activating(_) | TargetState::Seizing(_) => {
                ("the model is about to be live here".to_owned(), wait)
            }
            TargetState::Live(_) => ("the model is live here, and its resources are being taken over".to_owned(), wait),
            TargetState::Dropping(_) => ("the copy here is being deleted".to_owned(), wait),
            TargetState::Active(_) | TargetState::Dropped(_) | TargetState::Seized(_) => return None,
        },
    };
    Some(Unfinished { state, next })
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

    fn every_standing() -> Vec<Standing> {
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
            TargetState::Activating(Activating { root, handover: Default::default() }),
            TargetState::Live(Live { root, adopt: Default::default(), forced: None }),
            TargetState::Active(Active { root, reply: Default::default() }),
            TargetState::Dropping(Dropping { root: None, cause: cause.clone() }),
            TargetState::Dropped(cause),
            TargetState::Seizing(seizure.clone()),
            TargetState::Seized(seizure),
        ];
        let sources = sources.map(|state| Standing::Source(SourceRecord { head: head(), state }));
        let targets = targets.map(|state| Standing::Target(TargetRecord { head: head(), state }));
        sources.into_iter().chain(targets).collect()
    }

    fn named(standing: &Standing) -> (&'static str, &'static str) {
        match standing {
            Standing::Source(record) => ("source", record.state.name()),
            Standing::Target(record) => ("target", record.state.name()),
        }
    }

    #[test]
    fn a_model_can_be_changed_or_deleted_exactly_when_no_migration_of_it_is_unfinished() {
        for standing in every_standing() {
            let refused = unfinished(&standing, "ID", "MODEL", "PEER").is_some();
            assert_eq!(refused, !standing.is_at_rest(), "{:?}", named(&standing));
        }
    }

    /// The document's table, and what the agent says: row by row, both ways.
    #[test]
    fn the_document_has_every_state_with_what_is_said_of_the_model_and_what_to_type() {
        let document = include_str!("../../../docs/while-it-migrates.md");
        let rows = document.lines().filter(|line| line.starts_with("| source |") || line.starts_with("| target |"));
        let told: BTreeSet<String> = rows.map(str::to_owned).collect();
        let rows = every_standing().into_iter().map(|standing| {
            let (side, state) = named(&standing);
            match unfinished(&standing, "ID", "MODEL", "PEER") {
                Some(Unfinished { state: stands, next }) => format!("| {side} | `{state}` | {stands} | {next} |"),
                None => format!("| {side} | `{state}` | not refused: the migration has ended | |"),
            }
        });
        let said: BTreeSet<String> = rows.collect();
        assert_eq!(told, said, "docs/while-it-migrates.md should have these rows:\n{}", {
            said.iter().cloned().collect::<Vec<_>>().join("\n")
        });
    }
}
