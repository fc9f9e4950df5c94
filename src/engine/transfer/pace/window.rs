//! Limits the plain bytes in flight: enough to fill a long link, few enough that a crash loses little.
//!
//! A byte is in flight from its packing until the target has reported it durable. The window follows the rate at which
//! bytes become durable, which includes the target's disk. `docs/decisions/0010-three-measurements.md` compares it with
//! the link's own estimate in `src/link/flow`.

use std::time::{Duration, Instant};

/// Minimum of the window, in bytes.
const BYTES_MIN: u64 = 1 << 20;
/// Minimum number of frames in a full window, so that some travel while others are acknowledged.
const FRAMES_MIN: u64 = 16;
/// The window at the start, in bytes: what a fast link carries until the first acknowledgement. On a slow link QUIC's own
/// window holds most of it back, and bytes that have not left this host are not sent again after a kill.
const BYTES_START: u64 = 4 << 20;
/// Time that the target takes to make a chunk durable and to report it, without the round trip.
const SYNC: Duration = Duration::from_millis(100);
/// The window is this factor times the bytes of one round. It is above 1, so that the window grows while it is the window
/// that limits the transfer, and not the link.
const GROWTH: f64 = 1.25;

/// The link counts as starved if QUIC's window admits this many times the rate that was achieved, even if this window was
/// full. A QUIC window that fills the link holds up to two round trips' worth of bytes.
const STARVED: f64 = 2.5;

/// Growth of QUIC's window in slow start before the target has reported the first half durable.
const LINK_GROWTH_MAX: f64 = 2.0;

/// The state of the link, as QUIC reports it.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// The round-trip time.
    pub rtt: Duration,
    /// QUIC's congestion window, in bytes.
    pub bytes: u64,
}

impl Reach {
    /// Returns the bytes per second that QUIC's window admits. It is the only estimate before anything was durable.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / self.rtt.as_secs_f64().max(1e-4)
    }
}

/// Measurements of one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// Plain bytes per second that became durable.
    pub rate: f64,
    /// Whether the compressor limited the transfer.
    pub packing_limits: bool,
    /// Maximum rate that QUIC's window admitted, in bytes per second.
    pub reach: f64,
}

/// Counts the plain bytes that were sent and are not yet durable on the target, and limits them.
#[derive(Debug)]
pub struct Window {
    bytes: u64,
    bytes_max: u64,
    in_flight: u64,
    /// Bytes packed so far: plain, and on the wire.
    plain: u64,
    wire: u64,
    round_begun: Instant,
    held_in_round: u64,
    reach_in_round: f64,
    /// Whether the window held back data in this round.
    was_full: bool,
    /// Frames packed in this round, and how many of them the streams had to wait for.
    frames: u32,
    frames_late: u32,
    rate: Option<f64>,
}

impl Window {
    /// Makes a window for an unknown link. It never exceeds `bytes_max`.
    pub fn new(bytes_max: u64, now: Instant) -> Self {
        let bytes_max = bytes_max.max(BYTES_MIN);
        Self {
            bytes: BYTES_START.min(bytes_max),
            bytes_max,
            in_flight: 0,
            plain: 1,
            wire: 1,
            round_begun: now,
            held_in_round: 0,
            reach_in_round: 0.0,
            was_full: false,
            frames: 0,
            frames_late: 0,
            rate: None,
        }
    }

    /// Reports whether another chunk may be sent. One chunk always may, whatever the window.
    pub fn fits(&self, chunk_bytes: u32) -> bool {
        self.in_flight == 0 || self.in_flight + u64::from(chunk_bytes) <= self.bytes
    }

    /// Records that the window held back data.
    pub fn is_full(&mut self) {
        self.was_full = true;
    }

    /// Returns the maximum plain bytes of one frame, so that several share the window.
    pub fn share(&self) -> u32 {
        u32::try_from(self.bytes / FRAMES_MIN).unwrap_or(u32::MAX)
    }

