//! The source before the freeze: the model is live, its binaries are copied ahead, and the task waits for the cutover.

use std::sync::Arc;

use modelferry_protocol::codec::{Bounded, Bytes};
use modelferry_protocol::message::Message;
use modelferry_protocol::plan::{Answer, Question};
use modelferry_protocol::record::{Body, Note, Orders, When};
use modelferry_protocol::snapshot::{Name, Snapshot, distinct_blobs};
use modelferry_protocol::switch::Cause;
use modelferry_protocol::switch::source::{SourceInput, SourceRecord, SourceState};

use super::state::{Failure, Source, SourceTask, Transfer};
use crate::controller::port::{Export, MigrationRef};
use crate::engine::base::conversation::Conversation;
use crate::engine::base::entry::entry;
use crate::engine::base::error::EngineError;
use crate::engine::base::retry_timer::{Turn, until};
use crate::engine::migration::gateway::Asked;
use crate::engine::migration::id::id_of;
use crate::engine::migration::mailbox::event::Event;
use crate::engine::migration::mailbox::orders;
use crate::engine::migration::mailbox::orders::{Change, local};
use crate::engine::migration::queue::QueueSlot;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::plan;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::engine::switchover::task::Side;
use crate::engine::switchover::task::wait::{Woken, maybe};
use crate::engine::transfer::patches;
use crate::engine::transfer::rate;
use crate::engine::view::FindingView;

/// How often a model that waits for its hour is looked at again: what has changed travels ahead as well.
const REFRESH_MS: u64 = 600_000;
/// The longest sleep. A clock that is set meanwhile is noticed within that.
const SLEEP_MS_MAX: u64 = 30_000;
/// How long a peer may be away before its migration lets others go first.
const AWAY_MS_MAX: u64 = 10_000;
/// Pauses between attempts to cut over: the first, doubling to the longest.
const RETRY_MS: std::ops::RangeInclusive<u64> = 1_000..=60_000;

/// What is under way.
enum Work {
    /// Binaries travel, and are proven over there. Begun at this moment, Unix milliseconds.
    Copy(u64),
    /// Both sides check once more.
    Check,
}

/// How far it is.
#[derive(Default)]
struct Ahead {
    /// Whether the target has taken the offer on this connection.
    accepted: bool,
    /// Whether this connection has failed under what was under way: the next one goes on, or the next offer.
    failed: bool,
    work: Option<(Work, Transfer)>,
    /// When the last copy that is complete was begun, Unix milliseconds.
    copied_ms: Option<u64>,
    /// The first thing that stood against the cutover when it was due.
    trouble: Option<Cause>,
    retry_ms: u64,
    retry_pause_ms: u64,
    /// Since when the peer has not been there, Unix milliseconds.
    away_ms: Option<u64>,
}

impl Ahead {
    /// Gives up what is under way; the target keeps what it has.
    fn stop(&mut self) {
        self.work = None;
    }

    fn retry_later(&mut self, now_ms: u64) {
        self.retry_pause_ms = (self.retry_pause_ms * 2).clamp(*RETRY_MS.start(), *RETRY_MS.end());
        self.retry_ms = now_ms.saturating_add(self.retry_pause_ms);
    }
}

impl SourceTask {
    /// Goes on with a migration after a start of the agent. Those that are begun in order stand in the queue in order.
    pub fn resumed(core: Arc<Core>, tracked: Arc<Tracked>, record: SourceRecord) -> Self {
        let mut task = Self::new(core, tracked, record);
        if task.record.state == SourceState::Offered && task.tracked.orders().paused.is_none() {
            task.queued();
        }
        task
    }

    /// Waits while the model is live: for its turn, the copy, the hour, the checks.
    pub async fn ahead(&mut self) {
        let mut ahead = Ahead::default();
        self.line.reset();
        match self.line.conversation() {
            Some(conversation) => self.say_to(&conversation).await,
            None => self.tracked.wait_for_peer(),
        }
        while self.record.state == SourceState::Offered {
            let Some(wake_ms) = self.advance(&mut ahead).await else { continue };
            // Out of the task while it waits, and back into it before anything reacts.
            let mut place = self.side.place.take();
            let work = async {
                tokio::select! {
                    biased;
                    done = maybe(ahead.work.as_mut().map(|(_, work)| work)) => Some(done),
                    () = maybe(place.as_mut().map(QueueSlot::moved)) => None,
                    () = until(wake_ms) => None,
                }
            };
            let woken = self.woken(work).await;
            self.side.place = place;
            match woken {
                Woken::Halted => return,
                Woken::Event(event) => {
                    let taken =
                        matches!(&event, Event::Heard { message, .. } if matches!(**message, Message::Progress(_)));
                    Source::event(self, event).await;
                    if taken && !ahead.accepted {
                        ahead.accepted = true;
                        self.tracked.set_offered();
                    }
                }
                Woken::Done(Some(done)) => self.worked(&mut ahead, done).await,
                Woken::Done(None) => {}
                Woken::Turn(turn, conversation) => self.turned(&mut ahead, turn, conversation).await,
            }
        }
        self.tracked.set_phase(None);
    }

