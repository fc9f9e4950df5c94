//! A migration or pre-copy in this process: its terms, state, counters, and the mailbox of its task.

mod inner;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use modelferry_protocol::ids::{Hash, Pin};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::record::Orders;
use modelferry_protocol::switch::Terms;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};

use self::inner::Inner;
use super::counters::Counters;
use super::history::History;
use super::tracked_state::TrackedState;
use super::undecided::Undecided;
use crate::disk::background::Ahead;
use crate::engine::migration::mailbox::event::Event;
use crate::engine::view::{Bytes, Direction, Failing, MigrationView, Stand, State};
use crate::link::Urgency;

/// Events that wait for a migration's task.
const MAILBOX_MAX: usize = 64;

/// A migration.
pub struct Tracked {
    /// Its terms.
    pub terms: Terms,
    /// This agent.
    own: Pin,
    /// The other agent.
    pub peer: Pin,
    /// Its byte counts.
    pub counters: Arc<Counters>,
    /// Whether this is shown to nobody: see [`Tracked::apart`].
    pub is_apart: bool,
    /// Notified when a blob of it is complete in the store.
    pub blob_arrived: Notify,
    /// Whether this process has begun it, so that no record of it can be missing from the journal.
    is_begun_here: AtomicBool,
    inner: Mutex<Inner>,
    view: watch::Sender<MigrationView>,
}

impl Tracked {
    /// Follows what stands at `state`. A pre-copy's terms have its number for their attempt.
    ///
    /// `own`, `peer`: the pins of this agent and of the other.
    pub fn new(terms: Terms, own: Pin, peer: Pin, state: impl Into<TrackedState>, history: History) -> Arc<Self> {
        Arc::new(Self::begin(terms, own, peer, state.into(), history))
    }

    fn begin(terms: Terms, own: Pin, peer: Pin, state: TrackedState, history: History) -> Self {
        let inner = Inner::begin(&terms, state, history);
        let view = watch::Sender::new(inner.view(&terms, [own, peer], Bytes::default()));
        Self {
            terms,
            own,
            peer,
            counters: Arc::default(),
            is_apart: false,
            blob_arrived: Notify::new(),
            is_begun_here: AtomicBool::new(false),
            inner: Mutex::new(inner),
            view,
        }
    }

    /// Returns the other side's controller, as it was described last.
    pub fn controller(&self) -> ControllerCard {
        self.inner.lock().controller.clone()
    }

    /// Replaces what is known of the other side's controller.
    pub fn set_controller(&self, controller: ControllerCard) {
        self.inner.lock().controller = controller;
        self.publish();
    }

    /// Sets how long it may be undecided before it is shown in doubt.
    pub fn doubt_after(&self, patience: std::time::Duration) {
        self.inner.lock().in_doubt_after_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.publish();
    }

    /// Counts its bytes from `now_ms`: the agent was started after the migration began.
    pub fn counted_from(&self, now_ms: u64) {
        self.counters.begin_late(now_ms);
        self.publish();
    }

