//! What a source controller's migration master asks of a migration's task, through the gateway.

use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::{Arguments, Call, Params, Reply};
use tokio::sync::oneshot;

use crate::controller::gateway::RelayError;

/// What the master's call is answered: what the destination replied, or nothing that anybody is told.
pub type Answered = Result<Reply, RelayError>;

/// A call of the master, or what the gateway asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterRequest {
    /// `Import`.
    Import(Call),
    /// An upload.
    Upload(Call),
    /// Nothing more is imported or uploaded.
    Seal,
    /// Waits until the destination holds everything.
    Staged,
    /// `CheckMachines`.
    CheckMachines(Params),
    /// `Activate`.
    Activate(Arguments),
    /// `AdoptResources`.
    Adopt(Params),
    /// `LatestLogTime`, or the log's stream: it shows that the controller is at SUCCESS.
    Log,
    /// `Abort`.
    Abort,
}

impl MasterRequest {
    /// Returns Juju's name of the call, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Import(_) => "Import",
            Self::Upload(_) => "upload",
            Self::Seal | Self::Staged => "agents' login",
            Self::CheckMachines(_) => "CheckMachines",
            Self::Activate(_) => "Activate",
            Self::Adopt(_) => "AdoptResources",
            Self::Log => "log transfer",
            Self::Abort => "Abort",
        }
    }
}

/// A call that waits for its answer.
pub struct WaitingCall {
    /// The call.
    pub call: MasterRequest,
    /// Told the answer.
    pub reply: oneshot::Sender<Answered>,
}

/// Names what a call imports or uploads: of one name there is one set of bytes in a migration.
pub fn named(call: &Call) -> String {
    call.binary().unwrap_or_else(|| "the model description".to_owned())
}

/// Returns the hash of what a call brings.
pub fn hash_of(call: &Call) -> Hash {
    call.blob().unwrap_or_default().hash
}
