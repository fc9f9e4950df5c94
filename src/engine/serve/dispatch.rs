//! Dispatches the messages of peers about migrations to the tasks that own them, and answers questions.

use std::sync::Arc;

use modelferry_protocol::codec::{Bytes, Text};
use modelferry_protocol::ids::{Hash, Pin};
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::limits::OFFERS_OPEN_MAX;
use modelferry_protocol::message::{End, Message, MigrationKey, Offer};
use modelferry_protocol::plan::{Answer, Finding, ModelFacts, Question, Room};
use modelferry_protocol::record::Body;
use modelferry_protocol::snapshot::Snapshot;
use modelferry_protocol::switch::offer;
use modelferry_protocol::switch::source;
use modelferry_protocol::switch::target::{TargetRecord, TargetState};
use modelferry_protocol::switch::{Cause, Head, Terms};
use tokio::sync::oneshot;

use crate::controller::port::{ControllerError, MigrationRef};
use crate::engine::base::budget::Spending;
use crate::engine::base::entry::entry;
use crate::engine::migration::mailbox::event::Event;
use crate::engine::migration::tracking::history::History;
use crate::engine::peer::ownership;
use crate::engine::peer::rights::{self, Deed, Forbidden};
use crate::engine::precopy::incoming as precopy;
use crate::engine::shared::core::Core;
use crate::engine::switchover;
use crate::engine::switchover::log;
use crate::engine::transfer::adhoc;
use crate::engine::transfer::patches::rebuild;
use crate::link::Session;
use crate::store::StoreError;

/// Takes a message about a migration to its task, or answers it from the record.
pub async fn heard(core: &Arc<Core>, key: MigrationKey, message: Message, session: &Session) {
    if core.halted().is_some() {
        // What is missing from a journal that was set back proves nothing.
        return;
    }
    let last = core.parts.journal.ledger(|ledger| ledger.last_record(key.mid).cloned());
    let partner = last.as_ref().map(LastRecord::peer);
    if partner.is_some_and(|partner| partner != session.peer()) {
        tracing::warn!(peer = %session.peer_name(), mid = %key.mid, "a message about another peer's migration, ignored");
        return;
    }
    if let Some(mailbox) = core.tracked(key.mid).and_then(|tracked| tracked.mailbox()) {
        // A task that is busy hears it when it is said again; the connection must not wait for it.
        if mailbox.try_send(Event::Heard { message: Box::new(message), session: session.clone() }).is_err() {
            tracing::debug!(mid = %key.mid, "the migration's task is busy, a message is left to be repeated");
        }
        return;
    }
    let answer = match last {
        // A migration without a task is at rest.
        Some(last) => switchover::answer(&last, &message),
        None if core.parts.journal.ledger(|ledger| ledger.is_forgotten(key.mid)) => forgotten(key, &message),
        None => match message {
            Message::Offer(offer) => accept(core, offer, session).await,
            Message::Progress(_) | Message::Prepared(_) | Message::Activated(_) | Message::Dropped(_) => {
                Some(source::answer_unknown(key, core.parts.journal.id()))
            }
            other => {
                tracing::debug!(message = other.name(), mid = %key.mid, "about an unknown migration, ignored");
                None
            }
        },
    };
    if let Some(answer) = answer {
        Core::say(session, answer).await;
    }
}

/// Answers for a migration of which only the id is known: it came to nothing here.
fn forgotten(key: MigrationKey, message: &Message) -> Option<Message> {
    let asks = matches!(message, Message::Offer(_) | Message::Seal(_) | Message::Commit(_));
    asks.then(|| Message::Dropped(End { key, cause: Cause::cut("the offer came to nothing here before") }))
}

