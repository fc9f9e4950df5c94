//! What stands in the queue before the link's narrowest place, and who put it there.
//!
//! A queue of our own is drained by sending a little less. One that stays all the same is somebody else's, such as a TCP
//! flow that grows until something is lost: whoever yields to that one yields everything, so that from then on we take
//! a share and leave the rest.

use std::time::{Duration, Instant};

/// How much longer than the shortest a round trip may be to pass for one without a queue.
const SHORT: f64 = 1.05;
/// And to show that nobody keeps the queue filled: jitter makes up to a fifth.
const FREE: f64 = 1.25;
/// What hosts add to both, however short the way.
const SLACK: Duration = Duration::from_millis(1);
/// How much less is sent for each round trip's worth that stands in the queue, and at most.
const EASE: f64 = 0.5;
const EASE_MAX: f64 = 0.25;
/// How long there is a queue before it is somebody else's: twice the cycle, which empties one of our own; and not so soon
/// that hosts which are busy pass for a queue.
const CROWDED_ROUNDS: u32 = 16;
const CROWDED_MIN: Duration = Duration::from_millis(300);
/// Share of the link that is taken then, if it is not more: kernel BBR takes six tenths.
const CROWDED_SHARE: f64 = 0.4;
/// How fast the rate from before the crowd is forgotten, each round, and each time that it loses too much.
const BEST_DECAY: f64 = 0.995;
const BEST_BACKOFF: f64 = 0.85;

/// The queue.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    /// When the round trip was last about as short as ever.
    short_at: Instant,
    /// When it was last so short that nobody keeps the queue filled.
    free_at: Instant,
    is_crowded: bool,
    /// The shortest round trip of this round, and of the last one.
    least: Option<Duration>,
    last: Duration,
    /// Round trips' worth that stood in the queue throughout the last round.
    standing: f64,
    /// The greatest rate while there was no crowd, in bytes per second.
    best: f64,
}

impl Queue {
    pub(super) fn new(now: Instant) -> Self {
        let (least, last) = (None, Duration::ZERO);
        Self { short_at: now, free_at: now, is_crowded: false, least, last, standing: 0.0, best: 0.0 }
    }

    /// Takes note of a round trip, where `shortest` is the shortest of the last while. `acking`: for how long packets
    /// arrive until they are acknowledged together, which is no queue.
    pub(super) fn heard(&mut self, now: Instant, rtt: Duration, shortest: Duration, acking: Duration) {
        if rtt <= shortest.mul_f64(SHORT) + SLACK {
            self.short_at = now;
        }
        if rtt <= shortest.mul_f64(FREE) + SLACK + acking {
            self.free_at = now;
        }
        let after = (shortest * CROWDED_ROUNDS).max(CROWDED_MIN);
        self.is_crowded = now.saturating_duration_since(self.free_at) > after;
        self.least = Some(self.least.map_or(rtt, |least| least.min(rtt)));
    }

    /// Takes note that a round is over, at whose end `rate` is believed.
    pub(super) fn round(&mut self, shortest: Duration, acking: Duration, rate: f64) {
        let Some(least) = self.least.take() else { return };
        let standing = least.saturating_sub(shortest + SLACK + acking);
        self.last = least;
        self.standing = standing.as_secs_f64() / shortest.as_secs_f64().max(1e-3);
        if !self.is_crowded {
            self.best = rate.max(self.best * BEST_DECAY);
        }
    }

    /// Takes note that too much is lost: the link may be slower than it was.
    pub(super) fn overflowed(&mut self) {
        self.best *= BEST_BACKOFF;
    }

    /// Takes note that the way was looked at without a queue.
    pub(super) fn looked(&mut self, now: Instant) {
        self.short_at = now;
    }

    /// Returns for how long there was no round trip without a queue.
    pub(super) fn unseen(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.short_at)
    }

    /// Reports whether somebody else keeps it filled.
    pub(super) fn is_crowded(&self) -> bool {
        self.is_crowded
    }

    /// Returns what part of the rate to send, so that what stands in the queue drains.
    pub(super) fn ease(&self) -> f64 {
        if self.is_crowded { 1.0 } else { 1.0 - (EASE * self.standing).min(EASE_MAX) }
    }

    /// Returns what is taken in a crowd whatever arrives, in bytes per second; nothing without one.
    pub(super) fn share(&self) -> f64 {
        if self.is_crowded { CROWDED_SHARE * self.best } else { 0.0 }
    }

    /// Returns the shortest round trip of the last round, with what stood in the queue.
    pub(super) fn round_trip(&self) -> Duration {
        self.last
    }
}
