//! A Juju controller at host 0 that decides: its migration master calls host 0's agent by the gateway's port, and goes on by
//! Juju's rules. Its replies are lost, its calls broken off when the agent dies, its `Abort` unheard.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use modelferry::controller::gateway::Relay;
use modelferry::controller::port::{Announced, ControllerError, KeptLog, MigrationRef, Relayed, Shown};
use modelferry::engine::PeerRelay;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::snapshot::{Arguments, BlobRef, Call, Charm, LogSegment, Name, Params};

use super::cluster::TestCluster;
use super::controller::{Effect, Held, MODEL};
use super::host::Host;
use super::process;

/// For how long a port that takes no connection is tried.
const DIALLED_MS: u64 = 3_000;
/// How long an agent's login is tried: 20 times.
const AGENTS_MS: u64 = 60_000;
const AGENT: usize = 0;

/// Where a migration is, as the controller's own database has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It was asked for, and begins as soon as the model is live.
    Asked,
    /// The description and so many binaries are across.
    Import(usize),
    /// Its agents validate.
    Validation,
    CheckMachines,
    Activate,
    Success,
    Reap,
    Done,
    Abort,
    AbortDone,
}

impl Phase {
    fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::AbortDone)
    }
}

/// What came of a call: nothing yet; done, or refused; or the connection ended.
type Outcome = Arc<Mutex<Option<Result<(), String>>>>;

struct Outstanding {
    outcome: Outcome,
    /// Whether the reply is lost.
    lost: bool,
}

struct Migration {
    phase: Phase,
    /// Since when the phase lasts.
    since_ms: u64,
    call: Option<Outstanding>,
}

/// What goes wrong once, beside what chance does.
#[derive(Default)]
struct Faults {
    /// Phases of which the first reply is lost: of `Asked` the one to `InitiateMigration`.
    lost: Vec<Phase>,
    /// Looks at the controller's status that get no answer.
    looks: u32,
    /// Whether it refuses to begin.
    refuses: bool,
}

/// The controller's database, and its master.
#[derive(Clone)]
pub struct Juju {
    estate: TestCluster,
    migrations: Arc<Mutex<Vec<(MigrationId, Migration)>>>,
    faults: Arc<Mutex<Faults>>,
}

impl Juju {
    pub fn new(estate: TestCluster) -> Self {
        Self { estate, migrations: Arc::default(), faults: Arc::default() }
    }

    /// Loses the next reply in each of these phases, and leaves so many looks at its status without an answer.
    #[cfg(feature = "failpoints")]
    pub fn lose(&self, phases: &[Phase], looks: u32) {
        let mut faults = self.faults.lock().unwrap();
        (faults.lost, faults.looks) = (phases.to_vec(), looks);
    }

    /// Refuses the next migration.
    #[cfg(feature = "failpoints")]
    pub fn refuse(&self) {
        self.faults.lock().unwrap().refuses = true;
    }

    /// Reports whether the reply in `phase` is lost.
    fn loses(&self, phase: Phase) -> bool {
        let mut faults = self.faults.lock().unwrap();
        let place = faults.lost.iter().position(|lost| *lost == phase);
        place.map(|place| faults.lost.remove(place)).is_some()
    }

    /// Reports whether every migration has come to its end.
    pub fn is_at_rest(&self) -> bool {
        self.migrations.lock().unwrap().iter().all(|(_, migration)| migration.phase.is_end())
    }

    /// Reports whether a migration is to come to its end still.
    pub fn runs(&self, mid: MigrationId) -> bool {
        let migrations = self.migrations.lock().unwrap();
        migrations.iter().any(|(of, migration)| *of == mid && !migration.phase.is_end())
    }

    /// Lets the master go on.
    pub fn step(&self, host: &Host, now_ms: u64) {
        let mut migrations = self.migrations.lock().unwrap();
        for (mid, migration) in migrations.iter_mut() {
            self.step_one(*mid, migration, host, now_ms);
        }
    }

