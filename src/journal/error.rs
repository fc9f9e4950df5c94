//! Journal errors.

use std::io;
use std::path::PathBuf;

use modelferry_protocol::codec::CodecError;
use modelferry_protocol::limits::RECORD_BYTES_MAX;
use modelferry_protocol::switch::table::IllegalStep;

/// A failure to open, read or write the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// An I/O error while opening or reading.
    #[error("cannot {doing} `{path}`")]
    Io {
        /// The operation that failed, as a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Another process has the journal open.
    #[error("the journal in `{0}` is in use: another agent runs on this state directory; stop it first")]
    Locked(PathBuf),
    /// A record that had been durable is damaged. The agent repairs nothing: the damaged part may hold a decision, and
    /// acting without it could give a model two owners.
    #[error(
        "the journal `{path}` is damaged at byte {offset}, after record {sequence}: {reason}; \
         the agent does not act on it; restore both journal files from the disk's own redundancy, \
         or see docs/in-doubt.md, \"The journal cannot be trusted\""
    )]
    Corrupt {
        path: PathBuf,
        /// File offset of the damage.
        offset: u64,
        /// Sequence of the last valid record before the damage.
        sequence: u64,
        /// The evidence of the damage.
        reason: &'static str,
    },
    /// A valid record of a kind that this version does not know.
    #[error(
        "record {sequence} of the journal is of a kind this version does not know; install the version that wrote it"
    )]
    Unreadable {
        sequence: u64,
        #[source]
        source: CodecError,
    },
    /// A record whose state cannot follow the earlier state of its migration. A decision may rest on it, so the agent
    /// does not act.
    #[error(
        "record {sequence} of the journal is a step that no migration makes; the agent does not act on it; \
         see docs/in-doubt.md, \"The journal cannot be trusted\""
    )]
    Illegal {
        sequence: u64,
        /// The refused transition.
        #[source]
        source: IllegalStep,
    },
    /// The file has a format that this version does not know.
    #[error(
        "the journal `{path}` is of format {format}, which this version does not know; \
         install the version that wrote it"
    )]
    Format { path: PathBuf, format: u16 },
    /// The system returned no random bytes for the id of a new journal.
    #[error("the system gave no random bytes for the new journal's id")]
    NoRandomness,
    /// An entry exceeds the maximum record size. Nothing was written.
    #[error("a journal record of {bytes} bytes is larger than the {RECORD_BYTES_MAX} allowed")]
    TooLarge {
        /// Encoded size.
        bytes: usize,
    },
    /// The disk has no room to extend the journal. Nothing was written.
    #[error("the disk of the journal is full: {needed} bytes are needed, {free} are free; free some and try again")]
    ReserveLow {
        /// Bytes by which the journal had to grow.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A write failed. The content of the disk is unknown until the journal is reopened, so the process must stop.
    #[error("cannot {doing} the journal `{path}`: the agent stops and reads it again when it is started")]
    Failed {
        /// The operation that failed, as a verb.
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// An earlier write failed; see [`JournalError::Failed`].
    #[error("the journal has failed before: the agent must stop")]
    Poisoned,
}
