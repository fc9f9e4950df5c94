//! The state that all migrations of an agent share: journal, store, link, controller, and the migrations themselves.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use modelferry_protocol::ids::{Epoch, MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::message::Message;
use modelferry_protocol::record::Entry;
use modelferry_protocol::switch::Terms;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::patching::known::Patching;
use super::retention::RetentionState;
use super::shares::Shares;
use crate::controller::port::{Arrival, Departure, ModelReader};
use crate::controller::serial::serialised;
use crate::engine::base::budget::{Budgets, Workload};
use crate::engine::base::conversation::Conversation;
use crate::engine::base::failpoint;
use crate::engine::base::gateways::relayed::RelayedSource;
use crate::engine::base::in_hand::InHand;
use crate::engine::base::settings::Settings;
use crate::engine::migration::queue::Queue;
use crate::engine::migration::tracking::history::History;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::migration::tracking::tracked_state::TrackedState;
use crate::journal::{Journal, Witness};
use crate::link::{Link, Session};
use crate::store::Store;

/// Answers what a peer's operator asks of this agent: a read-only request of the control socket, as JSON.
#[async_trait]
pub trait QueryHandler: Send + Sync {
    /// Returns the answer to `peer` as JSON, also when it is a refusal, as [`packed::pack`] packs it.
    ///
    /// [`packed::pack`]: crate::engine::base::packed::pack
    async fn answer(&self, peer: Pin, json: &str) -> Vec<u8>;
}

/// Takes blobs in over one connection.
pub trait Receiver: Send + Sync {
    /// Takes in no more of what was offered for a migration or a copy: somebody else may have use for the disk.
    fn give_up(&self, tracked: &Arc<Tracked>);
}

/// The parts an engine is made of.
pub struct EngineParts {
    /// Opened, replayed.
    pub journal: Journal,
    /// Loaded.
    pub witness: Witness,
    /// Opened.
    pub store: Store,
    /// Started.
    pub link: Link,
    /// Reads the controller's models.
    pub reader: Arc<dyn ModelReader>,
    /// Drives migrations away from the controller.
    pub departure: Arc<dyn Departure>,
    /// The controller as a target.
    pub arrival: Arc<dyn Arrival>,
    /// The controller as a source that drives its migrations by itself; nothing of one that the agent drives.
    pub relayed: Option<RelayedSource>,
    /// Answers a peer's questions about this agent.
    pub query: Arc<dyn QueryHandler>,
    /// Times and amounts.
    pub settings: Settings,
}

/// A model that a peer claims to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeardClaim {
    pub model: ModelUuid,
    pub epoch: Epoch,
    /// Whether a signature proves that the peer is the later owner.
    pub is_proven: bool,
}

pub struct Core {
    pub parts: EngineParts,
    /// The queue of migrations that copy ahead.
    pub queue: Queue,
    /// Models that commands of operators hold.
    pub in_hand: InHand,
    /// One queue of pre-copies for each peer. One pre-copy to a peer runs at a time, and takes no place of a migration.
    precopies: Mutex<HashMap<Pin, Queue>>,
    /// What each peer may still have recorded here.
    pub budgets: Budgets,
    /// How much each peer may have done here.
    pub workload: Workload,
    /// How transfers share the links.
    pub shares: Shares,
    /// State of patches.
    pub patching: Patching,
    /// State of the retention.
    pub retention: RetentionState,
    migrations: Mutex<BTreeMap<MigrationId, Arc<Tracked>>>,
    /// Incoming copies and pre-copies. They are not journalled and not shown.
    inbound: Mutex<BTreeMap<MigrationId, Arc<Tracked>>>,
    /// The receivers, one for each connection.
    receivings: Mutex<Vec<Weak<dyn Receiver>>>,
    conversations: Mutex<HashMap<Pin, watch::Sender<Option<Arc<Conversation>>>>>,
    recorded: watch::Sender<u64>,
    halted: watch::Sender<Option<String>>,
    /// The models that each peer claims to serve, from its last report.
    claimed: Mutex<HashMap<Pin, Vec<HeardClaim>>>,
}

impl Core {
    pub fn new(mut parts: EngineParts) -> Self {
        parts.arrival = serialised(parts.arrival);
        parts.store.keep_free(parts.settings.disk_reserve_bytes);
        let recorded = watch::Sender::new(parts.journal.sequence());
        let queue = Queue::new(parts.settings.parallel_max);
        Self {
            parts,
            queue,
            in_hand: InHand::default(),
            precopies: Mutex::default(),
            budgets: Budgets::default(),
            workload: Workload::default(),
            shares: Shares::default(),
            patching: Patching::default(),
            retention: RetentionState::default(),
            migrations: Mutex::default(),
            inbound: Mutex::default(),
            receivings: Mutex::default(),
            conversations: Mutex::default(),
            recorded,
            halted: watch::Sender::new(None),
            claimed: Mutex::default(),
        }
    }

