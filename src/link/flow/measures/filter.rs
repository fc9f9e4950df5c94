//! Windowed maximum and minimum filters.

use std::time::{Duration, Instant};

/// The maximum of recent samples. The caller supplies the clock: time with data to send, which stands still while the
/// connection is idle.
#[derive(Debug, Clone, Default)]
pub(in crate::link::flow) struct MaxFilter {
    /// Samples in order of time, the newest last. A greater sample removes all smaller ones before it.
    samples: Vec<(Duration, f64)>,
}

/// Maximum number of samples. The greatest always stays; more followers would differ too little to matter.
const SAMPLES_MAX: usize = 32;

impl MaxFilter {
    /// Adds a sample and drops those older than `window`.
    pub(in crate::link::flow) fn insert(&mut self, clock: Duration, window: Duration, sample: f64) {
        self.samples.retain(|(at, kept)| *kept > sample && clock.saturating_sub(*at) <= window);
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop();
        }
        self.samples.push((clock, sample));
    }

    /// Returns the maximum.
    pub(in crate::link::flow) fn get(&self) -> Option<f64> {
        self.samples.first().map(|(_, sample)| *sample)
    }

    /// Replaces all samples with `sample`.
    pub(in crate::link::flow) fn reset(&mut self, clock: Duration, sample: f64) {
        self.samples = vec![(clock, sample)];
    }
}

/// The minimum of recent round trips, kept for two half windows.
#[derive(Debug, Clone, Default)]
pub(in crate::link::flow) struct MinRtt {
    begun: Option<Instant>,
    before: Option<Duration>,
    now: Option<Duration>,
}

impl MinRtt {
    /// Adds a sample. Samples older than `window` no longer count.
    pub(in crate::link::flow) fn insert(&mut self, at: Instant, window: Duration, sample: Duration) {
        let begun = *self.begun.get_or_insert(at);
        if at.saturating_duration_since(begun) > window / 2 {
            self.before = self.now.take();
            self.begun = Some(at);
        }
        self.now = Some(self.now.map_or(sample, |least| least.min(sample)));
    }

    /// Returns the minimum.
    pub(in crate::link::flow) fn get(&self) -> Option<Duration> {
        self.before.into_iter().chain(self.now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_goes_when_its_time_is_over() {
        let (second, mut filter) = (Duration::from_secs, MaxFilter::default());
        filter.insert(second(0), second(3), 9.0);
        filter.insert(second(1), second(3), 5.0);
        filter.insert(second(2), second(3), 7.0);
        assert_eq!(filter.get(), Some(9.0));
        filter.insert(second(4), second(3), 1.0);
        assert_eq!(filter.get(), Some(7.0), "the 5 was not greater than what followed it");
    }

    #[test]
    fn a_longer_way_is_believed_after_a_while() {
        let (begin, window, mut filter) = (Instant::now(), Duration::from_secs(10), MinRtt::default());
        let ms = Duration::from_millis;
        filter.insert(begin, window, ms(20));
        filter.insert(begin + ms(6_000), window, ms(80));
        assert_eq!(filter.get(), Some(ms(20)));
        filter.insert(begin + ms(12_000), window, ms(80));
        assert_eq!(filter.get(), Some(ms(80)));
    }
}
