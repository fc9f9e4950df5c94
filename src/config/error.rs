//! Configuration errors, with the information to correct them.

use std::path::{Path, PathBuf};

use super::toml_problem::TomlProblem;
use super::words;

/// An invalid configuration. The agent does not start with it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {}; correct the path given with --config", path.display(), words::of_text(source))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file contains a wrong key or value.
    #[error("{}:{line}: {key}: {message}", path.display())]
    Wrong {
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The key with its tables.
        key: String,
        /// What is wrong, and what to write instead.
        message: String,
    },
}

impl ConfigError {
    /// Adds file, line and key to an error of the TOML parser.
    pub(super) fn wrong(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let TomlProblem { line, key, message } = TomlProblem::of(text, error);
        Self::Wrong { path: path.to_owned(), line, key, message }
    }

    /// Reports keys of a table that make no sense together, at the table's first line.
    pub(super) fn wrong_table(path: &Path, text: &str, table: &str, message: String) -> Self {
        let header = format!("[{table}]");
        let line = text.lines().position(|line| line.trim() == header).map_or(1, |before| before + 1);
        Self::Wrong { path: path.to_owned(), line, key: table.to_owned(), message }
    }
}
