//! Estimates whether a patch takes less time than sending the blob.

use std::time::Duration;

use crate::patch::Survey;

/// Opened bytes per second that one thread of a slow host proves and compares, and deflates again; then bytes that cannot be
/// opened, likewise.
const MAKE: f64 = 11e6;
const APPLY: f64 = 18e6;
const MAKE_RAW: f64 = 40e6;
const APPLY_RAW: f64 = 200e6;
/// Bytes of a patch to each that is lacking, before one has been seen.
const PART: f64 = 0.5;
/// What a patch may take of the time that sending takes, by what is expected of it: less is not worth two hosts' work.
const EXPECTED_MAX: f64 = 0.8;
/// Likewise once it is made, and its size is known.
const MADE_MAX: f64 = 0.99;
/// What a new measurement counts beside those before it.
const WEIGHT: f64 = 0.3;
/// How much slower or faster a host may be taken to be than that slow one.
const HOST: std::ops::RangeInclusive<f64> = 0.1..=20.0;
/// Seconds of the slow host below which a job tells more of the clock than of a host.
const TIMED_S_MIN: f64 = 0.05;

/// What there is to do for a blob.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Job {
    /// What is opened and compared.
    pub survey: Survey,
    /// Bytes that sending its chunks would put on the wire.
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

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauge {
    /// How fast this host makes patches, by that slow host.
    here: f64,
    /// How fast a target applies them.
    there: f64,
    /// Bytes of a patch to each that is lacking, where most can be opened, and where most cannot.
    opened_part: f64,
    raw_part: f64,
}

impl Default for Gauge {
    fn default() -> Self {
        Self { here: 1.0, there: 1.0, opened_part: PART, raw_part: PART }
    }
}

impl Gauge {
    /// Reports whether a patch can be expected to be clearly faster on a link of `rate` bytes per second.
    pub fn promises(&self, job: &Job, rate: f64) -> bool {
        let part = if is_opened(&job.survey) { self.opened_part } else { self.raw_part };
        let work_s = job.make_s() / self.here + job.apply_s() / self.there;
        work_s + job.wire * part / rate < EXPECTED_MAX * job.wire / rate
    }

    /// Reports whether a patch of so many bytes, which has been made, is faster than sending.
    pub fn pays(&self, job: &Job, patch_bytes: u64, rate: f64) -> bool {
        job.apply_s() / self.there + patch_bytes as f64 / rate < MADE_MAX * job.wire / rate
    }

    /// Learns from a patch that was made.
    pub fn made(&mut self, job: &Job, patch_bytes: u64, took: Duration) {
        let part = if is_opened(&job.survey) { &mut self.opened_part } else { &mut self.raw_part };
        learn(part, patch_bytes as f64 / job.wire.max(1.0), 0.0..=1.0);
        learn_speed(&mut self.here, job.make_s(), took);
    }

    /// Learns from one that a target has applied.
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
    // No time at all passes where the clock is simulated, and that is no speed.
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
        let gauge = Gauge::default();
        let promised = [1.0, 4.0, 100.0, 1000.0].map(|mbit| gauge.promises(&wheel(), mbit * MBIT));
        assert_eq!(promised, [true, true, false, false]);
    }

    #[test]
    fn a_faster_link_never_gets_a_patch_where_a_slower_one_gets_none() {
        let gauge = Gauge::default();
        let promised: Vec<bool> = (0..200).map(|n| gauge.promises(&wheel(), 1e4 * 1.08_f64.powi(n))).collect();
        assert!(promised[0] && promised.is_sorted_by(|slower, faster| slower >= faster), "{promised:?}");
    }

    #[test]
    fn what_patches_of_a_kind_came_to_is_expected_of_the_next() {
        // What cannot be opened hardly shrinks: after a few of them none is made any more.
        let deb = Job { survey: Survey { lacking: 25_903_404, opened: 0, raw: 25_903_404 }, wire: 24.4e6 };
        let mut gauge = Gauge::default();
        assert!(gauge.promises(&deb, 4.0 * MBIT));
        for _ in 0..6 {
            gauge.made(&deb, 23_847_912, Duration::from_millis(700));
        }
        assert!(!gauge.promises(&deb, 4.0 * MBIT));
        // That says nothing of what can be opened.
        assert!(gauge.promises(&wheel(), 4.0 * MBIT));
    }

    #[test]
    fn a_slow_target_is_asked_for_less() {
        let mut gauge = Gauge::default();
        assert!(gauge.pays(&wheel(), 1_250_712, 20.0 * MBIT));
        for _ in 0..20 {
            gauge.applied(&wheel(), Duration::from_secs(30));
        }
        assert!(!gauge.pays(&wheel(), 1_250_712, 20.0 * MBIT));
        assert!(gauge.pays(&wheel(), 1_250_712, 2.0 * MBIT));
    }

    #[test]
    fn a_clock_that_stands_still_measures_no_speed() {
        let mut gauge = Gauge::default();
        gauge.applied(&wheel(), Duration::ZERO);
        assert_eq!(gauge, Gauge::default());
    }
}
