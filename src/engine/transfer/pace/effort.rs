//! Chooses the compression level of a frame: the highest one that keeps up with the link.
//!
//! [`Compressor`] measures this host's compressor and the compression ratio. The rate of the link is measured by
//! [`Window`](super::window::Window). `docs/decisions/0010-three-measurements.md` says why these are two.

use std::time::Duration;

use super::window::Round;

/// Levels of zstd, each with the plain bytes per second that one thread of the reference host compresses, in frames of
/// 64 to 256 KiB of binaries. The reference host is a slow one. Level 12 compresses no better than 9.
const LEVELS: [(i32, f64); 6] = [(1, 276e6), (3, 224e6), (6, 90e6), (9, 58e6), (15, 9e6), (19, 2.2e6)];
/// A level must be this much faster than the link. The rest of the processor is for everything else.
const HEADROOM: f64 = 3.0;
/// Weight of a new measurement in a moving average.
const WEIGHT: f64 = 0.2;
/// Frames with fewer plain bytes are not timed: the clock is too coarse for them.
const TIMED_BYTES_MIN: usize = 16 << 10;

/// A round counts as stored, or as compressed, if it has this many times more bytes of that mode than of the other.
const MOSTLY: u64 = 8;
/// Storing is tried if QUIC's window admits this many times the rate at which compressed bytes arrive. A window that
/// fills the link holds up to two round trips' worth of bytes.
const ROOM: f64 = 1.5;
/// Growth per round of the estimate of the mode not in use, so that it is retried.
const REGAIN: f64 = 1.01;

/// After this many incompressible frames in a row, only some are tried while the compressor limits the transfer. A try
/// takes a tenth of a source's work for a frame.
const REFUSED_MANY: u32 = 8;
/// Frames that are stored untried between two tries, 768 KiB: a compressible part of a blob is noticed after them.
const UNTRIED_MAX: u32 = 3;

/// How hard a frame is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Stored: the link is faster than the compressor.
    Store,
    /// At a level of zstd.
    Level(i32),
}

/// Whether the recent frames of a blob compressed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compressibility {
    /// Frames in a row that did not compress.
    refused: u32,
    /// Frames since the last try.
    untried: u32,
}

impl Compressibility {
    /// Reports whether the last tried frame did not compress.
    pub fn is_doubtful(&self) -> bool {
        self.refused > 0
    }

    /// Returns the effort for the blob's next frame. `effort` is the one that the link leaves time for.
    pub fn advise(&self, effort: Effort) -> Effort {
        let is_spared = self.refused >= REFUSED_MANY && self.untried < UNTRIED_MAX;
        if is_spared && effort == Effort::Level(LEVELS[0].0) { Effort::Store } else { effort }
    }

    /// Records a frame's effort, and whether it was `stored` because it did not shrink.
    pub fn packed(&mut self, effort: Effort, stored: bool) {
        *self = match (effort, stored) {
            (Effort::Store, _) => Self { untried: self.untried + 1, ..*self },
            (_, true) => Self { refused: self.refused + 1, untried: 0 },
            (_, false) => Self::default(),
        };
    }
}

/// Measurements of this host's compressor during a transfer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compressor {
    /// Speed of this host divided by that of the reference host of [`LEVELS`].
    host: f64,
    /// Bytes on the wire per plain byte, as a moving average.
    wire_part: f64,
    /// Plain bytes packed in this round. Bytes of a level above the lowest count in both modes.
    packed: Modes<u64>,
    /// Whether the last round was stored (true) or compressed (false); none for a mixed round.
    before: Option<bool>,
    /// Plain bytes per second that became durable in each mode, from rounds that the link did not limit.
    rates: Modes<Option<f64>>,
    /// Whether frames are stored if no level keeps up with the link; none before both modes were measured.
    stores: Option<bool>,
}

/// A value for each of the two modes of sending.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Modes<T> {
    stored: T,
    compressed: T,
}

impl Default for Compressor {
    fn default() -> Self {
        let (packed, rates) = (Modes::default(), Modes::default());
        Self { host: 1.0, wire_part: 1.0, packed, before: None, rates, stores: None }
    }
}

