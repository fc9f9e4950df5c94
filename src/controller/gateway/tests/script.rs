//! An agent that does as a test says.

use std::sync::Arc;

use async_trait::async_trait;
use modelferry_protocol::codec::Bytes;
use modelferry_protocol::snapshot::{Arguments, Call, Params, Reply};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{migration, migration_ref};
use crate::controller::gateway::{Destination, MigrationPhase, Relay, RelayError, RelayedMigration, Visitor};
use crate::controller::port::{Duplex, MigrationRef, Said, VerbatimCall};
use crate::juju::logstream::{LogRecord, LogWriter};
use crate::juju::params::admin::{HostPort, LoginResult};
use crate::juju::rpc::dial::secure;
use crate::juju::rpc::{FacadeVersions, RpcError};
use crate::juju::tls::client_config;

pub const CONTROLLER: &str = "8419cd78-4993-4c3a-928e-c646226beeee";

/// What an asked thing is answered with; held until a test says.
pub type Held = watch::Sender<Option<Result<Value, RelayError>>>;

/// What a test plays.
pub struct Script {
    pub destination: Mutex<Option<Destination>>,
    pub migrations: Mutex<Vec<RelayedMigration>>,
    /// Everything that was asked, in order.
    pub asked: Mutex<Vec<String>>,
    /// Bodies of calls that were passed on.
    pub passed: Mutex<Vec<VerbatimCall>>,
    pub steps: Mutex<Vec<Call>>,
    pub lines: Arc<Mutex<Vec<LogRecord>>>,
    pub relayed: Held,
    pub imported: Held,
    pub uploaded: Held,
    pub sealed: Held,
    pub staged: Held,
    pub checked: Held,
    pub activated: Held,
    pub adopted: Held,
    pub aborted: Held,
    /// Where connections to the destination go, and its CA.
    pub connects: Mutex<Option<(String, String)>>,
    /// Who came, and left.
    pub visitors: Mutex<Vec<(&'static str, Visitor)>>,
}

/// Says yes at once.
fn at_once() -> Held {
    watch::Sender::new(Some(Ok(json!({}))))
}

async fn answer(held: &Held) -> Result<Value, RelayError> {
    let mut held = held.subscribe();
    let answer = held.wait_for(Option::is_some).await.unwrap().clone();
    answer.unwrap()
}

fn reply(value: &Value) -> Reply {
    Bytes::new(value.to_string().into_bytes()).unwrap()
}

impl Script {
    /// Makes an agent that says yes to everything at once.
    pub fn new() -> Self {
        Self {
            destination: Mutex::new(Some(destination(&["10.0.0.9"]))),
            migrations: Mutex::new(vec![migration(MigrationPhase::Running)]),
            asked: Mutex::default(),
            passed: Mutex::default(),
            steps: Mutex::default(),
            lines: Arc::default(),
            relayed: at_once(),
            imported: at_once(),
            uploaded: at_once(),
            sealed: at_once(),
            staged: at_once(),
            checked: at_once(),
            activated: at_once(),
            adopted: at_once(),
            aborted: at_once(),
            connects: Mutex::default(),
            visitors: Mutex::default(),
        }
    }

    /// Returns what was asked since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock())
    }

    /// Waits until `what` has been asked.
    pub async fn until_asked(&self, what: impl Into<String>) {
        let what = what.into();
        while !self.asked.lock().contains(&what) {
            tokio::task::yield_now().await;
        }
    }

    pub fn stands(&self, phase: MigrationPhase) {
        *self.migrations.lock() = vec![migration(phase)];
    }

    fn ask(&self, of: MigrationRef, what: impl Into<String>) {
        assert_eq!(of, migration_ref());
        self.asked.lock().push(what.into());
    }
}

/// A destination with these addresses.
pub fn destination(hosts: &[&str]) -> Destination {
    let login = LoginResult {
        controller_tag: format!("controller-{CONTROLLER}"),
        server_version: "4.1-beta2".to_owned(),
        facades: vec![
            FacadeVersions::new("Controller", &[11, 12]),
            FacadeVersions::new("MigrationTarget", &[4, 5, 6, 7, 8]),
            FacadeVersions::new("ModelManager", &[10]),
            FacadeVersions::new("UserManager", &[3]),
        ],
        servers: vec![hosts.iter().map(|host| HostPort::new(host, 17070)).collect()],
        ..LoginResult::default()
    };
    Destination { login, ca_cert: "THE DESTINATION'S CA".to_owned(), ..Destination::default() }
}