    /// Adds a migration or a pre-copy to those that this agent tracks.
    pub fn track(&self, terms: Terms, peer: Pin, state: impl Into<TrackedState>, history: History) -> Arc<Tracked> {
        let tracked = Tracked::new(terms, self.parts.link.pin(), peer, state, history);
        tracked.doubt_after(self.parts.settings.in_doubt_after);
        self.migrations.lock().insert(tracked.terms.mid, tracked.clone());
        tracked
    }

    pub fn tracked(&self, mid: MigrationId) -> Option<Arc<Tracked>> {
        self.migrations.lock().get(&mid).cloned()
    }

    pub fn all_tracked(&self) -> Vec<Arc<Tracked>> {
        self.migrations.lock().values().cloned().collect()
    }

    /// Returns how many offers of a peer are open here.
    pub fn offers_open(&self, peer: Pin) -> usize {
        let is_open = |tracked: &&Arc<Tracked>| tracked.peer == peer && tracked.is_open_offer();
        self.migrations.lock().values().filter(is_open).count()
    }

    /// Drops the migrations that the journal has forgotten from those that this agent tracks.
    pub fn untrack_forgotten(&self) {
        let forgotten = |mid: &MigrationId| self.parts.journal.ledger(|ledger| ledger.is_forgotten(*mid));
        self.migrations.lock().retain(|mid, _| !forgotten(mid));
    }

    /// Returns the queue of the pre-copies to a peer.
    pub fn precopies(&self, peer: Pin) -> Queue {
        let mut precopies = self.precopies.lock();
        precopies.entry(peer).or_insert_with(|| Queue::new(1)).clone()
    }

    pub fn inbound_all(&self) -> Vec<Arc<Tracked>> {
        self.inbound.lock().values().cloned().collect()
    }

    /// Accepts blobs that are offered under the id of this copy.
    pub fn add_inbound(&self, copy: &Arc<Tracked>) {
        self.inbound.lock().insert(copy.terms.mid, copy.clone());
    }

    /// Removes a copy that has ended, and releases its blobs, unless another copy with the same id has begun.
    pub fn forget_inbound(&self, copy: &Arc<Tracked>) {
        let mid = copy.terms.mid;
        let mut inbound = self.inbound.lock();
        if inbound.get(&mid).is_some_and(|known| Arc::ptr_eq(known, copy)) {
            inbound.remove(&mid);
            // Still locked: another of this id wants its blobs only once it is among them.
            self.release(mid);
        }
        drop(inbound);
        self.give_up(copy);
    }

    /// Registers the receiver of a connection, so that [`Core::give_up`] reaches it.
    pub fn receives(&self, receiver: &Arc<dyn Receiver>) {
        let mut receivings = self.receivings.lock();
        receivings.retain(|known| known.strong_count() > 0);
        receivings.push(Arc::downgrade(receiver));
    }

    /// Stops receiving blobs for an aborted migration, or for a copy that has ended.
    pub fn give_up(&self, tracked: &Arc<Tracked>) {
        let all = self.receivings.lock().clone();
        all.iter().filter_map(Weak::upgrade).for_each(|receiver| receiver.give_up(tracked));
    }

    /// Releases the blobs of a migration or copy that has ended.
    pub fn release(&self, mid: MigrationId) {
        // The next prune tries again.
        if let Err(error) = self.parts.store.release(mid) {
            tracing::warn!(%mid, "what it wanted is not forgotten yet: {error}");
        }
    }

    /// Releases the blobs of a migration or copy that has ended, if no other has begun under the same id: a blob may have been
    /// marked as wanted after the end.
    pub fn release_if_over(&self, tracked: &Tracked) {
        let (mid, inbound) = (tracked.terms.mid, self.inbound.lock());
        if tracked.mailbox().is_none() && !inbound.contains_key(&mid) {
            self.release(mid);
        }
    }

    /// Returns the migration, copy or pre-copy that receives the blobs offered under an id.
    pub fn receiver(&self, id: MigrationId) -> Option<Arc<Tracked>> {
        // A pre-copy that is followed here leaves from here.
        let migration = self.tracked(id).filter(|tracked| !tracked.is_precopy());
        migration.or_else(|| self.inbound.lock().get(&id).cloned())
    }

    /// Notifies every task that waits for blobs that one is complete.
    pub fn blob_arrived(&self) {
        let waiting = self.all_tracked().into_iter().chain(self.inbound_all());
        waiting.for_each(|tracked| tracked.blob_arrived.notify_one());
    }

    /// Returns the conversation with a peer, as a value that can be watched.
    pub fn peer(&self, pin: Pin) -> watch::Receiver<Option<Arc<Conversation>>> {
        self.conversation(pin, |sender| sender.subscribe())
    }

