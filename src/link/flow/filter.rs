//! The greatest and the least of what was seen of late.

use std::time::{Duration, Instant};

/// The greatest sample of the last while. The clock is the caller's: busy time, of which an idle connection has none.
#[derive(Debug, Clone, Default)]
pub(super) struct MaxFilter {
    /// Newest last; a sample is dropped once a greater one has come after it.
    samples: Vec<(Duration, f64)>,
}

/// Samples kept. The greatest stays in any case; of those that wait to follow it, more would not be told apart.
const SAMPLES_MAX: usize = 32;

impl MaxFilter {
    /// Takes a sample in and forgets those older than `window`.
    pub(super) fn insert(&mut self, clock: Duration, window: Duration, sample: f64) {
        self.samples.retain(|(at, kept)| *kept > sample && clock.saturating_sub(*at) <= window);
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop();
        }
        self.samples.push((clock, sample));
    }

    /// Returns the greatest.
    pub(super) fn get(&self) -> Option<f64> {
        self.samples.first().map(|(_, sample)| *sample)
    }

    /// Forgets everything but `sample`.
    pub(super) fn reset(&mut self, clock: Duration, sample: f64) {
        self.samples = vec![(clock, sample)];
    }
}

/// The least round trip of the last while, in two halves of it.
#[derive(Debug, Clone, Default)]
pub(super) struct MinRtt {
    begun: Option<Instant>,
    before: Option<Duration>,
    now: Option<Duration>,
}

impl MinRtt {
    /// Takes a sample in; what is older than `window` no longer counts.
    pub(super) fn insert(&mut self, at: Instant, window: Duration, sample: Duration) {
        let begun = *self.begun.get_or_insert(at);
        if at.saturating_duration_since(begun) > window / 2 {
            self.before = self.now.take();
            self.begun = Some(at);
        }
        self.now = Some(self.now.map_or(sample, |least| least.min(sample)));
    }

    /// Returns the least.
    pub(super) fn get(&self) -> Option<Duration> {
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
