//! THE PORT between agents and controllers.
//!
//! A [`ModelReader`] reads models and changes nothing: a plan and a pre-copy need no more, whatever kind of controller has the
//! model. A [`Departure`] drives a migration away from the controller: it freezes the model and *yields* the calls that stage
//! it elsewhere. Only a controller that leaves the decision to the agent has one; Juju's own drive their migrations themselves.
//! An [`Arrival`] is the side that the model comes to: it *performs* those calls. What a call means is Juju's; only
//! `engine::switchover` makes the ones that change the owner.
//!
//! Every effect is idempotent, and conditional on the migration: with another migration's id it changes
//! nothing, so that a call which timed out and lands late, even during a later migration, is harmless. For
//! the same reason a controller remembers which migrations have ended there: after a thaw, reap, activation
//! or abort of a migration, a freeze or an import of it is refused for ever.
//!
//! Juju's controllers promise none of this of the calls that stage, activate and abort. Their adapter says so by
//! [`Arrival::keeps_migrations`], and the agent makes good for it: it keeps the migration itself, has one call about a
//! model under way at a time ([`super::serial`]), never repeats an import, looks whether a model is live before it
//! activates it, and takes an abort for done when the model is *seen* gone.

mod error;
mod migration_ref;
mod relayed;

use async_trait::async_trait;
use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{Hash, MigrationId, ModelUuid};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, Level, ModelFacts, Networks};
use modelferry_protocol::snapshot::{Call, LogSegment, Reply};
use modelferry_protocol::stream::Open;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::error::ControllerError;
pub use self::migration_ref::MigrationRef;
pub use self::relayed::{Announced, KeptLog, Relayed, Shown};
use super::checks::network::NetworkTable;
use super::checks::pair::Departing;
use super::inventory::Held;

/// What a source controller says about a model before it is moved.
#[derive(Debug, Clone, Default)]
pub struct Examination {
    /// What the target must know to judge the model.
    pub facts: ModelFacts,
    /// What the source itself has checked.
    pub findings: Vec<Finding>,
    /// The model's networks, to be compared with the destination's.
    pub networks: NetworkTable,
    /// What a pair of controllers is judged by, where this one drives its migrations by itself.
    pub departing: Option<Departing>,
}

/// A model as it leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The model's name.
    pub name: String,
    /// The model's owner.
    pub owner: String,
    /// Whether every binary that the description names is among the calls.
    pub complete: bool,
    /// The calls that stage the model, in order. Their blobs are in the agent's store.
    pub calls: Vec<Call>,
}

/// Reads the controller's models. Changes nothing.
#[async_trait]
pub trait ModelReader: Send + Sync {
    /// Returns what a plan needs to know about a model.
    ///
    /// `mid`: the migration that runs, so that its own freeze is no finding.
    async fn examine(&self, model: ModelUuid, mid: Option<MigrationId>) -> Result<Examination, ControllerError>;

    /// Yields the calls that would stage the model as it is now. The model may go on changing.
    async fn preview(&self, model: ModelUuid) -> Result<Export, ControllerError>;

    /// Yields what of the model can travel while it is live; nothing where the controller yields no description before it migrates.
    async fn ahead(&self, model: ModelUuid) -> Result<Option<Export>, ControllerError> {
        self.preview(model).await.map(Some)
    }
}

/// Drives a migration away from the controller.
#[async_trait]
pub trait Departure: Send + Sync {
    /// Refuses writes to the model from now on, also after a restart. Again: ok.
    async fn freeze(&self, migration: MigrationRef) -> Result<(), ControllerError>;

    /// Yields the calls that stage the frozen model: the same as often as it is asked.
    async fn export(&self, migration: MigrationRef) -> Result<Export, ControllerError>;

    /// Takes the model back into service. Again, or never frozen by this migration: ok, and nothing changes.
    async fn thaw(&self, migration: MigrationRef) -> Result<(), ControllerError>;

    /// Answers the frozen model's users from now on with where it went. Again: ok.
    async fn redirect(&self, migration: MigrationRef, to: &ControllerCard) -> Result<(), ControllerError>;

    /// Yields the pieces of the frozen model's log that end at `from_ms` (Unix milliseconds) or later, in the order of
    /// their ends, equal ones by name. Their blobs are in the agent's store. A controller that keeps no log yields none.
    async fn log(&self, migration: MigrationRef, from_ms: u64) -> Result<Vec<LogSegment>, ControllerError> {
        let _ = (migration, from_ms);
        Ok(Vec::new())
    }

    /// Deletes the frozen model; the redirect stays. Again: ok.
    async fn reap(&self, migration: MigrationRef) -> Result<(), ControllerError>;
}

/// What a model needs of the agent's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// `owner/name` of the model.
    pub model: String,
    /// Its blobs.
    pub blobs: Vec<Hash>,
}

/// What a target controller holds of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nothing, or a redirect: the model could be imported now. A copy that is still being deleted is not absent.
    Absent,
    /// A copy of this migration, not yet complete: the calls that stage it are repeated from the first.
    Importing,
    /// A copy whose import is complete: the calls that stage the rest of it are repeated.
    Imported,
    /// A complete copy of this migration that nobody can use: no call that stages it need be repeated.
    Staged,
    /// The model is live here by this migration. A controller that does not keep migrations says so of every live model:
    /// the agent asks only about a migration that it has activated itself, or before it imports.
    Live,
    /// Something is here that no user can use, and the controller cannot tell a complete import from a failed one.
    Unclear,
    /// The model is here in some other way: by another migration, or because it always was.
    Other,
}

