//! The side of the port that a source controller has which drives its migrations by itself.

use async_trait::async_trait;
use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::snapshot::LogSegment;

use super::error::ControllerError;
use super::migration_ref::MigrationRef;
use crate::secret::SecretText;

/// The destination as a gateway announces it to a source controller: the gateway's own addresses, and a login of its own, so
/// that the source never holds one of the destination's.
#[derive(Clone)]
pub struct Announced {
    /// The destination's controller.
    pub controller: ModelUuid,
    /// What it is called: users who are sent there see it.
    pub alias: String,
    /// `host:port` each, of the gateway.
    pub addresses: Vec<String>,
    /// The CA of the gateway's certificate, PEM.
    pub ca_cert: String,
    /// `user-NAME`.
    pub auth_tag: String,
    /// The login's secret.
    pub password: SecretText,
}

/// What a source controller that drives its migrations shows of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Nothing, or nothing yet.
    Nothing,
    /// It runs, and nothing is decided.
    Running,
    /// It runs, or has succeeded: this controller does not tell the one from the other.
    Silent,
    /// It has recorded SUCCESS: there is no way back.
    Success,
    /// It has aborted: the model is, or will be, in service there as it was.
    Abort,
    /// It does not migrate the model any more. Of a controller that has not been answered `AdoptResources` that is an abort.
    Ended,
    /// It has succeeded, and the model is not there any more.
    Done,
}

/// A source controller that drives its migrations by itself: an unmodified Juju controller. It freezes, thaws and deletes
/// its models, and an agent relays between it and the target.
#[async_trait]
pub trait Relayed: Send + Sync {
    /// Asks the controller to migrate the model to the gateway. Again: ok, and the controller is asked once.
    ///
    /// Errors: [`ControllerError::Refused`] with the controller's reason: nothing has begun; [`ControllerError::Unknown`] where that
    /// is not known.
    async fn initiate(&self, migration: MigrationRef, to: &Announced) -> Result<(), ControllerError>;

    /// Returns when the controller was asked to begin the migration, Unix milliseconds by this host's clock: the model cannot have
    /// been frozen before. Nothing while it was not asked, and from one that does not keep it.
    async fn asked_ms(&self, migration: MigrationRef) -> Result<Option<u64>, ControllerError> {
        let _ = migration;
        Ok(None)
    }

    /// Tries to connect from the agent's host to each address, `host:port`, and returns what came of it. Changes nothing.
    async fn routes(&self, addresses: &[String]) -> Vec<(String, Result<(), String>)> {
        addresses.iter().map(|address| (address.clone(), Err("not tried".to_owned()))).collect()
    }

    /// Says what the controller shows of the migration. Changes nothing.
    async fn shown(&self, migration: MigrationRef) -> Result<Shown, ControllerError>;

    /// Keeps a piece of the log that the controller sends behind the model: whole lines that each begin with a time. Durable
    /// when this returns; its blob is in the agent's store.
    async fn keep_log(&self, migration: MigrationRef, text: String) -> Result<(), ControllerError>;

    /// Returns what is kept of the log, in the order in which it came.
    async fn log(&self, migration: MigrationRef) -> Result<KeptLog, ControllerError>;

    /// Forgets a piece of the log that the target has taken.
    async fn log_taken(&self, migration: MigrationRef, piece: &LogSegment) -> Result<(), ControllerError>;
}

/// The log that a source controller has sent behind a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptLog {
    /// Time of the last line that has come, Unix milliseconds; 0 for none.
    pub until_ms: u64,
    /// What the target has not taken yet.
    pub segments: Vec<LogSegment>,
}
