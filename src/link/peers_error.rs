//! Why the files that an operator may edit cannot be used.

use std::io;
use std::path::PathBuf;

/// A failure of `peers.toml` or `limits.toml`.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// The content is invalid.
    #[error("{path}: {problem}; correct it, or move it away and pair again")]
    Malformed {
        path: PathBuf,
        /// What is wrong, with the line number if known.
        problem: String,
    },
    /// An I/O error of the file system.
    #[error("cannot use {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl PeersError {
    /// Reports whether an operator must act before another start can succeed.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Malformed { .. })
    }
}
