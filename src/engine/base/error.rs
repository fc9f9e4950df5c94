//! Engine errors.

use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::ledger::NotOffered;
use modelferry_protocol::proof::ProofRefused;

use super::unfinished::Unfinished;
use crate::controller::inventory::Brought;
use crate::controller::port::ControllerError;
use crate::disk::words;
use crate::engine::view::FindingView;
use crate::journal::JournalError;
use crate::link::SessionClosed;
use crate::store::StoreError;

/// Kinds of errors. The command line turns each into an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Refused. Nothing has changed.
    Refused,
    /// There is no such thing.
    NotFound,
    /// The peer cannot be reached now.
    PeerDown,
    /// The commit point has passed and the other side's answer is not known.
    InDoubt,
    /// This agent's own disk or database failed.
    Internal,
}

/// A request that an engine did not fulfil.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Something stands against it. The first finding speaks; all of them are listed by `precheck`.
    #[error("{}", .0.first().map_or_else(|| "prechecks failed".to_owned(), FindingView::complaint))]
    Prechecks(Vec<FindingView>),
    /// The model's bytes travel to the same peer already.
    #[error("model {model:?} is being pre-copied there already ({id}); see `modelferry show-migration {id}`")]
    Copying {
        /// The model's name.
        model: String,
        /// The unfinished pre-copy.
        id: String,
    },
    /// Another migration of the model is unfinished.
    #[error("model {model:?} is being migrated already (migration {id}); see `modelferry show-migration {id}`")]
    Busy {
        /// The model's name.
        model: String,
        /// The unfinished migration.
        id: String,
    },
    /// A Juju controller deletes its copy of a model that has moved, whatever this agent is told.
    #[error(
        "--hold-reap cannot hold the copy of a model that a Juju controller migrates: the controller deletes it by itself as soon as the \
         log has followed; migrate without it"
    )]
    Unheld,
    /// A Juju controller drives the migration, and decides about it.
    #[error("migration {id} is {state} here: {why}")]
    Relayed {
        /// The migration.
        id: String,
        /// Its state.
        state: String,
        /// What is true in it.
        why: String,
        /// Whether the outcome is not known here.
        undecided: bool,
    },
    /// A model was to be changed or deleted while a migration of it is unfinished.
    #[error(
        "model {model:?} is being migrated (migration {id}), and cannot be changed or removed until that has ended"
    )]
    Migrating {
        /// The model's name.
        model: String,
        /// The unfinished migration.
        id: String,
        /// How the model stands, and what to type next.
        unfinished: Unfinished,
    },
    /// A model was to be changed or deleted that is frozen because it was live on two controllers.
    #[error(
        "model {0} is frozen here by a conflict: it was in service on two controllers, and this copy has to yield, as its epoch is \
         smaller, or equal and its agent's pin smaller"
    )]
    InConflict(ModelUuid),
    /// A model was to be changed that is held for a migration which a lost journal knew.
    #[error(
        "model {0} is held here for a migration of which the journal knows nothing: the journal was lost or replaced"
    )]
    Orphaned(ModelUuid),
    /// A Juju controller brings the model straight into the controller here; it alone decides what comes of it.
    #[error("model {path:?} is {}", .brought.note())]
    Brought {
        /// The model.
        model: ModelUuid,
        /// Its `owner/name`.
        path: String,
        /// Who brings it, and how far it is.
        brought: Brought,
    },
    /// An operator's command is changing the model at this moment.
    #[error("another command is changing model {0} at this moment")]
    InHand(ModelUuid),
    /// No peer has that name.
    #[error(
        "controller {0:?} is not known here; pair with its agent (`modelferry pair accept CODE HOST --as {0}`), or see `modelferry peers`"
    )]
    UnknownPeer(String),
    /// The peer is not connected.
    #[error("the agent of {peer:?} is not connected ({reason}); see `modelferry peers`")]
    PeerDown {
        /// Its name here.
        peer: String,
        /// Why.
        reason: String,
    },
    /// The peer is connected, and gives no sign of life.
    #[error("the agent of {peer:?} gives no sign of life (for {seconds} s)")]
    PeerSilent {
        /// Its name here.
        peer: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The connection ended before the answer came.
    #[error("the connection to the peer ended before it answered ({}); try again", .0.reason)]
    Unanswered(SessionClosed),
    /// The peer could not answer.
    #[error("{peer}: {text}")]
    Peer {
        /// Its name here.
        peer: String,
        /// What it said.
        text: String,
    },
    /// No migration of that id or model.
    #[error("migration {0:?} not found; see `modelferry migrations`")]
    UnknownMigration(String),
    /// An abort after the commit point.
    #[error("too late, committed: {0}")]
    TooLate(String),
    /// An abort of what has ended.
    #[error("migration {id} has ended already: {state}")]
    Ended {
        /// The migration.
        id: String,
        /// Its state.
        state: String,
    },
    /// An abort at a target that has voted.
    #[error("too late: migration {id} is {state} here, and this side has promised its source to take the model")]
    Voted {
        /// The migration.
        id: String,
        /// Its state.
        state: String,
    },
    /// Only the source can do that.
    #[error("only the source agent of migration {0} can do that; the model is on its way here")]
    NotSource(String),
    /// What moves nothing was asked for what only a migration has.
    #[error(
        "{0} is a pre-copy, which hands nothing over; `modelferry migrate MODEL DEST` moves the model, and adopts it"
    )]
    IsPrecopy(String),
    /// The model is frozen already.
    #[error("migration {id} is frozen: it cannot {verb}; `modelferry abort {id}` gives the model back")]
    Frozen {
        /// The migration.
        id: String,
        /// What it cannot.
        verb: &'static str,
    },
    /// An order that would change nothing.
    #[error("migration {id}: {why}")]
    NoSuchOrder {
        /// The migration.
        id: String,
        /// Why not.
        why: String,
    },
    /// This agent's journal was set back.
    #[error("this agent has stopped acting: {0}")]
    Halted(String),
    /// What was handed over is not held any more.
    #[error(
        "what migration {0} has handed over is not held here any more: the store was pruned since; ask on the host of \
         the controller that has the model"
    )]
    Pruned(String),
    /// It cannot be told what may be removed from the store.
    #[error("nothing is removed from the store, because it cannot be told who needs what: {0}")]
    Unprunable(String),
    /// Nothing can be said of what arrived before it has.
    #[error("migration {id} has brought no model here yet: {state}")]
    NotArrived {
        /// The migration.
        id: String,
        /// Its state.
        state: String,
    },
    /// A proof that proves nothing here.
    #[error(transparent)]
    Proof(#[from] ProofRefused),
    /// This side has decided nothing that could be proved.
    #[error("migration {id} is {state} here: this side has decided nothing yet that it could prove")]
    NothingToProve {
        /// The migration.
        id: String,
        /// Its state.
        state: String,
    },
    /// A resolution that the migration's state does not take.
    #[error("migration {id} is {state} here: {why}")]
    Unresolvable {
        /// The migration.
        id: String,
        /// Its state.
        state: String,
        /// Why not.
        why: String,
    },
    /// The operator typed another model's UUID.
    #[error("that is model {expected}, not {typed}; type the UUID of the model that you mean in full")]
    WrongModel {
        /// That of the migration, or copy, which the operator named.
        expected: ModelUuid,
        /// What was typed.
        typed: ModelUuid,
    },
    /// There is no copy that lost a conflict.
    #[error(
        "no copy of model {0} is frozen here because of a conflict; `modelferry status` shows the conflicts there are"
    )]
    NoConflict(ModelUuid),
    /// No peer claims a model that is in service here.
    #[error(
        "no peer claims model {0}, or it is not in service here; `modelferry status` shows the conflicts there are"
    )]
    NotClaimed(ModelUuid),
    /// A copy was handed over: its journal or its database was lost or set back since.
    #[error(
        "the copy of model {0} here was handed over, and its users are sent on; it is not put back into service here"
    )]
    HandedOver(ModelUuid),
    /// The controller does not serve a model that was to be in service here.
    #[error("the controller here does not serve model {0}: it does not have it, or holds it for a migration")]
    NotServed(ModelUuid),
    /// A copy that a lost journal has left held is not complete.
    #[error("the copy of model {0} here is not complete: the journal was lost while it was on its way")]
    Incomplete(ModelUuid),
    /// A model that a lost journal has left held may be nowhere else.
    #[error("no connected peer says that it serves model {0}: the copy here may be the only one, and is not deleted")]
    OnlyCopy(ModelUuid),
    /// There is no alarm about the peer.
    #[error("no alarm about {0:?} stands; `modelferry status` shows the alarms there are")]
    NoAlarm(String),
    /// The target knows a later owner of the model.
    #[error(transparent)]
    NotOffered(#[from] NotOffered),
    /// The rights of the peer do not allow it.
    #[error("{text}")]
    Forbidden {
        /// What is refused.
        text: String,
        /// What allows it, to be typed here.
        fix: String,
    },
    /// The controller said no.
    #[error(transparent)]
    Controller(#[from] ControllerError),
    /// The store failed.
    #[error("the agent's store failed")]
    Store(#[from] StoreError),
    /// The journal failed.
    #[error("the agent's journal failed")]
    Journal(#[from] JournalError),
}

impl From<SessionClosed> for EngineError {
    fn from(closed: SessionClosed) -> Self {
        Self::Unanswered(closed)
    }
}

impl EngineError {
    /// Returns what kind of no it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Prechecks(_) | Self::Busy { .. } | Self::Ended { .. } | Self::NotSource(_) => ErrorKind::Refused,
            Self::IsPrecopy(_) | Self::Copying { .. } | Self::Unheld | Self::Forbidden { .. } => ErrorKind::Refused,
            Self::Migrating { .. } | Self::InConflict(_) | Self::Orphaned(_) => ErrorKind::Refused,
            Self::Brought { .. } | Self::InHand(_) => ErrorKind::Refused,
            Self::Peer { .. } | Self::NotArrived { .. } | Self::Proof(_) | Self::NothingToProve { .. } => {
                ErrorKind::Refused
            }
            Self::Frozen { .. } | Self::NoSuchOrder { .. } | Self::Unprunable(_) | Self::Pruned(_) => {
                ErrorKind::Refused
            }
            Self::Unresolvable { .. } | Self::WrongModel { .. } | Self::NoConflict(_) => ErrorKind::Refused,
            Self::HandedOver(_) | Self::NotServed(_) | Self::Incomplete(_) | Self::OnlyCopy(_) => ErrorKind::Refused,
            Self::NoAlarm(_) | Self::NotOffered(_) | Self::NotClaimed(_) => ErrorKind::Refused,
            Self::Controller(ControllerError::ModelNotFound(_)) => ErrorKind::NotFound,
            Self::Controller(ControllerError::Storage(_)) | Self::Store(_) | Self::Journal(_) => ErrorKind::Internal,
            Self::Controller(_) => ErrorKind::Refused,
            Self::UnknownPeer(_) | Self::UnknownMigration(_) => ErrorKind::NotFound,
            Self::PeerDown { .. } | Self::PeerSilent { .. } | Self::Unanswered(_) => ErrorKind::PeerDown,
            Self::Relayed { undecided: false, .. } => ErrorKind::Refused,
            Self::TooLate(_) | Self::Voted { .. } | Self::Halted(_) | Self::Relayed { .. } => ErrorKind::InDoubt,
        }
    }
}

/// Returns an error and everything behind it, on one line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = match words::of_library(cause) {
            Some(said) => {
                tracing::error!("{text}: {cause}");
                // Whatever is behind it is the library's as well.
                return format!("{text}: {said}");
            }
            None => cause.to_string(),
        };
        // Some errors repeat their cause in their own text.
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}