impl Compressor {
    /// Records a packed frame: its effort, plain bytes, bytes on the wire, and the time that packing took.
    pub fn packed(&mut self, effort: Effort, plain: usize, wire: usize, took: Duration) {
        // A round with frames of a higher, slower level measures neither mode.
        let does_least = effort == Effort::Level(LEVELS[0].0);
        self.packed.stored += if does_least { 0 } else { plain as u64 };
        self.packed.compressed += if effort == Effort::Store { 0 } else { plain as u64 };
        if plain < TIMED_BYTES_MIN {
            return;
        }
        self.wire_part += WEIGHT * (wire as f64 / plain as f64 - self.wire_part);
        let known = LEVELS.iter().find(|(level, _)| effort == Effort::Level(*level));
        // A simulated clock stands still, which is no measurement. zstd gives up early on incompressible bytes, so that
        // their speed says nothing about the speed on compressible ones.
        if let Some((_, speed)) = known.filter(|_| !took.is_zero() && wire < plain) {
            self.host += WEIGHT * (plain as f64 / took.as_secs_f64() / speed - self.host);
        }
    }

    /// Records a round.
    ///
    /// If the compressor limits the transfer at its lowest level, storing is tried, provided that the link seems to have
    /// room for it. From then on the mode by which more arrived is used.
    pub fn round(&mut self, round: Round) {
        let Modes { stored, compressed } = std::mem::take(&mut self.packed);
        let stores = match (stored > MOSTLY * compressed, compressed > MOSTLY * stored) {
            (false, false) => None,
            (stores, _) => Some(stores),
        };
        // Bytes that arrive in the first round after a change were mostly sent before it.
        let is_steady = stores == std::mem::replace(&mut self.before, stores);
        let rates = &mut self.rates;
        match stores.filter(|_| is_steady) {
            Some(true) => {
                rates.stored = Some(round.rate);
                rates.compressed = rates.compressed.map(|rate| rate * REGAIN);
                self.stores = rates.compressed.map(|rate| rate < round.rate).or(self.stores);
            }
            Some(false) if round.packing_limits => {
                rates.compressed = Some(round.rate);
                rates.stored = rates.stored.map(|rate| rate * REGAIN);
                self.stores = Some(rates.stored.unwrap_or(round.reach / ROOM) > round.rate);
            }
            _ => {}
        }
    }

    /// Estimates the bytes on the wire of `plain` bytes from the recent ratio.
    pub fn wire(&self, plain: f64) -> f64 {
        plain * self.wire_part
    }

