//! Keeps a rate by giving every datagram a send time.

use std::time::{Duration, Instant};

/// Reserves send time at a rate. Each reservation begins where the previous one ends, so that in any time span at most
/// the rate's bytes, one reservation and the credit pass.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    /// Bytes per second; `None`: unlimited.
    rate: Option<f64>,
    /// How far a reservation may begin in the past. Timers wake late, and the missed time would otherwise be lost.
    credit: Duration,
    /// Begin of the next reservation.
    next: Instant,
}

impl Bucket {
    /// Returns an unlimited bucket.
    pub(super) fn new(now: Instant, credit: Duration) -> Self {
        Self { rate: None, credit, next: now }
    }

    /// Changes the rate, in bytes per second. Reservations in the future are stretched or shortened to the new rate.
    pub(super) fn set_rate(&mut self, now: Instant, rate: Option<f64>) {
        let rate = rate.map(|rate| rate.max(1.0));
        if rate == self.rate {
            return;
        }
        let owed = self.next.saturating_duration_since(now);
        self.next = match (self.rate, rate) {
            (Some(old), Some(new)) if !owed.is_zero() => now + span(owed.as_secs_f64() * old / new),
            (Some(_), Some(_)) => self.next,
            _ => now,
        };
        self.rate = rate;
    }

    /// Reserves `bytes` and returns their send time.
    pub(super) fn reserve(&mut self, now: Instant, bytes: u64) -> Instant {
        let Some(rate) = self.rate else { return now };
        let oldest = now.checked_sub(self.credit).unwrap_or(now);
        let begin = self.next.max(oldest);
        self.next = begin + span(bytes as f64 / rate);
        begin
    }
}

/// Converts seconds to a duration of at most one year, so that it cannot overflow.
fn span(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.min(365.0 * 86_400.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_span_gets_more_than_the_rate_and_one_reservation() {
        let begin = Instant::now();
        let mut bucket = Bucket::new(begin, Duration::from_millis(20));
        bucket.set_rate(begin, Some(1e6));
        let mut now = begin;
        let mut sent = Vec::new();
        for step in 0..20_000u64 {
            // Sometimes idle, sometimes late.
            now =
                bucket.reserve(now, 1200).max(now) + Duration::from_micros(if step % 1000 == 0 { 300_000 } else { 40 });
            sent.push(now);
        }
        for (first, at) in sent.iter().enumerate() {
            let in_span = sent[first..].iter().take_while(|later| **later - *at < Duration::from_secs(1)).count();
            assert!(in_span as f64 * 1200.0 <= 1e6 * 1.02 + 1200.0, "{in_span} datagrams in a second");
        }
    }

    #[test]
    fn a_lower_rate_holds_at_once() {
        let begin = Instant::now();
        let mut bucket = Bucket::new(begin, Duration::ZERO);
        bucket.set_rate(begin, Some(1e6));
        bucket.reserve(begin, 100_000);
        bucket.set_rate(begin, Some(1e5));
        assert_eq!(bucket.reserve(begin, 1), begin + Duration::from_secs(1));
        bucket.set_rate(begin, None);
        assert_eq!(bucket.reserve(begin, 1), begin);
    }
}
