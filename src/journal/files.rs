//! The files of the journal, and errors that name them.

use std::io;
use std::path::Path;

use super::error::JournalError;
use super::format::{BadRecords, HEADER_BYTES, Header};
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

/// Writes and syncs a header.
pub fn put(file: &DiskFile, header: &[u8]) -> Result<(), JournalError> {
    file.write_once_synced_at(0, header).map_err(|source| cannot("write", file.path(), source))
}

/// Writes records into the file not in use, then marks that file active.
pub fn rewrite(file: &DiskFile, records: &[u8], header: &Header) -> Result<(), JournalError> {
    let path = file.path();
    let size = file.size().map_err(|source| cannot("read", path, source))?;
    file.write_all_at(HEADER_BYTES, records).map_err(|source| cannot("write", path, source))?;
    // Zero the rest: old records of an earlier generation must never follow these records.
    let end = HEADER_BYTES + records.len() as u64;
    file.write_zeros(end, size).map_err(|source| cannot("write", path, source))?;
    file.sync().map_err(|source| cannot("sync", path, source))?;
    put(file, &header.encode())
}