    /// Chooses the effort for a link of `link` bytes per second on the wire: the highest level that is [`HEADROOM`] times
    /// faster than the link. If none is, level 1 or storing, whichever was measured to be faster; before such a
    /// measurement, storing if the link is faster than level 1.
    pub fn choose(&self, link: f64) -> Effort {
        let needed = HEADROOM * link / self.wire_part.max(0.01);
        let kept_up = LEVELS.iter().rev().find(|(_, speed)| speed * self.host >= needed);
        match kept_up {
            Some((level, _)) => Effort::Level(*level),
            None if self.stores.unwrap_or(LEVELS[0].1 * self.host < link) => Effort::Store,
            None => Effort::Level(LEVELS[0].0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MBIT: f64 = 125_000.0;
    const CHUNK: usize = 128 << 10;

    /// A host as slow as the one that was measured, and bytes that shrink to a third.
    fn compressible() -> Compressor {
        Compressor { wire_part: 0.32, ..Compressor::default() }
    }

    #[test]
    fn a_slow_link_gets_the_cpu_and_a_fast_one_spares_it() {
        let levels = [1.0, 20.0, 100.0, 400.0, 1000.0, 4000.0].map(|mbit| compressible().choose(mbit * MBIT));
        use Effort::{Level, Store};
        assert_eq!(levels, [Level(19), Level(9), Level(3), Level(1), Level(1), Store]);
    }

    #[test]
    fn a_faster_link_never_gets_more_effort() {
        let rank = |effort| match effort {
            Effort::Store => 0,
            Effort::Level(level) => level,
        };
        let ranks: Vec<i32> = (0..200).map(|n| rank(compressible().choose(1e4 * 1.08_f64.powi(n)))).collect();
        assert!(ranks.is_sorted_by(|slower, faster| slower >= faster), "{ranks:?}");
    }

    #[test]
    fn a_host_that_compresses_slowly_is_asked_for_less() {
        let mut compressor = compressible();
        for _ in 0..60 {
            // A quarter of the speed of the measured host, at level 3.
            let took = Duration::from_secs_f64(CHUNK as f64 / (224e6 / 4.0));
            compressor.packed(Effort::Level(3), CHUNK, CHUNK / 3, took);
        }
        assert_eq!(compressor.choose(100.0 * MBIT), Effort::Level(1));
        assert_eq!(compressor.choose(800.0 * MBIT), Effort::Store);
    }

    #[test]
    fn what_shrinks_asks_the_compressor_for_more_than_what_does_not() {
        // The same link takes three times the plain bytes, if they shrink to a third.
        assert_eq!(Compressor::default().choose(100.0 * MBIT), Effort::Level(9));
        assert_eq!(compressible().choose(100.0 * MBIT), Effort::Level(3));
    }

    /// Goes through rounds on a link of `reach` bytes per second, on which so many become durable either way, the
    /// compressor doing what it can; returns in how many frames were stored.
    fn stored_rounds(rates: Modes<f64>, reach: f64, rounds: usize) -> usize {
        let mut compressor = compressible();
        let choose = |compressor: &Compressor| compressor.choose(2.0 * compressor.wire(rates.compressed));
        let stored = |_| {
            let effort = choose(&compressor);
            let is_stored = effort == Effort::Store;
            (0..8).for_each(|_| {
                compressor.packed(effort, CHUNK, if is_stored { CHUNK } else { CHUNK / 3 }, Duration::ZERO)
            });
            let rate = if is_stored { rates.stored } else { rates.compressed };
            compressor.round(Round { rate, packing_limits: !is_stored, reach });
            is_stored
        };
        (0..rounds).map(stored).filter(|is_stored| *is_stored).count()
    }

    #[test]
    fn where_the_compressor_limits_the_way_is_taken_by_which_more_arrives() {
        let (slow, fast) = (180e6, 250e6);
        let stored = stored_rounds(Modes { stored: fast, compressed: slow }, 800e6, 100);
        assert!(stored >= 85, "{stored} of 100 rounds stored where that is faster");
        let stored = stored_rounds(Modes { stored: slow, compressed: fast }, 800e6, 100);
        assert!((2..=15).contains(&stored), "{stored} of 100 rounds stored where that is slower, and has to be tried");
    }

    #[test]
    fn storing_is_not_even_tried_where_the_link_has_no_room_for_it() {
        assert_eq!(stored_rounds(Modes { stored: 62e6, compressed: 100e6 }, 130e6, 100), 0);
    }

    #[test]
    fn rounds_with_both_ways_or_other_levels_or_a_slow_link_tell_of_neither_way() {
        let efforts = [[Effort::Store, Effort::Level(1)], [Effort::Level(3); 2], [Effort::Level(1); 2]];
        for (efforts, packing_limits) in efforts.into_iter().zip([true, true, false]) {
            let mut compressor = compressible();
            for _ in 0..4 {
                efforts.iter().for_each(|effort| compressor.packed(*effort, CHUNK, CHUNK, Duration::ZERO));
                compressor.round(Round { rate: 1e8, packing_limits, reach: 1e9 });
            }
            assert_eq!(compressor.stores, None, "{efforts:?}");
        }
    }

    #[test]
    fn of_what_does_not_compress_one_frame_in_four_is_tried_where_time_is_short() {
        let (mut compressibility, least) = (Compressibility::default(), Effort::Level(1));
        let tried = |compressibility: &mut Compressibility, frames: usize| {
            let try_one = |_| {
                let effort = compressibility.advise(least);
                compressibility.packed(effort, true);
                effort == least
            };
            (0..frames).map(try_one).filter(|is_tried| *is_tried).count()
        };
        assert_eq!(tried(&mut compressibility, 8), 8, "until that is how the blob is");
        assert_eq!(tried(&mut compressibility, 40), 10);
        assert!(compressibility.is_doubtful());
        assert_eq!(compressibility.advise(Effort::Level(3)), Effort::Level(3), "with time to spare all are tried");
        compressibility.packed(least, false);
        assert_eq!(tried(&mut compressibility, 8), 8, "one that compresses ends it");
    }

    #[test]
    fn a_clock_that_stands_still_measures_no_speed() {
        let mut compressor = Compressor::default();
        compressor.packed(Effort::Level(3), CHUNK, CHUNK / 3, Duration::ZERO);
        assert_eq!(compressor.host, 1.0);
    }
}
