//! Ends a conflict of two owners: freezes the model on the side that has to yield, and deletes it there, or thaws it, when the operator
//! says so. Who has to yield is found in [`claims`](crate::engine::serve::claims).

pub mod in_service;
pub mod orphan;

use std::sync::Arc;

use modelferry_protocol::ids::{Epoch, Hash, MigrationId, ModelUuid};
use modelferry_protocol::record::{Body, Conflict, Discarded};

use crate::controller::port::{ControllerError, MigrationRef};
use crate::engine::base::entry::{entry, of_operator};
use crate::engine::base::error::EngineError;
use crate::engine::base::retry_timer::Backoff;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;

/// Returns the id under which a model in conflict is frozen: no migration's, the same after a restart, and another
/// for the model's next conflict, as a controller never freezes again what has ended.
fn conflict_id(model: ModelUuid, epoch: Epoch) -> MigrationId {
    let hash = Hash::of(&[&b"modelferry/1 conflict\0"[..], &model.0, &epoch.to_le_bytes()].concat());
    MigrationId(hash.0[..16].try_into().expect("a hash has more bytes"))
}

/// Freezes every model that the journal holds to be in conflict, and thaws every one that an operator has chosen since: again after
/// a restart.
pub fn resume(core: &Arc<Core>) {
    let (conflicts, lifted): (Vec<Conflict>, Vec<Conflict>) =
        core.parts.journal.ledger(|ledger| (ledger.conflicts().cloned().collect(), ledger.lifted().cloned().collect()));
    conflicts.into_iter().for_each(|conflict| end(core, conflict.model, conflict.epoch));
    for conflict in lifted {
        let core = core.clone();
        tokio::spawn(async move { repeat(conflict.model, "thawed", || lift(&core, &conflict)).await });
    }
}

/// Freezes a model that has another owner, of a larger epoch, as often as it takes. The conflict is in the journal already.
pub fn end(core: &Arc<Core>, model: ModelUuid, epoch: Epoch) {
    let (core, migration) = (core.clone(), MigrationRef { mid: conflict_id(model, epoch), model });
    tokio::spawn(async move { repeat(model, "frozen", || core.parts.departure.freeze(migration)).await });
}

/// Freezes a model at once, if it is in service here; reports whether it is frozen as one in conflict.
pub async fn freeze_now(core: &Core, model: ModelUuid, epoch: Epoch) -> bool {
    core.parts.departure.freeze(MigrationRef { mid: conflict_id(model, epoch), model }).await.is_ok()
}

/// Thaws a model that was frozen as one in conflict: an operator says that it is to win, which is in the journal already.
pub async fn lift(core: &Core, conflict: &Conflict) -> Result<(), ControllerError> {
    core.fail_at(conflict.peer, "conflict", "thaw", "before");
    let mid = conflict_id(conflict.model, conflict.epoch);
    core.parts.departure.thaw(MigrationRef { mid, model: conflict.model }).await
}

/// Repeats an effect on a model in conflict until it is done, or the model is not held for the conflict.
async fn repeat<F>(model: ModelUuid, what: &str, effect: impl Fn() -> F)
where
    F: Future<Output = Result<(), ControllerError>>,
{
    let mut backoff = Backoff::new();
    loop {
        match effect().await {
            // A model that is gone, or held for a migration, serves nobody.
            Ok(()) | Err(ControllerError::ModelNotFound(_) | ControllerError::Moved { .. }) => return,
            Err(ControllerError::OtherMigration { .. }) => return,
            Err(error) => tracing::error!(%model, "a model in conflict cannot be {what}: {error}; trying again"),
        }
        backoff.pause().await;
    }
}

impl Engine {
    /// Deletes the copy of a model that lost a conflict and is frozen here since, that a lost journal has left held, or that moved
    /// away before the database was set back; its users are sent to the peer that has it.
    ///
    /// `typed`: the model, as the operator typed it. `reason`: the operator's, for the record; may be empty.
    /// Errors: [`EngineError::NoConflict`], [`EngineError::OnlyCopy`]; [`EngineError::Controller`], and then it can be repeated.
    pub async fn discard(&self, typed: ModelUuid, reason: &str, actor: &str) -> Result<(), EngineError> {
        let core = &self.0;
        if self.discard_left_behind(typed, reason, actor).await? {
            return Ok(());
        }
        let conflict =
            core.parts.journal.ledger(|ledger| ledger.conflicts().find(|conflict| conflict.model == typed).cloned());
        let Some(Conflict { model, peer, epoch, .. }) = conflict else {
            let discarded = self.discard_orphan(typed, reason, actor).await?;
            return if discarded { Ok(()) } else { Err(EngineError::NoConflict(typed)) };
        };
        // Of the link itself: an agent that has stopped acting has no conversation.
        let present = core.parts.link.watch(peer).borrow().session().map(|session| session.hello().controller.clone());
        let card = match present {
            Some(card) => Some(card),
            // As it was when they last met over this model.
            None => core
                .all_tracked()
                .into_iter()
                .find(|known| known.peer == peer && known.terms.model == model && !known.is_precopy())
                .map(|known| known.terms.controller.clone()),
        };
        let migration = MigrationRef { mid: conflict_id(model, epoch), model };
        core.parts.departure.freeze(migration).await?;
        core.parts.departure.redirect(migration, &card.unwrap_or_default()).await?;
        core.parts.departure.reap(migration).await?;
        // Recorded when it is done: until then the alarm stands, and the command can be repeated.
        let cause = of_operator("discarded by operator", reason, actor);
        core.append(entry(actor, Body::Discarded(Discarded { model, peer, cause }))).await;
        Ok(())
    }
}
