//! Bounds what a peer can have recorded in the journal: so much at once, and then so much in a time.

use std::collections::HashMap;
use std::time::Duration;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::limits::{ALARM_SECONDS_EACH, ALARMS_BURST, OFFER_SECONDS_EACH, OFFERS_BURST};
use parking_lot::Mutex;
use tokio::time::Instant;

/// What a peer has recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spending {
    /// An offer of it is accepted.
    Offer,
    /// An alarm about it, or about a model that it claims.
    Alarm,
}

impl Spending {
    /// Returns how much may be spent at once, and after which time one more may be.
    fn limits(self) -> (u32, Duration) {
        match self {
            Self::Offer => (OFFERS_BURST, Duration::from_secs(OFFER_SECONDS_EACH)),
            Self::Alarm => (ALARMS_BURST, Duration::from_secs(ALARM_SECONDS_EACH)),
        }
    }
}

/// The budgets of all peers. They begin full with the process.
#[derive(Debug, Default)]
pub struct Budgets(Mutex<HashMap<(Pin, Spending), Budget>>);

#[derive(Debug)]
struct Budget {
    left: u32,
    /// Up to when `left` was filled.
    filled: Instant,
}

impl Budgets {
    /// Spends one; reports whether there was one.
    pub fn spend(&self, peer: Pin, spending: Spending) -> bool {
        let (burst, each) = spending.limits();
        let now = Instant::now();
        let mut budgets = self.0.lock();
        let budget = budgets.entry((peer, spending)).or_insert(Budget { left: burst, filled: now });
        let more = now.duration_since(budget.filled).as_secs() / each.as_secs();
        budget.filled += Duration::from_secs(more * each.as_secs());
        budget.left = burst.min(budget.left.saturating_add(u32::try_from(more).unwrap_or(burst)));
        let has = budget.left > 0;
        budget.left -= u32::from(has);
        has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_spends_its_burst_and_then_one_at_a_time_and_no_other_peer_s() {
        let (budgets, peer, other) = (Budgets::default(), Pin([1; 32]), Pin([2; 32]));
        let spend = |peer| budgets.spend(peer, Spending::Offer);
        assert_eq!((0..1000).filter(|_| spend(peer)).count(), OFFERS_BURST as usize);
        assert!(spend(other) && budgets.spend(peer, Spending::Alarm));
        tokio::time::advance(Duration::from_secs(OFFER_SECONDS_EACH - 1)).await;
        assert!(!spend(peer));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((spend(peer), spend(peer)), (true, false));
        tokio::time::advance(Duration::from_secs(1_000_000)).await;
        assert_eq!((0..1000).filter(|_| spend(peer)).count(), OFFERS_BURST as usize);
    }
}
