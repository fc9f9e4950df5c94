//! Estimates whether making, sending and applying a patch takes less time than sending the blob.

use std::time::Duration;

use crate::patch::Survey;

/// Bytes per second of one thread of the reference host, a slow one: making and applying a patch of archive members that
/// could be inflated (opened), then the same for raw bytes.
const MAKE: f64 = 11e6;
const APPLY: f64 = 18e6;
const MAKE_RAW: f64 = 40e6;
const APPLY_RAW: f64 = 200e6;
/// Bytes of a patch per missing byte, before one has been made.
const PART: f64 = 0.5;
/// A patch is made if its estimated time is below this part of the time that sending takes. A smaller gain is not worth
/// the work of two hosts.
const EXPECTED_MAX: f64 = 0.8;
/// The same limit for a patch that is made, whose size is known.
const MADE_MAX: f64 = 0.99;
/// Weight of a new measurement in a moving average.
const WEIGHT: f64 = 0.3;
/// Bounds of a host's measured speed, relative to the reference host.
const HOST: std::ops::RangeInclusive<f64> = 0.1..=20.0;
/// Jobs that take the reference host fewer seconds are not timed: the clock is too coarse for them.
const TIMED_S_MIN: f64 = 0.05;

/// The work of a patch for one blob.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Job {
    /// Bytes to open and to compare.
    pub survey: Survey,
    /// Bytes on the wire if the blob's chunks are sent instead.
    pub wire: f64,
}

impl Job {
    fn make_s(&self) -> f64 {
        self.survey.opened as f64 / MAKE + self.survey.raw as f64 / MAKE_RAW
    }

    fn apply_s(&self) -> f64 {
        self.survey.opened as f64 / APPLY + self.survey.raw as f64 / APPLY_RAW
    }
}

/// Measured costs of patches to one peer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatchCost {
    /// Speed at which this host makes patches, relative to the reference host.
    here: f64,
    /// Speed at which the target applies them, relative to the reference host.
    there: f64,
    /// Bytes of a patch per missing byte: of blobs that are mostly opened, and of those that are mostly raw.
    opened_part: f64,
    raw_part: f64,
}

impl Default for PatchCost {
    fn default() -> Self {
        Self { here: 1.0, there: 1.0, opened_part: PART, raw_part: PART }
    }
}

impl PatchCost {
    /// Reports whether a patch is expected to be clearly faster than sending, on a link of `rate` bytes per second.
    pub fn promises(&self, job: &Job, rate: f64) -> bool {
        let part = if is_opened(&job.survey) { self.opened_part } else { self.raw_part };
        let work_s = job.make_s() / self.here + job.apply_s() / self.there;
        work_s + job.wire * part / rate < EXPECTED_MAX * job.wire / rate
    }

    /// Reports whether a finished patch of `patch_bytes` is faster than sending, on a link of `rate` bytes per second.
    pub fn pays(&self, job: &Job, patch_bytes: u64, rate: f64) -> bool {
        job.apply_s() / self.there + patch_bytes as f64 / rate < MADE_MAX * job.wire / rate
    }

    /// Records the size of a patch, and the time that making it took.
    pub fn made(&mut self, job: &Job, patch_bytes: u64, took: Duration) {
        let part = if is_opened(&job.survey) { &mut self.opened_part } else { &mut self.raw_part };
        learn(part, patch_bytes as f64 / job.wire.max(1.0), 0.0..=1.0);
        learn_speed(&mut self.here, job.make_s(), took);
    }

    /// Records the time in which the target applied a patch.
    pub fn applied(&mut self, job: &Job, took: Duration) {
        learn_speed(&mut self.there, job.apply_s(), took);
    }
}

fn is_opened(survey: &Survey) -> bool {
    survey.opened >= survey.raw
}

fn learn(known: &mut f64, seen: f64, within: std::ops::RangeInclusive<f64>) {
    *known += WEIGHT * (seen.clamp(*within.start(), *within.end()) - *known);
}

fn learn_speed(known: &mut f64, expected_s: f64, took: Duration) {
    // A simulated clock stands still, which is no measurement.
    if expected_s >= TIMED_S_MIN && !took.is_zero() {
        learn(known, expected_s / took.as_secs_f64(), HOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MBIT: f64 = 125_000.0;

    /// A wheel of Go binaries, in its next patch release.
    fn wheel() -> Job {
        Job { survey: Survey { lacking: 35_393_483, opened: 94_051_979, raw: 0 }, wire: 33.3e6 }
    }

    #[test]
    fn a_slow_link_gets_a_patch_and_a_fast_one_the_chunks() {
        let cost = PatchCost::default();
        let promised = [1.0, 4.0, 100.0, 1000.0].map(|mbit| cost.promises(&wheel(), mbit * MBIT));
        assert_eq!(promised, [true, true, false, false]);
    }

    #[test]
    fn a_faster_link_never_gets_a_patch_where_a_slower_one_gets_none() {
        let cost = PatchCost::default();
        let promised: Vec<bool> = (0..200).map(|n| cost.promises(&wheel(), 1e4 * 1.08_f64.powi(n))).collect();
        assert!(promised[0] && promised.is_sorted_by(|slower, faster| slower >= faster), "{promised:?}");
    }

    #[test]
    fn what_patches_of_a_kind_came_to_is_expected_of_the_next() {
        // What cannot be opened hardly shrinks: after a few of them none is made any more.
        let deb = Job { survey: Survey { lacking: 25_903_404, opened: 0, raw: 25_903_404 }, wire: 24.4e6 };
        let mut cost = PatchCost::default();
        assert!(cost.promises(&deb, 4.0 * MBIT));
        for _ in 0..6 {
            cost.made(&deb, 23_847_912, Duration::from_millis(700));
        }
        assert!(!cost.promises(&deb, 4.0 * MBIT));
        // That says nothing of what can be opened.
        assert!(cost.promises(&wheel(), 4.0 * MBIT));
    }

    #[test]
    fn a_slow_target_is_asked_for_less() {
        let mut cost = PatchCost::default();
        assert!(cost.pays(&wheel(), 1_250_712, 20.0 * MBIT));
        for _ in 0..20 {
            cost.applied(&wheel(), Duration::from_secs(30));
        }
        assert!(!cost.pays(&wheel(), 1_250_712, 20.0 * MBIT));
        assert!(cost.pays(&wheel(), 1_250_712, 2.0 * MBIT));
    }

    #[test]
    fn a_clock_that_stands_still_measures_no_speed() {
        let mut cost = PatchCost::default();
        cost.applied(&wheel(), Duration::ZERO);
        assert_eq!(cost, PatchCost::default());
    }
}