    /// Opens the mailbox of the migration's task.
    pub fn open_mailbox(&self) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(MAILBOX_MAX);
        self.inner.lock().mailbox = Some(sender);
        receiver
    }

    /// Closes the mailbox: the task has ended.
    pub fn close_mailbox(&self) {
        self.inner.lock().mailbox = None;
    }

    /// Returns the mailbox of the task, while the task runs.
    pub fn mailbox(&self) -> Option<mpsc::Sender<Event>> {
        self.inner.lock().mailbox.clone()
    }

    /// Returns its id, in Juju's form.
    pub fn id(&self) -> String {
        self.inner.lock().state.id(self.terms.model, self.terms.attempt)
    }

    /// Reports whether it is a pre-copy, and no migration.
    pub fn is_precopy(&self) -> bool {
        matches!(self.inner.lock().state, TrackedState::Precopy(_))
    }

    /// Reports whether its last record is final.
    pub fn is_at_rest(&self) -> bool {
        self.inner.lock().history.ended_ms.is_some()
    }

    /// Returns which side of it this agent is.
    pub fn direction(&self) -> Direction {
        self.inner.lock().state.direction()
    }

    /// Notes that this process has begun it.
    pub fn set_begun_here(&self) {
        self.is_begun_here.store(true, Ordering::Relaxed);
    }

    /// Reports whether this process has begun it.
    pub fn is_begun_here(&self) -> bool {
        self.is_begun_here.load(Ordering::Relaxed)
    }

    /// Reports whether a model is on its way here by it.
    pub fn is_open_offer(&self) -> bool {
        self.direction() == Direction::Target && !self.is_at_rest()
    }

    /// Returns how it stands.
    pub fn stands(&self) -> Stand {
        self.inner.lock().state.stand()
    }

    /// Reports how much the work that others ask for has to wait for it.
    pub fn ahead(&self) -> Ahead {
        self.inner.lock().state.ahead()
    }

    /// Returns its state, without what that holds.
    pub fn state(&self) -> State {
        self.inner.lock().state.state()
    }

    /// Returns what was sealed, once something was.
    pub fn root(&self) -> Option<Hash> {
        self.inner.lock().state.root()
    }

    /// Returns when it began, Unix milliseconds.
    pub fn started_ms(&self) -> u64 {
        self.inner.lock().history.started_ms
    }

    /// Returns how long its model was frozen, milliseconds; nothing before it was.
    pub fn frozen_ms(&self) -> Option<u64> {
        self.inner.lock().history.frozen_ms()
    }

    /// Reports whether it waits for something.
    pub fn is_waiting(&self) -> bool {
        self.inner.lock().waits_for(&self.counters.bytes()).is_some()
    }

    /// Reports whether its source cannot delete its copy, and tries again.
    pub fn is_reap_failing(&self) -> bool {
        let inner = self.inner.lock();
        inner.state.is_reaping() && inner.waiting.is_some()
    }

    /// Returns the priority of its chunks on the link.
    pub fn urgency(&self) -> Urgency {
        if self.is_precopy() { Urgency::Spare } else { Urgency::Due }
    }

    /// Applies a new durable record.
    pub fn stand(&self, state: impl Into<TrackedState>, history: impl FnOnce(&mut History)) {
        {
            let mut inner = self.inner.lock();
            inner.state = state.into();
            (inner.waiting, inner.failing) = (None, None);
            history(&mut inner.history);
            inner.undecided = match (inner.history.undecided_since_ms, inner.undecided) {
                (None, _) => None,
                (Some(_), Some(known)) => Some(known),
                (Some(since_ms), None) => Some(Undecided::before(since_ms, since_ms)),
            };
        }
        self.publish();
    }

    /// Records that the target has accepted the offer.
    pub fn set_offered(&self) {
        self.inner.lock().offered = true;
        self.publish();
    }

    /// Returns the operators' orders.
    pub fn orders(&self) -> Orders {
        self.inner.lock().orders.clone()
    }

    /// Applies new orders, which are durable.
    pub fn set_orders(&self, orders: Orders) {
        self.inner.lock().orders = orders;
        self.publish();
    }

    /// Sets the status text of a source whose model is live, where the state alone does not say enough.
    pub fn set_phase(&self, phase: Option<String>) {
        let changed = std::mem::replace(&mut self.inner.lock().phase, phase.clone()) != phase;
        if changed {
            self.publish();
        }
    }

    /// Notes that a controller which drives its migrations has begun this one: the model is frozen, or will be at once.
    pub fn set_begun(&self) {
        self.inner.lock().begun = true;
    }

    /// Reports whether a controller that drives its migrations has begun this one.
    pub fn is_begun(&self) -> bool {
        self.inner.lock().begun
    }

    /// Notes that the target has taken so many more lines of the log.
    pub fn add_log_sent(&self, lines: u64) {
        self.inner.lock().after.log_sent += lines;
        self.publish();
    }

    /// Sets the number of log lines that the target has stored.
    pub fn set_log_sent(&self, lines: u64) {
        self.inner.lock().after.log_sent = lines;
        self.publish();
    }

    /// Sets the time until which the copy here is held, Unix milliseconds.
    pub fn set_reap_due(&self, due_ms: u64) {
        self.inner.lock().after.reap_due_ms = Some(due_ms);
        self.publish();
    }

    /// Returns when its source gave the model away, Unix milliseconds.
    pub fn committed_ms(&self) -> Option<u64> {
        self.inner.lock().history.committed_ms
    }

    /// Returns when the target was known to have the model, Unix milliseconds.
    pub fn handed_ms(&self) -> Option<u64> {
        self.inner.lock().history.handed_ms
    }

    /// Returns the same migration with counters of its own, shown to nobody.
    pub fn apart(&self) -> Self {
        let (state, history) = {
            let inner = self.inner.lock();
            (inner.state.clone(), inner.history.clone())
        };
        Self { is_apart: true, ..Self::begin(self.terms.clone(), self.own, self.peer, state, history) }
    }

    /// Sets what it waits for; `None` if it does not wait.
    pub fn set_waiting(&self, reason: Option<String>) {
        self.wait(reason, None);
    }

    /// Sets that it waits because something fails. `reason`: what it waits for, in words.
    pub fn set_failing(&self, failing: Failing, reason: String) {
        self.wait(Some(reason), Some(failing));
    }

    fn wait(&self, reason: Option<String>, failing: Option<Failing>) {
        {
            let mut inner = self.inner.lock();
            (inner.waiting, inner.failing) = (reason, failing);
        }
        self.publish();
    }

    /// Sets the limit of 0 under which nothing is sent to its peer, or removes it, and publishes.
    pub fn publish_under(&self, limit: Option<String>) {
        if limit.is_some() {
            self.counters.hold_back();
        }
        self.inner.lock().limit = limit;
        self.publish();
    }

    /// Sets that it waits for its peer to connect.
    pub fn wait_for_peer(&self) {
        self.set_waiting(Some(format!("waiting for the agent of {} to connect", self.terms.peer)));
    }

    /// Returns its view.
    pub fn view(&self) -> MigrationView {
        self.view.borrow().clone()
    }

    /// Returns its view, as a value that can be watched.
    pub fn watch(&self) -> watch::Receiver<MigrationView> {
        self.view.subscribe()
    }

    /// Publishes a new view if it differs from the last.
    pub fn publish(&self) {
        // Holds the lock while publishing, so that an older view cannot overwrite a newer one.
        let inner = self.inner.lock();
        let now = inner.view(&self.terms, [self.own, self.peer], self.counters.bytes());
        self.view.send_if_modified(|shown| {
            let changed = *shown != now;
            *shown = now;
            changed
        });
    }
}

#[cfg(test)]
mod tests;
