//! Compares the journal's word with the controller: a model is called live only if the controller serves it, and a copy that was
//! handed over is never put back into service.

use modelferry_protocol::codec::{Bounded, Text};
use modelferry_protocol::ids::{MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::{LastRecord, Ledger};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Answer, Finding, Level};
use modelferry_protocol::record::{Body, Conflict, Discarded};
use modelferry_protocol::switch::source::SourceState;

use super::conflict_id;
use crate::controller::checks::target::{LEAVING, TWO_COPIES};
use crate::controller::inventory::{Held, ModelLocation};
use crate::controller::port::{ControllerError, MigrationRef};
use crate::engine::base::entry::{entry, of_operator};
use crate::engine::base::error::EngineError;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;

/// Returns how the controller holds a model; nothing if it has no such model. The outer nothing: it cannot tell.
async fn held(core: &Core, model: ModelUuid) -> Result<Option<Option<Held>>, ControllerError> {
    let places = core.parts.arrival.places().await?;
    Ok(places.map(|places| places.into_iter().find(|held| held.uuid == model)))
}

/// Reports whether the migration that holds a copy has handed the model over, as the journal says.
fn has_left(ledger: &Ledger, held: &Held) -> bool {
    use SourceState::{Handed, Moved, Reaping};
    let last = held.mid.and_then(|mid| ledger.last_record(mid));
    matches!(last, Some(LastRecord::Source(record)) if matches!(record.state, Handed(_) | Reaping(_) | Moved(_)))
}

/// Checks that an operator can put the copy here into service: it is live already, or frozen by this conflict.
///
/// Errors: [`EngineError::HandedOver`], [`EngineError::NotServed`]; [`EngineError::Controller`].
pub async fn may_enter(core: &Core, model: ModelUuid, conflict: Option<&Conflict>) -> Result<(), EngineError> {
    let Some(held) = held(core, model).await? else { return Ok(()) };
    let held = held.ok_or_else(|| ControllerError::ModelNotFound(model.to_string()))?;
    let of_conflict = conflict.map(|conflict| conflict_id(conflict.model, conflict.epoch));
    match held.place {
        ModelLocation::Live => Ok(()),
        _ if held.is_handed || core.parts.journal.ledger(|ledger| has_left(ledger, &held)) => {
            Err(EngineError::HandedOver(model))
        }
        ModelLocation::Frozen if of_conflict.is_some() && held.mid == of_conflict => Ok(()),
        ModelLocation::Frozen | ModelLocation::Arriving | ModelLocation::Gone => Err(EngineError::NotServed(model)),
    }
}

/// Checks that the controller has a model in service, after the journal has said so. A controller that cannot tell is believed.
///
/// Errors: [`EngineError::NotServed`]; [`EngineError::Controller`].
pub async fn check(core: &Core, model: ModelUuid) -> Result<(), EngineError> {
    match held(core, model).await? {
        None => Ok(()),
        Some(Some(held)) if held.place == ModelLocation::Live => Ok(()),
        Some(_) => Err(EngineError::NotServed(model)),
    }
}

/// A copy that the controller has although its migration has ended and the model moved: the database was set back.
struct LeftBehind {
    migration: MigrationRef,
    is_handed: bool,
    peer: Pin,
    card: ControllerCard,
}

impl LeftBehind {
    async fn find(core: &Core, model: ModelUuid) -> Result<Option<Self>, ControllerError> {
        let held = held(core, model).await?.flatten().filter(|held| held.place == ModelLocation::Frozen);
        let Some((held, mid)) = held.and_then(|held| held.mid.map(|mid| (held, mid))) else { return Ok(None) };
        Ok(core.parts.journal.ledger(|ledger| {
            let last = ledger.last_record(mid).filter(|last| last.is_at_rest() && has_left(ledger, &held))?;
            let card = ledger.terms(mid).map(|terms| terms.controller.clone()).unwrap_or_default();
            let migration = MigrationRef { mid, model };
            Some(Self { migration, is_handed: held.is_handed, peer: last.peer(), card })
        }))
    }
}

/// Returns the migration that keeps a copy of a model that it has moved away, as `--hold-reap` does: `reap` ends it.
async fn kept_after_move(core: &Core, model: ModelUuid) -> Option<MigrationId> {
    let held = held(core, model).await.ok().flatten().flatten().filter(|held| held.place == ModelLocation::Frozen)?;
    core.parts.journal.ledger(|ledger| {
        let runs = ledger.last_record(held.mid?).is_some_and(|last| !last.is_at_rest());
        held.mid.filter(|_| runs && has_left(ledger, &held))
    })
}

/// Says in a target's findings why a frozen copy of the model is there, where no migration will ever end it: the controller
/// knows only that it is held.
pub async fn explain(core: &Core, model: ModelUuid, mut findings: Vec<Finding>) -> Answer {
    let held = |finding: &&mut Finding| finding.level == Level::Fail && *finding.text == *LEAVING;
    let Some(finding) = findings.iter_mut().find(held) else { return Answer::Findings(Bounded::truncated(findings)) };
    let epoch = core.parts.journal.ledger(|ledger| {
        let mut conflicts = ledger.conflicts();
        conflicts.find(|conflict| conflict.model == model).map(|conflict| conflict.epoch)
    });
    let look = format!("modelferry show-model {model} # and on the other host");
    if let Some(mid) = kept_after_move(core, model).await {
        finding.text = Text::cut("the copy of the model is there still that it left when it moved from there");
        finding.fix =
            Text::cut(format!("modelferry reap {mid} # on that host: deletes the copy, which nobody can use"));
    } else if LeftBehind::find(core, model).await.ok().flatten().is_some() {
        finding.text =
            Text::cut("a copy of the model is there that was handed over, and that came back with an older database");
        finding.fix = Text::cut(format!("{look}; then read \"A copy that was handed over\" in docs/in-doubt.md"));
    } else if let Some(epoch) = epoch {
        finding.text = Text::cut(format!("a copy of the model is frozen there by a conflict, at epoch {epoch}"));
        finding.fix = Text::cut(format!("{look}; then read {TWO_COPIES}"));
    }
    Answer::Findings(Bounded::truncated(findings))
}

impl Engine {
    /// Deletes the copy of a model that moved away, which a database that was set back has again; reports whether there was one.
    ///
    /// Errors: [`EngineError::InHand`]; [`EngineError::Controller`], and then it can be repeated.
    pub(super) async fn discard_left_behind(
        &self,
        model: ModelUuid,
        reason: &str,
        actor: &str,
    ) -> Result<bool, EngineError> {
        let core = &self.0;
        let Some(left) = LeftBehind::find(core, model).await? else { return Ok(false) };
        let _held = core.in_hand.take(model).ok_or(EngineError::InHand(model))?;
        if !left.is_handed {
            core.parts.departure.redirect(left.migration, &left.card).await?;
        }
        core.parts.departure.reap(left.migration).await?;
        let cause = of_operator(
            "discarded by operator, as the model had moved before the database was set back",
            reason,
            actor,
        );
        core.append(entry(actor, Body::Discarded(Discarded { model, peer: left.peer, cause }))).await;
        Ok(true)
    }

    /// Reports whether a model is held here by a migration that has ended, and that took the model away.
    pub(super) async fn is_left_behind(&self, model: ModelUuid) -> bool {
        LeftBehind::find(&self.0, model).await.ok().flatten().is_some()
    }
}
