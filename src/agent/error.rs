//! Errors with which an agent stops, and how to mend them.

use std::path::PathBuf;

use super::inspection::state_check::Untrusted;
use crate::controller::gateway::CertificateError;
use crate::controller::port::ControllerError;
use crate::engine::EngineError;
use crate::journal::JournalError;
use crate::link::{IdentityError, LinkError, PeersError};
use crate::store::StoreError;

/// An agent that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The state directory is not to be had.
    #[error("cannot use the state directory {}", path.display())]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Other users can change what is in the state directory.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The control socket is not to be had.
    #[error("cannot listen on the control socket {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another agent listens on the control socket.
    #[error("another agent listens on the control socket {}", path.display())]
    SocketTaken {
        /// The socket.
        path: PathBuf,
    },
    /// What is at the control socket's path is no socket.
    #[error("{} is there already and is no socket, so it is left as it is", path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The admin group does not exist.
    #[error("there is no group `{0}` on this host, which admin-group names")]
    NoSuchGroup(String),
    /// The journal does not open.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The embedded controller does not open.
    #[error(transparent)]
    Controller(#[from] ControllerError),
    /// The agent's key cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The list of peers cannot be used.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// The link does not start.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The embedded controller's API does not start.
    #[error("cannot serve Juju's API at {listen}")]
    Api {
        /// Where.
        listen: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A gateway does not start.
    #[error("cannot start the gateway to {peer}")]
    Gateway {
        /// The peer beside whose controller it stands for.
        peer: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The process cannot have what every process has.
    #[error("cannot start")]
    Process(#[source] std::io::Error),
}

impl AgentError {
    /// Reports whether an operator must change something before a new start can go better.
    pub fn is_config(&self) -> bool {
        match self {
            Self::Untrusted(_) | Self::NoSuchGroup(_) | Self::NoSocket { .. } => true,
            Self::Identity(error) => error.is_config(),
            Self::Gateway { .. } => self.is_incomplete_ca(),
            _ => false,
        }
    }

    /// Reports whether a gateway's own CA lacks a file.
    fn is_incomplete_ca(&self) -> bool {
        let Self::Gateway { source, .. } = self else { return false };
        let certificate = source.get_ref().and_then(|inner| inner.downcast_ref::<CertificateError>());
        matches!(certificate, Some(CertificateError::Incomplete { .. }))
    }

    /// Returns what to do next; nothing where the error itself says it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::StateDir { .. } => "set state-dir in the configuration to a directory that this user may write",
            Self::Socket { .. } => "set socket in the configuration, or --socket, to a path that this user may write",
            Self::NoSocket { .. } => {
                "set socket in the configuration to a path where nothing is, or move away what is there"
            }
            Self::SocketTaken { .. } => "stop that agent, or set another socket in the configuration",
            Self::NoSuchGroup(_) => "create it with `groupadd --system`, or correct the configuration",
            Self::Api { .. } => "set listen in [embedded.api] of the configuration to an address that is free",
            Self::Gateway { .. } if self.is_incomplete_ca() => "",
            Self::Gateway { .. } => {
                "set listen in [gateways.PEER] of the configuration to an address that is free, and certificate and key to files \
                 that this user may read"
            }
            Self::Link(LinkError::Listen { .. }) => "set listen in the configuration to an address that is free",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_without_half_of_its_ca_waits_for_the_operator_and_gives_no_other_advice() {
        let paths = ("ca.pem".into(), "ca-key.pem".into());
        let lost =
            CertificateError::Incomplete { missing: paths.0, present: paths.1, command: "ca-key.pem".to_owned() };
        let failed = |source| AgentError::Gateway { peer: "west".to_owned(), source };
        let incomplete = failed(std::io::Error::other(lost));
        assert!(incomplete.is_config());
        assert_eq!(incomplete.hint(), "");
        let taken = failed(std::io::ErrorKind::AddrInUse.into());
        assert!(!taken.is_config());
        assert!(taken.hint().contains("an address that is free"));
    }
}