    /// Offers the model again where the connection, or the time, asks for it.
    async fn turned(&mut self, ahead: &mut Ahead, turn: Turn, conversation: Option<Arc<Conversation>>) {
        match (turn, conversation) {
            (Turn::Up, Some(conversation)) => {
                self.tracked.set_waiting(None);
                ahead.stop();
                // A target that has been offered the model says so again before it is frozen. Bytes follow an
                // offer at once, and not a round trip later; where it is not accepted they are ignored.
                (ahead.accepted, ahead.failed) = (false, false);
                self.say_to(&conversation).await;
            }
            // What followed an offer that was left unanswered was ignored, and follows the next.
            (Turn::Repeat, Some(conversation)) if !ahead.accepted || ahead.failed => {
                ahead.stop();
                ahead.failed = false;
                self.say_to(&conversation).await;
            }
            (Turn::Repeat, Some(conversation)) if ahead.work.is_none() => self.say_to(&conversation).await,
            (Turn::Repeat, _) => {}
            (Turn::Up | Turn::Down, _) => {
                ahead.stop();
                ahead.accepted = false;
                self.tracked.wait_for_peer();
            }
        }
    }

    /// Begins what can be begun and shows what is waited for. Returns after how many milliseconds to look again, if
    /// ever; nothing once the migration has been given up.
    async fn advance(&mut self, ahead: &mut Ahead) -> Option<Option<u64>> {
        let (orders, now_ms) = (self.tracked.orders(), self.core.clock_ms());
        if let Some(until_ms) = orders.until_ms.filter(|until_ms| now_ms >= *until_ms) {
            let why = ahead.trouble.take().map_or_else(|| self.unmet(&orders), Cause::into_string);
            let cause = Cause::cut(format!("not cut over until {}: {why}", local(until_ms)));
            self.input(SourceInput::Abort(&cause)).await;
            return None;
        }
        let due_ms = match orders.freeze {
            When::Ready => Some(0),
            When::At(at_ms) => Some(at_ms),
            When::Held => None,
        };
        let is_due = due_ms.is_some_and(|due_ms| now_ms >= due_ms);
        let is_scheduled = orders.freeze != When::Ready;
        let is_copied = ahead.copied_ms.is_some_and(|copied_ms| {
            now_ms < copied_ms + REFRESH_MS && due_ms.is_none_or(|due_ms| !is_due || copied_ms >= due_ms)
        });
        let connected = self.line.conversation().filter(|_| !ahead.failed);
        let mut phase = None;
        let is_away = self.line.conversation().is_none();
        ahead.away_ms = is_away.then(|| ahead.away_ms.unwrap_or(now_ms));
        let leave_ms = ahead.away_ms.map(|away_ms| away_ms + AWAY_MS_MAX).filter(|_| self.side.place.is_some());
        if let Some(pause) = &orders.paused {
            ahead.stop();
            self.side.place = None;
            let id = id_of(&self.tracked.terms);
            phase = Some(format!("{}; resume with `modelferry resume {id}`", orders::paused(pause)));
        } else if is_away {
            if leave_ms.is_some_and(|leave_ms| now_ms >= leave_ms) {
                self.side.place = None;
            }
        } else if let (Some(conversation), true) = (connected, ahead.work.is_none() && now_ms >= ahead.retry_ms) {
            if is_copied && is_due && ahead.accepted {
                let (core, migration) = (self.core.clone(), self.migration());
                let check: Transfer = Box::pin(async move { recheck(&core, &conversation, migration).await });
                ahead.work = Some((Work::Check, check));
            } else if !is_copied {
                // The hour does not wait for those who came earlier.
                match if is_scheduled && is_due { None } else { self.queued() } {
                    Some(waiting) => phase = Some(format!("queued ({waiting} ahead)")),
                    None => {
                        self.tracked.set_waiting(None);
                        let copy = copy(self.core.clone(), conversation, self.tracked.clone(), self.migration());
                        ahead.work = Some((Work::Copy(now_ms), Box::pin(copy)));
                    }
                }
            }
        }
        if is_scheduled && !is_due && ahead.copied_ms.is_some() && orders.paused.is_none() {
            phase = Some(self.ready(&orders));
            if is_copied && ahead.work.is_none() {
                // Others need not wait for its hour.
                self.side.place = None;
            }
        }
        if is_scheduled && is_due {
            if orders.paused.is_some() || is_away || ahead.copied_ms.is_none() {
                let unmet = self.unmet(&orders);
                self.put_off(ahead, Cause::cut(unmet)).await;
            }
            let now = ahead.trouble.as_deref().unwrap_or("checking once more");
            phase = phase.or_else(|| Some(format!("cutting over, model is live: {now}")));
        }
        self.tracked.set_phase(phase);
        let retry_ms = (now_ms < ahead.retry_ms).then_some(ahead.retry_ms);
        let refresh_ms = ahead.copied_ms.filter(|_| is_scheduled && is_copied).map(|copied_ms| copied_ms + REFRESH_MS);
        let due_ms = due_ms.filter(|_| !is_due);
        let leave_ms = leave_ms.filter(|_| self.side.place.is_some());
        let next_ms = [orders.until_ms, due_ms, retry_ms, refresh_ms, leave_ms].into_iter().flatten().min();
        Some(next_ms.map(|next_ms| next_ms.saturating_sub(now_ms).clamp(1, SLEEP_MS_MAX)))
    }

