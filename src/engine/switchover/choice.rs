//! An operator chooses which of two copies of one model counts: the last resort, for a person who has compared them.

use modelferry_protocol::ids::{Epoch, ModelUuid};
use modelferry_protocol::limits::{EPOCH_FORCED_STEP, EPOCH_LEARNED_MAX};
use modelferry_protocol::record::{AlarmKind, Body, Conflict, Restored};

use crate::controller::port::{ControllerError, MigrationRef, Presence};
use crate::engine::base::entry::{entry, of_operator};
use crate::engine::base::error::EngineError;
use crate::engine::peer::alarms::{of_older_copy, raise};
use crate::engine::peer::in_service::in_service;
use crate::engine::peer::ownership::NO_MIGRATION;
use crate::engine::peer::report::tell_all;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::engine::switchover::conflict::orphan::Orphan;
use crate::engine::switchover::conflict::{self, in_service as entering};

impl Engine {
    /// Lets the copy of a model here win over every other: one that lost a conflict, or that a lost journal has left held, is put
    /// into service, at an epoch above each that is known. An agent that this one handed the model to has to freeze its copy.
    ///
    /// Durable first, then done; a start does what is left. `typed`: the model, as the operator typed it. `reason`: the operator's,
    /// for the record; may be empty.
    /// Errors: [`EngineError::Controller`] if no such model is here; [`EngineError::Busy`] while it is in a migration;
    /// [`EngineError::HandedOver`], [`EngineError::Incomplete`]: nothing has changed then. [`EngineError::NotServed`]: it could not
    /// be put into service, or its controller does not serve it although it was asked to.
    pub async fn keep_mine(&self, typed: ModelUuid, reason: &str, actor: &str) -> Result<(), EngineError> {
        let core = &self.0;
        self.refuse_if_busy(typed)?;
        let (conflict, known) = core.parts.journal.ledger(|ledger| {
            let conflict = ledger.conflicts().find(|conflict| conflict.model == typed).cloned();
            (conflict, ledger.epoch(typed))
        });
        if core.parts.arrival.probe(MigrationRef { mid: NO_MIGRATION, model: typed }).await? == Presence::Absent {
            return Err(ControllerError::ModelNotFound(typed.to_string()).into());
        }
        let orphan = match &conflict {
            Some(_) => None,
            None => Orphan::find(core, typed).await?,
        };
        let _held = orphan.is_some().then(|| self.take_in_hand(typed)).transpose()?;
        match &orphan {
            Some(orphan) => orphan.may_serve(core).await?,
            None => entering::may_enter(core, typed, conflict.as_ref()).await?,
        }
        let claimed = core.claimed_by(typed).into_iter().map(|(_, epoch)| epoch);
        let met = conflict.iter().map(|conflict| conflict.peer_epoch);
        // One that no model comes to is a lie, and must not use the numbers up.
        let largest = claimed.chain(met).filter(|epoch| *epoch <= EPOCH_LEARNED_MAX).fold(known, Epoch::max);
        let epoch = largest.saturating_add(EPOCH_FORCED_STEP);
        let cause = of_operator("this copy is to win over every other, says the operator", reason, actor);
        core.append(entry(actor, Body::Restored(Restored { model: typed, epoch, cause }))).await;
        if let Some(conflict) = &conflict {
            conflict::lift(core, conflict).await?;
        }
        if let Some(orphan) = &orphan {
            orphan.serve(core).await?;
        }
        entering::check(core, typed).await?;
        kept(core, typed, epoch).await;
        tell_all(core).await;
        Ok(())
    }

    /// Lets the copy of a peer win, which claims the model and proves nothing: the copy here is frozen, as in a conflict that was proven.
    ///
    /// `typed`, `reason`: as for [`Engine::keep_mine`].
    /// Errors: [`EngineError::NotClaimed`] if no peer claims the model, or it is not in service here; [`EngineError::Busy`] while it
    /// is in a migration.
    pub async fn keep_theirs(&self, typed: ModelUuid, reason: &str, actor: &str) -> Result<(), EngineError> {
        let core = &self.0;
        let _held = self.take_in_hand(typed)?;
        let own = in_service(core).await.get(&typed).copied();
        let claimed = core.claimed_by(typed).into_iter().max_by_key(|(_, epoch)| *epoch);
        let (Some(epoch), Some((peer, peer_epoch))) = (own, claimed) else {
            return Err(EngineError::NotClaimed(typed));
        };
        let cause = of_operator("the copy there is to win, says the operator", reason, actor);
        core.append(entry(actor, Body::Conflict(Conflict { model: typed, peer, epoch, peer_epoch, cause }))).await;
        if !conflict::freeze_now(core, typed, epoch).await {
            conflict::end(core, typed, epoch);
        }
        tell_all(core).await;
        Ok(())
    }
}

/// Rewords the alarms about a model in service twice, after an operator has chosen the copy here.
async fn kept(core: &Core, model: ModelUuid, epoch: Epoch) {
    let kind = AlarmKind::Conflict(model);
    for (peer, theirs) in core.claimed_by(model) {
        let stands =
            core.parts.journal.ledger(|ledger| ledger.alarms().any(|alarm| (alarm.peer, alarm.kind) == (peer, kind)));
        if let Some(known) = core.parts.link.peer_by_pin(peer).filter(|_| stands) {
            raise(core, peer, kind, of_older_copy(model, epoch, &known.name, theirs)).await;
        }
    }
}
