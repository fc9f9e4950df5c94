//! Refuses commands on a model that a migration, a conflict or another command holds.

use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::ledger::{LastRecord, Ledger};

use super::engine::Engine;
use crate::engine::base::error::EngineError;
use crate::engine::base::in_hand::Held;
use crate::engine::base::unfinished::{Unfinished, unfinished};
use crate::engine::migration::gateway::{self, Asked};
use crate::engine::migration::id::id_of;

/// Refuses to change or delete a model that a migration or a conflict has.
fn refuse(ledger: &Ledger, model: ModelUuid) -> Result<(), EngineError> {
    if ledger.in_conflict(model) {
        return Err(EngineError::InConflict(model));
    }
    let Some(mid) = ledger.busy(model) else { return Ok(()) };
    let (Some(last), Some(terms)) = (ledger.last_record(mid), ledger.terms(mid)) else { return Ok(()) };
    let id = id_of(terms);
    match unfinished(last, &id, &terms.peer) {
        Some(unfinished) => Err(EngineError::Migrating { model: terms.name.to_string(), id, unfinished }),
        None => Ok(()),
    }
}

impl Engine {
    /// Takes a model in hand for a command that changes or deletes it: until what is returned is dropped, no migration of
    /// the model begins here, and no other such command.
    ///
    /// Errors: [`EngineError::Migrating`], [`EngineError::InConflict`], [`EngineError::InHand`].
    pub fn take_in_hand(&self, model: ModelUuid) -> Result<Held, EngineError> {
        // First taken, then looked: whoever begins a migration looks for this after nobody else can begin one.
        let held = self.0.in_hand.take(model).ok_or(EngineError::InHand(model))?;
        self.0.parts.journal.ledger(|ledger| refuse(ledger, model))?;
        Ok(held)
    }

    /// Returns how the model of a migration that has not ended stands, what to type next, and what ends it without the peer.
    ///
    /// `id`: as operators type it.
    pub fn way_out(&self, id: &str) -> Option<Unfinished> {
        let mid = self.find_migration(id).ok()?;
        self.0.parts.journal.ledger(|ledger| {
            let (last, terms) = (ledger.last_record(mid)?, ledger.terms(mid)?);
            unfinished(last, &id_of(terms), &terms.peer)
        })
    }

    /// Refuses what concerns a model that is held here and that no migration of an agent will ever put into service.
    pub(in crate::engine) async fn refuse_if_held_for_good(&self, model: ModelUuid) -> Result<(), EngineError> {
        self.held_for_good(model).await.map_or(Ok(()), Err)
    }

    pub(in crate::engine) fn refuse_if_busy(&self, model: ModelUuid) -> Result<(), EngineError> {
        let busy = self.0.parts.journal.ledger(|ledger| {
            let mid = ledger.busy(model)?;
            Some((mid, ledger.last_record(mid).cloned()))
        });
        let Some((mid, last)) = busy else { return Ok(()) };
        let Some(tracked) = self.0.tracked(mid) else { return Ok(()) };
        let id = id_of(&tracked.terms);
        if let Some(LastRecord::Source(record)) = last
            && let Some(error) = gateway::refusal(&record, Asked::Steer, &id)
        {
            return Err(error);
        }
        Err(EngineError::Busy { model: tracked.terms.name.to_string(), id })
    }
}
