//! Limits how often passwords may be tried.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::juju::rpc::{ErrorCode, RpcError};

/// Passwords checked at once: each takes 19 MiB and tens of milliseconds of a core, which the agent has other use for.
const CHECKS_MAX: usize = 2;
/// Logins that wait for that.
const WAITING_MAX: usize = 256;
/// Wrong passwords that an address may send at once.
const FAILURES_MAX: u32 = 10;
/// Time in which one of them is forgotten.
const FORGIVEN_AFTER: Duration = Duration::from_secs(6);
/// Addresses that are remembered; beyond them the one is forgotten that has failed longest ago.
const ADDRESSES_MAX: usize = 1024;

/// Bounds how many passwords are checked, at once and by whom.
pub(in crate::controller::embedded::api) struct LoginGate {
    checks: Semaphore,
    waiting: Semaphore,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    /// Forgets those that are long enough ago.
    fn forgiven(self, now: Instant) -> Self {
        let forgiven = now.saturating_duration_since(self.last).as_millis() / FORGIVEN_AFTER.as_millis();
        Self { count: self.count.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX)), ..self }
    }
}

impl Default for LoginGate {
    fn default() -> Self {
        Self {
            checks: Semaphore::new(CHECKS_MAX),
            waiting: Semaphore::new(WAITING_MAX),
            failures: Mutex::new(HashMap::new()),
        }
    }
}

fn try_again() -> RpcError {
    RpcError::new(ErrorCode::TryAgain, "try again")
}

impl LoginGate {
    /// Waits for its turn to check a password from `address`.
    ///
    /// Errors: `try again` for an address that has sent too many wrong ones, and while too many wait.
    pub(in crate::controller::embedded::api) async fn enter(
        &self,
        address: IpAddr,
        now: Instant,
    ) -> Result<SemaphorePermit<'_>, RpcError> {
        let known = self.failures.lock().get(&address).copied();
        if known.is_some_and(|failures| failures.forgiven(now).count >= FAILURES_MAX) {
            return Err(try_again());
        }
        let _waiting = self.waiting.try_acquire().map_err(|_| try_again())?;
        self.checks.acquire().await.map_err(|_| try_again())
    }

    /// Remembers a wrong password from `address`; returns whether it is the first one in a while that will be refused
    /// unseen, so that it is logged once.
    pub(in crate::controller::embedded::api) fn failed(&self, address: IpAddr, now: Instant) -> bool {
        let mut failures = self.failures.lock();
        let before = failures.get(&address).map_or(0, |failures| failures.forgiven(now).count);
        if failures.len() >= ADDRESSES_MAX && !failures.contains_key(&address) {
            let oldest = failures.iter().min_by_key(|(_, failures)| failures.last).map(|(address, _)| *address);
            oldest.map(|oldest| failures.remove(&oldest));
        }
        failures.insert(address, Failures { count: before + 1, last: now });
        before + 1 == FAILURES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn an_address_that_guesses_is_slowed_and_others_are_not() {
        let (gate, begin) = (LoginGate::default(), Instant::now());
        for number in 1..=FAILURES_MAX {
            assert!(gate.enter(HERE, begin).await.is_ok(), "failure {number}");
            assert_eq!(gate.failed(HERE, begin), number == FAILURES_MAX);
        }
        let refused = gate.enter(HERE, begin).await.map(drop).unwrap_err();
        assert_eq!(refused.code, ErrorCode::TryAgain);
        assert!(gate.enter("10.0.0.9".parse().unwrap(), begin).await.is_ok());
        assert!(gate.enter(HERE, begin + FORGIVEN_AFTER).await.is_ok(), "one is forgiven after a while");
        gate.failed(HERE, begin + FORGIVEN_AFTER);
        assert!(gate.enter(HERE, begin + FORGIVEN_AFTER).await.is_err(), "and only one");
    }

    #[tokio::test]
    async fn addresses_are_remembered_up_to_a_bound() {
        let (gate, now) = (LoginGate::default(), Instant::now());
        for number in 0..2 * ADDRESSES_MAX as u32 {
            gate.failed(IpAddr::V4(std::net::Ipv4Addr::from(number)), now + Duration::from_millis(number.into()));
        }
        assert_eq!(gate.failures.lock().len(), ADDRESSES_MAX);
    }
}
