//! State of a source's task that its record does not hold.

use std::pin::Pin;

use modelferry_protocol::switch::Cause;
use tokio::time::Instant;

use super::relayed_memory::Relaying;
use crate::controller::port::ControllerError;
use crate::engine::base::error::causes;
use crate::engine::migration::queue::QueueSlot;
use crate::engine::switchover::task::Task;
use crate::engine::transfer::TransferError;
use crate::store::Lease;

/// The transfer that belongs to a state: done, to be tried again on the next connection, or hopeless.
pub type Transfer = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Why a transfer did not succeed.
pub enum Failure {
    /// The connection ended; the next one goes on.
    Closed,
    /// It will not get better: the attempt ends.
    Final(Cause),
    /// The model is not here any more: nothing is left to move, whatever operators want of the migration.
    Gone(Cause),
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Closed(_) => Self::Closed,
            error => Self::Final(Cause::cut(format!("model data transfer failed, {error}"))),
        }
    }
}

impl From<ControllerError> for Failure {
    fn from(error: ControllerError) -> Self {
        let cause = Cause::cut(format!("model data transfer failed, model export failed: {}", causes(&error)));
        match error {
            ControllerError::ModelNotFound(_) | ControllerError::Moved { .. } => Self::Gone(cause),
            _ => Self::Final(cause),
        }
    }
}

/// What a source keeps in mind beside its record.
#[derive(Default)]
pub struct Source {
    /// Nonces of the seals said lately, and when: a vote is as fresh as the seal it answers.
    pub seals: Vec<(u64, Instant)>,
    /// Whether the target has voted, so that it has the snapshot and need not be sent it again.
    pub voted: bool,
    /// Its place in the queue, until it is at rest or has to wait for something else.
    pub place: Option<QueueSlot>,
    /// What the model's log and the hold still want, once it is handed over.
    pub after: After,
    /// Holds what was exported: the journal names it only once it is recorded.
    pub exported: Option<Lease>,
    /// What is kept in mind where a Juju controller decides.
    pub relay: Relaying,
}

/// The task of one migration at its source.
pub type SourceTask = Task<Source>;

/// What is still to be done before the copy here can be deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum After {
    /// The model's users are to be redirected.
    #[default]
    Redirect,
    /// The log is to follow.
    Log,
    /// Nothing but to wait for the end of the hold.
    Hold,
}
