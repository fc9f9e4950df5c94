//! Times a migration's messages to its peer: when to send, and when to repeat.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::engine::base::conversation::Conversation;

/// Interval before the first repetition.
const REPEAT_FIRST: Duration = Duration::from_secs(1);
/// Longest interval between repetitions.
const REPEAT_MAX: Duration = Duration::from_secs(60);

/// Why the timer returned.
pub enum Turn {
    /// The peer has connected.
    Up,
    /// The peer has disconnected.
    Down,
    /// It is time to repeat the message.
    Repeat,
}

/// The connection of a migration to its peer, and the time of the next repetition.
pub struct RetryTimer {
    peer: watch::Receiver<Option<Arc<Conversation>>>,
    due: Instant,
    interval: Duration,
}

impl RetryTimer {
    /// Starts the timer.
    pub fn new(peer: watch::Receiver<Option<Arc<Conversation>>>) -> Self {
        Self { peer, due: Instant::now() + REPEAT_FIRST, interval: REPEAT_FIRST }
    }

    /// Returns the present conversation.
    pub fn conversation(&self) -> Option<Arc<Conversation>> {
        self.peer.borrow().clone()
    }

    /// Starts again with the shortest interval: a new message is sent.
    pub fn reset(&mut self) {
        self.interval = REPEAT_FIRST;
        self.due = Instant::now() + self.interval;
    }

    /// Waits for the next [`Turn`]. Cancel-safe.
    pub async fn turn(&mut self) -> Turn {
        let connected = self.peer.borrow().is_some();
        tokio::select! {
            biased;
            changed = self.peer.changed() => {
                if changed.is_err() {
                    // The engine stops; nothing more happens on this connection.
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

    /// Waits for as long as was asked for, 60 s at most, or as [`Backoff::pause`] where nobody has asked.
    pub async fn pause_for(&mut self, asked: Option<Duration>) {
        match asked {
            Some(asked) => tokio::time::sleep(asked.min(REPEAT_MAX)).await,
            None => self.pause().await,
        }
    }

    /// Returns the next pause by itself; each is longer than the one before.
    pub fn next(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let pause = self.0;
        self.0 = (pause * 2).min(REPEAT_MAX);
        tokio::time::sleep(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_lasts_as_long_as_was_asked_for_a_minute_at_most_and_does_not_lengthen_the_next_one() {
        let mut backoff = Backoff::new();
        for (asked, lasts) in [(Some(7), 7), (None, 1), (Some(86_400), 60), (None, 2)] {
            let begun = Instant::now();
            backoff.pause_for(asked.map(Duration::from_secs)).await;
            assert_eq!(begun.elapsed().as_secs(), lasts, "{asked:?}");
        }
    }
}