    /// Returns how many are ahead in the queue; nothing if it is this one's turn.
    fn queued(&mut self) -> Option<usize> {
        let (queue, mid) = (&self.core.queue, self.record.head.mid);
        let started_ms = self.tracked.started_ms();
        self.side.place.get_or_insert_with(|| queue.join(started_ms, mid)).ahead()
    }

    fn ready(&self, orders: &Orders) -> String {
        match orders.freeze {
            When::At(at_ms) => format!("ready, waiting for cutover at {}", local(at_ms)),
            When::Ready | When::Held => format!("ready, waiting for cutover {}", id_of(&self.tracked.terms)),
        }
    }

    /// Says what stands against a cutover now.
    fn unmet(&self, orders: &Orders) -> String {
        if orders.freeze == When::Held {
            return "nobody asked for it".to_owned();
        }
        if let Some(pause) = &orders.paused {
            return orders::paused(pause);
        }
        if self.line.conversation().is_none() {
            return format!("the agent of {} was not connected", &*self.tracked.terms.peer);
        }
        let bytes = self.tracked.counters.bytes();
        if bytes.total == 0 {
            return "its binaries had not begun to travel".to_owned();
        }
        format!("{} of {} bytes had travelled ahead", bytes.held, bytes.total)
    }

    /// Notes the first thing that stands against the cutover, for whoever looks for it afterwards.
    async fn put_off(&self, ahead: &mut Ahead, why: Cause) {
        if ahead.trouble.is_none() {
            let text = Cause::cut(format!("not cut over yet: {}", &*why));
            self.core.append(entry("agent", Body::Note(Note { mid: self.record.head.mid, text }))).await;
            ahead.trouble = Some(why);
        }
    }

    async fn worked(&mut self, ahead: &mut Ahead, done: Result<(), Failure>) {
        let Some((work, _)) = ahead.work.take() else { return };
        match (done, work) {
            (Ok(()), Work::Copy(begun_ms)) => (ahead.copied_ms, ahead.retry_pause_ms) = (Some(begun_ms), 0),
            (Ok(()), Work::Check) => {
                let deadline_ms = self.core.clock_ms().saturating_add(self.tracked.terms.freeze_ms_max);
                self.input(SourceInput::Ready { deadline_ms }).await;
            }
            // The line tells when the next connection is there.
            (Err(Failure::Closed), _) => ahead.failed = true,
            (Err(Failure::Gone(cause)), _) => self.input(SourceInput::Abort(&cause)).await,
            (Err(Failure::Final(cause)), _) => {
                if self.tracked.orders().freeze == When::Ready {
                    return self.input(SourceInput::Abort(&cause)).await;
                }
                ahead.retry_later(self.core.clock_ms());
                self.put_off(ahead, cause).await;
            }
        }
    }

