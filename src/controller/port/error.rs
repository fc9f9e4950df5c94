//! Why a controller did not do what it was asked.

use std::time::Duration;

use modelferry_protocol::ids::{Hash, MigrationId, ModelUuid};
use modelferry_protocol::message::ControllerCard;

use crate::disk::database::DatabaseError;
use crate::store::StoreError;

/// A controller that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// No model of that name or UUID.
    #[error("model {0} not found")]
    ModelNotFound(String),
    /// No backup whose id begins like that is kept here.
    #[error("no backup \"{0}\" is kept here; see `modelferry backup list`, or name a file by a path such as ./{0}")]
    BackupNotFound(String),
    /// A model of that UUID is here, so another copy of it is not taken in. In Juju's words.
    #[error("model with same UUID already exists ({0})")]
    Exists(ModelUuid),
    /// The model is frozen for a migration.
    #[error("model migration in progress")]
    MigrationInProgress,
    /// The model is on its way here, and not in service. In Juju's words.
    #[error("migration in progress, model is importing")]
    Importing,
    /// The model is live, so a staged copy of it can be neither activated nor aborted.
    #[error("migration mode for the model is not importing")]
    NotImporting,
    /// The effect belongs to another migration than the one the model is in.
    #[error("model {model} is in migration {actual}, not {expected}")]
    OtherMigration {
        /// The model.
        model: ModelUuid,
        /// The migration that the model is in.
        actual: MigrationId,
        /// The migration that the effect belongs to.
        expected: MigrationId,
    },
    /// The model was migrated away; its users are to follow it.
    #[error("model \"{model}\" has been migrated to controller \"{}\"", &*to.name)]
    Moved {
        /// `owner/name`.
        model: String,
        /// Where it is now.
        to: Box<ControllerCard>,
    },
    /// The controller says no, and will say so again: in its own words.
    #[error("{0}")]
    Refused(String),
    /// The log of a model that has moved cannot follow it.
    #[error("its log cannot follow ({why}); `modelferry reap {migration} --skip-logs` leaves it behind")]
    LogStays {
        /// The migration, in Juju's form.
        migration: String,
        /// Why.
        why: String,
    },
    /// The controller did not answer, or not yet as it should: what came of the call is not known. It is asked again.
    #[error("{0}")]
    Unknown(String),
    /// The controller did nothing, and has said when to ask again.
    #[error("{text}")]
    Later {
        /// Its reason.
        text: String,
        /// What is left of the time for which it asks to be left alone.
        wait: Duration,
    },
    /// The controller's storage failed.
    #[error("the controller's storage failed")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ControllerError {
    /// Wraps a failure of whatever the controller keeps its things in.
    pub fn storage(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Storage(Box::new(error))
    }

    /// Reports whether the same call may succeed later, without anybody's doing.
    pub fn is_passing(&self) -> bool {
        self.is_full() || matches!(self, Self::Unknown(_) | Self::Later { .. })
    }

    /// Returns the time for which the controller asks to be left alone, if it has named one.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Later { wait, .. } => Some(*wait),
            _ => None,
        }
    }

    /// Reports whether the disk had no room for it: with more, the same call may succeed.
    pub fn is_full(&self) -> bool {
        let Self::Storage(error) = self else { return false };
        let database = error.downcast_ref::<DatabaseError>();
        database.is_some_and(|error| matches!(error, DatabaseError::Full { .. }))
            || error.downcast_ref::<StoreError>().is_some_and(StoreError::is_full)
    }

    /// Returns the blob whose file is missing, or too short, if that is what failed.
    pub fn missing_blob(&self) -> Option<Hash> {
        let Self::Storage(error) = self else { return None };
        match error.downcast_ref::<StoreError>()? {
            StoreError::NotHeld(hash) | StoreError::Truncated { hash, .. } => Some(*hash),
            _ => None,
        }
    }
}

impl From<DatabaseError> for ControllerError {
    fn from(error: DatabaseError) -> Self {
        Self::storage(error)
    }
}
