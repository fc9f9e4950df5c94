//! Lets agents through to the destination no faster than that admits them: an agent that is told `try again` twenty times fails
//! its migration.

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::Admission;

/// Counts whom it has let through.
#[derive(Default)]
pub(super) struct Turnstile {
    /// When all who were let through will have been admitted, at one in each interval.
    paid_until: Mutex<Option<Instant>>,
}

impl Turnstile {
    /// Waits for a turn.
    pub async fn pass(&self, admission: Admission) {
        sleep_until(self.turn(admission, Instant::now())).await;
    }

    /// Returns when the next one may pass, who counts as having passed.
    fn turn(&self, Admission { burst, every }: Admission, now: Instant) -> Instant {
        if burst == 0 {
            return now;
        }
        let mut paid_until = self.paid_until.lock();
        let paid = paid_until.unwrap_or(now).max(now) + every;
        *paid_until = Some(paid);
        // Those of the burst need not wait.
        paid.checked_sub(every * burst).unwrap_or(now).max(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_the_rest_at_the_destinations_pace() {
        let (turnstile, now) = (Turnstile::default(), Instant::now());
        let admission = Admission { burst: 3, every: Duration::from_millis(250) };
        let waits: Vec<u128> = (0..6).map(|_| (turnstile.turn(admission, now) - now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 250, 500, 750]);
        let later = now + Duration::from_secs(60);
        assert_eq!(turnstile.turn(admission, later), later, "turns that nobody took are there again");
        let open = Admission { burst: 0, every: Duration::from_secs(1) };
        assert!((0..100).all(|_| turnstile.turn(open, now) == now));
    }
}
