//! Chooses the compression level of chunks by the time that the link leaves for it.

use std::time::Duration;

use super::window::Round;

/// Levels of zstd, and the plain bytes per second that one thread of a slow host compresses at each, in frames of 64 to
/// 256 KiB of binaries. 12 gains nothing over 9.
const LEVELS: [(i32, f64); 6] = [(1, 276e6), (3, 224e6), (6, 90e6), (9, 58e6), (15, 9e6), (19, 2.2e6)];
/// How much faster than the link a level has to be: what is left is for everything else a host does.
const HEADROOM: f64 = 3.0;
/// What a new measurement counts beside those before it.
const WEIGHT: f64 = 0.2;
/// Plain bytes below which a frame tells more of the clock than of the compressor.
const TIMED_BYTES_MIN: usize = 16 << 10;

/// How much more one kind of frames has to be than the other for a round to tell of them alone.
const MOSTLY: u64 = 8;
/// How much more than what arrives compressed QUIC's window has to let pass for the link to have room for it stored. A
/// window that fills a link is up to two round trips' worth of it.
const ROOM: f64 = 1.5;
/// What each round adds to what is remembered of the way that was not taken, so that it is tried again some time.
const REGAIN: f64 = 1.01;

/// Frames in a row that did not compress, after which not all are tried where the compressor has no time to spare: to
/// try takes a tenth of what a source does with them.
const REFUSED_MANY: u32 = 8;
/// Frames that go untried then between two that are not: 768 KiB of what would compress, should it begin there.
const UNTRIED_MAX: u32 = 3;

/// How hard a frame is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Not at all: the link is faster than the compressor.
    Store,
    /// At a level of zstd.
    Level(i32),
}

/// Whether a blob is worth the effort.
#[derive(Debug, Clone, Copy, Default)]
pub struct Doubt {
    /// Frames in a row that did not compress.
    refused: u32,
    /// Frames since that were not tried.
    untried: u32,
}

impl Doubt {
    /// Reports whether the last frame that was tried did not compress.
    pub fn is_there(&self) -> bool {
        self.refused > 0
    }

    /// Returns how hard the blob's next frame is compressed, where `effort` is as the link wants it.
    pub fn advise(&self, effort: Effort) -> Effort {
        let is_spared = self.refused >= REFUSED_MANY && self.untried < UNTRIED_MAX;
        if is_spared && effort == Effort::Level(LEVELS[0].0) { Effort::Store } else { effort }
    }

    /// Takes in how a frame was compressed, and whether it was `stored` all the same.
    pub fn packed(&mut self, effort: Effort, stored: bool) {
        *self = match (effort, stored) {
            (Effort::Store, _) => Self { untried: self.untried + 1, ..*self },
            (_, true) => Self { refused: self.refused + 1, untried: 0 },
            (_, false) => Self::default(),
        };
    }
}

/// What decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauge {
    /// How fast this host compresses, by the host that [`LEVELS`] tells of.
    host: f64,
    /// Bytes on the wire by plain bytes, of late.
    wire_part: f64,
    /// Plain bytes packed in this round; those of higher levels in both places.
    packed: Ways<u64>,
    /// Whether the last round had stored frames alone, or compressed ones.
    before: Option<bool>,
    /// Plain bytes per second that became durable either way, where it was not the link that limited.
    rates: Ways<Option<f64>>,
    /// Whether frames are stored where no level can be kept up with to spare; nothing before that was measured.
    stores: Option<bool>,
}

/// Something of both ways to send.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Ways<T> {
    stored: T,
    compressed: T,
}

impl Default for Gauge {
    fn default() -> Self {
        let (packed, rates) = (Ways::default(), Ways::default());
        Self { host: 1.0, wire_part: 1.0, packed, before: None, rates, stores: None }
    }
}

impl Gauge {
    /// Takes in how a frame was compressed, and how long that took.
    pub fn packed(&mut self, effort: Effort, plain: usize, wire: usize, took: Duration) {
        // Rounds with frames of another level, which takes its time, tell of neither way.
        let does_least = effort == Effort::Level(LEVELS[0].0);
        self.packed.stored += if does_least { 0 } else { plain as u64 };
        self.packed.compressed += if effort == Effort::Store { 0 } else { plain as u64 };
        if plain < TIMED_BYTES_MIN {
            return;
        }
        self.wire_part += WEIGHT * (wire as f64 / plain as f64 - self.wire_part);
        let known = LEVELS.iter().find(|(level, _)| effort == Effort::Level(*level));
        // No time at all passes where the clock is simulated, and that is no speed. What does not shrink is given up
        // early, and tells nothing of what does.
        if let Some((_, speed)) = known.filter(|_| !took.is_zero() && wire < plain) {
            self.host += WEIGHT * (plain as f64 / took.as_secs_f64() / speed - self.host);
        }
    }

