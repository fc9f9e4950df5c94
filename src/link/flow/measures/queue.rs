//! Estimates the queue in front of the bottleneck, and whether it is ours.
//!
//! Sending a little less drains a queue of our own. A queue that stays belongs to another flow, such as a TCP flow that
//! grows until packets are lost. Yielding to such a flow means yielding everything, so the sender then takes a fixed
//! share of the link and leaves the rest.

use std::time::{Duration, Instant};

/// A round trip up to this factor of the shortest counts as free of queueing.
const SHORT: f64 = 1.05;
/// A round trip up to this factor shows that no other flow keeps the queue filled. Jitter adds up to a fifth.
const FREE: f64 = 1.25;
/// Added to both limits for delays in the hosts, also on a short path.
const SLACK: Duration = Duration::from_millis(1);
/// Reduction of the rate for each round trip's worth of queue, and its maximum.
const EASE: f64 = 0.5;
const EASE_MAX: f64 = 0.25;
/// How long a queue lasts before it counts as another flow's: two cycles, each of which drains our own queue. The
/// minimum keeps busy hosts from looking like a queue.
const CROWDED_ROUNDS: u32 = 16;
const CROWDED_MIN: Duration = Duration::from_millis(300);
/// The share of the link that the sender takes at least, next to such a flow. Kernel BBR takes six tenths.
const CROWDED_SHARE: f64 = 0.4;
/// Factors on the remembered rate of the uncrowded link: for each round, and for each time too much was lost.
const BEST_DECAY: f64 = 0.995;
const BEST_BACKOFF: f64 = 0.85;

/// The queue estimate.
#[derive(Debug, Clone)]
pub(in crate::link::flow) struct Queue {
    /// When a round trip was last free of queueing.
    short_at: Instant,
    /// When a round trip last showed that no other flow keeps the queue filled.
    free_at: Instant,
    is_crowded: bool,
    /// Shortest round trip of the current round, and of the last one.
    least: Option<Duration>,
    last: Duration,
    /// Queue that stood throughout the last round, in round trips' worth.
    standing: f64,
    /// Greatest rate while no other flow kept the queue filled, in bytes per second.
    best: f64,
}

impl Queue {
    pub(in crate::link::flow) fn new(now: Instant) -> Self {
        let (least, last) = (None, Duration::ZERO);
        Self { short_at: now, free_at: now, is_crowded: false, least, last, standing: 0.0, best: 0.0 }
    }

    /// Records a round trip. `shortest`: the recent minimum. `acking`: the delay until packets are acknowledged
    /// together, which is not queueing.
    pub(in crate::link::flow) fn heard(&mut self, now: Instant, rtt: Duration, shortest: Duration, acking: Duration) {
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

    /// Ends a round. `rate`: the estimated rate.
    pub(in crate::link::flow) fn round(&mut self, shortest: Duration, acking: Duration, rate: f64) {
        let Some(least) = self.least.take() else { return };
        let standing = least.saturating_sub(shortest + SLACK + acking);
        self.last = least;
        self.standing = standing.as_secs_f64() / shortest.as_secs_f64().max(1e-3);
        if !self.is_crowded {
            self.best = rate.max(self.best * BEST_DECAY);
        }
    }

    /// Records too much loss: the link may have become slower.
    pub(in crate::link::flow) fn overflowed(&mut self) {
        self.best *= BEST_BACKOFF;
    }

    /// Records that the round trip was measured without a queue.
    pub(in crate::link::flow) fn looked(&mut self, now: Instant) {
        self.short_at = now;
    }

    /// Returns the time since the last round trip free of queueing.
    pub(in crate::link::flow) fn unseen(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.short_at)
    }

    /// Reports whether another flow keeps the queue filled.
    pub(in crate::link::flow) fn is_crowded(&self) -> bool {
        self.is_crowded
    }

    /// Returns the fraction of the rate to send at, so that a standing queue drains.
    pub(in crate::link::flow) fn ease(&self) -> f64 {
        if self.is_crowded { 1.0 } else { 1.0 - (EASE * self.standing).min(EASE_MAX) }
    }

    /// Returns the rate to keep next to a flow that fills the queue, in bytes per second; 0 without such a flow.
    pub(in crate::link::flow) fn share(&self) -> f64 {
        if self.is_crowded { CROWDED_SHARE * self.best } else { 0.0 }
    }

    /// Returns the shortest round trip of the last round, including the standing queue.
    pub(in crate::link::flow) fn round_trip(&self) -> Duration {
        self.last
    }
}
