//! Begins a pre-copy at its source, or resumes it when the agent starts.

use std::sync::Arc;

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::record::{Body, Orders, Precopy, PrecopyState};
use modelferry_protocol::snapshot::Name;
use modelferry_protocol::switch::Terms;
use tokio::sync::oneshot;

use super::record::come_to;
use super::task::PrecopyTask;
use crate::config::Rate;
use crate::engine::base::entry::entry;
use crate::engine::base::error::EngineError;
use crate::engine::migration::id::{id_of, precopy_id};
use crate::engine::migration::tracking::history::History;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::migration::tracking::tracked_state::TrackedState;
use crate::engine::peer::reach::Reach;
use crate::engine::peer::rights;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::engine::transfer::adhoc;
use crate::engine::view::MigrationView;

/// Returns a pre-copy's facts as a transfer wants them.
fn terms(precopy: &Precopy) -> Terms {
    Terms {
        attempt: precopy.number,
        peer: Text::cut(&*precopy.peer_name),
        controller: ControllerCard { name: precopy.controller.clone(), ..ControllerCard::default() },
        ..adhoc::terms(precopy.mid, precopy.model, precopy.name.clone(), precopy.owner.clone())
    }
}

/// Says what stands against another pre-copy of the model, of this name, to the peer.
fn refuse(ledger: &Ledger, model: ModelUuid, name: &str, peer: Pin) -> Result<(), EngineError> {
    let name = name.to_owned();
    if let Some(precopy) = ledger.copying(model, peer) {
        return Err(EngineError::Copying { model: name, id: precopy_id(model, precopy.number) });
    }
    // To another peer it may go; to this one the migration sends the very same bytes.
    let to_this = |mid: &MigrationId| ledger.last_record(*mid).is_some_and(|last| last.peer() == peer);
    match ledger.busy(model).filter(to_this) {
        Some(mid) => {
            let id = ledger.terms(mid).map_or_else(|| mid.to_string(), id_of);
            Err(EngineError::Busy { model: name, id })
        }
        None => Ok(()),
    }
}

impl Engine {
    /// Begins to copy a live model's bytes to the controller beside `peer`, and returns as soon as that is durable. It goes
    /// on by itself, also after a restart, until all of them are there, and lets whatever migrates go first.
    ///
    /// `bwlimit`: what may be sent for it; any amount without.
    /// Errors: [`EngineError::Copying`], [`EngineError::Busy`] while its bytes travel there already; [`EngineError::Controller`] if there
    /// is no such model, or none that could ever be migrated.
    pub async fn precopy(
        &self,
        model: ModelUuid,
        peer: &str,
        bwlimit: Option<Rate>,
        actor: &str,
    ) -> Result<MigrationView, EngineError> {
        let core = &self.0;
        self.refuse_if_halted()?;
        let reach = self.reach(peer).await?;
        reach.lives().await?;
        let Reach { peer, conversation, .. } = reach;
        let export = core.parts.reader.preview(model).await?;
        rights::ensure_sent(core, peer.pin, &export.owner, &export.name).await?;
        let journal = core.parts.journal.clone();
        Core::blocking(move || journal.ensure_reserve()).await?;

        let mid = MigrationId(*uuid::Uuid::new_v4().as_bytes());
        let mut precopy = Precopy {
            mid,
            model,
            number: 0,
            name: Name::cut(&export.name),
            owner: Name::cut(&export.owner),
            peer: peer.pin,
            peer_name: Name::cut(&peer.name),
            controller: conversation.session.hello().controller.name.clone(),
            state: PrecopyState::Copying,
        };
        let orders = Orders { bits_per_second_max: bwlimit.map(Rate::bits), ..Orders::none(mid) };
        let (given, actor) = (orders.clone(), actor.to_owned());
        let (decided, begun) = oneshot::channel();
        core.decide::<EngineError>(move |ledger| {
            refuse(ledger, model, &precopy.name, precopy.peer)?;
            precopy.number = ledger.precopied(model);
            let mut entries = vec![entry(&actor, Body::Precopy(precopy.clone()))];
            if orders != Orders::none(mid) {
                entries.push(entry(&actor, Body::Orders(orders)));
            }
            let mut history = History::default();
            entries.iter().for_each(|entry| history.apply(entry));
            let _ = decided.send((precopy, history));
            Ok(entries)
        })
        .await?;
        let (precopy, history) = begun.await.expect("sent before the entries were made durable");
        Ok(follow(core, &precopy, given, history).view())
    }
}

/// Follows a pre-copy, and lets it go on if it has not ended.
pub fn follow(core: &Arc<Core>, precopy: &Precopy, orders: Orders, history: History) -> Arc<Tracked> {
    let state = TrackedState::Precopy(precopy.state.clone());
    let tracked = core.track(terms(precopy), precopy.peer, state, history);
    tracked.set_orders(orders);
    come_to(&tracked, &precopy.state);
    if !precopy.is_at_rest() {
        tokio::spawn(PrecopyTask::new(core.clone(), tracked.clone()).run());
    }
    tracked.publish();
    tracked
}
