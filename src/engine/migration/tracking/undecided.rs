//! Measures for how long a migration has been undecided, also when the wall clock is set.

use tokio::time::Instant;

/// For how long a migration has been undecided. The clock on the wall may be set meanwhile, and is asked only for the
/// time before this process began.
#[derive(Debug, Clone, Copy)]
pub struct Undecided {
    from: Instant,
    /// How long it had been so then, milliseconds.
    before_ms: u64,
}

impl Undecided {
    /// `since_ms`, `now_ms`: since when, and now, by the clock on the wall.
    pub fn before(since_ms: u64, now_ms: u64) -> Self {
        Self { from: Instant::now(), before_ms: now_ms.saturating_sub(since_ms) }
    }

    /// Returns for how long, milliseconds. `since_ms`, `now_ms`: as before, now.
    pub fn for_ms(self, since_ms: u64, now_ms: u64) -> u64 {
        let here_ms = u64::try_from(self.from.elapsed().as_millis()).unwrap_or(u64::MAX);
        // If the clock was ahead at the start and has come back, it tells less.
        let all_ms = self.before_ms.saturating_add(here_ms).min(now_ms.saturating_sub(since_ms));
        // To the second, so that not every look is a change.
        all_ms.max(here_ms) / 1000 * 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_does_not_put_a_migration_in_doubt() {
        // A clock that was ten days ahead for a moment made every undecided migration "in doubt for 240h".
        const TEN_DAYS_MS: u64 = 864_000_000;
        let (since_ms, real) = (1_795_000_000_000, 700);
        let seen = Undecided::before(since_ms, since_ms);
        assert_eq!(seen.for_ms(since_ms, since_ms + TEN_DAYS_MS + real), 0, "the clock went ahead meanwhile");
        assert_eq!(seen.for_ms(since_ms, since_ms - TEN_DAYS_MS), 0, "it went back");
        let restarted = Undecided::before(since_ms, since_ms + 90_000);
        assert_eq!(restarted.for_ms(since_ms, since_ms + 90_000), 90_000, "the time that no agent ran counts");
        assert_eq!(restarted.for_ms(since_ms, since_ms + TEN_DAYS_MS), 90_000);
        let ahead = Undecided::before(since_ms, since_ms + TEN_DAYS_MS);
        assert_eq!(ahead.for_ms(since_ms, since_ms + 2_000), 2_000, "it was ahead when the agent started");
    }
}
