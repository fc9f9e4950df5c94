//! Resolves a migration without its link: by a proof of the other side, or by a last resort.

use modelferry_protocol::ids::{MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::proof::{Proof, Statement, Verdict};
use modelferry_protocol::record::Body;
use modelferry_protocol::switch::source::{SourceRecord, SourceState};
use modelferry_protocol::switch::target::{TargetRecord, TargetState};
use modelferry_protocol::switch::{Cause, Profile};

use super::conflict::in_service;
use super::request::settle;
use crate::engine::base::error::EngineError;
use crate::engine::migration::gateway::{self, Asked};
use crate::engine::migration::id::id_of;
use crate::engine::migration::mailbox::event::{Event, Resolving};
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::engine::view::{Direction, MigrationView, Stand};

/// How a migration in doubt is to be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// By what the other side has signed.
    Proof(Box<Proof>),
    /// The target gives the token back.
    Renounce,
    /// The source takes the model back: the operator says that the target is destroyed.
    Reclaim {
        /// The model, as the operator typed it.
        typed: ModelUuid,
    },
    /// The target takes the model: the operator says that the source is destroyed.
    ForceActivate {
        /// The model, as the operator typed it.
        typed: ModelUuid,
    },
}

impl Resolution {
    fn asked(&self) -> Asked {
        match self {
            Self::Proof(_) => Asked::Proof,
            Self::Renounce => Asked::Renounce,
            Self::Reclaim { .. } => Asked::Reclaim,
            Self::ForceActivate { .. } => Asked::ForceActivate,
        }
    }
}

impl Engine {
    /// Returns what this side has decided about a migration, signed.
    ///
    /// Errors: [`EngineError::NothingToProve`] where it has decided nothing.
    pub async fn proof(&self, mid: MigrationId) -> Result<Proof, EngineError> {
        let tracked = self.tracked(mid)?;
        let (journal, link) = (self.0.parts.journal.clone(), &self.0.parts.link);
        let entries = Core::blocking(move || journal.entries(Some(mid))).await?;
        // The first record of the verdict that stands is the decision; what follows carries it out.
        let mut decided: Option<Statement> = None;
        for (_, entry) in entries {
            let last = match entry.body {
                Body::Source(record) => LastRecord::Source(record),
                Body::Target(record) => LastRecord::Target(record),
                Body::Terms(_) | Body::Note(_) | Body::Orders(_) | Body::Destination(_) => continue,
                Body::Conflict(_) | Body::Alarm(_) | Body::Discarded(_) | Body::Precopy(_) => continue,
                Body::Acknowledged(_) | Body::Restored(_) | Body::Halted(_) | Body::Signed(_) => continue,
                Body::Removed(_) | Body::Reimported(_) | Body::Tombstones(_) => continue,
            };
            let statement = Statement::of(&last, link.pin(), entry.time_ms);
            let same = matches!((&decided, &statement), (Some(old), Some(new)) if old.verdict == new.verdict);
            if !same {
                decided = statement;
            }
        }
        let statement = decided.ok_or_else(|| EngineError::NothingToProve {
            id: id_of(&tracked.terms),
            state: tracked.state().to_string(),
        })?;
        Ok(Proof { statement, key: link.public_key(), signature: link.sign(&statement.signed_bytes()) })
    }