    /// Changes the migration's orders.
    ///
    /// Errors: why they do not change.
    pub async fn order(&mut self, change: Change, actor: &str) -> Result<(), EngineError> {
        if let Some(error) = self.refusal(Asked::Steer) {
            return Err(error);
        }
        let id = id_of(&self.tracked.terms);
        match self.record.state {
            SourceState::Offered => {}
            SourceState::Freezing(_) | SourceState::Frozen(_) => {
                return Err(EngineError::Frozen { id, verb: change.verb() });
            }
            _ if self.record.is_committed() && !self.record.is_at_rest() => return Err(self.too_late()),
            _ => return Err(EngineError::Ended { id, state: self.record.state.name().to_owned() }),
        }
        let changed = change.apply(self.tracked.orders(), &id, self.core.clock_ms(), actor);
        let orders = changed.map_err(|why| EngineError::NoSuchOrder { id: id_of(&self.tracked.terms), why })?;
        self.core.append(entry(actor, Body::Orders(orders.clone()))).await;
        self.tracked.set_orders(orders);
        Ok(())
    }
}

/// Lets the target hold the binaries of the model as it is now, and prove them.
async fn copy(
    core: Arc<Core>,
    conversation: Arc<Conversation>,
    tracked: Arc<Tracked>,
    migration: MigrationRef,
) -> Result<(), Failure> {
    // What the model was written is a blob of its own, which nothing names but the export.
    let lease = core.parts.store.lease_with_puts();
    // There is nothing to send, and nothing to try, of a model that is not shown before it is frozen.
    let Some(export) = core.parts.reader.ahead(migration.model).await? else { return Ok(()) };
    patches::ahead(&core, &conversation, &tracked, &export.calls).await?;
    lease.narrow(distinct_blobs(&export.calls).iter().map(|blob| blob.hash));
    rate::send(&core, &conversation, &tracked, &distinct_blobs(&export.calls)).await?;
    patches::remember(&core, &export.calls).await;
    dry_run(&conversation, migration, export).await
}

/// Has the target try what it can before the freeze, so that nothing in the freeze grows with the binaries.
async fn dry_run(conversation: &Conversation, migration: MigrationRef, export: Export) -> Result<(), Failure> {
    let failed = |text: String| Failure::Final(Cause::cut(format!("model data transfer failed, {text}")));
    let Export { name, owner, complete, calls } = export;
    let calls = Bounded::new(calls).map_err(|error| failed(error.to_string()))?;
    let (name, owner) = (Name::cut(name), Name::cut(owner));
    let snapshot = Snapshot { mid: migration.mid, model: migration.model, epoch_to: 0, name, owner, complete, calls };
    let (bytes, _) = snapshot.seal().map_err(|error| failed(error.to_string()))?;
    let question = Question::DryRun(Bytes::new(bytes).map_err(|error| failed(error.to_string()))?);
    match conversation.ask(question).await.map_err(|_| Failure::Closed)? {
        Answer::Bytes(_) => Ok(()),
        Answer::Failed(text) => Err(Failure::Final(Cause::cut(text.into_string()))),
        _ => Err(failed("the target answered another question".to_owned())),
    }
}

/// Checks once more, just before the freeze, what was checked at the start: hours may lie between. A gateway learns as what
/// controller it poses.
async fn recheck(core: &Arc<Core>, conversation: &Conversation, migration: MigrationRef) -> Result<(), Failure> {
    let findings = match plan::findings(core, conversation, migration.model, Some(migration.mid)).await {
        Ok(findings) => findings,
        Err(EngineError::Unanswered(_)) => return Err(Failure::Closed),
        Err(EngineError::Controller(error)) => return Err(error.into()),
        Err(error) => return Err(Failure::Final(Cause::cut(format!("prechecks failed: {error}")))),
    };
    if core.parts.relayed.is_some()
        && let Err(why) = Engine(core.clone()).learn_destination(&conversation.session.peer_name()).await
    {
        let cause = Cause::cut(format!("the gateway does not know the destination: {why}"));
        return Err(Failure::Final(cause));
    }
    match findings.into_iter().find(FindingView::is_failure) {
        Some(finding) => Err(Failure::Final(Cause::cut(finding.complaint()))),
        None => Ok(()),
    }
}
