//! Database errors.

use std::io;
use std::path::PathBuf;

/// A failed database operation.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The disk is full or a quota is used up. The same call succeeds once there is room.
    #[error(
        "the disk of `{}` is full or its quota is used up: {needed} bytes are needed, {free} are free; free some and \
         try again",
        path.display()
    )]
    Full {
        path: PathBuf,
        /// Bytes that must be free.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The file content is corrupt.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// Another process has the file open.
    #[error("`{}` is in use: another agent runs on this state directory; stop it first", .0.display())]
    Locked(PathBuf),
    /// An I/O error of the file system.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// The operation that failed, as a verb.
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Any other database error: neither an I/O error nor damage.
    #[error("cannot use `{}`", path.display())]
    Other {
        path: PathBuf,
        #[source]
        source: Box<redb::Error>,
    },
}