    /// Resolves a migration, and returns it as it is once its controller has followed, or after a while.
    ///
    /// Resolved in the same way already: ok, and nothing changes. `reason`: the operator's, for the record; may be empty.
    /// Errors: [`EngineError::Proof`], [`EngineError::Unresolvable`], [`EngineError::WrongModel`],
    /// [`EngineError::Ended`]; nothing has changed then. [`EngineError::NotServed`], as [`Engine::outcome`].
    pub async fn resolve(
        &self,
        mid: MigrationId,
        resolution: Resolution,
        reason: &str,
        actor: &str,
    ) -> Result<MigrationView, EngineError> {
        let tracked = self.tracked(mid)?;
        let id = id_of(&tracked.terms);
        let asked = resolution.asked();
        let ended = || self.ended(&tracked, asked);
        let last = self.0.parts.journal.ledger(|ledger| ledger.last_record(mid).cloned()).ok_or_else(ended)?;
        if is_done(&last, &resolution, &self.0.parts.link.pin()) {
            return self.outcome(&tracked, &last).await;
        }
        if last.is_at_rest() {
            return Err(ended());
        }
        if let LastRecord::Source(record) = &last
            && let Some(error) = gateway::refusal(record, asked, &id)
        {
            return Err(error);
        }
        let by = if reason.is_empty() { actor.to_owned() } else { format!("{actor}: {reason}") };
        let (with, actor) = match &resolution {
            Resolution::Proof(proof) => (
                Resolving::Carried(Box::new(proof.check(&last, self.0.parts.link.pin())?)),
                format!("{actor}, by proof"),
            ),
            Resolution::Renounce => {
                may_renounce(&last, &id)?;
                (Resolving::Renounce(Cause::cut(format!("renounced by operator ({by})"))), actor.to_owned())
            }
            Resolution::Reclaim { typed } => {
                may_reclaim(&last, &id, *typed)?;
                let cause = format!("taken back by force: the target is destroyed, says the operator ({by})");
                (Resolving::Seize(Cause::cut(cause)), format!("{actor}, by force"))
            }
            Resolution::ForceActivate { typed } => {
                may_force(&last, &id, *typed)?;
                let cause = format!("activated by force: the source is destroyed, says the operator ({by})");
                (Resolving::Seize(Cause::cut(cause)), format!("{actor}, by force"))
            }
        };
        self.ask(&tracked, asked, |reply| Event::Resolve { with, actor, reply }).await?;
        self.outcome(&tracked, &last).await
    }

    /// Returns a migration as it is once its controller has followed. A model is called live only if the controller serves it.
    ///
    /// Errors: [`EngineError::NotServed`]: what was decided is recorded, and nobody serves the model.
    async fn outcome(&self, tracked: &Tracked, last: &LastRecord) -> Result<MigrationView, EngineError> {
        followed(tracked).await;
        let view = tracked.view();
        let is_here = matches!(
            (view.direction, view.stand),
            (Direction::Source, Stand::Reverted) | (Direction::Target, Stand::Moved)
        );
        // The model of a migration that a Juju controller drives is that controller's.
        let model = last.model();
        let is_here = is_here && self.0.parts.journal.ledger(|ledger| ledger.is_live(model));
        if is_here && last.head().profile == Profile::Embedded {
            in_service::check(&self.0, model).await?;
        }
        Ok(view)
    }
}

/// Waits until the controller beside the agent has followed, or for a while.
async fn followed(tracked: &Tracked) {
    // What waits, as a log does for the link, is waited for by nobody.
    let is_done =
        |tracked: &Tracked| tracked.is_at_rest() || tracked.stands() == Stand::Finishing && tracked.is_waiting();
    settle(tracked, is_done).await;
}

/// Reports whether a migration is resolved in this very way already. The command is then typed for the second time, with
/// its output in the same file: it has to print the same proof again, as the shell has emptied the file.
fn is_done(last: &LastRecord, resolution: &Resolution, own: &Pin) -> bool {
    match (last, resolution) {
        (_, Resolution::Proof(proof)) => proof.check(last, *own).is_ok() && has_followed(last, proof.statement.verdict),
        (LastRecord::Target(record), Resolution::Renounce) => {
            matches!(record.state, TargetState::Dropping(_) | TargetState::Dropped(_))
        }
        (LastRecord::Source(record), Resolution::Reclaim { typed }) => {
            record.head.model == *typed && matches!(record.state, SourceState::Seizing(_) | SourceState::Reclaimed(_))
        }
        (LastRecord::Target(record), Resolution::ForceActivate { typed }) => {
            record.head.model == *typed && record.state.is_forced()
        }
        _ => false,
    }
}