    /// Breaks off every call: the agent has died.
    pub fn broke(&self) {
        for (_, migration) in self.migrations.lock().unwrap().iter_mut() {
            if let Some(call) = &migration.call {
                call.outcome.lock().unwrap().get_or_insert(Err("broken".to_owned()));
            }
        }
    }

    fn chance(&self, per_cent: u32) -> bool {
        let mut inner = self.estate.inner();
        let failing = inner.failing_percent;
        inner.rng.u32(0..100) < per_cent.min(failing)
    }

    fn step_one(&self, mid: MigrationId, migration: &mut Migration, host: &Host, now_ms: u64) {
        let phase = migration.phase;
        if phase.is_end() {
            return;
        }
        let enter = |migration: &mut Migration, phase: Phase| {
            (migration.phase, migration.since_ms, migration.call) = (phase, now_ms, None);
        };
        match phase {
            Phase::Asked => {
                if self.estate.inner().sites[AGENT].is_live() {
                    let frozen = self.estate.perform(AGENT, mid, Effect::Freeze);
                    enter(migration, if frozen.is_ok() { Phase::Import(0) } else { Phase::AbortDone });
                }
                return;
            }
            Phase::Reap => {
                let _ = self.estate.perform(AGENT, mid, Effect::Reap);
                return enter(migration, Phase::Done);
            }
            _ => {}
        }
        let Some(call) = &migration.call else {
            let begun = self.begin(mid, phase, host);
            migration.call = begun;
            let waited_ms = now_ms.saturating_sub(migration.since_ms);
            let in_vain = match phase {
                Phase::Import(_) => waited_ms > DIALLED_MS,
                Phase::Validation => waited_ms > AGENTS_MS,
                _ => false,
            };
            if migration.call.is_none() && in_vain {
                enter(migration, Phase::Abort);
            }
            if migration.call.is_none() && phase == Phase::Abort && waited_ms > DIALLED_MS {
                self.aborted(mid);
                enter(migration, Phase::AbortDone);
            }
            return;
        };
        let Some(outcome) = call.outcome.lock().unwrap().clone() else { return };
        let outcome = if call.lost { Err("lost".to_owned()) } else { outcome };
        let next = match (phase, outcome) {
            (Phase::Import(done), Ok(())) => {
                let all = self.estate.inner().sites[AGENT].charms.len();
                if done >= all { Phase::Validation } else { Phase::Import(done + 1) }
            }
            (Phase::Validation, Ok(())) => Phase::CheckMachines,
            (Phase::CheckMachines, Ok(())) => Phase::Activate,
            (Phase::Activate, Ok(())) => Phase::Success,
            (Phase::Success, Ok(())) => Phase::Reap,
            // A result of the check ends it; a connection that ended does not.
            (Phase::CheckMachines, Err(why)) if why == "broken" || why == "lost" => Phase::Validation,
            (Phase::Validation, Err(why)) if why == "broken" || why == "lost" => Phase::Validation,
            (Phase::Import(_) | Phase::Validation | Phase::CheckMachines | Phase::Activate, Err(_)) => Phase::Abort,
            (Phase::Success, Err(_)) => Phase::Success,
            (Phase::Abort, _) => {
                self.aborted(mid);
                Phase::AbortDone
            }
            (phase, _) => phase,
        };
        enter(migration, next);
    }

    fn aborted(&self, mid: MigrationId) {
        let _ = self.estate.perform(AGENT, mid, Effect::Thaw);
    }

    /// Makes the call of a phase, if the agent is there.
    fn begin(&self, mid: MigrationId, phase: Phase, host: &Host) -> Option<Outstanding> {
        if phase == Phase::Abort && (self.loses(phase) || self.chance(50)) {
            // It is best effort, and lost.
            return Some(Outstanding { outcome: Arc::new(Mutex::new(Some(Ok(())))), lost: true });
        }
        let (writes, charms) = {
            let inner = self.estate.inner();
            (inner.sites[AGENT].writes, inner.sites[AGENT].charms.clone())
        };
        let outcome = Outcome::default();
        let told = outcome.clone();
        let description = host.put_if_up(format!("writes: {writes}\n").as_bytes())?;
        host.with_relay(move |relay| async move {
            let said = call(&relay, MigrationRef { mid, model: MODEL }, phase, description, &charms).await;
            // What was done was said before the agent died; that it has died it does not say.
            if said.is_ok() || !process::is_dead() {
                told.lock().unwrap().get_or_insert(said);
            }
        })?;
        Some(Outstanding { outcome, lost: self.loses(phase) || self.chance(10) })
    }
}

