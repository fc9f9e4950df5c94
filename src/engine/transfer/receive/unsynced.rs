//! Decides when to fsync: early enough that a crash loses little, late enough to batch. Each sync writes about 22 KiB to
//! the database.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes of a blob that are made durable at once, without waiting for more.
pub const BYTES_MUCH: u64 = 4 << 20;
/// Bytes that are worth a sync: what is written besides is a twelfth of them. A quarter of the smallest window.
const BYTES_MIN: u64 = 256 << 10;
/// How long the first written byte waits for more to be made durable with it.
const DELAY: Duration = Duration::from_millis(50);
/// How long the first of a connection wait at most: a source that comes back hears soon that bytes arrive again.
const DELAY_FIRST: Duration = Duration::from_millis(250);
/// How long others wait while there are fewer bytes than are worth it: 70 kbit/s bring these within that. A connection
/// that ends does not lose them, only a host.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// What one connection has written and not yet made durable.
#[derive(Default)]
pub struct Unsynced {
    something: Notify,
    much: Notify,
    /// Whether there may be something to tell, or to end, besides bytes.
    prompt: AtomicBool,
    /// Whether bytes became durable that the source has not been told of.
    durable: AtomicBool,
    bytes: AtomicU64,
    /// Whether anything was made durable on this connection.
    begun: AtomicBool,
}

impl Unsynced {
    /// Counts bytes that were written. `much`: they are so many, or the last, that there is nothing to wait for.
    pub fn wrote(&self, bytes: u64, much: bool) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.something.notify_one();
        if much {
            self.much.notify_one();
        }
    }

    /// Says that there may be something to tell, or to end, however few bytes there are.
    pub fn prompt(&self) {
        self.prompt.store(true, Relaxed);
        self.something.notify_one();
    }

    /// Says that bytes became durable, here or by another connection that receives the same blob.
    pub fn became_durable(&self) {
        self.durable.store(true, Relaxed);
        self.something.notify_one();
    }

    /// Says that the source is about to be told of whatever became durable until now: to be looked for afterwards.
    pub fn telling(&self) {
        self.durable.store(false, Relaxed);
    }

    /// Waits until it is time to make durable what there is.
    pub async fn due(&self) {
        self.something.notified().await;
        let begun = Instant::now();
        let delay_max = if self.begun.load(Relaxed) { DELAY_MAX } else { DELAY_FIRST };
        loop {
            let is_prompt = self.prompt.load(Relaxed) || self.durable.load(Relaxed);
            let is_worth_it = is_prompt || self.bytes.load(Relaxed) >= BYTES_MIN;
            let until = begun + if is_worth_it { DELAY } else { delay_max };
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(until) => break,
                () = self.much.notified() => break,
                () = self.something.notified() => {}
            }
        }
        self.prompt.store(false, Relaxed);
        self.begun.fetch_or(self.bytes.swap(0, Relaxed) > 0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how long it takes until it is time, if this happens to begin with.
    async fn waits(begin: impl FnOnce(&Unsynced)) -> Duration {
        let (unsynced, begun) = (Unsynced::default(), Instant::now());
        begin(&unsynced);
        unsynced.due().await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn few_bytes_wait_for_more_but_not_for_long() {
        assert_eq!(waits(|unsynced| unsynced.wrote(1, false)).await, DELAY_FIRST);
        assert_eq!(waits(|unsynced| unsynced.wrote(BYTES_MIN, false)).await, DELAY);
        assert_eq!(waits(Unsynced::prompt).await, DELAY);
        assert_eq!(waits(Unsynced::became_durable).await, DELAY);
        assert_eq!(waits(|unsynced| unsynced.wrote(1, true)).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_first_few_bytes_the_next_wait_for_longer() {
        let unsynced = Unsynced::default();
        // To tell of what was here already is no byte.
        unsynced.prompt();
        unsynced.due().await;
        for delay in [DELAY_FIRST, DELAY_MAX, DELAY_MAX] {
            let begun = Instant::now();
            unsynced.wrote(1, false);
            unsynced.due().await;
            assert_eq!(begun.elapsed(), delay);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_meanwhile_makes_it_worth_it() {
        let (unsynced, begun) = (Unsynced::default(), Instant::now());
        unsynced.wrote(1, false);
        let more = async {
            tokio::time::sleep(2 * DELAY).await;
            unsynced.wrote(BYTES_MIN, false);
        };
        tokio::join!(unsynced.due(), more);
        assert_eq!(begun.elapsed(), 2 * DELAY);
        // Nothing of it counts for the next time, nor what was durable and has been told.
        unsynced.became_durable();
        unsynced.telling();
        let begun = Instant::now();
        unsynced.wrote(1, false);
        unsynced.due().await;
        assert_eq!(begun.elapsed(), DELAY_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_thin_link_what_is_recorded_is_a_tenth_of_what_arrives() {
        // 128 kbit/s, in chunks of 16 KiB.
        let (unsynced, bytes) = (Unsynced::default(), 4 << 20);
        let arrive = async {
            for _ in 0..bytes >> 14 {
                tokio::time::sleep(Duration::from_millis(1_024)).await;
                unsynced.wrote(16 << 10, false);
            }
        };
        let mut recorded = 0;
        let record = async {
            loop {
                unsynced.due().await;
                recorded += 22 << 10;
            }
        };
        tokio::select! {
            () = arrive => {}
            () = record => {}
        }
        assert!(recorded > 0 && recorded * 10 < bytes, "{recorded} bytes for {bytes}");
    }
}
