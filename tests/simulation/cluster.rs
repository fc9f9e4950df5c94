//! The two controllers, which outlive every agent, and what must hold of them at every instant.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use modelferry::controller::port::ControllerError;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::snapshot::BlobRef;

use super::controller::{Effect, FakeController, Held};
use super::trace::Trace;

/// A call that was sent and takes effect later, whatever became of the sender.
struct Late {
    due_ms: u64,
    host: usize,
    mid: MigrationId,
    effect: Effect,
}

/// An effect that a host's controller refuses, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once {
    host: usize,
    /// The effect's name, without its arguments.
    effect: &'static str,
}

#[cfg(feature = "failpoints")]
impl Once {
    pub fn new(host: usize, effect: &'static str) -> Self {
        Self { host, effect }
    }
}

pub struct Inner {
    pub sites: [FakeController; 2],
    /// Writes acknowledged to users, by whoever was live.
    pub acknowledged: u32,
    /// The model's log, wherever the model is.
    pub log: BTreeMap<u64, BlobRef>,
    pub broken: Option<String>,
    pub rng: fastrand::Rng,
    /// How many of a hundred calls fail.
    pub failing_percent: u32,
    pub refused: Vec<Once>,
    late: Vec<Late>,
    trace: Trace,
    migrations: Vec<MigrationId>,
}

#[derive(Clone)]
pub struct TestCluster(Arc<Mutex<Inner>>);

impl TestCluster {
    /// The model is live at host 0.
    pub fn new(seed: u64, trace: Trace) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            sites: [FakeController::new(Held::Live(None)), FakeController::new(Held::Absent)],
            acknowledged: 0,
            log: BTreeMap::new(),
            broken: None,
            rng: fastrand::Rng::with_seed(seed),
            failing_percent: 0,
            refused: Vec::new(),
            late: Vec::new(),
            trace,
            migrations: Vec::new(),
        })))
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// A user writes wherever the model is live.
    pub fn write(&self) {
        let mut inner = self.inner();
        for host in 0..2 {
            if inner.sites[host].is_live() {
                inner.sites[host].writes += 1;
                inner.acknowledged += 1;
            }
        }
    }

    pub fn perform(&self, host: usize, mid: MigrationId, effect: Effect) -> Result<(), ControllerError> {
        self.inner().perform(host, mid, effect)
    }

    pub fn send_late(&self, host: usize, mid: MigrationId, effect: Effect) {
        let mut inner = self.inner();
        let due_ms = inner.trace.now_ms() + inner.rng.u64(1..5_000);
        inner.late.push(Late { due_ms, host, mid, effect });
    }

    /// Makes the late effects that are due.
    pub fn land(&self) {
        let mut inner = self.inner();
        let now_ms = inner.trace.now_ms();
        while let Some(place) = inner.late.iter().position(|late| late.due_ms <= now_ms) {
            let Late { host, mid, effect, .. } = inner.late.remove(place);
            inner.trace.note(format_args!("host {host}: a late call lands"));
            let _ = inner.perform(host, mid, effect);
        }
    }
}

impl Inner {
    /// Numbers migrations as they are met: their ids are random.
    pub fn number(&mut self, mid: MigrationId) -> usize {
        match self.migrations.iter().position(|known| *known == mid) {
            Some(place) => place,
            None => {
                self.migrations.push(mid);
                self.migrations.len() - 1
            }
        }
    }

    fn perform(&mut self, host: usize, mid: MigrationId, effect: Effect) -> Result<(), ControllerError> {
        let (number, name) = (self.number(mid), format!("{effect:?}"));
        let name = name.split(['(', ' ']).next().unwrap_or_default();
        if let Some(place) = self.refused.iter().position(|once| once.host == host && once.effect == name) {
            self.refused.remove(place);
            return Err(ControllerError::Refused(format!("{name} refused")));
        }
        let before = self.sites[host].held;
        let done = self.sites[host].perform(mid, effect);
        let told = if done.is_ok() { "done" } else { "refused" };
        self.trace.note(format_args!("host {host}: {name} for migration {number} {told}"));
        let other = self.sites[1 - host].held;
        let reaped = effect == Effect::Reap && before != self.sites[host].held;
        // Frozen: its new owner is already about to give it away again.
        if reaped && !matches!(other, Held::Live(_) | Held::Frozen(_)) {
            self.breaks(format!("I6: host {host} has deleted a model that is {other:?} at the other"));
        }
        self.check();
        done
    }

    pub fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// I1, I2 and I3.
    fn check(&mut self) {
        let acknowledged = self.acknowledged;
        if self.sites.iter().all(FakeController::is_live) {
            self.breaks("I1: both controllers are live".to_owned());
        }
        if !self.sites.iter().any(|site| site.is_whole() && site.writes == acknowledged) {
            self.breaks("I2: nobody holds every acknowledged write".to_owned());
        }
        if let Some(site) = self.sites.iter().find(|site| site.is_live() && site.writes != acknowledged) {
            self.breaks(format!("I3: live with {} of {acknowledged} writes", site.writes));
        }
    }
}
