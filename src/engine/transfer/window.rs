//! How much may be on its way: what a kill makes to be sent again, and what keeps a long link full.

use std::time::{Duration, Instant};

/// The window at the start, and the least it ever is.
const BYTES_MIN: u64 = 1 << 20;
/// Frames in a full window at least, so that some are on their way while others are acknowledged.
const FRAMES_MIN: u64 = 16;
/// What the target takes, beside the round trip, to make a chunk durable and to say so.
const SYNC: Duration = Duration::from_millis(100);
/// The window is this much of what the link took in one round. Above 1, so that it grows as long as it is
/// the window that limits, and not the link.
const GROWTH: f64 = 1.5;

/// Plain bytes sent and not yet durable on the target, and how many they may be.
#[derive(Debug)]
pub struct Window {
    bytes: u64,
    bytes_max: u64,
    in_flight: u64,
    round_begun: Instant,
    held_in_round: u64,
    /// Whether more was there to be sent in this round than the window took.
    was_full: bool,
    rate: Option<f64>,
}

impl Window {
    /// Begins with the smallest window; it grows to `bytes_max` at most.
    pub fn new(bytes_max: u64, now: Instant) -> Self {
        let bytes_max = bytes_max.max(BYTES_MIN);
        Self {
            bytes: BYTES_MIN,
            bytes_max,
            in_flight: 0,
            round_begun: now,
            held_in_round: 0,
            was_full: false,
            rate: None,
        }
    }

    /// Reports whether another chunk may be sent. One always may, however small the window.
    pub fn fits(&self, chunk_bytes: u32) -> bool {
        self.in_flight == 0 || self.in_flight + u64::from(chunk_bytes) <= self.bytes
    }

    /// Says that something could not be sent because the window is full.
    pub fn is_full(&mut self) {
        self.was_full = true;
    }

    /// Returns how much of the window one frame may take up: little enough for the others to go on meanwhile.
    pub fn share(&self) -> u32 {
        u32::try_from(self.bytes / FRAMES_MIN).unwrap_or(u32::MAX)
    }

    /// Returns the window's size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the plain bytes per second that the link took of late; nothing before a round was over in which it
    /// was the link that limited.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// Counts a chunk that is being sent.
    pub fn sent(&mut self, chunk_bytes: u32) {
        self.in_flight += u64::from(chunk_bytes);
    }

    /// Counts a chunk that is not on its way any more, whatever became of it.
    pub fn freed(&mut self, chunk_bytes: u32) {
        self.in_flight = self.in_flight.saturating_sub(u64::from(chunk_bytes));
    }

    /// Counts bytes that became durable, and fits the window to what the link took in the last round.
    pub fn held(&mut self, bytes: u64, rtt: Duration, now: Instant) {
        self.held_in_round += bytes;
        let round = rtt + SYNC;
        let lasted = now.saturating_duration_since(self.round_begun);
        if lasted >= round {
            let per_round = self.held_in_round as f64 * round.as_secs_f64() / lasted.as_secs_f64();
            // Halved at most: a round without an answer says little about the next.
            let fitting = ((per_round * GROWTH) as u64).max(self.bytes / 2);
            self.bytes = fitting.clamp(BYTES_MIN, self.bytes_max);
            self.measure(self.held_in_round as f64 / lasted.as_secs_f64());
            (self.round_begun, self.held_in_round, self.was_full) = (now, 0, false);
        }
    }

    /// Takes in the rate of a round. Where the window was never full something else than the link limits, such as
    /// the compressor: then the link may well be faster, but not slower.
    fn measure(&mut self, rate: f64) {
        self.rate = match (self.rate, self.was_full) {
            (Some(known), true) => Some((known + rate) / 2.0),
            (Some(known), false) => Some(known.max(rate)),
            (None, true) => Some(rate),
            (None, false) => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link that makes `rate` bytes a second durable, a round trip after they were sent, for `seconds`.
    fn run(rate: f64, rtt: Duration, seconds: u64, bytes_max: u64) -> Window {
        let begun = Instant::now();
        let mut window = Window::new(bytes_max, begun);
        let round = rtt + SYNC;
        let rounds = (seconds as f64 / round.as_secs_f64()) as u32;
        for n in 1..=rounds {
            let taken = (window.bytes as f64).min(rate * round.as_secs_f64()) as u64;
            window.held(taken, rtt, begun + round * n);
        }
        window
    }

    #[test]
    fn the_window_grows_until_the_link_is_full_and_no_further() {
        let rtt = Duration::from_millis(80);
        let needed = 12_500_000.0 * 0.18;
        let window = run(12_500_000.0, rtt, 10, 32 << 20);
        assert!(window.bytes as f64 >= needed, "{} bytes starve the link", window.bytes);
        assert!(window.bytes as f64 <= 1.6 * needed, "{} bytes are sent again after a kill", window.bytes);
    }

    #[test]
    fn the_window_never_exceeds_its_bound() {
        assert_eq!(run(1e9, Duration::from_millis(300), 20, 8 << 20).bytes, 8 << 20);
    }

    #[test]
    fn a_slow_link_keeps_the_smallest_window() {
        assert_eq!(run(100_000.0, Duration::from_millis(600), 20, 32 << 20).bytes, BYTES_MIN);
    }

    #[test]
    fn a_round_that_the_link_did_not_limit_says_nothing_about_a_slower_link() {
        let (begun, rtt, round) = (Instant::now(), Duration::from_millis(100), Duration::from_millis(200));
        let mut window = Window::new(8 << 20, begun);
        window.held(1 << 20, rtt, begun + round);
        assert_eq!(window.rate(), None, "nothing was ever full");
        for (n, full, held, rate) in [(2, true, 200_000, 1e6), (3, false, 20_000, 1e6), (4, false, 400_000, 2e6)] {
            if full {
                window.is_full();
            }
            window.held(held, rtt, begun + round * n);
            assert!((window.rate().unwrap() / rate - 1.0).abs() < 1e-6, "round {n}: {:?}", window.rate());
        }
        window.is_full();
        window.held(0, rtt, begun + round * 5);
        assert!((window.rate().unwrap() / 1e6 - 1.0).abs() < 1e-6, "a link that slows down is noticed");
    }

    #[test]
    fn one_chunk_always_fits_and_a_full_window_takes_no_more() {
        let mut window = Window::new(0, Instant::now());
        assert!(window.fits(u32::MAX));
        window.sent(BYTES_MIN as u32);
        assert!(!window.fits(1));
        window.freed(4096);
        assert!(window.fits(4096) && !window.fits(4097));
    }
}
