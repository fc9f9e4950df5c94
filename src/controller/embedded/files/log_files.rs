//! A model's log in an import or an export: where its files are, and how many it has at most.

use crate::controller::backup::LOG_FILES_MAX;
use crate::controller::port::ControllerError;

/// Directory of the log's files, beside the binaries'.
pub(super) const LOGS_DIR: &str = "logs";

/// Returns where an export has the log's piece of that number, from 1.
pub(in crate::controller::embedded) fn path(number: usize) -> String {
    format!("{LOGS_DIR}/{number:04}.log")
}

/// Refuses a log of too many pieces.
pub(super) fn check_count(count: usize) -> Result<(), ControllerError> {
    if count <= LOG_FILES_MAX {
        return Ok(());
    }
    Err(ControllerError::Refused(format!("the log has {count} pieces, a model's has at most {LOG_FILES_MAX}")))
}
