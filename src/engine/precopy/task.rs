//! The task of one pre-copy at its source.

use std::pin::Pin;
use std::sync::Arc;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::plan::{Precopying, Question};
use modelferry_protocol::record::{Body, PrecopyState};
use modelferry_protocol::snapshot::{Name, distinct_blobs};
use modelferry_protocol::switch::Cause;
use tokio::sync::{mpsc, watch};

use super::record;
use crate::controller::port::ControllerError;
use crate::engine::base::conversation::Conversation;
use crate::engine::base::entry::entry;
use crate::engine::base::error::{EngineError, causes};
use crate::engine::base::retry_timer::Backoff;
use crate::engine::migration::mailbox::event::Event;
use crate::engine::migration::mailbox::orders;
use crate::engine::migration::mailbox::orders::Change;
use crate::engine::migration::queue::QueueSlot;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::shared::core::Core;
use crate::engine::transfer::{adhoc, patches};

/// What is under way.
type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The task of one pre-copy.
pub struct PrecopyTask {
    core: Arc<Core>,
    tracked: Arc<Tracked>,
    mailbox: mpsc::Receiver<Event>,
    peer: watch::Receiver<Option<Arc<Conversation>>>,
    /// Its place among the pre-copies to the peer, unless it is paused.
    place: Option<QueueSlot>,
    copy: Option<Work<Result<u64, EngineError>>>,
    /// The peer is being told that a copy was given up. Only then may it hear of the next.
    telling: Option<Work<()>>,
    /// Whether the present connection has ended under the copy: the next one goes on.
    lost: bool,
    /// The pause before what has failed here is tried again.
    retry: Option<Work<()>>,
    backoff: Backoff,
}

