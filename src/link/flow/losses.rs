//! What is lost, and when it is too much.

use std::time::Instant;

/// What the window has beyond one round trip's worth, in seconds: what hosts may take to wake up.
const WINDOW_SLACK: f64 = 0.005;
/// And at least: a queue too short for all of that shows by loss.
const WINDOW_SLACK_MIN: f64 = 0.0005;
/// Share of loss that makes the slack smaller, and that lets it grow again. Where it is but noise the slack does nothing.
const SLACK_LOSS: f64 = 0.005;
const SLACK_SHRINK: f64 = 0.8;
const SLACK_GROW: f64 = 1.02;
/// Share of loss that is taken as the link's nature; above it, as a queue that is full or a policer.
const LOSS_TOLERATED: f64 = 0.06;
/// Loss is judged over at least this many packets: fewer prove nothing.
const LOSS_PACKETS_MIN: u64 = 100;
/// How much less is sent after too much loss, and how much more after each round without.
const LOSS_BACKOFF: f64 = 0.85;
const LOSS_RECOVERY: f64 = 1.08;

/// What loss says about a link.
#[derive(Debug, Clone)]
pub(super) struct Losses {
    /// Bytes since loss was last judged.
    lost: u64,
    delivered: u64,
    begun: Option<Instant>,
    slack: f64,
    /// When it was last too much. What was sent before that is no news.
    slowed_at: Option<Instant>,
    /// What loss has shown to be too much, in bytes per second.
    ceiling: Option<f64>,
}

impl Losses {
    pub(super) fn new() -> Self {
        Self { lost: 0, delivered: 0, begun: None, slack: WINDOW_SLACK, slowed_at: None, ceiling: None }
    }

    pub(super) fn acked(&mut self, bytes: u64) {
        self.delivered += bytes;
    }

    /// Takes note of bytes that are lost, of which the last were sent at `sent`. `is_outage`: everything was, for a long
    /// time, which tells of no queue.
    pub(super) fn lost(&mut self, sent: Instant, bytes: u64, is_outage: bool) {
        if is_outage {
            (self.lost, self.delivered, self.begun) = (0, 0, None);
        } else if self.slowed_at.is_none_or(|slowed_at| sent > slowed_at) {
            self.lost += bytes;
        }
    }

    /// Looks at a round that is over, in which a rate was `believed` or nothing was yet, and reports whether too much was
    /// lost.
    pub(super) fn judge(&mut self, now: Instant, believed: Option<f64>, mtu: u64) -> bool {
        let (lost, delivered, begun) = (self.lost, self.delivered, self.begun.unwrap_or(now));
        if lost + delivered < LOSS_PACKETS_MIN * mtu {
            self.begun = Some(begun);
            return false;
        }
        (self.lost, self.delivered, self.begun) = (0, 0, Some(now));
        let share = lost as f64 / (lost + delivered) as f64;
        let factor = if share > SLACK_LOSS { SLACK_SHRINK } else { SLACK_GROW };
        self.slack = (self.slack * factor).clamp(WINDOW_SLACK_MIN, WINDOW_SLACK);
        if share > LOSS_TOLERATED {
            self.slowed_at = Some(now);
            let Some(believed) = believed else { return true };
            let span = now.saturating_duration_since(begun).as_secs_f64();
            // What got through, where that can be told, is what the link carries.
            let through = if span > 0.0 { delivered as f64 / span } else { 0.0 };
            let rate = self.bounded(believed);
            self.ceiling = Some(through.clamp(rate * LOSS_BACKOFF * LOSS_BACKOFF, rate));
            return true;
        }
        if let Some(ceiling) = self.ceiling {
            let raised = ceiling * LOSS_RECOVERY;
            self.ceiling = believed.is_some_and(|rate| raised < rate).then_some(raised);
        }
        false
    }

    /// Returns what is left of a rate, in bytes per second.
    pub(super) fn bounded(&self, rate: f64) -> f64 {
        self.ceiling.map_or(rate, |ceiling| rate.min(ceiling))
    }

    /// Returns what a window may have beyond one round trip's worth, in seconds.
    pub(super) fn slack(&self) -> f64 {
        self.slack
    }
}
