//! How hard chunks are compressed: as hard as the link leaves time for.

use std::time::Duration;

/// Levels of zstd, and the plain bytes per second that one thread of a slow host compresses at each, in frames of 64 to
/// 256 KiB of binaries. 12 gains nothing over 9.
const LEVELS: [(i32, f64); 6] = [(1, 276e6), (3, 224e6), (6, 90e6), (9, 58e6), (15, 9e6), (19, 2.2e6)];
/// How much faster than the link a level has to be: what is left is for everything else a host does.
const HEADROOM: f64 = 3.0;
/// What a new measurement counts beside those before it.
const WEIGHT: f64 = 0.2;
/// Plain bytes below which a frame tells more of the clock than of the compressor.
const TIMED_BYTES_MIN: usize = 16 << 10;

/// How hard a frame is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Not at all: the link is faster than the compressor.
    Store,
    /// At a level of zstd.
    Level(i32),
}

/// What decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauge {
    /// How fast this host compresses, by the host that [`LEVELS`] tells of.
    host: f64,
    /// Bytes on the wire by plain bytes, of late.
    wire_part: f64,
}

impl Default for Gauge {
    fn default() -> Self {
        Self { host: 1.0, wire_part: 1.0 }
    }
}

impl Gauge {
    /// Takes in how a frame was compressed, and how long that took.
    pub fn packed(&mut self, effort: Effort, plain: usize, wire: usize, took: Duration) {
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

    /// Returns the bytes on the wire that `plain` bytes make, going by those of late.
    pub fn wire(&self, plain: f64) -> f64 {
        plain * self.wire_part
    }

    /// Chooses for a link that takes `link` bytes per second: the highest level that can be kept up with room to
    /// spare; level 1 as long as the link is slower than that; else nothing.
    pub fn choose(&self, link: f64) -> Effort {
        let needed = HEADROOM * link / self.wire_part.max(0.01);
        let kept_up = LEVELS.iter().rev().find(|(_, speed)| speed * self.host >= needed);
        match kept_up {
            Some((level, _)) => Effort::Level(*level),
            None if LEVELS[0].1 * self.host >= link => Effort::Level(LEVELS[0].0),
            None => Effort::Store,
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

    #[test]
    fn a_clock_that_stands_still_measures_no_speed() {
        let mut gauge = Gauge::default();
        gauge.packed(Effort::Level(3), CHUNK, CHUNK / 3, Duration::ZERO);
        assert_eq!(gauge.host, 1.0);
    }
}
