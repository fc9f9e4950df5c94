//! Limits what one migration may send: its own cap, and its share of the link to the peer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use modelferry_protocol::ids::Pin;
use parking_lot::Mutex;

use crate::config::Rate;
use crate::link::Link;

/// Transfers under way to each peer, with what each may send.
#[derive(Clone, Default)]
pub struct Shares(Arc<Mutex<HashMap<Pin, Vec<Option<Rate>>>>>);

impl Shares {
    /// Notes a transfer to `peer`, until the share is dropped.
    ///
    /// As long as each transfer to the peer has a cap, the link to it is held to their sum: repeats and headers count
    /// then as well.
    pub fn take(&self, link: &Link, peer: Pin, cap: Option<Rate>) -> Share {
        self.0.lock().entry(peer).or_default().push(cap);
        let share = Share { shares: self.clone(), link: link.clone(), peer, cap };
        share.apply();
        share
    }
}

/// A transfer's share of the link.
pub struct Share {
    shares: Shares,
    link: Link,
    peer: Pin,
    cap: Option<Rate>,
}

impl Share {
    fn apply(&self) {
        let sum = self.shares.0.lock().get(&self.peer).and_then(|caps| sum(caps));
        self.link.cap_work(self.peer, sum);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        {
            let mut shares = self.shares.0.lock();
            let caps = shares.entry(self.peer).or_default();
            if let Some(at) = caps.iter().position(|cap| *cap == self.cap) {
                caps.swap_remove(at);
            }
            if caps.is_empty() {
                shares.remove(&self.peer);
            }
        }
        self.apply();
    }
}

/// Returns what transfers may send together; any amount if one of them may.
fn sum(caps: &[Option<Rate>]) -> Option<Rate> {
    let bits = caps.iter().try_fold(0_u64, |sum, cap| Some(sum.saturating_add((*cap)?.bits())));
    bits.filter(|bits| *bits > 0).map(Rate::of_bits)
}

/// Gives each chunk of one transfer its moment.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second: Option<f64>,
    next: Instant,
}

impl Pace {
    /// Begins with a chunk that may go at once.
    pub fn new(cap: Option<Rate>, now: Instant) -> Self {
        Self { bytes_per_second: cap.map(|cap| cap.bytes().max(1) as f64), next: now }
    }

    /// Returns how long the next chunk has to wait; nothing if it need not.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.bytes_per_second?;
        Some(self.next.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Counts a chunk that goes. What was missed while there was nothing to send is not made up for.
    pub fn sent(&mut self, wire_bytes: u64, now: Instant) {
        if let Some(rate) = self.bytes_per_second {
            self.next = self.next.max(now) + Duration::from_secs_f64(wire_bytes as f64 / rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn the_link_is_held_to_the_sum_only_while_everything_on_it_has_a_cap() {
        assert_eq!(sum(&[Some(rate("2mbit")), Some(rate("3mbit"))]), Some(rate("5mbit")));
        assert_eq!(sum(&[Some(rate("2mbit")), None]), None);
        assert_eq!(sum(&[]), None);
    }

    #[test]
    fn a_paced_transfer_keeps_its_rate_over_any_span() {
        let begun = Instant::now();
        let (mut pace, mut now) = (Pace::new(Some(rate("8mbit")), begun), begun);
        let mut sent = Vec::new();
        for step in 0..2_000_u64 {
            now += pace.wait(now).unwrap_or_default();
            pace.sent(10_000, now);
            sent.push(now);
            // Nothing to send now and then.
            now += Duration::from_millis(if step % 400 == 0 { 1_500 } else { 0 });
        }
        for (first, at) in sent.iter().enumerate() {
            let chunks = sent[first..].iter().take_while(|later| **later - *at < Duration::from_secs(1)).count();
            assert!(chunks <= 101, "{chunks} chunks of 10 kB in a second at 1 MB/s");
        }
        assert_eq!(Pace::new(None, begun).wait(begun), None);
    }
}
