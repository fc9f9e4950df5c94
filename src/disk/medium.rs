//! The file operations that a disk stands on.

use std::io;
use std::path::Path;

/// How to open a file. Every mode opens it for reading and writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// The file must exist.
    Existing,
    /// Creates an empty file unless it exists.
    OrCreate,
    /// Creates the file, or truncates it if it exists.
    Fresh,
}

/// The file operations of a real or a simulated file system.
pub trait Medium: Send + Sync {
    fn open(&self, path: &Path, open: Open) -> io::Result<Box<dyn MediumFile>>;
    /// Creates a directory and its parents. Does nothing if the directory exists.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Renames a file and replaces any file at `to`. Durable after [`Medium::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the entries of a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Returns the free bytes of the file system that holds `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// An open file of a [`Medium`].
pub trait MediumFile: Send + Sync {
    /// Returns the file's size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Reads at `offset`. Returns 0 at the end of the file.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;
    /// Writes at `offset` and returns the bytes written, which may be fewer than given.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    /// Reserves disk space for the first `bytes` of the file, as far as the file system supports it. Does not change
    /// the size or the content.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// Truncates the file, or extends it with zeros that use no disk space yet.
    fn set_size(&self, bytes: u64) -> io::Result<()>;
    /// Makes content and size durable.
    fn sync(&self) -> io::Result<()>;
    /// Locks the file exclusively. Returns false if another open file handle holds the lock.
    fn try_lock(&self) -> io::Result<bool>;
    /// Releases the lock.
    fn unlock(&self) -> io::Result<()>;
}
