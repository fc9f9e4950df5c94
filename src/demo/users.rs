//! The model's users: one reads and one writes all the time, and they notice everything that goes wrong.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::control::{NoAnswer, ask};
use crate::agent::control::{Request, Response};

/// How often each of them uses the model.
const PACE: Duration = Duration::from_millis(10);
/// How soon a refused write is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(5);
/// What a frozen model answers, in Juju's words.
const FROZEN: &str = "model migration in progress";

/// A write that an agent has acknowledged: it must never be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// The entry's key; its value is the same.
    pub(super) key: String,
    /// The number that the controller gave it.
    pub(super) number: u64,
}

/// What the users have met so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    /// Writes acknowledged, in order.
    pub(super) acknowledged: Vec<Acknowledged>,
    /// Writes refused because the model was frozen.
    pub(super) writes_refused: u64,
    /// Writes of which nobody knows whether they were made, since the agent was killed; made again.
    pub(super) writes_unanswered: u64,
    /// Reads answered with what had been written.
    pub(super) reads: u64,
    /// Reads answered with an error, or with less than had been written.
    pub(super) reads_failed: u64,
    /// Reads that waited for a killed agent to come back.
    pub(super) reads_delayed: u64,
    /// Writes acknowledged by the destination.
    pub(super) writes_at_destination: u64,
    /// What failed first, in the agent's words.
    pub(super) first_failure: Option<String>,
    /// When the source last took a write.
    last_at_source: Option<Instant>,
    /// When the destination first took one.
    first_at_destination: Option<Instant>,
}

impl Notes {
    /// Returns for how long nobody could write: from the source's last acknowledgement to the destination's first.
    pub(super) fn freeze_window(&self) -> Option<Duration> {
        Some(self.first_at_destination?.duration_since(self.last_at_source?))
    }

    fn failed(&mut self, why: String) {
        self.reads_failed += 1;
        self.first_failure.get_or_insert(why);
    }
}

/// A reader and a writer at work; they stop when dropped.
pub(super) struct Users {
    notes: Arc<Mutex<Notes>>,
    tasks: [JoinHandle<()>; 2],
}

impl Users {
    /// Lets them begin with the model where it is now.
    ///
    /// `source`, `destination`: control sockets of the agents beside the two controllers.
    pub(super) fn begin(model: &str, source: PathBuf, destination: PathBuf) -> Self {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let user = User { model: model.to_owned(), source, destination, moved: false, notes: notes.clone() };
        let tasks = [tokio::spawn(user.clone().keep_writing()), tokio::spawn(user.keep_reading())];
        Self { notes, tasks }
    }

    /// Returns what they have met so far.
    pub(super) fn notes(&self) -> Notes {
        self.notes.lock().clone()
    }

    /// Sends them home, and returns what they have met.
    pub(super) async fn end(mut self) -> Notes {
        for task in &mut self.tasks {
            task.abort();
            // An aborted task has ended only once it has been awaited; until then it may still write.
            let _ = task.await;
        }
        self.notes()
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[derive(Clone)]
struct User {
    model: String,
    source: PathBuf,
    destination: PathBuf,
    moved: bool,
    notes: Arc<Mutex<Notes>>,
}

/// Where a question led.
enum Met {
    /// An answer.
    Answer(Response),
    /// The model has moved; the user follows.
    Redirect,
    /// It is frozen.
    Frozen,
    /// There is no agent; it was killed, and will be back.
    Nobody,
    /// Something that must not happen.
    Failure(String),
}

impl User {
    async fn ask(&self, request: Request) -> Met {
        let socket = if self.moved { &self.destination } else { &self.source };
        match ask(socket, &request).await {
            Ok(response) => Met::Answer(response),
            Err(NoAnswer::Gone(_)) => Met::Nobody,
            Err(NoAnswer::Refused(failure)) if failure.redirect.is_some() && !self.moved => Met::Redirect,
            Err(NoAnswer::Refused(failure)) if failure.message.contains(FROZEN) => Met::Frozen,
            Err(other) => Met::Failure(other.to_string()),
        }
    }

    fn note<T>(&self, write: impl FnOnce(&mut Notes) -> T) -> T {
        write(&mut self.notes.lock())
    }

    async fn keep_writing(mut self) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0u64.. {
            pace.tick().await;
            let key = format!("order-{number:06}");
            while !self.write(&key).await {
                sleep(TRY_AGAIN).await;
            }
        }
    }

    /// Writes one entry; reports whether it was acknowledged.
    async fn write(&mut self, key: &str) -> bool {
        let request = Request::EmbeddedSet { model: self.model.clone(), key: key.to_owned(), value: key.to_owned() };
        match self.ask(request).await {
            Met::Answer(Response::Written(number)) => {
                let now = Instant::now();
                self.note(|notes| {
                    notes.acknowledged.push(Acknowledged { key: key.to_owned(), number });
                    if self.moved {
                        notes.writes_at_destination += 1;
                        notes.first_at_destination.get_or_insert(now);
                    } else {
                        notes.last_at_source = Some(now);
                    }
                });
                return true;
            }
            Met::Redirect => self.moved = true,
            Met::Frozen => self.note(|notes| notes.writes_refused += 1),
            Met::Nobody => self.note(|notes| notes.writes_unanswered += 1),
            Met::Answer(other) => self.note(|notes| notes.failed(format!("a write was answered with {other:?}"))),
            Met::Failure(why) => self.note(|notes| notes.failed(format!("a write failed: {why}"))),
        }
        false
    }

    async fn keep_reading(mut self) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            // Whatever was acknowledged before the question must be in the answer, wherever the model is.
            let Some(last) = self.note(|notes| notes.acknowledged.last().cloned()) else { continue };
            let mut delayed = false;
            while !self.read(&last.key).await {
                delayed = true;
                sleep(TRY_AGAIN).await;
            }
            self.note(|notes| notes.reads_delayed += u64::from(delayed));
        }
    }

    /// Reads one entry; reports whether anybody answered.
    async fn read(&mut self, key: &str) -> bool {
        loop {
            let request = Request::EmbeddedGet { model: self.model.clone(), key: Some(key.to_owned()), held: false };
            let failure = match self.ask(request).await {
                Met::Answer(Response::Entries(entries)) if entries.iter().any(|entry| entry.value == key) => {
                    self.note(|notes| notes.reads += 1);
                    return true;
                }
                Met::Redirect => {
                    self.moved = true;
                    continue;
                }
                Met::Nobody => return false,
                Met::Answer(_) => format!("a read did not find {key}, which had been acknowledged"),
                Met::Frozen => format!("a read was refused: {FROZEN}"),
                Met::Failure(why) => format!("a read failed: {why}"),
            };
            self.note(|notes| notes.failed(failure));
            return true;
        }
    }
}
