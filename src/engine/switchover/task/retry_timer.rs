//! A migration's line to its peer: when to say something, and say it again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::engine::base::conversation::Conversation;

/// After the first second without change, what was said is said again.
const REPEAT_FIRST: Duration = Duration::from_secs(1);
/// However long nothing changes, it is said again after this long.
const REPEAT_MAX: Duration = Duration::from_secs(60);

/// What happens on the line.
pub enum Turn {
    /// The peer is there, or there again.
    Up,
    /// The peer is gone.
    Down,
    /// It is time to say it again.
    Repeat,
}

/// A line.
pub struct Line {
    peer: watch::Receiver<Option<Arc<Conversation>>>,
    due: Instant,
    interval: Duration,
}

impl Line {
    /// Opens the line. What is to be said is due at once, if the peer is there.
    pub fn new(peer: watch::Receiver<Option<Arc<Conversation>>>) -> Self {
        Self { peer, due: Instant::now() + REPEAT_FIRST, interval: REPEAT_FIRST }
    }

    /// Returns the present conversation.
    pub fn conversation(&self) -> Option<Arc<Conversation>> {
        self.peer.borrow().clone()
    }

    /// Begins to count anew: something new is being said.
    pub fn reset(&mut self) {
        self.interval = REPEAT_FIRST;
        self.due = Instant::now() + self.interval;
    }

    /// Waits until something is due. Safe to be dropped.
    pub async fn turn(&mut self) -> Turn {
        let connected = self.peer.borrow().is_some();
        tokio::select! {
            biased;
            changed = self.peer.changed() => {
                if changed.is_err() {
                    // The engine is going down; nothing more will happen on this line.
                    std::future::pending::<()>().await;
                }
                self.reset();
                if self.peer.borrow().is_some() { Turn::Up } else { Turn::Down }
            }
            () = sleep_until(self.due), if connected => {
                self.interval = (self.interval * 2).min(REPEAT_MAX);
                self.due = Instant::now() + self.interval;
                Turn::Repeat
            }
        }
    }
}

/// Waits for so many milliseconds, for ever if there are none.
pub async fn until(remaining_ms: Option<u64>) {
    match remaining_ms {
        Some(remaining_ms) => tokio::time::sleep(Duration::from_millis(remaining_ms)).await,
        None => std::future::pending().await,
    }
}

/// Pauses between attempts of something that fails: 1 s, doubling to 60 s.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Backoff {
    /// Begins with the shortest pause.
    pub fn new() -> Self {
        Self(REPEAT_FIRST)
    }

    /// Waits, and longer the next time.
    pub async fn pause(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(REPEAT_MAX);
    }

    /// Returns the next pause by itself; each is longer than the one before.
    pub fn next(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let pause = self.0;
        self.0 = (pause * 2).min(REPEAT_MAX);
        tokio::time::sleep(pause)
    }
}
