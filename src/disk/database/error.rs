//! What can be wrong with a database.

use std::io;
use std::path::PathBuf;

/// A database that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// There is no space left, or a quota is used up. With more room the same call succeeds.
    #[error(
        "the disk of `{}` is full or its quota is used up: {needed} bytes are needed, {free} are free; free some and \
         try again",
        path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// Bytes that were wanted.
        needed: u64,
        /// Bytes there are.
        free: u64,
    },
    /// The file's bytes are not those that were written.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Another process has it open.
    #[error("`{}` is in use: another agent runs on this state directory; stop it first", .0.display())]
    Locked(PathBuf),
    /// The file system failed.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The database refused, for a reason that is neither the disk's nor damage.
    #[error("cannot use `{}`", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Box<redb::Error>,
    },
}
