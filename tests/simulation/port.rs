//! An agent's way to its controller. Calls take time, fail, time out, and land late.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use modelferry::controller::port::ControllerError;
use modelferry::store::Store;
use modelferry_protocol::ids::MigrationId;

use super::cluster::TestCluster;
use super::controller::{ControllerAccess, Effect, FakeController};
use super::process::Process;

pub struct SimulatedPort {
    pub host: usize,
    pub estate: TestCluster,
    pub process: Arc<Process>,
    pub store: Store,
}

/// A call on its way. If the agent dies now, it may still land.
struct Sent<'a> {
    way: &'a SimulatedPort,
    mid: MigrationId,
    effect: Effect,
    landed: bool,
}

impl Sent<'_> {
    /// A piece of the log is a row that names a blob of the agent's store, made by the agent's own process.
    fn may_be_late(&self) -> bool {
        !matches!(self.effect, Effect::TakeLog(..))
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        let lands = !self.landed && self.way.estate.inner().rng.bool();
        if lands && self.may_be_late() {
            self.way.estate.send_late(self.way.host, self.mid, self.effect);
        }
    }
}

fn down() -> ControllerError {
    ControllerError::Storage("the controller does not answer".into())
}

#[async_trait]
impl ControllerAccess for SimulatedPort {
    async fn ask(&self, mid: MigrationId, effect: Effect) -> Result<(), ControllerError> {
        let (there_ms, back_ms, fails, how) = {
            let mut inner = self.estate.inner();
            let fails = inner.rng.u32(0..100) < inner.failing_percent;
            (inner.rng.u64(0..30), inner.rng.u64(0..30), fails, inner.rng.u32(0..3))
        };
        let mut sent = Sent { way: self, mid, effect, landed: false };
        tokio::time::sleep(Duration::from_millis(there_ms)).await;
        if self.process.is_dead() {
            std::future::pending::<()>().await;
        }
        sent.landed = true;
        match (fails, how) {
            // Not done.
            (true, 0) => return Err(down()),
            // Done later.
            (true, 1) if sent.may_be_late() => {
                self.estate.send_late(self.host, mid, effect);
                return Err(down());
            }
            _ => {}
        }
        let done = self.estate.perform(self.host, mid, effect);
        tokio::time::sleep(Duration::from_millis(back_ms)).await;
        // Done, and nobody knows.
        if fails { Err(down()) } else { done }
    }

    fn look<R>(&self, look: impl FnOnce(&FakeController) -> R) -> R {
        look(&self.estate.inner().sites[self.host])
    }

    async fn answering(&self) {
        let ms = {
            let rng = &mut self.estate.inner().rng;
            // Long enough for a migration to begin and to end meanwhile.
            if rng.u32(0..8) == 0 { rng.u64(0..3_000) } else { rng.u64(0..60) }
        };
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn unreadable(&self, what: String) -> ControllerError {
        if !self.process.is_dead() {
            self.estate.inner().breaks(format!("host {}: {what}", self.host));
        }
        down()
    }
}