    /// Returns the window's size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the recent rate of the link, in plain bytes per second; none before a round that the link limited.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// Counts a chunk that is being sent.
    pub fn sent(&mut self, chunk_bytes: u32) {
        self.in_flight += u64::from(chunk_bytes);
    }

    /// Records a packed frame. A link carries more plain bytes of data that shrinks.
    ///
    /// `late`: whether the streams had run dry before this frame, although there was more to pack.
    pub fn packed(&mut self, plain: u64, wire: u64, late: bool) {
        (self.plain, self.wire) = (self.plain + plain, self.wire + wire);
        (self.frames, self.frames_late) = (self.frames + 1, self.frames_late + u32::from(late));
    }

    /// Removes a chunk from those in flight, whatever became of it.
    pub fn freed(&mut self, chunk_bytes: u32) {
        self.in_flight = self.in_flight.saturating_sub(u64::from(chunk_bytes));
    }

    /// Records bytes that became durable, and adapts the window to the last round and to QUIC's window. Returns the
    /// measurements of the round, if one ends now.
    pub fn held(&mut self, bytes: u64, reach: Reach, now: Instant) -> Option<Round> {
        self.held_in_round += bytes;
        self.reach_in_round = self.reach_in_round.max(reach.rate());
        // Data behind a lost packet in its stream arrives a round trip later.
        let round = 2 * reach.rtt + SYNC;
        let lasted = now.saturating_duration_since(self.round_begun);
        let mut shown = None;
        if lasted >= round {
            let per_round = self.held_in_round as f64 * round.as_secs_f64() / lasted.as_secs_f64();
            // At most halved: a round without an answer says little about the next.
            self.bytes = ((per_round * GROWTH) as u64).max(self.bytes / 2);
            let rate = self.held_in_round as f64 / lasted.as_secs_f64();
            let packing_limits = 2 * self.frames_late > self.frames;
            let reach = std::mem::take(&mut self.reach_in_round);
            let is_starved = reach > STARVED * rate * self.wire as f64 / self.plain as f64;
            self.measure(rate, packing_limits && (is_starved || !self.was_full));
            shown = Some(Round { rate, packing_limits, reach });
            (self.round_begun, self.held_in_round, self.was_full) = (now, 0, false);
            (self.frames, self.frames_late) = (0, 0);
        }
        // A start grows faster than acknowledgements tell.
        let growth = 1.0 + SYNC.as_secs_f64() / 2.0 / reach.rtt.as_secs_f64().max(1e-3);
        let taken = reach.bytes as f64 * growth.min(LINK_GROWTH_MAX) * self.plain as f64 / self.wire as f64;
        self.bytes = self.bytes.max(taken as u64).clamp(BYTES_MIN, self.bytes_max);
        shown
    }

