//! What can be wrong with a journal.

use std::io;
use std::path::PathBuf;

use modelferry_protocol::codec::CodecError;
use modelferry_protocol::limits::RECORD_BYTES_MAX;
use modelferry_protocol::switch::table::IllegalStep;

/// A journal that cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The journal cannot be opened or read.
    #[error("cannot {doing} `{path}`")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process has the journal open.
    #[error("the journal in `{0}` is in use: another agent runs on this state directory; stop it first")]
    Locked(PathBuf),
    /// A record is damaged, and what follows shows that it had been durable. Nothing is repaired: a
    /// decision may be in the damaged part, and acting without it could give a model two owners.
    #[error(
        "the journal `{path}` is damaged at byte {offset}, after record {sequence}: {reason}; \
         the agent does not act on it; restore both journal files from the disk's own redundancy, \
         or see docs/in-doubt.md, \"The journal cannot be trusted\""
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the damage begins.
        offset: u64,
        /// The last record before it that is sound.
        sequence: u64,
        /// What gives it away.
        reason: &'static str,
    },
    /// A sound record that this version cannot read.
    #[error(
        "record {sequence} of the journal is of a kind this version does not know; install the version that wrote it"
    )]
    Unreadable {
        /// The record.
        sequence: u64,
        /// Why not.
        #[source]
        source: CodecError,
    },
    /// A record that cannot follow the ones before it. A decision would rest on it, so the agent does not act.
    #[error(
        "record {sequence} of the journal is a step that no migration makes; the agent does not act on it; \
         see docs/in-doubt.md, \"The journal cannot be trusted\""
    )]
    Illegal {
        /// The record.
        sequence: u64,
        /// Which step it would be.
        #[source]
        source: IllegalStep,
    },
    /// The file is of a format that this version does not know.
    #[error(
        "the journal `{path}` is of format {format}, which this version does not know; \
         install the version that wrote it"
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u16,
    },
    /// The system gave no random bytes for a new journal's id.
    #[error("the system gave no random bytes for the new journal's id")]
    NoRandomness,
    /// An entry is larger than a record may be. Nothing was written.
    #[error("a journal record of {bytes} bytes is larger than the {RECORD_BYTES_MAX} allowed")]
    TooLarge {
        /// Its encoded size.
        bytes: usize,
    },
    /// There is no space to keep the journal ahead of what is used. Nothing was written.
    #[error("the disk of the journal is full: {needed} bytes are needed, {free} are free; free some and try again")]
    ReserveLow {
        /// Bytes by which the journal had to grow.
        needed: u64,
        /// Bytes there are.
        free: u64,
    },
    /// Writing failed. What is on the disk is not known until the journal is opened anew: stop the process.
    #[error("cannot {doing} the journal `{path}`: the agent stops and reads it again when it is started")]
    Failed {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Writing failed before; see [`JournalError::Failed`].
    #[error("the journal has failed before: the agent must stop")]
    Poisoned,
}

impl JournalError {
    /// Reports whether the process must stop at once, without another message or effect.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Poisoned)
    }
}