    /// Takes in a round.
    ///
    /// Where the compressor limits although it does the least that it can, the other way is tried, if the link seems to
    /// have room for it; from then on the one is taken by which more arrived.
    pub fn round(&mut self, round: Round) {
        let Ways { stored, compressed } = std::mem::take(&mut self.packed);
        let stores = match (stored > MOSTLY * compressed, compressed > MOSTLY * stored) {
            (false, false) => None,
            (stores, _) => Some(stores),
        };
        // What arrives in the first round after a change was mostly sent before it.
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

    /// Returns the bytes on the wire that `plain` bytes make, going by those of late.
    pub fn wire(&self, plain: f64) -> f64 {
        plain * self.wire_part
    }

    /// Chooses for a link that takes `link` bytes per second: the highest level that can be kept up with room to
    /// spare; else level 1 or nothing, by what has been measured of both, and before that by which is faster, this level
    /// or the link.
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
    fn compressible() -> Gauge {
        Gauge { wire_part: 0.32, ..Gauge::default() }
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
        let mut gauge = compressible();
        for _ in 0..60 {
            // A quarter of the speed of the measured host, at level 3.
            let took = Duration::from_secs_f64(CHUNK as f64 / (224e6 / 4.0));
            gauge.packed(Effort::Level(3), CHUNK, CHUNK / 3, took);
        }
        assert_eq!(gauge.choose(100.0 * MBIT), Effort::Level(1));
        assert_eq!(gauge.choose(800.0 * MBIT), Effort::Store);
    }

    #[test]
    fn what_shrinks_asks_the_compressor_for_more_than_what_does_not() {
        // The same link takes three times the plain bytes, if they shrink to a third.
        assert_eq!(Gauge::default().choose(100.0 * MBIT), Effort::Level(9));
        assert_eq!(compressible().choose(100.0 * MBIT), Effort::Level(3));
    }

    /// Goes through rounds on a link of `reach` bytes per second, on which so many become durable either way, the
    /// compressor doing what it can; returns in how many frames were stored.
    fn stored_rounds(rates: Ways<f64>, reach: f64, rounds: usize) -> usize {
        let mut gauge = compressible();
        let choose = |gauge: &Gauge| gauge.choose(2.0 * gauge.wire(rates.compressed));
        let stored = |_| {
            let effort = choose(&gauge);
            let is_stored = effort == Effort::Store;
            (0..8).for_each(|_| gauge.packed(effort, CHUNK, if is_stored { CHUNK } else { CHUNK / 3 }, Duration::ZERO));
            let rate = if is_stored { rates.stored } else { rates.compressed };
            gauge.round(Round { rate, packing_limits: !is_stored, reach });
            is_stored
        };
        (0..rounds).map(stored).filter(|is_stored| *is_stored).count()
    }

    #[test]
    fn where_the_compressor_limits_the_way_is_taken_by_which_more_arrives() {
        let (slow, fast) = (180e6, 250e6);
        let stored = stored_rounds(Ways { stored: fast, compressed: slow }, 800e6, 100);
        assert!(stored >= 85, "{stored} of 100 rounds stored where that is faster");
        let stored = stored_rounds(Ways { stored: slow, compressed: fast }, 800e6, 100);
        assert!((2..=15).contains(&stored), "{stored} of 100 rounds stored where that is slower, and has to be tried");
    }

    #[test]
    fn storing_is_not_even_tried_where_the_link_has_no_room_for_it() {
        assert_eq!(stored_rounds(Ways { stored: 62e6, compressed: 100e6 }, 130e6, 100), 0);
    }

    #[test]
    fn rounds_with_both_ways_or_other_levels_or_a_slow_link_tell_of_neither_way() {
        let efforts = [[Effort::Store, Effort::Level(1)], [Effort::Level(3); 2], [Effort::Level(1); 2]];
        for (efforts, packing_limits) in efforts.into_iter().zip([true, true, false]) {
            let mut gauge = compressible();
            for _ in 0..4 {
                efforts.iter().for_each(|effort| gauge.packed(*effort, CHUNK, CHUNK, Duration::ZERO));
                gauge.round(Round { rate: 1e8, packing_limits, reach: 1e9 });
            }
            assert_eq!(gauge.stores, None, "{efforts:?}");
        }
    }

    #[test]
    fn of_what_does_not_compress_one_frame_in_four_is_tried_where_time_is_short() {
        let (mut doubt, least) = (Doubt::default(), Effort::Level(1));
        let tried = |doubt: &mut Doubt, frames: usize| {
            let try_one = |_| {
                let effort = doubt.advise(least);
                doubt.packed(effort, true);
                effort == least
            };
            (0..frames).map(try_one).filter(|is_tried| *is_tried).count()
        };
        assert_eq!(tried(&mut doubt, 8), 8, "until that is how the blob is");
        assert_eq!(tried(&mut doubt, 40), 10);
        assert!(doubt.is_there());
        assert_eq!(doubt.advise(Effort::Level(3)), Effort::Level(3), "with time to spare all are tried");
        doubt.packed(least, false);
        assert_eq!(tried(&mut doubt, 8), 8, "one that compresses ends it");
    }

    #[test]
    fn a_clock_that_stands_still_measures_no_speed() {
        let mut gauge = Gauge::default();
        gauge.packed(Effort::Level(3), CHUNK, CHUNK / 3, Duration::ZERO);
        assert_eq!(gauge.host, 1.0);
    }
}
