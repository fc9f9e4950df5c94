//! Events that the task of a migration or a pre-copy handles.

use modelferry_protocol::message::Message;
use modelferry_protocol::switch::Cause;
use modelferry_protocol::switch::source::SourceInput;
use modelferry_protocol::switch::target::TargetInput;
use tokio::sync::oneshot;

use super::master_request::WaitingCall;
use super::orders::Change;
use crate::engine::base::error::EngineError;
use crate::link::Session;

/// Receives the answer to a request: it is durable, or why it is refused.
pub type Reply = oneshot::Sender<Result<(), EngineError>>;

/// What a migration's task reacts to.
pub enum Event {
    /// A message of the peer.
    Heard {
        /// The message; its migration is this one.
        message: Box<Message>,
        /// The connection it came by.
        session: Session,
    },
    /// An operator aborts it.
    Abort {
        /// Why, and who.
        cause: Cause,
        /// Who asked, for the journal.
        actor: String,
        /// Answered once the request is durable, or refused.
        reply: Reply,
    },
    /// An operator changes its orders while its model is live.
    Order {
        /// What.
        change: Change,
        /// Who asked, for the journal.
        actor: String,
        /// Answered once the request is durable, or refused.
        reply: Reply,
    },
    /// An operator deletes the source's copy now.
    Reap {
        /// Whether what is left of the log is given up.
        skip_log: bool,
        /// Who asked, for the journal.
        actor: String,
        /// Answered once the request is durable, or refused.
        reply: Reply,
    },
    /// An operator resolves it.
    Resolve {
        /// What the machine is given.
        with: Resolving,
        /// Who asked, for the journal.
        actor: String,
        /// Answered once the request is durable, or refused.
        reply: Reply,
    },
    /// A migration master asks something of it, through the gateway.
    Called(WaitingCall),
    /// More of the log that the master sends is durable here; nobody waits for an answer.
    LogGrown,
    /// The master's log has ended.
    LogEnded,
    /// The bytes cannot be received: the import is dropped.
    Failed(Cause),
}

/// The input that resolves a migration.
#[derive(Debug)]
pub enum Resolving {
    /// What a proof stands for.
    Carried(Box<Message>),
    /// The target gives the token back.
    Renounce(Cause),
    /// The other side is destroyed.
    Seize(Cause),
}

impl Resolving {
    /// Returns what a source's machine makes of it; nothing if a source has no such input.
    pub fn at_source(&self) -> Option<SourceInput<'_>> {
        match self {
            // Of a vote freshness is asked, and no proof is a vote.
            Self::Carried(message) => Some(SourceInput::Heard { message, fresh: false }),
            Self::Seize(cause) => Some(SourceInput::Seize(cause)),
            Self::Renounce(_) => None,
        }
    }

    /// Returns what a target's machine makes of it.
    pub fn at_target(&self) -> TargetInput<'_> {
        match self {
            Self::Carried(message) => TargetInput::Heard(message),
            Self::Seize(cause) => TargetInput::Seize(cause),
            Self::Renounce(cause) => TargetInput::Renounce(cause),
        }
    }
}