/// A call of a controller's API, as another controller made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerbatimCall {
    /// The model that it is about; all zeros for none.
    pub model: ModelUuid,
    /// The facade.
    pub facade: String,
    /// The facade's version.
    pub version: u32,
    /// The method.
    pub method: String,
    /// The parameters, JSON.
    pub params: Vec<u8>,
}

/// What a controller said to a [`VerbatimCall`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The response, JSON.
    Response(Vec<u8>),
    /// The error, JSON with Juju's keys `error`, `error-code` and `error-info`.
    Error(Vec<u8>),
}

/// What can be read and written: a connection to a controller.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Target side of the port.
#[async_trait]
pub trait Arrival: Send + Sync {
    /// Tells about the controller itself.
    async fn card(&self) -> Result<ControllerCard, ControllerError>;

    /// Yields every blob in the agent's store that the controller's models are made of, whatever state they are in: what
    /// is not named here may be pruned. A controller that keeps its things elsewhere yields none.
    async fn holdings(&self) -> Result<Vec<Holding>, ControllerError> {
        Ok(Vec::new())
    }

    /// Lists the models that the controller has, and which migration holds each; nothing if it cannot tell.
    async fn places(&self) -> Result<Option<Vec<Held>>, ControllerError> {
        Ok(None)
    }

    /// Judges a model that wants to come here. Changes nothing. Every check yields a finding.
    async fn prechecks(&self, facts: &ModelFacts) -> Result<Vec<Finding>, ControllerError>;

    /// Tells the spaces and subnets that the controller knows in its cloud. One that cannot be asked tells nothing.
    async fn networks(&self) -> Result<Networks, ControllerError> {
        Ok(Networks::default())
    }

    /// Tries whatever of these calls can be tried before the model is frozen, above all the proofs of its binaries, and
    /// remembers what came of it, so that performing them takes no time that grows with the binaries. Changes nothing.
    ///
    /// Errors: [`ControllerError::Refused`] with the controller's reason.
    async fn dry_run_stage(&self, migration: MigrationRef, calls: &[Call]) -> Result<(), ControllerError> {
        let _ = (migration, calls);
        Ok(())
    }

    /// Reports whether the controller itself knows which migration a copy belongs to, and which have ended: its effects are
    /// then idempotent and conditional, as the module says. Of one that does not, the agent must not expect it.
    fn keeps_migrations(&self) -> bool {
        true
    }

    /// Performs one call, and returns what the controller replied, JSON as it wrote it; nothing where it replied nothing
    /// that anybody is to be told. Blobs that the call names are in the agent's store, complete and proven.
    ///
    /// Where a call's arguments or parameters are empty, the adapter makes them of what it knows; where they are not, the
    /// controller is told exactly them, but for what names its own side. An abort of what is not there is done.
    /// Errors: [`ControllerError::NotImporting`] for an abort of what is live by now;
    /// [`ControllerError::Refused`] with the controller's reason; [`ControllerError::Unknown`] if it did not answer.
    async fn perform(&self, migration: MigrationRef, call: &Call) -> Result<Reply, ControllerError>;

    /// Returns the time of the last log line that the migration has brought, Unix milliseconds; 0 for none. Juju's
    /// `LatestLogTime`.
    ///
    /// Errors: [`ControllerError::ModelNotFound`], [`ControllerError::Moved`] if the model has left again.
    async fn latest_log_time(&self, migration: MigrationRef) -> Result<u64, ControllerError>;

    /// Takes a piece of the log of a model that the migration has brought, and returns as [`Arrival::latest_log_time`]
    /// does. Its blob is in the agent's store. Again: ok, and nothing changes.
    ///
    /// Errors: as there; [`ControllerError::Refused`] for what is no log.
    async fn take_log(&self, migration: MigrationRef, segment: &LogSegment) -> Result<u64, ControllerError>;

    /// Makes a call of the controller's API that no agent has to understand, and returns what it said. Once, whatever comes
    /// of it; dropped, it may have been made.
    ///
    /// Errors: [`ControllerError`] where the controller could not be asked; what it says itself is no error.
    async fn relay(&self, call: &VerbatimCall) -> Result<Said, ControllerError> {
        Err(ControllerError::Refused(format!(
            "this kind of controller takes no calls of another's (`{}`)",
            call.method
        )))
    }

    /// Opens a connection to the controller that no agent has to understand, by the request that `open` holds the head
    /// of: to its API, or for the log of a model that has arrived.
    ///
    /// Errors: [`ControllerError`], whose text the other end is told.
    async fn stream(&self, open: &Open) -> Result<Box<dyn Duplex>, ControllerError> {
        let _ = open;
        Err(ControllerError::Refused("this kind of controller is not connected to from elsewhere".into()))
    }

    /// Says what is here of the model. Changes nothing.
    async fn probe(&self, migration: MigrationRef) -> Result<Presence, ControllerError>;

    /// Compares what is here of a model that has arrived with the calls that staged it. Changes nothing; every check
    /// yields a finding. A controller that cannot be asked says so.
    async fn audit(&self, migration: MigrationRef, calls: &[Call]) -> Result<Vec<Finding>, ControllerError> {
        let _ = (migration, calls);
        Ok(vec![Finding {
            level: Level::Warn,
            check: Text::cut("controller"),
            text: Text::cut("this kind of controller cannot be asked what it holds of a model"),
            fix: Text::default(),
        }])
    }
}
