//! The backup that a request is about.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A backup, by where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupRef {
    /// An archive, an absolute path; the client hands it over.
    File(PathBuf),
    /// One that is kept here: its id, or how that begins.
    Kept(String),
}
