//! The two controllers, which outlive every agent, and what must hold of them at every instant.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use modelferry::controller::port::ControllerError;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::snapshot::BlobRef;

use super::trace::Trace;

pub const MODEL: ModelUuid = ModelUuid([7; 16]);

/// How a controller holds the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Absent,
    /// By the migration that brought it, if one did.
    Live(Option<MigrationId>),
    Frozen(MigrationId),
    Importing(MigrationId),
    Staged(MigrationId),
}

/// An effect on a controller, as in the port table of the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Freeze,
    Thaw,
    Redirect,
    Reap,
    /// Brings a copy with so many writes.
    Import(u32),
    Upload(BlobRef),
    Check,
    Activate,
    Adopt,
    Discard,
}

/// One controller.
pub struct Site {
    pub held: Held,
    /// Writes in its copy.
    pub writes: u32,
    pub charms: Vec<BlobRef>,
    /// Migrations that ended here: nothing of them begins again.
    ended: BTreeSet<MigrationId>,
}

impl Site {
    fn new(held: Held) -> Self {
        Self { held, writes: 0, charms: Vec::new(), ended: BTreeSet::new() }
    }

    pub fn is_live(&self) -> bool {
        matches!(self.held, Held::Live(_))
    }

    fn is_whole(&self) -> bool {
        !matches!(self.held, Held::Absent | Held::Importing(_))
    }

    fn perform(&mut self, mid: MigrationId, effect: Effect) -> Result<(), ControllerError> {
        let refused = |text: &str| Err(ControllerError::Refused(text.to_owned()));
        let ended = self.ended.contains(&mid);
        match (effect, self.held) {
            (Effect::Freeze | Effect::Import(_), _) if ended => return refused("that migration has ended here"),
            (Effect::Freeze, Held::Live(_)) => self.held = Held::Frozen(mid),
            (Effect::Freeze, Held::Frozen(by)) if by == mid => {}
            (Effect::Freeze, _) => return refused("the model is not live"),
            (Effect::Thaw, Held::Frozen(by)) if by == mid => self.held = Held::Live(None),
            (Effect::Reap, Held::Frozen(by)) if by == mid => self.held = Held::Absent,
            (Effect::Import(_), Held::Importing(by)) if by == mid => self.charms.clear(),
            (Effect::Import(writes), Held::Absent) => {
                (self.held, self.writes, self.charms) = (Held::Importing(mid), writes, Vec::new());
            }
            (Effect::Import(_), _) => return refused("model with same UUID already exists"),
            (Effect::Upload(blob), Held::Importing(by)) if by == mid => self.charms.push(blob),
            (Effect::Check, Held::Importing(by)) if by == mid => self.held = Held::Staged(mid),
            (Effect::Upload(_) | Effect::Check, Held::Staged(by)) if by == mid => {}
            (Effect::Upload(_) | Effect::Check, _) => return refused("nothing is imported"),
            (Effect::Activate, Held::Staged(by)) if by == mid => self.held = Held::Live(Some(mid)),
            (Effect::Activate | Effect::Adopt, Held::Live(Some(by))) if by == mid => {}
            (Effect::Activate | Effect::Adopt, _) => return refused("migration mode for the model is not importing"),
            (Effect::Discard, Held::Importing(by) | Held::Staged(by)) if by == mid => self.held = Held::Absent,
            // As Juju's, it refuses whatever is live.
            (Effect::Discard, Held::Live(_)) => return Err(ControllerError::NotImporting),
            (Effect::Thaw | Effect::Reap | Effect::Redirect | Effect::Discard, _) => {}
        }
        if matches!(effect, Effect::Thaw | Effect::Reap | Effect::Activate | Effect::Discard) {
            self.ended.insert(mid);
        }
        Ok(())
    }
}

/// A call that was sent and takes effect later, whatever became of the sender.
struct Late {
    due_ms: u64,
    host: usize,
    mid: MigrationId,
    effect: Effect,
}

pub struct Inner {
    pub sites: [Site; 2],
    /// Writes acknowledged to users, by whoever was live.
    pub acknowledged: u32,
    pub broken: Option<String>,
    pub rng: fastrand::Rng,
    /// How many of a hundred calls fail.
    pub failing_percent: u32,
    late: Vec<Late>,
    trace: Trace,
    migrations: Vec<MigrationId>,
}

#[derive(Clone)]
pub struct Estate(Arc<Mutex<Inner>>);

impl Estate {
    /// The model is live at host 0.
    pub fn new(seed: u64, trace: Trace) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            sites: [Site::new(Held::Live(None)), Site::new(Held::Absent)],
            acknowledged: 0,
            broken: None,
            rng: fastrand::Rng::with_seed(seed),
            failing_percent: 0,
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
        let before = self.sites[host].held;
        let done = self.sites[host].perform(mid, effect);
        let (number, name) = (self.number(mid), format!("{effect:?}"));
        let name = name.split(['(', ' ']).next().unwrap_or_default();
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
        if self.sites.iter().all(Site::is_live) {
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