/// Waits for what there may be; for ever if there is nothing.
async fn of<T>(work: &mut Option<Work<T>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

impl PrecopyTask {
    /// Goes on with a pre-copy. Those that are made in order stand in the queue in order.
    pub fn new(core: Arc<Core>, tracked: Arc<Tracked>) -> Self {
        let (mailbox, peer) = (tracked.open_mailbox(), core.peer(tracked.peer));
        let (place, copy, telling, retry, backoff) = (None, None, None, None, Backoff::new());
        let mut task = Self { core, tracked, mailbox, peer, place, copy, telling, lost: false, retry, backoff };
        if task.tracked.orders().paused.is_none() {
            task.queued();
        }
        task
    }

    /// Runs until it has ended, or this agent has stopped acting.
    pub async fn run(mut self) {
        self.go_on().await;
        // The next need not wait for this one's last word.
        self.place = None;
        self.stop();
        if let Some(telling) = self.telling {
            telling.await;
        }
    }

    async fn go_on(&mut self) {
        while !self.tracked.is_at_rest() {
            self.advance();
            let moved = async {
                match &mut self.place {
                    Some(place) => place.moved().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.core.halting() => return self.tracked.set_waiting(self.core.halted()),
                event = self.mailbox.recv() => match event {
                    Some(event) => self.event(event).await,
                    None => return,
                },
                changed = self.peer.changed() => match changed {
                    Ok(()) => (self.copy, self.lost) = (None, false),
                    // The engine goes down.
                    Err(_) => return,
                },
                done = of(&mut self.copy) => {
                    self.copy = None;
                    self.done(done).await;
                }
                () = of(&mut self.telling) => self.telling = None,
                () = of(&mut self.retry) => self.retry = None,
                () = moved => {}
            }
        }
    }

    /// Begins what can be begun, and shows what is waited for.
    fn advance(&mut self) {
        if let Some(pause) = self.tracked.orders().paused {
            self.stop();
            self.place = None;
            let id = self.tracked.id();
            let phase = format!("{}; resume with `modelferry resume {id}`", orders::paused(&pause));
            return self.tracked.set_phase(Some(phase));
        }
        let ahead = self.queued();
        self.tracked.set_phase(ahead.map(|ahead| format!("queued ({ahead} ahead)")));
        let conversation = self.peer.borrow().clone();
        match conversation {
            None => self.tracked.wait_for_peer(),
            Some(conversation) if self.is_free() && ahead.is_none() => {
                self.tracked.set_waiting(None);
                self.copy = Some(Box::pin(copy(self.core.clone(), conversation, self.tracked.clone())));
            }
            Some(_) => {}
        }
    }

    /// Reports whether nothing of it is under way, or waited for.
    fn is_free(&self) -> bool {
        self.copy.is_none() && self.telling.is_none() && self.retry.is_none() && !self.lost
    }

    /// Returns how many pre-copies to the peer are ahead; nothing if it is this one's turn.
    fn queued(&mut self) -> Option<usize> {
        let (queue, mid) = (self.core.precopies(self.tracked.peer), self.tracked.terms.mid);
        let started_ms = self.tracked.started_ms();
        self.place.get_or_insert_with(|| queue.join(started_ms, mid)).ahead()
    }

    /// Gives up what is under way, and tells the peer, which would wait for it as long as the connection lasts.
    fn stop(&mut self) {
        if self.copy.take().is_none() {
            return;
        }
        self.tracked.set_waiting(None);
        let conversation = self.peer.borrow().clone();
        let mid = self.tracked.terms.mid;
        self.telling = conversation.map(|conversation| {
            // A connection that ends tells as much.
            let told = async move { drop(conversation.ask(Question::GiveUp(mid)).await) };
            Box::pin(told) as Work<()>
        });
    }

    async fn done(&mut self, done: Result<u64, EngineError>) {
        match done {
            Ok(bytes) => {
                self.end("agent", PrecopyState::Copied(bytes)).await;
            }
            Err(EngineError::Unanswered(_)) => self.lost = true,
            // What this host has not got just now it may have later: the bytes that are there lose nothing by it.
            Err(error @ (EngineError::Store(_) | EngineError::Controller(ControllerError::Storage(_)))) => {
                let waiting = format!("{}; trying again", causes(&error));
                tracing::warn!(precopy = %self.tracked.id(), "cannot go on: {waiting}");
                self.tracked.set_waiting(Some(waiting));
                self.retry = Some(Box::pin(self.backoff.next()));
            }
            Err(error) => {
                self.end("agent", PrecopyState::Failed(Cause::cut(causes(&error)))).await;
            }
        }
    }

    /// Ends it with a record, and reports whether it did: a migration may have adopted it a moment ago.
    async fn end(&mut self, actor: &str, state: PrecopyState) -> bool {
        self.stop();
        let (mid, actor) = (self.tracked.terms.mid, actor.to_owned());
        let (decided, last) = tokio::sync::oneshot::channel();
        let ended = self.core.decide::<()>(move |ledger| {
            let running = ledger.precopy(mid).filter(|precopy| !precopy.is_at_rest()).ok_or(())?;
            let last = entry(&actor, Body::Precopy(running.with(state)));
            let _ = decided.send(last.clone());
            Ok(vec![last])
        });
        if ended.await.is_ok()
            && let Ok(last) = last.await
        {
            record::ended(&self.core, &last);
            return true;
        }
        false
    }

    async fn event(&mut self, event: Event) {
        let (id, tracked) = (self.tracked.id(), self.tracked.clone());
        let ended = || EngineError::Ended { id: tracked.id(), state: tracked.state().to_string() };
        match event {
            Event::Abort { cause, actor, reply } => {
                let done = self.end(&actor, PrecopyState::Aborted(cause)).await;
                let _ = reply.send(if done { Ok(()) } else { Err(ended()) });
            }
            Event::Order { change, actor, reply } => {
                let _ = reply.send(self.order(change, &actor).await);
            }
            Event::Reap { reply, .. } | Event::Resolve { reply, .. } => {
                let _ = reply.send(Err(EngineError::IsPrecopy(id)));
            }
            Event::Failed(cause) => {
                self.end("agent", PrecopyState::Failed(cause)).await;
            }
            // No gateway knows a pre-copy.
            Event::Heard { .. } | Event::Called(_) | Event::LogGrown | Event::LogEnded => {}
        }
    }

    /// Changes its orders.
    ///
    /// Errors: why they do not change.
    async fn order(&mut self, change: Change, actor: &str) -> Result<(), EngineError> {
        let id = self.tracked.id();
        if let Change::Cutover { .. } = change {
            return Err(EngineError::IsPrecopy(id));
        }
        let changed = change.apply(self.tracked.orders(), &id, self.core.clock_ms(), actor);
        let orders = changed.map_err(|why| EngineError::NoSuchOrder { id, why })?;
        self.core.append(entry(actor, Body::Orders(orders.clone()))).await;
        self.tracked.set_orders(orders);
        Ok(())
    }
}

/// Lets the peer hold the bytes of the model as it is now, and returns how many these are.
async fn copy(core: Arc<Core>, conversation: Arc<Conversation>, tracked: Arc<Tracked>) -> Result<u64, EngineError> {
    let (mid, model) = (tracked.terms.mid, tracked.terms.model);
    // What the model was written is a blob of its own, which nothing names but the export.
    let lease = core.parts.store.lease_with_puts();
    let export = core.parts.reader.preview(model).await?;
    let blobs = distinct_blobs(&export.calls);
    lease.narrow(blobs.iter().map(|blob| blob.hash));
    let refused = |text: String| EngineError::Controller(ControllerError::Refused(text));
    let question = Question::Precopy(Box::new(Precopying {
        mid,
        model,
        name: Name::cut(&export.name),
        owner: Name::cut(&export.owner),
        blobs: Bounded::new(blobs.clone()).map_err(|error| refused(error.to_string()))?,
    }));
    let bytes = adhoc::over(&core, &conversation, &tracked, question, &blobs, &export.calls).await?;
    // What a migration finds changed of it can then travel as a patch.
    patches::remember(&core, &export.calls).await;
    Ok(bytes)
}
