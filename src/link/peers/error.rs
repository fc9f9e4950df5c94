//! A failure of the files that an operator may edit.

use std::io;
use std::path::PathBuf;

/// An I/O error of the file system at `peers.toml` or `limits.toml`.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {path}")]
pub struct PeersError {
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}
