//! What all migrations of an agent share: journal, store, link and controller.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use modelferry_protocol::ids::{Epoch, MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::message::{Claim, Message};
use modelferry_protocol::record::Entry;
use modelferry_protocol::switch::Terms;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::conversation::Conversation;
use super::failpoint;
use super::in_hand::InHand;
use super::settings::Settings;
use crate::controller::port::{Arrival, Departure, ModelReader};
use crate::controller::serial::serialised;
use crate::engine::migration::course::Course;
use crate::engine::migration::history::History;
use crate::engine::migration::queue::Queue;
use crate::engine::migration::tracked::Tracked;
use crate::engine::retention::stock::Stock;
use crate::engine::transfer::pace::share::Shares;
use crate::engine::transfer::patches::known::Patching;
use crate::journal::{Journal, Witness};
use crate::link::{Link, Session};
use crate::store::Store;

/// Answers what a peer's operator asks of this agent: a read-only request of the control socket, as JSON.
#[async_trait]
pub trait QueryHandler: Send + Sync {
    /// Returns the answer as JSON, also when it is a refusal, as [`packed::pack`] packs it.
    ///
    /// [`packed::pack`]: super::packed::pack
    async fn answer(&self, json: &str) -> Vec<u8>;
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
    /// Answers a peer's questions about this agent.
    pub query: Arc<dyn QueryHandler>,
    /// Times and amounts.
    pub settings: Settings,
}

pub struct Core {
    pub parts: EngineParts,
    /// Which migrations copy ahead.
    pub queue: Queue,
    /// Models that operators' commands are changing.
    pub in_hand: InHand,
    /// Of the pre-copies to a peer one goes at a time; they take no place of a migration.
    precopies: Mutex<HashMap<Pin, Queue>>,
    /// What transfers share the link to their peer.
    pub shares: Shares,
    /// How blobs are patched.
    pub patching: Patching,
    /// What was found when the store was pruned.
    pub stock: Stock,
    migrations: Mutex<BTreeMap<MigrationId, Arc<Tracked>>>,
    /// Copies to keep and pre-copies, on their way in. No migrations: nothing of them is journalled or shown.
    arriving: Mutex<BTreeMap<MigrationId, Arc<Tracked>>>,
    /// Who takes blobs in, a connection each.
    receivings: Mutex<Vec<Weak<dyn Receiver>>>,
    conversations: Mutex<HashMap<Pin, watch::Sender<Option<Arc<Conversation>>>>>,
    recorded: watch::Sender<u64>,
    halted: watch::Sender<Option<String>>,
    /// What each peer has last claimed to serve.
    claimed: Mutex<HashMap<Pin, Vec<Claim>>>,
}

impl Core {
    pub fn new(mut parts: EngineParts) -> Self {
        parts.arrival = serialised(parts.arrival);
        let recorded = watch::Sender::new(parts.journal.sequence());
        let queue = Queue::new(parts.settings.parallel_max);
        Self {
            parts,
            queue,
            in_hand: InHand::default(),
            precopies: Mutex::default(),
            shares: Shares::default(),
            patching: Patching::default(),
            stock: Stock::default(),
            migrations: Mutex::default(),
            arriving: Mutex::default(),
            receivings: Mutex::default(),
            conversations: Mutex::default(),
            recorded,
            halted: watch::Sender::new(None),
            claimed: Mutex::default(),
        }
    }