/// Reports whether this side has recorded already what follows from the other side's verdict.
fn has_followed(last: &LastRecord, verdict: Verdict) -> bool {
    match (last, verdict) {
        (LastRecord::Target(record), Verdict::Commit) => {
            matches!(
                record.state,
                TargetState::Activating(_) | TargetState::Live(_) | TargetState::Active(_) | TargetState::Seized(_)
            )
        }
        (LastRecord::Target(record), Verdict::Abort) => {
            matches!(record.state, TargetState::Dropping(_) | TargetState::Dropped(_))
        }
        (LastRecord::Source(record), Verdict::Activated) => {
            matches!(record.state, SourceState::Handed(_) | SourceState::Reaping(_) | SourceState::Moved(_))
        }
        (LastRecord::Source(record), Verdict::Dropped) => {
            matches!(record.state, SourceState::Reclaiming(_) | SourceState::Reclaimed(_))
        }
        _ => false,
    }
}

fn unresolvable(id: &str, state: &str, why: &str) -> EngineError {
    EngineError::Unresolvable { id: id.to_owned(), state: state.to_owned(), why: why.to_owned() }
}

fn may_renounce(last: &LastRecord, id: &str) -> Result<(), EngineError> {
    let refuse = |state: &str, why: &str| Err(unresolvable(id, state, why));
    match last {
        LastRecord::Source(record) => refuse(
            record.state.name(),
            "only the target can renounce; here it is `--proof FILE`, with what the target prints",
        ),
        LastRecord::Target(TargetRecord { head, state }) => match (head.profile, state) {
            (Profile::Gateway, TargetState::Prepared(_) | TargetState::Activating(_)) => refuse(
                state.name(),
                "a Juju controller decides, and it cannot take a model back; bring it up, or use `--proof FILE`",
            ),
            (_, TargetState::Prepared(_) | TargetState::Activating(_)) => Ok(()),
            // Promised nothing: for a source that has lost its journal, and can neither go on nor abort.
            (
                _,
                TargetState::Receiving | TargetState::Importing(_) | TargetState::Imported(_) | TargetState::Staging(_),
            ) => Ok(()),
            (_, TargetState::Live(_)) => refuse(
                state.name(),
                "the model is live here, so it is not given back; `modelferry migrate MODEL PEER` moves it on",
            ),
            _ => refuse(state.name(), "there is nothing left to renounce"),
        },
    }
}

fn may_reclaim(last: &LastRecord, id: &str, typed: ModelUuid) -> Result<(), EngineError> {
    let refuse = |state: &str, why: &str| Err(unresolvable(id, state, why));
    match last {
        LastRecord::Target(record) => refuse(
            record.state.name(),
            "the model was on its way here; `--reclaim` is for its source, and here it is `--force-activate`",
        ),
        LastRecord::Source(SourceRecord { head, state }) => match state {
            SourceState::Committed(_) if head.model != typed => {
                Err(EngineError::WrongModel { expected: head.model, typed })
            }
            SourceState::Committed(_) => Ok(()),
            SourceState::Offered | SourceState::Freezing(_) | SourceState::Frozen(_) => refuse(
                state.name(),
                "nothing is decided yet; `modelferry abort MODEL` takes the model back without any risk",
            ),
            SourceState::Handed(_) | SourceState::Reaping(_) => {
                refuse(state.name(), "the target has said that the model is live there")
            }
            _ => refuse(state.name(), "the model is being taken back already"),
        },
    }
}

fn may_force(last: &LastRecord, id: &str, typed: ModelUuid) -> Result<(), EngineError> {
    let refuse = |state: &str, why: &str| Err(unresolvable(id, state, why));
    match last {
        LastRecord::Source(record) => refuse(
            record.state.name(),
            "the model was to leave here; `--force-activate` is for its target, and here it is `--reclaim`",
        ),
        LastRecord::Target(TargetRecord { head, state }) => match state {
            TargetState::Prepared(_) if head.model != typed => {
                Err(EngineError::WrongModel { expected: head.model, typed })
            }
            TargetState::Prepared(_) => Ok(()),
            TargetState::Receiving | TargetState::Importing(_) | TargetState::Imported(_) | TargetState::Staging(_) => {
                refuse(state.name(), "the model is not completely here, so there is nothing to activate")
            }
            TargetState::Activating(_) | TargetState::Seizing(_) => {
                refuse(state.name(), "the model is being activated already")
            }
            TargetState::Live(_) => refuse(state.name(), "the model is live here already"),
            _ => refuse(state.name(), "the copy is being discarded"),
        },
    }
}
