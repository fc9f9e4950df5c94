//! One live connection to a peer: sends questions, and hands each answer to the task that waits for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use modelferry_protocol::ids::Hash;
use modelferry_protocol::message::{Handle, Message, Request};
use modelferry_protocol::plan::{Answer, Question};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use crate::link::{Session, SessionClosed, Urgency};

/// Messages about blobs that wait for their sender; more of them hold the connection's reader up.
const FEEDBACK_MAX: usize = 256;

/// What a peer says about blobs that are being sent to it, in order.
pub type Feedback = mpsc::Receiver<Message>;

/// The connection ended while something was expected of it.
pub fn over() -> SessionClosed {
    SessionClosed { reason: "the connection ended".to_owned() }
}

/// A live connection.
pub struct Conversation {
    /// The link's side of it.
    pub session: Session,
    handles: AtomicU32,
    asks: AtomicU64,
    waiting: Mutex<Waiting>,
    takers: AtomicU64,
    /// Blobs that somebody is sending over this connection.
    sending: watch::Sender<HashMap<Hash, SendClaim>>,
}

/// Tells the peer that an answer is not waited for any more, unless it has come.
struct Cancels {
    session: Session,
    id: u64,
    waits: bool,
}

impl Drop for Cancels {
    fn drop(&mut self) {
        if self.waits {
            let (session, id) = (self.session.clone(), self.id);
            // A connection that is over needs no word.
            tokio::spawn(async move { session.send(Message::Cancel(id)).await });
        }
    }
}

/// A transfer, as those see it that share a connection with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendClaim {
    number: u64,
    /// How urgent it is.
    pub urgency: Urgency,
}

#[derive(Default)]
struct Waiting {
    over: bool,
    senders: BTreeMap<Handle, mpsc::Sender<Message>>,
    asked: HashMap<u64, oneshot::Sender<Answer>>,
}

impl Conversation {
    /// Begins one over `session`.
    pub fn new(session: Session) -> Self {
        let (handles, asks, takers) = (AtomicU32::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { session, handles, asks, waiting: Mutex::default(), takers, sending: watch::Sender::default() }
    }

    /// Asks the peer and waits for its answer.
    ///
    /// Errors: [`SessionClosed`] if the connection ends first.
    pub async fn ask(&self, question: Question) -> Result<Answer, SessionClosed> {
        let id = self.asks.fetch_add(1, Relaxed);
        self.ask_as(id, question).await
    }

    async fn ask_as(&self, id: u64, question: Question) -> Result<Answer, SessionClosed> {
        let (tell, told) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock();
            if !waiting.over {
                waiting.asked.insert(id, tell);
            }
        }
        self.session.send(Message::Request(Request { id, question })).await?;
        // The sender is dropped when the conversation ends.
        told.await.map_err(|_| over())
    }

    /// As [`Conversation::ask`]; dropped before the answer is there, it tells the peer that nobody waits for it.
    pub async fn ask_cancellable(&self, question: Question) -> Result<Answer, SessionClosed> {
        let id = self.asks.fetch_add(1, Relaxed);
        let mut cancels = Cancels { session: self.session.clone(), id, waits: true };
        let answer = self.ask_as(id, question).await;
        cancels.waits = false;
        answer
    }

    /// Hands the answer to whoever asked. One that nobody waits for is dropped.
    pub fn told(&self, id: u64, answer: Answer) {
        if let Some(tell) = self.waiting.lock().asked.remove(&id) {
            let _ = tell.send(answer);
        }
    }

    /// Makes a channel for what the peer says about some blobs; [`Conversation::number`] ties blobs to it.
    pub fn feedback() -> (mpsc::Sender<Message>, Feedback) {
        mpsc::channel(FEEDBACK_MAX)
    }

    /// Returns what tells a new transfer from the others.
    pub fn send_claim(&self, urgency: Urgency) -> SendClaim {
        SendClaim { number: self.takers.fetch_add(1, Relaxed), urgency }
    }

    /// Takes the sending of a blob over, unless another transfer is at it that is as urgent: equal blobs are sent once,
    /// and nothing that is due waits for what goes when there is time.
    pub fn take(&self, blob: Hash, claim: SendClaim) -> bool {
        let mut taken = false;
        self.sending.send_if_modified(|sending| {
            let other = sending.get(&blob).copied();
            taken = other.is_none_or(|other| other.urgency < claim.urgency);
            if taken {
                sending.insert(blob, claim);
            }
            // Whoever is overtaken has to hear of it.
            taken && other.is_some()
        });
        taken
    }

    /// Reports whether a blob is still this transfer's to send.
    pub fn has(&self, blob: Hash, claim: SendClaim) -> bool {
        self.sending.borrow().get(&blob) == Some(&claim)
    }

    /// Lets others send the blob: it is there, or given up. One that was overtaken leaves nothing.
    pub fn leave(&self, blob: Hash, claim: SendClaim) {
        self.sending.send_if_modified(|sending| {
            let is_own = sending.get(&blob) == Some(&claim);
            if is_own {
                sending.remove(&blob);
            }
            is_own
        });
    }

    /// Tells whenever a blob has been left, or taken from another.
    pub fn left(&self) -> watch::Receiver<HashMap<Hash, SendClaim>> {
        self.sending.subscribe()
    }

    /// Returns a number for a blob that is not used yet on this connection.
    pub fn number(&self, feedback: &mpsc::Sender<Message>) -> Handle {
        let handle = self.handles.fetch_add(1, Relaxed);
        let mut waiting = self.waiting.lock();
        if !waiting.over {
            waiting.senders.insert(handle, feedback.clone());
        }
        handle
    }

    /// Forgets a number: nothing more is expected about its blob.
    pub fn forget(&self, handle: Handle) {
        self.waiting.lock().senders.remove(&handle);
    }

    /// Hands a message about the blob `handle` to its sender. One that nobody waits for is dropped.
    pub async fn feed(&self, handle: Handle, message: Message) {
        let sender = self.waiting.lock().senders.get(&handle).cloned();
        if let Some(sender) = sender {
            let _ = sender.send(message).await;
        }
    }

    /// Hands a message to all who are sending.
    pub async fn feed_all(&self, message: Message) {
        let senders: Vec<_> = self.waiting.lock().senders.values().cloned().collect();
        let mut told: Vec<mpsc::Sender<Message>> = Vec::new();
        for sender in senders {
            if !told.iter().any(|other| other.same_channel(&sender)) {
                let _ = sender.send(message.clone()).await;
                told.push(sender);
            }
        }
    }

    /// Ends it: whoever still waits learns that nothing will come.
    pub fn end(&self) {
        let mut waiting = self.waiting.lock();
        waiting.over = true;
        waiting.senders.clear();
        waiting.asked.clear();
    }
}
