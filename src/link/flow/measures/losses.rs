//! Judges packet loss: how much is normal for the link, and how much means that the sender is too fast.

use std::time::Instant;

/// Greatest extra window, in seconds at the current rate. It covers the time that hosts may need to wake up.
const WINDOW_SLACK: f64 = 0.005;
/// Smallest extra window, in seconds. Losses show that a queue is too short for more.
const WINDOW_SLACK_MIN: f64 = 0.0005;
/// Loss share above which the extra window shrinks, and below which it grows. Random loss alone shrinks it, too, which
/// does no harm.
const SLACK_LOSS: f64 = 0.005;
const SLACK_SHRINK: f64 = 0.8;
const SLACK_GROW: f64 = 1.02;
/// Loss share that counts as the link's normal loss. More means a full queue or a policer.
const LOSS_TOLERATED: f64 = 0.06;
/// Packets needed to judge loss; fewer prove nothing.
const LOSS_PACKETS_MIN: u64 = 100;
/// Factor on the rate after too much loss, and factor after each later round without.
const LOSS_BACKOFF: f64 = 0.85;
const LOSS_RECOVERY: f64 = 1.08;

/// The loss statistics of a link.
#[derive(Debug, Clone)]
pub(in crate::link::flow) struct Losses {
    /// Bytes lost and delivered since the last judgement.
    lost: u64,
    delivered: u64,
    begun: Option<Instant>,
    slack: f64,
    /// Time of the last judgement of too much loss. Losses of bytes sent earlier are ignored.
    slowed_at: Option<Instant>,
    /// Rate that loss has shown to be the maximum, in bytes per second.
    ceiling: Option<f64>,
}

impl Losses {
    pub(in crate::link::flow) fn new() -> Self {
        Self { lost: 0, delivered: 0, begun: None, slack: WINDOW_SLACK, slowed_at: None, ceiling: None }
    }

    pub(in crate::link::flow) fn acked(&mut self, bytes: u64) {
        self.delivered += bytes;
    }

    /// Records lost bytes, the last of which were sent at `sent`. `is_outage`: everything was lost for a long time,
    /// which does not indicate a full queue.
    pub(in crate::link::flow) fn lost(&mut self, sent: Instant, bytes: u64, is_outage: bool) {
        if is_outage {
            (self.lost, self.delivered, self.begun) = (0, 0, None);
        } else if self.slowed_at.is_none_or(|slowed_at| sent > slowed_at) {
            self.lost += bytes;
        }
    }

    /// Judges a finished round and reports whether too much was lost. `believed`: the estimated rate, if known.
    pub(in crate::link::flow) fn judge(&mut self, now: Instant, believed: Option<f64>, mtu: u64) -> bool {
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
            // The delivered rate, if measurable, is the capacity of the link.
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

    /// Limits a rate to the maximum that loss has shown, in bytes per second.
    pub(in crate::link::flow) fn bounded(&self, rate: f64) -> f64 {
        self.ceiling.map_or(rate, |ceiling| rate.min(ceiling))
    }

    /// Returns the extra window, in seconds at the current rate.
    pub(in crate::link::flow) fn slack(&self) -> f64 {
        self.slack
    }
}