    /// Follows a migration, or a pre-copy, from now on.
    pub fn track(&self, terms: Terms, peer: Pin, course: impl Into<Course>, history: History) -> Arc<Tracked> {
        let tracked = Tracked::new(terms, self.parts.link.pin(), peer, course, history);
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

    /// Returns the queue of the pre-copies to a peer.
    pub fn precopies(&self, peer: Pin) -> Queue {
        let mut precopies = self.precopies.lock();
        precopies.entry(peer).or_insert_with(|| Queue::new(1)).clone()
    }

    pub fn arriving_all(&self) -> Vec<Arc<Tracked>> {
        self.arriving.lock().values().cloned().collect()
    }

    /// Takes what is offered under a copy's id from now on.
    pub fn add_arriving(&self, copy: &Arc<Tracked>) {
        self.arriving.lock().insert(copy.terms.mid, copy.clone());
    }

    /// Takes it no longer, and forgets what was wanted for it, unless another has come under the same id.
    pub fn forget_arriving(&self, copy: &Arc<Tracked>) {
        let mid = copy.terms.mid;
        let mut arriving = self.arriving.lock();
        if arriving.get(&mid).is_some_and(|known| Arc::ptr_eq(known, copy)) {
            arriving.remove(&mid);
            // Still locked: another of this id wants its blobs only once it is among them.
            self.release(mid);
        }
        drop(arriving);
        self.give_up(copy);
    }

    /// Lets what is given up be given up over this connection as well.
    pub fn receives(&self, receiver: &Arc<dyn Receiver>) {
        let mut receivings = self.receivings.lock();
        receivings.retain(|known| known.strong_count() > 0);
        receivings.push(Arc::downgrade(receiver));
    }

    /// Takes in no more of what is on its way for a migration that has come to nothing, or a copy that is over.
    pub fn give_up(&self, tracked: &Arc<Tracked>) {
        let all = self.receivings.lock().clone();
        all.iter().filter_map(Weak::upgrade).for_each(|receiver| receiver.give_up(tracked));
    }

    /// Forgets what was wanted for a migration or a copy that is over.
    pub fn release(&self, mid: MigrationId) {
        // The next prune tries again.
        if let Err(error) = self.parts.store.release(mid) {
            tracing::warn!(%mid, "what it wanted is not forgotten yet: {error}");
        }
    }

    /// Forgets what was wanted for what has ended, in case it was noted only after that; unless another has come under the
    /// same id.
    pub fn release_if_over(&self, tracked: &Tracked) {
        let (mid, arriving) = (tracked.terms.mid, self.arriving.lock());
        if tracked.mailbox().is_none() && !arriving.contains_key(&mid) {
            self.release(mid);
        }
    }

    /// Returns what a blob is for that is offered under an id: a migration, a copy to keep, or a pre-copy.
    pub fn receiver(&self, id: MigrationId) -> Option<Arc<Tracked>> {
        // A pre-copy that is followed here leaves from here.
        let migration = self.tracked(id).filter(|tracked| !tracked.is_precopy());
        migration.or_else(|| self.arriving.lock().get(&id).cloned())
    }

    /// Tells everybody who waits for blobs that one has become complete.
    pub fn blob_arrived(&self) {
        let waiting = self.all_tracked().into_iter().chain(self.arriving_all());
        waiting.for_each(|tracked| tracked.blob_arrived.notify_one());
    }

    /// Returns the present conversation with a peer, and when there is another.
    pub fn peer(&self, pin: Pin) -> watch::Receiver<Option<Arc<Conversation>>> {
        self.conversation(pin, |sender| sender.subscribe())
    }

    /// Notes that a peer is connected.
    pub fn peer_up(&self, conversation: &Arc<Conversation>) {
        self.conversation(conversation.session.peer(), |sender| sender.send_replace(Some(conversation.clone())));
    }

    /// Notes that a conversation is over, unless another has taken its place.
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

    /// Stops every migration: this journal was set back, so what it says may have been decided otherwise.
    pub fn halt(&self, why: String) {
        tracing::error!("HALTED: {why}");
        self.halted.send_replace(Some(why));
    }

    /// Returns why nothing is done any more, if that is so.
    pub fn halted(&self) -> Option<String> {
        self.halted.borrow().clone()
    }

    /// Waits until nothing is to be done any more.
    pub async fn halting(&self) {
        let mut halted = self.halted.subscribe();
        // The sender lives as long as this core.
        let _ = halted.wait_for(Option::is_some).await;
    }

    /// Makes a record durable that no migration's machine has made.
    pub async fn append(&self, entry: Entry) {
        let journal = self.parts.journal.clone();
        if let Err(error) = Self::blocking(move || journal.append(vec![entry])).await {
            (self.parts.settings.process.stop)(&error);
        }
        self.recorded.send_replace(self.parts.journal.sequence());
    }

    /// Keeps what a peer claims to serve.
    pub fn heard_serving(&self, peer: Pin, claims: Vec<Claim>) {
        self.claimed.lock().insert(peer, claims);
    }

    /// Returns the peers that have last claimed to serve a model, with its epochs there. They may have gone since.
    pub fn claimed_by(&self, model: ModelUuid) -> Vec<(Pin, Epoch)> {
        let claimed = self.claimed.lock();
        let of_model = |claims: &Vec<Claim>| claims.iter().find(|claim| claim.model == model).map(|claim| claim.epoch);
        claimed.iter().filter_map(|(peer, claims)| Some((*peer, of_model(claims)?))).collect()
    }

    /// Tells the sequence number of the journal's last record, and of each that follows.
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

    /// Sends a message, or leaves it: whatever matters is said again.
    pub async fn say(session: &Session, message: Message) {
        tracing::debug!(message = message.name(), peer = %session.peer_name(), "saying");
        if session.send(message).await.is_err() {
            tracing::debug!("connection ended before the message went out");
        }
    }
}
