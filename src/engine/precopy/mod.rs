//! A model's bytes travel ahead of a migration that may come. Nothing is frozen, reserved or handed over: no machine has a
//! state for it, and no migration waits for one.

mod task;

use std::sync::Arc;

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Answer, Precopying};
use modelferry_protocol::record::{Adoption, Body, Entry, Orders, Precopy, PrecopyState};
use modelferry_protocol::snapshot::Name;
use modelferry_protocol::switch::{Cause, Terms};
use tokio::sync::oneshot;

use self::task::PrecopyTask;
use crate::config::Rate;
use crate::engine::base::core::{Core, entry};
use crate::engine::migration::course::{Course, precopy_id};
use crate::engine::migration::history::History;
use crate::engine::migration::tracked::{Event, Tracked, id_of};
use crate::engine::peer::reach::Reach;
use crate::engine::transfer::adhoc;
use crate::engine::transfer::adhoc::Arriving;
use crate::engine::view::MigrationView;
use crate::engine::{Engine, EngineError};
use crate::link::Session;

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
    let to_this = |mid: &MigrationId| ledger.standing(*mid).is_some_and(|standing| standing.peer() == peer);
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
    let course = Course::Precopy(precopy.state.clone());
    let tracked = core.track(terms(precopy), precopy.peer, course, history);
    tracked.set_orders(orders);
    come_to(&tracked, &precopy.state);
    if !precopy.is_at_rest() {
        tokio::spawn(PrecopyTask::new(core.clone(), tracked.clone()).run());
    }
    tracked.publish();
    tracked
}

/// Counts what a pre-copy has come to: that the peer holds it all is heard, and on record, before the last of its
/// acknowledgements has been looked at.
fn come_to(tracked: &Tracked, state: &PrecopyState) {
    if let PrecopyState::Copied(bytes) = state {
        tracked.counters.begin(*bytes);
        tracked.counters.add_held(*bytes);
    }
}

/// Makes the record by which a migration goes on with what a pre-copy of its model to its peer has brought, if one runs.
pub fn adopt(ledger: &Ledger, terms: &Terms, peer: Pin) -> Option<Entry> {
    let precopy = ledger.copying(terms.model, peer)?;
    let by = Adoption { mid: terms.mid, attempt: terms.attempt };
    Some(entry("agent", Body::Precopy(precopy.with(PrecopyState::Adopted(by)))))
}

/// Ends a pre-copy whose last record has been made durable.
pub fn ended(core: &Core, last: &Entry) {
    let Body::Precopy(precopy) = &last.body else { return };
    let Some(tracked) = core.tracked(precopy.mid) else { return };
    come_to(&tracked, &precopy.state);
    tracked.stand(Course::Precopy(precopy.state.clone()), |history| history.apply(last));
    tracing::info!(precopy = %tracked.id(), state = precopy.state.name(), "recorded");
    // Its task hears nothing more, and so it ends.
    tracked.close_mailbox();
}

/// Ends the pre-copies of a model that has moved elsewhere: what they would bring is nobody's to hand over any more. One
/// that misses it learns as much of the controller on its next connection.
pub async fn left(core: &Core, terms: &Terms) {
    let is_of = |tracked: &Arc<Tracked>| tracked.is_precopy() && tracked.terms.model == terms.model;
    for mailbox in core.all_tracked().iter().filter(|tracked| is_of(tracked)).filter_map(|tracked| tracked.mailbox()) {
        let cause = Cause::cut(format!("the model has moved to {}", &*terms.peer));
        // One whose task is about to end needs no telling.
        let _ = mailbox.send(Event::Failed(cause)).await;
    }
}

/// Waits no longer for a pre-copy that its source has given up.
pub fn give_up(core: &Core, peer: Pin, mid: MigrationId) {
    let is_it = |coming: &&Arc<Tracked>| coming.terms.mid == mid && coming.peer == peer && coming.is_precopy();
    let Some(mailbox) = core.arriving_all().iter().find(is_it).and_then(|coming| coming.mailbox()) else { return };
    // One whose mailbox is full is about to fail anyway.
    let _ = mailbox.try_send(Event::Failed(Cause::cut("its source has given it up")));
}

/// Begins to take a pre-copy in for a peer, and yields what waits for all of it. Nothing of it is on record here.
///
/// Errors: why it is not taken.
pub fn take(
    core: &Arc<Core>,
    session: &Session,
    precopying: Precopying,
) -> Result<impl Future<Output = Answer> + Send + use<>, String> {
    let Precopying { mid, model, name, owner, blobs } = precopying;
    let (terms, course) = (adhoc::terms(mid, model, name, owner), Course::Precopy(PrecopyState::Copying));
    // A source sends one at a time: whoever asks for another has ended the older.
    let mut arriving = Arriving::begin(core, session, terms, course, blobs.to_vec(), Tracked::is_precopy)?;
    Ok(async move {
        match arriving.arrive().await {
            Ok(bytes) => Answer::Bytes(bytes),
            Err(text) => Answer::Failed(Text::cut(text)),
        }
    })
}
