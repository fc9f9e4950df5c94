//! Why an agent cannot serve, and what to do about it.

use std::path::PathBuf;

/// An agent that cannot start, or that stopped because it must not go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The state directory is not to be had.
    #[error("cannot use the state directory {}: {source}", path.display())]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another agent has the state directory.
    #[error(
        "another agent{} uses the state directory {}",
        holder.map(|pid| format!(" (process {pid})")).unwrap_or_default(),
        path.display()
    )]
    StateLocked {
        /// The directory.
        path: PathBuf,
        /// The other agent's process, if it said.
        holder: Option<u32>,
    },
    /// The control socket is not to be had.
    #[error("cannot listen on the control socket {}: {source}", path.display())]
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
    /// The admin group does not exist.
    #[error("there is no group `{0}` on this host, which admin-group names")]
    NoSuchGroup(String),
    /// A part of the agent does not open or start.
    #[error("{part}: {}", causes(source.as_ref()))]
    Part {
        /// Which.
        part: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The process cannot have what every process has.
    #[error("cannot start: {0}")]
    Process(#[source] std::io::Error),
}

impl AgentError {
    /// Returns what to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::StateDir { .. } => "set state-dir in the configuration to a directory that this user may write",
            Self::StateLocked { .. } => "stop that agent, or set another state-dir in the configuration",
            Self::Socket { .. } => "set socket in the configuration, or --socket, to a path that this user may write",
            Self::SocketTaken { .. } => "stop that agent, or set another socket in the configuration",
            Self::NoSuchGroup(_) => "create it with `groupadd --system`, or correct the configuration",
            Self::Part { .. } => "",
            Self::Process(_) => "look at the limits of this user and host",
        }
    }
}

/// Returns an error and everything behind it, on one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some errors repeat their cause in their own text.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
