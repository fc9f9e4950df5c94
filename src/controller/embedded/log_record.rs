//! A piece of a model's log, as the database holds it.

use modelferry_protocol::snapshot::{LogSegment, Name};
use serde::{Deserialize, Serialize};

use super::record::Blob;
use crate::controller::backup::LOG_FILES_MAX;
use crate::controller::master::log::segment_of;
use crate::controller::port::ControllerError;

/// Directory of the log's files, beside the binaries'.
pub(super) const LOGS_DIR: &str = "logs";

/// A piece of a log, as the database holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogRecord {
    pub name: String,
    pub until_ms: u64,
    pub lines: u32,
    pub blob: Blob,
}

impl LogRecord {
    /// Reads a piece of a log. `shown`: where it is from.
    ///
    /// Errors: [`ControllerError::Refused`] for what is no text, or a line that does not begin with a time.
    pub(super) fn read(text: &[u8], shown: &str) -> Result<Self, ControllerError> {
        let segment = segment_of(text).map_err(|why| ControllerError::Refused(format!("{shown}: {why}")))?;
        let LogSegment { name, until_ms, lines, blob } = segment;
        Ok(Self { name: name.into_string(), until_ms, lines, blob: blob.into() })
    }
}

/// Returns where an export has the log's piece of that number, from 1.
pub(super) fn path(number: usize) -> String {
    format!("{LOGS_DIR}/{number:04}.log")
}

impl From<LogRecord> for LogSegment {
    fn from(record: LogRecord) -> Self {
        let LogRecord { name, until_ms, lines, blob } = record;
        Self { name: Name::cut(&name), until_ms, lines, blob: blob.into() }
    }
}

/// Refuses a log of too many pieces.
pub(super) fn check_count(count: usize) -> Result<(), ControllerError> {
    if count <= LOG_FILES_MAX {
        return Ok(());
    }
    Err(ControllerError::Refused(format!("the log has {count} pieces, a model's has at most {LOG_FILES_MAX}")))
}
