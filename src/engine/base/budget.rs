//! Bounds what a peer can have recorded in the journal, and the work that it can cause: so much at once, and then so much in a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::limits::{
    ALARM_SECONDS_EACH, ALARMS_BURST, OFFER_SECONDS_EACH, OFFERS_BURST, QUERY_FREEZE_SECONDS_MAX, WORK_ONE_IN,
    WORK_QUESTIONS_MS_BURST, WORK_STAGING_MS_BURST, WORK_STAGING_ONE_IN, WORK_WAIT_SECONDS_MAX,
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::disk::background::{Ahead, Allowance, Lane};

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

/// What a peer causes work with. What a person asks there must not hold up a migration, and what takes long must not hold up what
/// is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Work {
    /// Its ownership reports.
    Report,
    /// Its questions for a migration, and the calls that it relays.
    Question,
    /// What its operators ask.
    Query,
    /// What the target does ahead of a migration: dry runs, patches, copies, logs.
    Staging,
}

impl Work {
    fn allowance(self) -> Allowance {
        let is_staging = self == Self::Staging;
        let patience_s = if self == Self::Query { QUERY_FREEZE_SECONDS_MAX } else { 0 };
        Allowance {
            burst: Duration::from_millis(if is_staging { WORK_STAGING_MS_BURST } else { WORK_QUESTIONS_MS_BURST }),
            one_in: if is_staging { WORK_STAGING_ONE_IN } else { WORK_ONE_IN },
            freeze_patience: Duration::from_secs(patience_s),
            wait_max: Duration::from_secs(WORK_WAIT_SECONDS_MAX),
        }
    }
}

/// The budgets of all peers. They begin full with the process, and outlive connections.
#[derive(Debug)]
pub struct Workload {
    lanes: Mutex<HashMap<(Pin, Work), Arc<Lane>>>,
    spare: Arc<Semaphore>,
}

impl Default for Workload {
    fn default() -> Self {
        Self { lanes: Mutex::default(), spare: Arc::new(Semaphore::new(1)) }
    }
}

impl Workload {
    /// Returns the budget of a peer for a kind of work.
    ///
    /// `ahead`: reports what goes first.
    pub fn lane(&self, peer: Pin, work: Work, ahead: impl Fn() -> Ahead + Send + Sync + 'static) -> Arc<Lane> {
        let mut lanes = self.lanes.lock();
        let lane = lanes.entry((peer, work));
        lane.or_insert_with(|| Lane::new(work.allowance(), self.spare.clone(), ahead)).clone()
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
