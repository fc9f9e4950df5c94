//! A redb storage backend on the [`Disk`](crate::disk::Disk), so that injected disk faults also reach the database.

use std::io;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use redb::{BackendError, StorageBackend};

use crate::disk::DiskFile;

/// An open file that remembers its first I/O error, because redb refuses every call after it.
#[derive(Debug)]
pub(super) struct Backend {
    file: DiskFile,
    failure: Arc<OnceLock<io::Error>>,
}

impl Backend {
    pub fn new(file: DiskFile, failure: Arc<OnceLock<io::Error>>) -> Self {
        Self { file, failure }
    }

    fn kept<R>(&self, outcome: io::Result<R>) -> io::Result<R> {
        outcome.inspect_err(|error| {
            let copy = error.raw_os_error().map(io::Error::from_raw_os_error);
            let _ = self.failure.set(copy.unwrap_or_else(|| io::Error::new(error.kind(), error.to_string())));
        })
    }
}

/// Reports whether a range covers the whole file: the only lock that redb takes in a single process.
fn is_whole(start: Bound<u64>, end: Bound<u64>) -> bool {
    matches!(start, Bound::Unbounded | Bound::Included(0)) && end == Bound::Unbounded
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.kept(self.file.size())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.kept(self.file.read_exact_at(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.kept(self.file.set_size(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.kept(self.file.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.kept(self.file.write_all_at(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.unlock()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        if is_whole(start, end) { Ok(self.file.try_lock()?) } else { Err(BackendError::Unsupported) }
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        if is_whole(start, end) { Ok(self.file.unlock()?) } else { Err(BackendError::Unsupported) }
    }
}
