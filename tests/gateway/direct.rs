//! An agent without a link: it keeps a migration in memory, and hands everything to an embedded controller beside it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use modelferry::controller::embedded::Embedded;
use modelferry::controller::gateway::{
    Destination, MigrationPhase, Relay, RelayError, RelayedMigration, Secret, Visitor,
};
use modelferry::controller::master::log::{LogKeeper, PieceWriter, segment_of};
use modelferry::controller::port::{Arrival, ControllerError, Duplex, MigrationRef, Said, VerbatimCall};
use modelferry::juju::logstream::LogWriter;
use modelferry::juju::params::admin::{HostPort, LoginResult};
use modelferry::juju::rpc::{FacadeVersions, RpcError};
use modelferry_protocol::snapshot::{Arguments, BlobRef, Call, Params, Reply};
use tokio::sync::watch;

/// What is done to a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It waits, as for a link that is down.
    Held(Duration),
    /// It fails, for this reason.
    Fails(&'static str),
    /// It is done, and its reply is lost with the gateway; the call after it is as any.
    Lost,
    /// As [`Fault::Lost`], of a target as Juju's own are: it makes the model live when it is asked to activate it.
    LostByPlainTarget,
}

/// What a journal would hold of the migration.
#[derive(Debug, Default)]
struct Journal {
    imported: Option<(BlobRef, Result<(), String>)>,
    uploads: Vec<Call>,
    sealed: bool,
    answered: bool,
    handed: bool,
    aborted: bool,
}

pub struct Direct {
    pub embedded: Embedded,
    pub migration_ref: MigrationRef,
    pub secret: Secret,
    pub faults: Mutex<HashMap<&'static str, Fault>>,
    /// How often a reply was lost: the gateway dies each time.
    pub lost: watch::Sender<usize>,
    journal: Mutex<Journal>,
}

fn refused(error: &ControllerError) -> RelayError {
    RelayError::Refused(RpcError::plain(error.to_string()))
}

impl Direct {
    pub fn new(embedded: Embedded, migration_ref: MigrationRef) -> Arc<Self> {
        Arc::new(Self {
            embedded,
            migration_ref,
            secret: Secret([9; 32]),
            faults: Mutex::default(),
            lost: watch::Sender::new(0),
            journal: Mutex::default(),
        })
    }

    pub fn fault(&self, call: &'static str, fault: Fault) {
        self.faults.lock().unwrap().insert(call, fault);
    }

    /// Reports whether the source was told that the destination takes the model.
    pub fn was_answered(&self) -> bool {
        self.journal.lock().unwrap().answered
    }

    async fn perform(&self, call: &Call) -> Result<Reply, RelayError> {
        self.embedded.perform(self.migration_ref, call).await.map_err(|error| refused(&error))
    }

    async fn before(&self, call: &'static str) -> Result<(), RelayError> {
        let fault = self.faults.lock().unwrap().get(call).cloned();
        match fault {
            Some(Fault::Held(time)) => {
                tokio::time::sleep(time).await;
                self.faults.lock().unwrap().remove(call);
                Ok(())
            }
            Some(Fault::Fails(why)) => Err(RelayError::Refused(RpcError::plain(why))),
            _ => Ok(()),
        }
    }