/// Begins to receive a model, or says why not. Beyond what one peer may have open here, or begin in a time, it says nothing: the
/// source repeats its offer.
async fn accept(core: &Arc<Core>, offer: Offer, session: &Session) -> Option<Message> {
    let refused = |text: String| Some(Message::Refused(End { key: offer.key, cause: Cause::cut(text) }));
    if core.offers_open(session.peer()) >= OFFERS_OPEN_MAX {
        tracing::debug!(peer = %session.peer_name(), "an offer beyond {OFFERS_OPEN_MAX} open ones is left to be repeated");
        return None;
    }
    if offer.key.journal != session.hello().journal {
        return refused("the offer names another journal than its agent's".into());
    }
    if let Some(forbidden) = rights::forbids(core, session.peer(), Deed::Receive, &offer.owner, &offer.name).await {
        return refused(forbidden.to_string());
    }
    let store = core.parts.store.clone();
    let reserve = core.parts.settings.disk_reserve_bytes;
    match Core::blocking(move || store.free_bytes()).await {
        Ok(free) if free < reserve => {
            return refused(format!("target agent's disk has {free} bytes free, it needs at least {reserve}"));
        }
        Ok(_) => {}
        Err(error) => return refused(format!("target agent's disk cannot be read: {error}")),
    }
    let journal = core.parts.journal.clone();
    if let Err(error) = Core::blocking(move || journal.ensure_reserve()).await {
        return refused(format!("target agent's journal cannot grow: {error}"));
    }
    let head = Head {
        mid: offer.key.mid,
        model: offer.model,
        epoch_to: offer.epoch_to,
        peer: session.peer(),
        journal: offer.key.journal,
        profile: offer.profile,
    };
    let terms = terms_of(&offer, session);
    match begin(core, head, terms).await {
        Ok(()) | Err(None) => None,
        Err(Some(text)) => refused(text),
    }
}

fn terms_of(offer: &Offer, session: &Session) -> Terms {
    Terms {
        attempt: offer.attempt,
        peer: Text::cut(session.peer_name()),
        controller: session.hello().controller.clone(),
        ..adhoc::terms(offer.key.mid, offer.model, offer.name.clone(), offer.owner.clone())
    }
}

/// Errors: why the offer is refused; nothing if it is left unanswered, to be repeated: it was accepted a moment
/// ago over another connection, or an earlier attempt of the same peer has to end first.
async fn begin(core: &Arc<Core>, head: Head, mut terms: Terms) -> Result<(), Option<String>> {
    let record = TargetRecord { head, state: TargetState::Receiving };
    let (decided, begun) = oneshot::channel();
    let (in_hand, offers) = (core.in_hand.clone(), core.clone());
    core.fail_at(head.peer, "target", "Receiving", "before");
    core.decide(move |ledger| {
        if in_hand.has(head.model) {
            // A command is at it, and soon done.
            return Err(None);
        }
        if ledger.last_record(head.mid).is_some() {
            return Err(None);
        }
        let busy = ledger.busy(head.model);
        let of_this_peer =
            |mid| matches!(ledger.last_record(mid), Some(LastRecord::Target(record)) if record.head.peer == head.peer);
        if busy.is_some_and(of_this_peer) {
            // An attempt that its source has given up while this side could not hear it: it is about to be
            // told. The offer is repeated; refusing it now would end an attempt that has nothing wrong with it.
            return Err(None);
        }
        offer::accept(head, None, ledger.epoch(head.model), busy).map_err(|error| Some(error.to_string()))?;
        if !offers.budgets.spend(head.peer, Spending::Offer) {
            tracing::warn!(peer = %head.peer, "too many offers in a short time; this one is left to be repeated");
            return Err(None);
        }
        // One id names one migration here, whatever the source has counted.
        terms.attempt = ownership::attempt_here(ledger, head.model, terms.attempt);
        let record = Body::Target(TargetRecord { head, state: TargetState::Receiving });
        let entries = vec![entry("peer", Body::Terms(terms.clone())), entry("peer", record)];
        let mut history = History::default();
        entries.iter().for_each(|entry| history.apply(entry));
        let _ = decided.send((terms, history));
        Ok(entries)
    })
    .await?;
    let (terms, history) = begun.await.expect("sent before the entries were made durable");
    core.fail_at(head.peer, "target", "Receiving", "after");
    let last = LastRecord::Target(record);
    let tracked = core.track(terms, head.peer, last.clone(), history);
    switchover::resume(core, tracked.clone(), last);
    switchover::unpair::refuse_unpaired(core, &tracked);
    Ok(())
}

