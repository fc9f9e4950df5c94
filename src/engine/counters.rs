//! Counts a migration's bytes while they move, and tells the rate.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use modelferry_protocol::ids::Hash;

use super::view::Bytes;

/// The rate is taken over at most this long.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// A migration's byte counts. Cheap to add to from many tasks.
#[derive(Debug, Default)]
pub struct Counters {
    total: AtomicU64,
    held: AtomicU64,
    /// What was held when this connection began, as far as was known: shown until the target has told of more.
    known: AtomicU64,
    reused: AtomicU64,
    sent: AtomicU64,
    sent_wire: AtomicU64,
    /// Blobs that this migration has met: what is held of them later, it may have sent itself.
    met: Mutex<HashSet<Hash>>,
    /// When how many bytes had been sent: what was there at the start of a resume is no speed.
    samples: Mutex<VecDeque<(Instant, u64)>>,
}

impl Counters {
    /// Sets the bytes of all blobs, as a connection begins: the target is going to tell what it holds of them. The rate
    /// of the one before, and of the time between, says nothing about it.
    pub fn begin(&self, total: u64) {
        self.total.store(total, Relaxed);
        let held = self.held.swap(0, Relaxed);
        self.known.fetch_max(held, Relaxed);
        self.samples.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clear();
    }

    /// Notes that the target has told what it holds of every blob.
    pub fn all_told(&self) {
        self.known.store(0, Relaxed);
    }

    /// Counts bytes that became durable on the target.
    pub fn add_held(&self, bytes: u64) {
        self.held.fetch_add(bytes, Relaxed);
    }

    /// Counts bytes no longer that were counted as held: their blob is met again.
    pub fn forget_held(&self, bytes: u64) {
        self.held.fetch_sub(bytes.min(self.held.load(Relaxed)), Relaxed);
    }

    /// Reports whether the target holds everything.
    pub fn is_all_held(&self) -> bool {
        self.held.load(Relaxed) >= self.total.load(Relaxed)
    }

    /// Counts bytes of a blob that came to the total later.
    pub fn add_total(&self, bytes: u64) {
        self.total.fetch_add(bytes, Relaxed);
    }

    /// Counts bytes that were found on the target and need not travel.
    pub fn add_reused(&self, bytes: u64) {
        self.reused.fetch_add(bytes, Relaxed);
    }

    /// Reports whether the target has told before what it holds of a blob.
    pub fn has_met(&self, blob: Hash) -> bool {
        self.met.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).contains(&blob)
    }

    /// Counts what the target holds of a blob that this migration meets for the first time: it was there before.
    pub fn meet(&self, blob: Hash, bytes_held: u64) {
        if self.met.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(blob) {
            self.add_reused(bytes_held);
        }
    }

    /// Counts a chunk that was sent: its plain bytes, and those on the wire.
    pub fn add_sent(&self, plain: u64, wire: u64) {
        let sent = self.sent.fetch_add(plain, Relaxed) + plain;
        self.sent_wire.fetch_add(wire, Relaxed);
        let now = Instant::now();
        let mut samples = self.samples.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if samples.back().is_none_or(|(at, _)| now.duration_since(*at) > Duration::from_millis(100)) {
            samples.push_back((now, sent));
        }
        while samples.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_WINDOW) {
            samples.pop_front();
        }
    }

    /// Returns the counts as they are now.
    pub fn bytes(&self) -> Bytes {
        let sent = self.sent.load(Relaxed);
        let samples = self.samples.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let rate = samples.front().map_or(0.0, |(at, then)| {
            let seconds = at.elapsed().as_secs_f64();
            if seconds > 0.0 { sent.saturating_sub(*then) as f64 / seconds } else { 0.0 }
        });
        let (total, held) = (self.total.load(Relaxed), self.held.load(Relaxed).max(self.known.load(Relaxed)));
        Bytes {
            total,
            held: held.min(total),
            reused: self.reused.load(Relaxed),
            sent,
            sent_wire: self.sent_wire.load(Relaxed),
            rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::notes::remaining_seconds;

    #[test]
    fn what_a_blob_has_when_it_is_met_again_was_not_there_before() {
        let counters = Counters::default();
        counters.meet(Hash([1; 32]), 10);
        counters.meet(Hash([2; 32]), 0);
        // After a cut the target holds what this migration has sent, and says so.
        counters.meet(Hash([1; 32]), 10);
        counters.meet(Hash([2; 32]), 500);
        assert_eq!(counters.bytes().reused, 10);
        assert!(counters.has_met(Hash([2; 32])) && !counters.has_met(Hash([3; 32])));
    }

    #[test]
    fn what_was_there_already_is_no_speed_and_shortens_no_forecast() {
        let counters = Counters::default();
        counters.begin(1000 << 20);
        counters.add_held(900 << 20);
        counters.meet(Hash([1; 32]), 900 << 20);
        // A resume: nothing has been sent by this process, so there is no rate, and nothing is foretold by it.
        assert_eq!((counters.bytes().rate, remaining_seconds(&counters.bytes())), (0.0, None));
        counters.add_sent(1 << 20, 1 << 19);
        counters.add_held(1 << 20);
        let bytes = counters.bytes();
        assert_eq!(bytes.reused, 900 << 20);
        counters.add_sent(9 << 20, 9 << 20);
        assert!(counters.bytes().rate > 0.0);
        // A cut, and the next connection: the time between has slowed nothing down.
        counters.begin(1000 << 20);
        assert_eq!(counters.bytes().rate, 0.0);
    }

    #[test]
    fn what_was_held_is_shown_until_the_target_tells_after_a_cut() {
        let counters = Counters::default();
        counters.begin(1000);
        counters.add_held(600);
        counters.begin(1000);
        assert_eq!(counters.bytes().held, 600);
        assert!(!counters.is_all_held());
        counters.add_held(500);
        assert_eq!(counters.bytes().held, 600);
        // Another cut before the target has told of everything, and then it tells that it was set back.
        counters.begin(1000);
        assert_eq!(counters.bytes().held, 600);
        counters.add_held(550);
        counters.all_told();
        assert_eq!(counters.bytes().held, 550);
        // Of a description that is smaller than the copy before it no more is held than there is.
        counters.begin(400);
        assert_eq!(counters.bytes().held, 400);
    }
}
