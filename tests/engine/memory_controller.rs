//! A controller in memory: one model at most, and a switch for everything that can go wrong.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use async_trait::async_trait;
use modelferry::controller::port::ControllerError;
use modelferry::disk::blocking;
use modelferry::store::Store;
use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::plan::{Finding, Level};
use modelferry_protocol::snapshot::Call;

use tokio::sync::Notify;

use super::controller::{ControllerAccess, Effect, FakeController, Held, MODEL};

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Trouble {
    pub refuse_precheck: Option<String>,
    pub refuse_freeze: bool,
    pub refuse_stage: Option<String>,
    pub refuse_dry_run: Option<String>,
    /// The wait that is asked for at every upload, if one is.
    pub put_off: Option<std::time::Duration>,
    /// Whether an import lasts until this is taken back.
    pub stall_stage: bool,
    /// How many activations fail before one succeeds.
    pub failing_activations: u32,
    /// How many thaws fail before one succeeds.
    pub failing_thaws: u32,
    /// How many deletions fail before one succeeds.
    pub failing_reaps: u32,
    /// Pieces of a log that are refused, each as often as it is listed.
    pub failing_logs: Vec<u64>,
    /// Whether a dry run lasts until this is taken back.
    pub stall_dry_run: bool,
    /// Through which a look for another model than [`MODEL`] goes, on a thread that it blocks.
    pub gate: Option<Arc<Gate>>,
    /// How many lists of models come at once before one waits until it is told to go on.
    pub stall_list: Option<(u32, Arc<Notify>)>,
}

/// Counts the threads that are in it, and keeps them until it is opened.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy)]
pub struct GateState {
    pub inside: usize,
    /// The most that were ever inside at once.
    pub most: usize,
    /// All that ever came.
    pub came: usize,
    is_open: bool,
}

#[allow(dead_code, reason = "the tests of hostile peers use it")]
impl Gate {
    pub fn open(&self) {
        self.state.lock().unwrap().is_open = true;
        self.changed.notify_all();
    }

    pub fn state(&self) -> GateState {
        *self.state.lock().unwrap()
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.inside += 1;
        state.came += 1;
        state.most = state.most.max(state.inside);
        let mut state = self.changed.wait_while(state, |state| !state.is_open).unwrap();
        state.inside -= 1;
    }
}

pub struct Inner {
    pub site: FakeController,
    pub trouble: Trouble,
    /// Every effect that was asked for, in order.
    pub asked: Vec<Effect>,
    /// Pieces of a log that were taken, in order, repeats included.
    pub logs_taken: Vec<u64>,
}

/// The controller.
#[derive(Clone)]
pub struct MemoryController {
    store: Store,
    inner: Arc<Mutex<Inner>>,
}

impl MemoryController {
    pub fn new(store: Store) -> Self {
        let inner = Inner {
            site: FakeController::new(Held::Absent),
            trouble: Trouble::default(),
            asked: Vec::new(),
            logs_taken: Vec::new(),
        };
        Self { store, inner: Arc::new(Mutex::new(inner)) }
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Puts a model with these binaries here.
    pub fn hold(&self, charms: &[Vec<u8>]) {
        let charms = charms.iter().map(|bytes| self.store.put_bytes(bytes).unwrap()).collect();
        let mut inner = self.inner();
        (inner.site.held, inner.site.charms) = (Held::Live(None), charms);
    }

    /// Gives the model here a log of these pieces, each with the time at which it ends.
    pub fn log(&self, pieces: impl IntoIterator<Item = (u64, Vec<u8>)>) {
        let pieces = pieces.into_iter().map(|(until_ms, bytes)| (until_ms, self.store.put_bytes(&bytes).unwrap()));
        let log = pieces.collect();
        self.inner().site.log = log;
    }
}

/// Counts a failure down; reports whether it was one.
fn fails(left: &mut u32) -> bool {
    let fails = *left > 0;
    *left = left.saturating_sub(1);
    fails
}

#[async_trait]
impl ControllerAccess for MemoryController {
    async fn listing(&self) {
        let gate = {
            let stall = &mut self.inner().trouble.stall_list;
            match stall {
                Some((0, _)) => stall.take().map(|(_, gate)| gate),
                Some((ahead, _)) => {
                    *ahead -= 1;
                    None
                }
                None => None,
            }
        };
        if let Some(gate) = gate {
            gate.notified().await;
        }
    }

    async fn probing(&self, model: ModelUuid) {
        let gate = self.inner().trouble.gate.clone();
        if let Some(gate) = gate.filter(|_| model != MODEL) {
            blocking(move || gate.pass()).await;
        }
    }

    async fn trying(&self) {
        while self.inner().trouble.stall_dry_run {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn ask(&self, mid: MigrationId, effect: Effect) -> Result<(), ControllerError> {
        while matches!(effect, Effect::Import(_)) && self.inner().trouble.stall_stage {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let mut inner = self.inner();
        inner.asked.push(effect);
        let trouble = &mut inner.trouble;
        let down = match effect {
            Effect::Freeze if trouble.refuse_freeze => {
                return Err(ControllerError::Refused("model is dying".into()));
            }
            Effect::Import(_) if trouble.refuse_stage.is_some() => {
                return Err(ControllerError::Refused(trouble.refuse_stage.clone().unwrap_or_default()));
            }
            Effect::Upload(_) if trouble.put_off.is_some() => {
                let wait = trouble.put_off.unwrap_or_default();
                return Err(ControllerError::Later { text: "too much to do".into(), wait });
            }
            Effect::Activate => fails(&mut trouble.failing_activations),
            Effect::Thaw => fails(&mut trouble.failing_thaws),
            Effect::Reap => fails(&mut trouble.failing_reaps),
            Effect::TakeLog(until_ms, _) => match trouble.failing_logs.iter().position(|piece| *piece == until_ms) {
                Some(place) => trouble.failing_logs.remove(place) == until_ms,
                None => false,
            },
            _ => false,
        };
        if down {
            return Err(ControllerError::Storage("the controller is down".into()));
        }
        if let Effect::TakeLog(until_ms, _) = effect {
            inner.logs_taken.push(until_ms);
        }
        inner.site.perform(mid, effect)
    }

    fn look<R>(&self, look: impl FnOnce(&FakeController) -> R) -> R {
        look(&self.inner().site)
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn unreadable(&self, what: String) -> ControllerError {
        panic!("every blob is here and proven before it is staged: {what}")
    }

    fn judge(&self) -> Vec<Finding> {
        let refuse = self.inner().trouble.refuse_precheck.clone();
        let (level, text) = refuse.map_or((Level::Pass, String::new()), |text| (Level::Fail, text));
        vec![Finding { level, check: Text::cut("shelf"), text: Text::cut(text), fix: Text::default() }]
    }

    fn dry_run(&self, calls: &[Call]) -> Result<(), ControllerError> {
        for blob in calls.iter().filter_map(Call::blob) {
            self.store.verify(blob).expect("every blob is here when it is tried");
        }
        self.inner().trouble.refuse_dry_run.clone().map_or(Ok(()), |text| Err(ControllerError::Refused(text)))
    }
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new_derive_key("modelferry test noise").update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}