/// Has the controller try what can be tried of a model that is on its way here, and returns the bytes of its blobs.
///
/// Errors: why it would not be taken.
pub async fn dry_run(core: &Core, peer: Pin, snapshot: &[u8]) -> Result<u64, String> {
    let snapshot = Snapshot::open(snapshot, Hash::of(snapshot)).map_err(|error| error.to_string())?;
    let coming = core.tracked(snapshot.mid).filter(|tracked| tracked.peer == peer && tracked.mailbox().is_some());
    if coming.is_none_or(|tracked| tracked.terms.model != snapshot.model) {
        return Err("the model is not on its way here".to_owned());
    }
    let migration_ref = MigrationRef { mid: snapshot.mid, model: snapshot.model };
    let tried = core.parts.arrival.dry_run_stage(migration_ref, &snapshot.calls).await;
    tried.map_err(|error| format!("failed to import model into target controller: {error}"))?;
    Ok(snapshot.blobs().iter().map(|blob| blob.bytes).sum())
}

/// Returns what stands here against a peer's model, the peer's rights first.
async fn prechecks(core: &Core, peer: Pin, facts: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
    let forbidden = rights::forbids(core, peer, Deed::Receive, &facts.owner, &facts.name).await;
    let quota_bytes = core.parts.link.rights(peer).quota.bytes().filter(|quota_bytes| facts.bytes_total > *quota_bytes);
    let beyond = match quota_bytes {
        Some(quota_bytes) => Some(rights::beyond(core, peer, quota_bytes, facts.bytes_total).await),
        None => None,
    };
    let forbidden = forbidden.iter().chain(&beyond).map(Forbidden::finding).collect::<Vec<_>>().into_iter();
    Ok(forbidden.chain(core.parts.arrival.prechecks(facts).await?).collect())
}

/// Answers a question that needs no task of its own.
pub async fn answer(core: &Core, peer: Pin, question: Question) -> Answer {
    let failed = |text: String| Answer::Failed(Text::cut(text));
    match question {
        Question::Ping => Answer::Bytes(core.clock_ms()),
        Question::Prechecks(facts) => match prechecks(core, peer, &facts).await {
            Ok(findings) => switchover::conflict::in_service::explain(core, facts.uuid, findings).await,
            Err(error) => failed(error.to_string()),
        },
        Question::Held(blobs) => {
            let (store, reserve) = (core.parts.store.clone(), core.parts.settings.disk_reserve_bytes);
            let room = move || {
                let bytes_held =
                    blobs.iter().try_fold(0, |sum, blob| Ok::<_, StoreError>(sum + store.held_bytes(*blob)?))?;
                Ok(Room { bytes_held, bytes_free: store.free_bytes()?, bytes_kept: reserve })
            };
            match Core::blocking(room).await {
                Ok(room) => Answer::Room(room),
                Err::<_, StoreError>(error) => failed(error.to_string()),
            }
        }
        Question::HeldEach(blobs) => rebuild::held_each(core, blobs).await,
        Question::Known(model) => ownership::known(core, peer, model).await,
        Question::Networks => match core.parts.arrival.networks().await {
            Ok(networks) => Answer::Networks(Box::new(networks)),
            Err(error) => failed(error.to_string()),
        },
        Question::LatestLogTime(mid) => log::latest(core, peer, mid).await,
        Question::TakeLog(taking) => log::take(core, peer, taking).await,
        // Kept apart: they last, and must not hold up the answers to others.
        Question::Rebuild(_) => failed("a blob is made where that is heard".to_owned()),
        Question::DryRun(_) => failed("a model is tried where it is heard".to_owned()),
        Question::GiveUp(mid) => {
            precopy::give_up(core, peer, mid);
            Answer::Bytes(0)
        }
        Question::Relay(_) => failed("a call is passed on where it is heard".to_owned()),
        Question::Keep(_) | Question::Precopy(_) => failed("a copy is taken in where it is heard".to_owned()),
        Question::Query(json) => {
            let told = core.parts.query.answer(peer, &json).await;
            Bytes::new(told).map_or_else(|error| failed(format!("the answer is too long: {error}")), Answer::Json)
        }
    }
}