    /// Records that a peer is connected, unless it is by a newer connection already.
    ///
    /// The report that comes first on a connection is compared with the controller, which takes a while. Meanwhile a newer
    /// connection may have replaced that one.
    pub fn peer_up(&self, conversation: &Arc<Conversation>) {
        self.conversation(conversation.session.peer(), |sender| {
            sender.send_if_modified(|current| {
                let is_newest =
                    current.as_ref().is_none_or(|current| current.session.id() <= conversation.session.id());
                if is_newest {
                    *current = Some(conversation.clone());
                }
                is_newest
            })
        });
    }

    /// Records that a conversation has ended, unless another has replaced it.
    pub fn peer_down(&self, conversation: &Arc<Conversation>) {
        conversation.end();
        self.conversation(conversation.session.peer(), |sender| {
            sender.send_if_modified(|current| {
                let over = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, conversation));
                if over {
                    *current = None;
                }
                over
            })
        });
    }

    fn conversation<R>(&self, pin: Pin, use_it: impl FnOnce(&watch::Sender<Option<Arc<Conversation>>>) -> R) -> R {
        let mut conversations = self.conversations.lock();
        use_it(conversations.entry(pin).or_insert_with(|| watch::Sender::new(None)))
    }

    /// Stops every migration: the journal was set back, so its records may contradict what was decided.
    pub fn halt(&self, why: String) {
        tracing::error!("HALTED: {why}");
        self.halted.send_replace(Some(why));
    }

    /// Returns why this agent has stopped acting, if it has.
    pub fn halted(&self) -> Option<String> {
        self.halted.borrow().clone()
    }

    /// Reports whether a migration that is not decided can be given up although this agent has stopped acting: all its records
    /// are of this process, so none of it is among those that are missing, and no peer has proven to own its model.
    pub fn may_revert(&self, tracked: &Tracked) -> bool {
        let model = tracked.terms.model;
        let is_owned = |claims: &Vec<HeardClaim>| claims.iter().any(|claim| claim.model == model && claim.is_proven);
        tracked.is_begun_here() && !self.claimed.lock().values().any(is_owned)
    }

    /// Waits until this agent stops acting.
    pub async fn halting(&self) {
        let mut halted = self.halted.subscribe();
        // The sender lives as long as this core.
        let _ = halted.wait_for(Option::is_some).await;
    }

    /// Makes an entry durable.
    pub async fn append(&self, entry: Entry) {
        let journal = self.parts.journal.clone();
        if let Err(error) = Self::blocking(move || journal.append(vec![entry])).await {
            (self.parts.settings.process.stop)(&error);
        }
        self.recorded.send_replace(self.parts.journal.sequence());
    }

    /// Stores the models that a peer claims to serve.
    pub fn heard_serving(&self, peer: Pin, claims: Vec<HeardClaim>) {
        self.claimed.lock().insert(peer, claims);
    }

    /// Returns the peers whose last report claims to serve the model, with their epochs. They may have disconnected since.
    pub fn claimed_by(&self, model: ModelUuid) -> Vec<(Pin, Epoch)> {
        let claimed = self.claimed.lock();
        let of_model =
            |claims: &Vec<HeardClaim>| claims.iter().find(|claim| claim.model == model).map(|claim| claim.epoch);
        claimed.iter().filter_map(|(peer, claims)| Some((*peer, of_model(claims)?))).collect()
    }

    /// Returns the sequence number of the last journal record, as a value that can be watched.
    pub fn recorded(&self) -> watch::Receiver<u64> {
        self.recorded.subscribe()
    }

    /// Runs blocking work on the journal, the store or the disk.
    pub async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
        crate::disk::blocking(work).await
    }

    /// Makes entries durable if `decide` still wants them, seeing what the journal amounts to.
    ///
    /// Only what comes after it may be derived from them.
    pub async fn decide<E: Send + 'static>(
        &self,
        decide: impl FnOnce(&Ledger) -> Result<Vec<Entry>, E> + Send + 'static,
    ) -> Result<(), E> {
        let journal = self.parts.journal.clone();
        match Self::blocking(move || journal.append_with(decide)).await {
            Ok(Ok(_)) => {
                self.recorded.send_replace(self.parts.journal.sequence());
                Ok(())
            }
            Ok(Err(refused)) => Err(refused),
            Err(error) => (self.parts.settings.process.stop)(&error),
        }
    }

    /// Returns the wall clock in Unix milliseconds.
    pub fn clock_ms(&self) -> u64 {
        (self.parts.settings.process.clock)()
    }

    /// Passes the failpoint beside a record.
    pub fn fail_at(&self, peer: Pin, side: &str, state: &str, when: &str) {
        let conversation = self.peer(peer).borrow().clone();
        // A record has nobody who could refuse it.
        let _ = failpoint::pass(side, state, when, conversation.as_ref().map(|conversation| &conversation.session));
    }

    /// Sends a message. A lost message is repeated by its task, so a failure is only logged.
    pub async fn say(session: &Session, message: Message) {
        tracing::debug!(message = message.name(), peer = %session.peer_name(), "saying");
        if session.send(message).await.is_err() {
            tracing::debug!("connection ended before the message went out");
        }
    }
}