    /// Updates the rate of the link from a round. If the window was never full, something other than the link limited the
    /// round, and the link is at least that fast. If the compressor limited it, the link is taken to be twice as fast;
    /// otherwise a level that is too slow for the link would stay.
    fn measure(&mut self, rate: f64, packing_limits: bool) {
        self.rate = match (self.rate, self.was_full) {
            (known, _) if packing_limits => Some(known.unwrap_or_default().max(2.0 * rate)),
            (Some(known), true) => Some((known + rate) / 2.0),
            (None, true) => Some(rate),
            (known, false) => known.map(|known| known.max(rate)),
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
        let round = 2 * rtt + SYNC;
        let rounds = (seconds as f64 / round.as_secs_f64()) as u32;
        for n in 1..=rounds {
            let taken = (window.bytes as f64).min(rate * round.as_secs_f64()) as u64;
            let reach = Reach { rtt, bytes: (2.0 * rate * rtt.as_secs_f64()) as u64 };
            window.held(taken, reach, begun + round * n);
        }
        window
    }

    #[test]
    fn the_window_grows_until_the_link_is_full_and_no_further() {
        let rtt = Duration::from_millis(80);
        // Two round trips, since what is behind a lost packet takes two, and the sync.
        let needed = 12_500_000.0 * 0.26;
        let window = run(12_500_000.0, rtt, 10, 32 << 20);
        assert!(window.bytes as f64 >= needed, "{} bytes starve the link", window.bytes);
        assert!(window.bytes as f64 <= 1.6 * needed, "{} bytes are sent again after a kill", window.bytes);
    }

    #[test]
    fn a_start_is_followed_before_its_bytes_are_durable() {
        let (rtt, begun) = (Duration::from_millis(100), Instant::now());
        let mut window = Window::new(32 << 20, begun);
        window.held(1 << 20, Reach { rtt, bytes: 6 << 20 }, begun + rtt);
        assert!(window.bytes >= 9 << 20, "{} bytes hold up a link that takes 6 MiB at once", window.bytes);
        window.packed(3 << 20, 1 << 20, false);
        window.held(1 << 20, Reach { rtt, bytes: 6 << 20 }, begun + rtt);
        assert!(window.bytes >= 26 << 20, "{} bytes of what shrinks to a third", window.bytes);
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
        let (begun, round) = (Instant::now(), Duration::from_millis(200));
        let reach = Reach { rtt: Duration::from_millis(50), bytes: 1 << 20 };
        let mut window = Window::new(8 << 20, begun);
        window.held(1 << 20, reach, begun + round);
        assert_eq!(window.rate(), None, "nothing was ever full");
        for (n, full, held, rate) in [(2, true, 200_000, 1e6), (3, false, 20_000, 1e6), (4, false, 400_000, 2e6)] {
            if full {
                window.is_full();
            }
            window.held(held, reach, begun + round * n);
            assert!((window.rate().unwrap() / rate - 1.0).abs() < 1e-6, "round {n}: {:?}", window.rate());
        }
        window.is_full();
        window.held(0, reach, begun + round * 5);
        assert!((window.rate().unwrap() / 1e6 - 1.0).abs() < 1e-6, "a link that slows down is noticed");
    }

    #[test]
    fn a_compressor_that_holds_the_link_up_is_asked_for_less_in_every_round_until_it_does_not() {
        let (begun, round) = (Instant::now(), Duration::from_millis(200));
        let reach = Reach { rtt: Duration::from_millis(50), bytes: 1 << 20 };
        let mut window = Window::new(8 << 20, begun);
        let mut rates = Vec::new();
        for (n, late) in [(1, 5), (2, 6), (3, 1), (4, 0)] {
            (0..8).for_each(|frame| window.packed(1 << 18, 1 << 17, frame < late));
            let shown = window.held(200_000 << n.min(3), reach, begun + round * n).unwrap();
            assert_eq!((shown.packing_limits, shown.reach), (n < 3, reach.rate()));
            rates.push(window.rate().unwrap() / 1e6);
        }
        assert_eq!(rates, [4.0, 8.0, 8.0, 8.0]);
    }

    #[test]
    fn a_full_window_says_nothing_of_a_link_that_lets_far_more_pass_than_the_compressor_makes() {
        let (begun, round) = (Instant::now(), Duration::from_millis(200));
        // 400 kB in a round are 2 MB/s, of which 1 MB/s travels.
        for (reach_rate, rate) in [(2.4e6, 2e6), (2.6e6, 4e6)] {
            let reach = Reach { rtt: Duration::from_millis(50), bytes: (reach_rate * 0.05) as u64 };
            let mut window = Window::new(8 << 20, begun);
            (0..8).for_each(|_| window.packed(1 << 18, 1 << 17, true));
            window.is_full();
            window.held(400_000, reach, begun + round);
            assert!((window.rate().unwrap() / rate - 1.0).abs() < 1e-6, "{reach_rate}: {:?}", window.rate());
        }
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
