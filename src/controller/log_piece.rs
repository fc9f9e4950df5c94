//! A piece of a model's log, as a database holds it.

use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::{BlobRef, LogSegment, Name};
use serde::{Deserialize, Serialize};

use super::master::log::segment_of;
use super::port::ControllerError;
use super::text;

/// A blob in the agent's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::controller) struct Blob {
    #[serde(with = "text")]
    pub hash: Hash,
    pub bytes: u64,
}

impl From<BlobRef> for Blob {
    fn from(BlobRef { hash, bytes }: BlobRef) -> Self {
        Self { hash, bytes }
    }
}

impl From<Blob> for BlobRef {
    fn from(Blob { hash, bytes }: Blob) -> Self {
        Self { hash, bytes }
    }
}

/// A piece of a log, as a database holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::controller) struct LogPiece {
    pub name: String,
    pub until_ms: u64,
    pub lines: u32,
    pub blob: Blob,
}

impl LogPiece {
    /// Reads a piece of a log. `shown`: where it is from.
    ///
    /// Errors: [`ControllerError::Refused`] for what is no text, or a line that does not begin with a time.
    pub(in crate::controller) fn read(text: &[u8], shown: &str) -> Result<Self, ControllerError> {
        let segment = segment_of(text).map_err(|why| ControllerError::Refused(format!("{shown}: {why}")))?;
        Ok(segment.into())
    }
}

impl From<LogSegment> for LogPiece {
    fn from(segment: LogSegment) -> Self {
        let LogSegment { name, until_ms, lines, blob } = segment;
        Self { name: name.into_string(), until_ms, lines, blob: blob.into() }
    }
}

impl From<LogPiece> for LogSegment {
    fn from(record: LogPiece) -> Self {
        let LogPiece { name, until_ms, lines, blob } = record;
        Self { name: Name::cut(&name), until_ms, lines, blob: blob.into() }
    }
}
