//! The adapter against a controller of our own, which loses replies, refuses, and goes down on demand.

mod calls;
mod connections;
mod contract;
mod envelopes;
mod fake;
mod faults;
mod judgements;
mod logins;
mod restores;
mod source;
mod throttled;
mod units;
mod waits;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::snapshot::{AgentBinary, Arguments, BlobRef, Call, Charm, Name, Params, Query, Resource};
use tempfile::TempDir;

use self::fake::{Fake, Running};
use super::Juju;
use super::base::Timing;
use crate::config::{JujuAccess, JujuConfig, JujuSecret};
use crate::controller::description::Description;
use crate::controller::description::sample::Sample;
use crate::controller::description::wanted::Wanted;
use crate::controller::port::{Arrival, ControllerError, MigrationRef};
use crate::disk::Disk;
use crate::store::Store;

const MODEL: &str = "9372c470-eead-45ec-89c3-c74c2b3cb633";
const FIRST: MigrationId = MigrationId([1; 16]);
const SECOND: MigrationId = MigrationId([2; 16]);
/// Much shorter than real ones; nothing here waits for a moment, only until something is so.
const TIMING: Timing = Timing {
    dial: Duration::from_secs(30),
    import_settles: Duration::from_millis(600),
    gone: Duration::from_secs(30),
    look: Duration::from_millis(5),
    patience: Duration::from_secs(30),
    restore: Duration::from_secs(30),
    again: Duration::from_millis(5),
};

fn check() -> Call {
    Call::CheckMachines(Params::default())
}

fn activate() -> Call {
    Call::Activate(Arguments::default())
}

fn adopt() -> Call {
    Call::AdoptResources(Params::default())
}

fn migration(mid: MigrationId) -> MigrationRef {
    MigrationRef { mid, model: MODEL.parse().unwrap() }
}

/// An adapter with its controller, and a model in the agent's store.
struct Rig {
    dir: TempDir,
    running: Running,
    juju: Juju,
    store: Store,
    calls: Vec<Call>,
    /// Where the agent keeps what it remembers.
    disk: Disk,
}

fn config(dir: &TempDir, running: &Running, endpoints: Vec<String>) -> JujuConfig {
    let path = |name: &str| -> PathBuf { dir.path().join(name) };
    fs::write(path("ca.pem"), &running.ca_cert).unwrap();
    if !path("password").exists() {
        fs::write(path("password"), "secret\n").unwrap();
    }
    let secret = JujuSecret::Password(path("password"));
    let access = JujuAccess::Given { endpoints, ca_cert: path("ca.pem"), user: "admin".to_owned(), secret };
    JujuConfig { name: "west".to_owned(), access }
}

fn open(dir: &TempDir, config: JujuConfig, store: &Store) -> Juju {
    open_on(Disk::real(), dir, config, store)
}

fn open_on(disk: Disk, dir: &TempDir, config: JujuConfig, store: &Store) -> Juju {
    Juju::open_with(dir.path(), config, Vec::new(), store.clone(), disk, TIMING).unwrap()
}

/// Puts a model's files into a store, and returns the calls that stage it.
fn calls_of(sample: &Sample, dir: &TempDir, store: &Store) -> Vec<Call> {
    let files = dir.path().join("files");
    sample.write(&files);
    let put = |path: &str| -> BlobRef { store.put(&mut fs::File::open(files.join(path)).unwrap()).unwrap() };
    let text = fs::read(files.join("model.yaml")).unwrap();
    let told = Description::parse(&text).unwrap();
    let mut calls = vec![Call::Import(put("model.yaml"))];
    for wanted in told.wanted() {
        let blob = put(wanted.path().to_str().unwrap());
        calls.push(match wanted {
            Wanted::Charm { url, .. } => Call::UploadCharm(Charm { blob, ..Charm::named(Name::cut(url)) }),
            Wanted::AgentBinary { version, .. } => {
                Call::UploadAgentBinary(AgentBinary { version: Name::cut(version), blob })
            }
            Wanted::File { application, name, revision, .. } | Wanted::OciImage { application, name, revision } => {
                let (application, name) = (Name::cut(application), Name::cut(name));
                let (revision, query) = (*revision, Query::default());
                Call::UploadResource(Resource { application, name, revision, query, blob })
            }
        });
    }
    calls.push(check());
    calls
}

impl Rig {
    async fn start() -> Self {
        Self::on(Disk::real()).await
    }

    async fn on(disk: Disk) -> Self {
        let running = Running::start().await;
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path(), Disk::real()).unwrap();
        let juju = open_on(disk.clone(), &dir, config(&dir, &running, vec![running.address.to_string()]), &store);
        let calls = calls_of(&Sample::default(), &dir, &store);
        Self { dir, running, juju, store, calls, disk }
    }

    /// The agent is killed and started again.
    fn restarted(self) -> Self {
        let config = config(&self.dir, &self.running, vec![self.running.address.to_string()]);
        self.restarted_with(config)
    }

    /// The agent is started again with another configuration.
    fn restarted_with(self, config: JujuConfig) -> Self {
        let Self { dir, running, juju, store, calls, disk } = self;
        drop(juju);
        let juju = open_on(disk.clone(), &dir, config, &store);
        Self { dir, running, juju, store, calls, disk }
    }

    fn fake(&self) -> &Fake {
        &self.running.fake
    }

    async fn perform(&self, call: &Call) -> Result<(), ControllerError> {
        self.juju.perform(migration(FIRST), call).await.map(drop)
    }

    async fn import(&self) -> Result<(), ControllerError> {
        self.perform(&self.calls[0]).await
    }

    /// Stages the model as an engine does: a call that may succeed later is made again.
    async fn stage(&self) {
        for call in &self.calls {
            self.insist(call).await;
        }
    }

    /// Makes a call until it succeeds.
    async fn insist(&self, call: &Call) {
        loop {
            match self.perform(call).await {
                Ok(()) => return,
                Err(error) if error.is_passing() => tokio::time::sleep(TIMING.look).await,
                Err(error) => panic!("{}: {error}", call.name()),
            }
        }
    }

    /// Makes a call until it is refused, and returns why.
    async fn refusal(&self, call: &Call) -> String {
        loop {
            match self.perform(call).await {
                Ok(()) => panic!("{} was not refused", call.name()),
                Err(error) if error.is_passing() => tokio::time::sleep(TIMING.look).await,
                Err(error) => return error.to_string(),
            }
        }
    }
}

/// Lets time pass, and real bytes not be overtaken by it.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn model() -> ModelUuid {
    MODEL.parse().unwrap()
}