    /// Loses the reply of a call that is done, once.
    async fn after(&self, call: &'static str) {
        let lost = {
            let mut faults = self.faults.lock().unwrap();
            let lost = matches!(faults.get(call), Some(Fault::Lost | Fault::LostByPlainTarget));
            lost.then(|| faults.remove(call)).is_some()
        };
        if lost {
            self.lost.send_modify(|count| *count += 1);
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Relay for Direct {
    fn destination(&self) -> Option<Arc<Destination>> {
        let view = self.embedded.view().unwrap();
        let facade = |name: &str, versions: &[u32]| FacadeVersions::new(name, versions);
        let login = LoginResult {
            controller_tag: format!("controller-{}", view.uuid),
            server_version: view.version,
            facades: vec![
                facade("Controller", &[11, 12]),
                facade("MigrationTarget", &[1, 2, 3, 4, 5, 6]),
                facade("UserManager", &[3]),
            ],
            servers: vec![vec![HostPort::new("10.0.0.9", 17070)]],
            ..LoginResult::default()
        };
        Some(Arc::new(Destination { login, ca_cert: view.ca_cert, ..Destination::default() }))
    }

    fn migrations(&self) -> Vec<RelayedMigration> {
        let journal = self.journal.lock().unwrap();
        let phase = match (journal.aborted, journal.handed) {
            (true, _) => MigrationPhase::Aborted,
            (_, true) => MigrationPhase::Moved,
            _ => MigrationPhase::Running,
        };
        vec![RelayedMigration { migration_ref: self.migration_ref, secret: self.secret, phase }]
    }

    async fn call(&self, _: MigrationRef, _: VerbatimCall) -> Result<Said, RelayError> {
        Ok(Said::Response(b"{}".to_vec()))
    }

    async fn prechecks(&self, _: MigrationRef, _: VerbatimCall) -> Result<Said, RelayError> {
        self.before("prechecks").await?;
        Ok(Said::Response(b"{}".to_vec()))
    }

    async fn import(&self, _: MigrationRef, import: &Call) -> Result<Reply, RelayError> {
        self.before("import").await?;
        let blob = import.blob().unwrap();
        let before = self.journal.lock().unwrap().imported.clone();
        let outcome = match before {
            Some((held, outcome)) if held == blob => outcome,
            Some((held, _)) => {
                let what = "the model description".to_owned();
                return Err(RelayError::OtherBytes { what, held: held.hash, sent: blob.hash });
            }
            None => {
                let outcome = self.perform(import).await.map(drop).map_err(|error| error.to_string());
                self.journal.lock().unwrap().imported = Some((blob, outcome.clone()));
                outcome
            }
        };
        self.after("import").await;
        outcome.map(|()| Reply::default()).map_err(|text| RelayError::Refused(RpcError::plain(text)))
    }

    async fn upload(&self, _: MigrationRef, upload: &Call) -> Result<(), RelayError> {
        self.before("upload").await?;
        let known = self.journal.lock().unwrap().uploads.contains(upload);
        if !known {
            self.perform(upload).await?;
            self.journal.lock().unwrap().uploads.push(upload.clone());
        }
        self.after("upload").await;
        Ok(())
    }

    async fn seal(&self, _: MigrationRef) -> Result<(), RelayError> {
        let mut journal = self.journal.lock().unwrap();
        if journal.imported.is_none() {
            return Err(RelayError::Ended("nothing was imported".to_owned()));
        }
        journal.sealed = true;
        Ok(())
    }

    async fn staged(&self, _: MigrationRef) -> Result<(), RelayError> {
        self.before("staged").await
    }

    async fn check_machines(&self, _: MigrationRef, _: Params) -> Result<Reply, RelayError> {
        self.before("check").await?;
        let done = self.perform(&Call::CheckMachines(Params::default())).await;
        self.after("check").await;
        done.map(|_| Reply::default())
    }

    async fn activate(&self, _: MigrationRef, _: Arguments) -> Result<(), RelayError> {
        self.before("activate").await?;
        {
            let mut journal = self.journal.lock().unwrap();
            assert!(journal.sealed && journal.imported.as_ref().is_some_and(|(_, outcome)| outcome.is_ok()));
            journal.answered = true;
        }
        let plain = matches!(self.faults.lock().unwrap().get("activate"), Some(Fault::LostByPlainTarget));
        if plain {
            self.perform(&Call::Activate(Arguments::default())).await?;
        }
        self.after("activate").await;
        Ok(())
    }

    async fn adopt(&self, _: MigrationRef, params: Params) -> Result<Reply, RelayError> {
        self.before("adopt").await?;
        assert!(self.was_answered(), "no source is at SUCCESS that was not answered");
        self.perform(&Call::Activate(Arguments::default())).await?;
        let reply = self.perform(&Call::AdoptResources(params)).await?;
        self.journal.lock().unwrap().handed = true;
        self.after("adopt").await;
        Ok(reply)
    }

    async fn latest_log_time(&self, migration_ref: MigrationRef) -> Result<u64, RelayError> {
        self.embedded.latest_log_time(migration_ref).await.map_err(|error| refused(&error))
    }

    async fn open_log(&self, _: MigrationRef) -> Result<Box<dyn LogWriter>, RelayError> {
        let (embedded, migration_ref) = (self.embedded.clone(), self.migration_ref);
        Ok(Box::new(PieceWriter::new(Log { embedded, migration_ref })))
    }

    async fn abort(&self, _: MigrationRef) -> Result<(), RelayError> {
        if self.journal.lock().unwrap().handed {
            return Err(RelayError::Ended("the migration has succeeded".to_owned()));
        }
        self.journal.lock().unwrap().aborted = true;
        self.perform(&Call::Abort).await.map(drop)
    }

    async fn connect(&self, _: MigrationRef) -> Result<Box<dyn Duplex>, RelayError> {
        Err(RelayError::Unreachable("there is no API".to_owned()))
    }

    fn came(&self, _: MigrationRef, _: &Visitor) {}

    fn left(&self, _: MigrationRef, _: &Visitor) {}
}

struct Log {
    embedded: Embedded,
    migration_ref: MigrationRef,
}

#[async_trait]
impl LogKeeper for Log {
    async fn keep(&self, text: String) -> Result<(), RpcError> {
        let segment = segment_of(text.as_bytes()).map_err(RpcError::plain)?;
        self.embedded.store().put_bytes(text.as_bytes()).map_err(|error| RpcError::plain(error.to_string()))?;
        let taken = self.embedded.take_log(self.migration_ref, &segment).await;
        taken.map(drop).map_err(|error| RpcError::plain(error.to_string()))
    }
}
