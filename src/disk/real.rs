//! The real file system.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

use super::medium::{Medium, MediumFile, Open};

/// The real file system.
pub struct Real;

impl Medium for Real {
    fn open(&self, path: &Path, open: Open) -> io::Result<Box<dyn MediumFile>> {
        Ok(Box::new(open_file(path, open)?))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Opens a file; a new one gets mode 0600.
pub fn open_file(path: &Path, open: Open) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(open != Open::Existing)
        .truncate(open == Open::Fresh)
        .mode(0o600)
        .open(path)
}

impl MediumFile for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        match fallocate(self, FallocateFlags::KEEP_SIZE, 0, bytes) {
            // This file system cannot reserve space. The zeros that the caller writes next will take it.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            other => Ok(other?),
        }
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        // `fdatasync` also writes the size when reading the content back needs it.
        self.sync_data()
    }

    fn try_lock(&self) -> io::Result<bool> {
        locked(File::try_lock(self))
    }

    fn unlock(&self) -> io::Result<()> {
        File::unlock(self)
    }
}

fn locked(attempt: Result<(), TryLockError>) -> io::Result<bool> {
    match attempt {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// An exclusive lock on a directory. Dropping it or ending the process releases it.
#[derive(Debug)]
pub struct DirLock {
    _dir: File,
}

impl DirLock {
    /// Locks the directory at `path`. Returns `None` if another lock exists.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        let dir = File::open(path)?;
        Ok(locked(dir.try_lock())?.then_some(Self { _dir: dir }))
    }
}
