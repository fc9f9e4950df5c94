//! Frees a model that is held for a migration of which the journal knows nothing: the journal was lost, or replaced; or a Juju
//! controller brings the model straight into the one here.
//!
//! Nobody else can: the machines go on from records, and there are none. An operator who has looked at the other side says
//! which copy counts.

use modelferry_protocol::ids::{ModelUuid, Pin};
use modelferry_protocol::record::{Body, Discarded};
use modelferry_protocol::snapshot::{Arguments, Call};

use crate::controller::inventory::{Brought, Held, ModelLocation};
use crate::controller::port::{ControllerError, MigrationRef, Presence};
use crate::engine::base::entry::{entry, of_operator};
use crate::engine::base::error::EngineError;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;

/// A model that is held for a migration of which the journal knows nothing.
pub struct Orphan {
    migration: MigrationRef,
    place: ModelLocation,
    is_handed: bool,
    path: String,
    brought: Option<Brought>,
}

impl Orphan {
    fn of(core: &Core, held: &Held) -> Option<Self> {
        let migration = MigrationRef { mid: held.mid?, model: held.uuid };
        let is_known = core
            .parts
            .journal
            .ledger(|ledger| ledger.last_record(migration.mid).is_some() || ledger.in_conflict(migration.model));
        let Held { place, is_handed, path, brought, .. } = held.clone();
        (!is_known).then_some(Self { migration, place, is_handed, path, brought })
    }

    /// Returns why the model is held here.
    fn why(self) -> EngineError {
        let model = self.migration.model;
        match self.brought {
            Some(brought) => EngineError::Brought { model, path: self.path, brought },
            None => EngineError::Orphaned(model),
        }
    }

    /// Returns the model's orphan, if the controller holds it as one.
    pub async fn find(core: &Core, model: ModelUuid) -> Result<Option<Self>, ControllerError> {
        let places = core.parts.arrival.places().await?.unwrap_or_default();
        Ok(places.iter().find(|held| held.uuid == model).and_then(|held| Self::of(core, held)))
    }

    /// Checks that the model can be put into service here.
    ///
    /// Errors: [`EngineError::HandedOver`], [`EngineError::Incomplete`].
    pub async fn may_serve(&self, core: &Core) -> Result<(), EngineError> {
        if self.is_handed {
            return Err(EngineError::HandedOver(self.migration.model));
        }
        let presence = core.parts.arrival.probe(self.migration).await?;
        match presence {
            Presence::Importing => Err(EngineError::Incomplete(self.migration.model)),
            _ => Ok(()),
        }
    }

    /// Puts the model into service here: an operator says that it is to win, which is in the journal already.
    pub async fn serve(&self, core: &Core) -> Result<(), ControllerError> {
        match self.place {
            ModelLocation::Arriving => {
                core.parts.arrival.perform(self.migration, &Call::Activate(Arguments::default())).await.map(drop)
            }
            _ => core.parts.departure.thaw(self.migration).await,
        }
    }

    /// Deletes the copy here. A model that was frozen, and is known to nobody else, is not deleted.
    ///
    /// Errors: [`EngineError::OnlyCopy`]; [`EngineError::Controller`], and then it can be repeated.
    async fn discard(&self, core: &Core) -> Result<Pin, EngineError> {
        let (migration, departure) = (self.migration, &core.parts.departure);
        let served = core.claimed_by(migration.model).into_iter().filter_map(|(peer, epoch)| {
            let state = core.parts.link.watch(peer).borrow().clone();
            Some((epoch, peer, state.session()?.hello().controller.clone()))
        });
        let served = served.max_by_key(|(epoch, ..)| *epoch);
        let own = core.parts.link.pin();
        if self.place == ModelLocation::Arriving {
            core.parts.arrival.perform(migration, &Call::Abort).await?;
        } else if self.is_handed {
            departure.reap(migration).await?;
        } else {
            let Some((_, _, card)) = &served else { return Err(EngineError::OnlyCopy(migration.model)) };
            departure.redirect(migration, card).await?;
            departure.reap(migration).await?;
        }
        Ok(served.map_or(own, |(_, peer, _)| peer))
    }
}

impl Engine {
    /// Deletes the copy of a model that a lost journal has left held, or that a Juju controller is bringing; reports whether there
    /// was one. That controller's next call fails then, and it keeps the model.
    pub async fn discard_orphan(&self, typed: ModelUuid, reason: &str, actor: &str) -> Result<bool, EngineError> {
        let core = &self.0;
        let Some(orphan) = Orphan::find(core, typed).await? else { return Ok(false) };
        let _held = self.take_in_hand(typed)?;
        let peer = orphan.discard(core).await?;
        let why = match orphan.brought {
            Some(_) => "discarded by operator, while a Juju controller brought it",
            None => "discarded by operator, as the journal that held it is lost",
        };
        let cause = of_operator(why, reason, actor);
        core.append(entry(actor, Body::Discarded(Discarded { model: typed, peer, cause }))).await;
        Ok(true)
    }

    /// Returns why a model is held here that no migration of an agent will ever put into service; nothing of any other model.
    pub async fn held_for_good(&self, model: ModelUuid) -> Option<EngineError> {
        if self.is_left_behind(model).await {
            return Some(EngineError::HandedOver(model));
        }
        if self.is_in_conflict(model) {
            return Some(EngineError::InConflict(model));
        }
        Orphan::find(&self.0, model).await.ok().flatten().map(Orphan::why)
    }

    /// Reports whether a model is frozen because it was in service on two controllers.
    pub fn is_in_conflict(&self, model: ModelUuid) -> bool {
        self.0.parts.journal.ledger(|ledger| ledger.in_conflict(model))
    }
}
