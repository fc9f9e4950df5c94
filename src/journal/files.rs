//! The files of the journal, and errors that name them.

use std::io;
use std::path::Path;

use super::error::JournalError;
use super::format::{BadRecords, HEADER_BYTES};
use crate::disk::{Disk, DiskFile};

/// Extends a file to `bytes` and reserves the disk space.
pub fn preallocate(disk: &Disk, file: &DiskFile, bytes: u64) -> Result<(), JournalError> {
    let full = |error: &io::Error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    match file.preallocate(bytes) {
        Err(error) if full(&error) => {
            let needed = bytes.saturating_sub(file.size().unwrap_or(0));
            Err(JournalError::ReserveLow { needed, free: disk.free_bytes(file.path()).unwrap_or(0) })
        }
        other => other.map_err(|source| cannot("extend", file.path(), source)),
    }
}

/// Converts a replay failure into an error that names the file.
pub fn refuse(path: &Path, bad: BadRecords) -> JournalError {
    match bad {
        BadRecords::Unreadable { sequence, source } => JournalError::Unreadable { sequence, source },
        BadRecords::Damaged { offset, sequence, reason } => {
            JournalError::Corrupt { path: path.to_owned(), offset: HEADER_BYTES + offset as u64, sequence, reason }
        }
    }
}

/// Makes the error of a failed operation.
pub fn cannot(doing: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io { doing, path: path.to_owned(), source }
}