async fn call(
    relay: &PeerRelay,
    migration_ref: MigrationRef,
    phase: Phase,
    description: BlobRef,
    charms: &[BlobRef],
) -> Result<(), String> {
    let done = match phase {
        Phase::Import(0) => relay.import(migration_ref, &Call::Import(description)).await.map(drop),
        Phase::Import(number) => {
            let place = number - 1;
            let url = Name::cut(format!("ch:charm-{place}"));
            let upload = Call::UploadCharm(Charm { blob: charms[place], ..Charm::named(url) });
            relay.upload(migration_ref, &upload).await
        }
        Phase::Validation => {
            relay.seal(migration_ref).await.map_err(|error| error.to_string())?;
            // Of a model that was refused its agents report all the same.
            let _ = relay.staged(migration_ref).await;
            Ok(())
        }
        Phase::CheckMachines => relay.check_machines(migration_ref, Params::default()).await.map(drop),
        Phase::Activate => relay.activate(migration_ref, Arguments::default()).await,
        Phase::Success => relay.adopt(migration_ref, Params::default()).await.map(drop),
        Phase::Abort => relay.abort(migration_ref).await,
        Phase::Asked | Phase::Reap | Phase::Done | Phase::AbortDone => Ok(()),
    };
    done.map_err(|error| error.to_string())
}

#[async_trait]
impl Relayed for Juju {
    async fn initiate(&self, migration_ref: MigrationRef, _: &Announced) -> Result<(), ControllerError> {
        let unknown = || ControllerError::Unknown("no reply".to_owned());
        if self.chance(20) {
            return Err(unknown());
        }
        if std::mem::take(&mut self.faults.lock().unwrap().refuses) {
            return Err(ControllerError::Refused("source prechecks failed: model is being upgraded".to_owned()));
        }
        {
            let mut migrations = self.migrations.lock().unwrap();
            if migrations.iter().all(|(mid, _)| *mid != migration_ref.mid) {
                let busy = migrations.iter().any(|(_, migration)| !migration.phase.is_end());
                if busy || !matches!(self.estate.inner().sites[AGENT].held, Held::Live(_)) {
                    return Err(ControllerError::Refused("failed to create migration: already in progress".into()));
                }
                migrations.push((migration_ref.mid, Migration { phase: Phase::Asked, since_ms: 0, call: None }));
            }
        }
        if self.loses(Phase::Asked) || self.chance(20) { Err(unknown()) } else { Ok(()) }
    }

    async fn shown(&self, migration_ref: MigrationRef) -> Result<Shown, ControllerError> {
        let is_silent = {
            let mut faults = self.faults.lock().unwrap();
            let is_silent = faults.looks > 0;
            faults.looks = faults.looks.saturating_sub(1);
            is_silent
        };
        if is_silent || self.chance(20) {
            return Err(ControllerError::Unknown("no reply".to_owned()));
        }
        let migrations = self.migrations.lock().unwrap();
        let of = migrations.iter().find(|(mid, _)| *mid == migration_ref.mid);
        Ok(match of.map(|(_, migration)| migration.phase) {
            None => Shown::Nothing,
            Some(Phase::Success | Phase::Reap) => Shown::Success,
            Some(Phase::Done) => Shown::Done,
            Some(Phase::Abort | Phase::AbortDone) => Shown::Abort,
            Some(_) => Shown::Running,
        })
    }

    async fn keep_log(&self, _: MigrationRef, _: String) -> Result<(), ControllerError> {
        Ok(())
    }

    async fn log(&self, _: MigrationRef) -> Result<KeptLog, ControllerError> {
        Ok(KeptLog::default())
    }

    async fn log_taken(&self, _: MigrationRef, _: &LogSegment) -> Result<(), ControllerError> {
        Ok(())
    }
}