#[async_trait]
impl Relay for Script {
    fn destination(&self) -> Option<Arc<Destination>> {
        self.destination.lock().clone().map(Arc::new)
    }

    fn migrations(&self) -> Vec<RelayedMigration> {
        self.migrations.lock().clone()
    }

    async fn call(&self, migration_ref: MigrationRef, call: VerbatimCall) -> Result<Said, RelayError> {
        self.ask(migration_ref, format!("call {}.{}", call.facade, call.method));
        self.passed.lock().push(call);
        answer(&self.relayed).await.map(|value| Said::of(Ok(value)))
    }

    async fn prechecks(&self, migration_ref: MigrationRef, call: VerbatimCall) -> Result<Said, RelayError> {
        self.ask(migration_ref, "prechecks");
        self.passed.lock().push(call);
        answer(&self.relayed).await.map(|value| Said::of(Ok(value)))
    }

    async fn import(&self, migration_ref: MigrationRef, import: &Call) -> Result<Reply, RelayError> {
        self.ask(migration_ref, "import");
        self.steps.lock().push(import.clone());
        answer(&self.imported).await.map(|value| reply(&value))
    }

    async fn upload(&self, migration_ref: MigrationRef, upload: &Call) -> Result<(), RelayError> {
        self.ask(migration_ref, "upload");
        self.steps.lock().push(upload.clone());
        answer(&self.uploaded).await.map(drop)
    }

    async fn seal(&self, migration_ref: MigrationRef) -> Result<(), RelayError> {
        self.ask(migration_ref, "seal");
        answer(&self.sealed).await.map(drop)
    }

    async fn staged(&self, migration_ref: MigrationRef) -> Result<(), RelayError> {
        self.ask(migration_ref, "staged");
        answer(&self.staged).await.map(drop)
    }

    async fn check_machines(&self, migration_ref: MigrationRef, params: Params) -> Result<Reply, RelayError> {
        self.ask(migration_ref, format!("check {}", String::from_utf8_lossy(&params)));
        answer(&self.checked).await.map(|value| reply(&value))
    }

    async fn activate(&self, migration_ref: MigrationRef, arguments: Arguments) -> Result<(), RelayError> {
        self.ask(migration_ref, format!("activate {}", String::from_utf8_lossy(&arguments)));
        answer(&self.activated).await.map(drop)
    }

    async fn adopt(&self, migration_ref: MigrationRef, params: Params) -> Result<Reply, RelayError> {
        self.ask(migration_ref, format!("adopt {}", String::from_utf8_lossy(&params)));
        answer(&self.adopted).await.map(|value| reply(&value))
    }

    async fn latest_log_time(&self, migration_ref: MigrationRef) -> Result<u64, RelayError> {
        self.ask(migration_ref, "log time");
        Ok(u64::try_from(self.lines.lock().len()).unwrap() * 1000)
    }

    async fn open_log(&self, migration_ref: MigrationRef) -> Result<Box<dyn LogWriter>, RelayError> {
        self.ask(migration_ref, "log");
        Ok(Box::new(Lines(self.lines.clone())))
    }

    async fn abort(&self, migration_ref: MigrationRef) -> Result<(), RelayError> {
        self.ask(migration_ref, "abort");
        answer(&self.aborted).await.map(drop)
    }

    async fn connect(&self, migration_ref: MigrationRef) -> Result<Box<dyn Duplex>, RelayError> {
        self.ask(migration_ref, "connect");
        let connects = self.connects.lock().clone();
        let (address, ca) = connects.ok_or_else(|| RelayError::Unreachable("no link".to_owned()))?;
        let secured = secure(&client_config(&ca).unwrap(), &address).await;
        Ok(Box::new(secured.map_err(|error| RelayError::Unreachable(error.to_string()))?))
    }

    fn came(&self, of: MigrationRef, visitor: &Visitor) {
        assert_eq!(of, migration_ref());
        self.visitors.lock().push(("came", visitor.clone()));
    }

    fn left(&self, of: MigrationRef, visitor: &Visitor) {
        assert_eq!(of, migration_ref());
        self.visitors.lock().push(("left", visitor.clone()));
    }
}

struct Lines(Arc<Mutex<Vec<LogRecord>>>);

#[async_trait]
impl LogWriter for Lines {
    async fn write(&mut self, record: LogRecord) -> Result<(), RpcError> {
        self.0.lock().push(record);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), RpcError> {
        Ok(())
    }
}
