//! Durable file operations. The store and the journal write only through a [`Disk`].
//!
//! A [`Disk`] is a handle on a [`Medium`]. [`Disk::real`] uses the file system. [`Disk::faulty`] uses the file system
//! and injects [`Faults`]: failed syncs, short writes, a full disk, a process that dies between two operations, and a
//! power cut that loses unsynced bytes. Every medium keeps its files on the real file system, under their own names, so
//! that other programs can read complete files.
//!
//! Files have mode 0600, directories 0700.

pub mod background;
pub mod database;
pub mod descriptors;
mod faults;
mod medium;
mod real;
#[cfg(test)]
mod tests;
pub mod words;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{StatVfsMountFlags, statvfs};
use tokio::runtime::{Handle, RuntimeFlavor};

use self::background::Turn;
pub use faults::{FaultPlan, Faults};
pub use medium::{Medium, MediumFile, Open};
pub use real::DirLock;

/// Zeros for preallocation.
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];

/// Serializes replacements. All replacements of a file use one temporary name, so that a crash leaves at most one
/// temporary file. Two replacements at once would truncate or rename each other's temporary file.
static REPLACING: Mutex<()> = Mutex::new(());

/// Runs blocking disk work on a thread where it delays no async task. [Background](background) work waits for its turn.
pub async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    blocking_in(background::turn().await, work).await
}

/// As [`blocking`], in a turn that was waited for before.
pub async fn blocking_in<R: Send + 'static>(turn: Option<Turn>, work: impl FnOnce() -> R + Send + 'static) -> R {
    // The turn ends with the work, also if the caller is dropped before.
    let work = move || {
        let _turn = turn.map(Turn::begin);
        work()
    };
    // A current-thread runtime (used by tests) has no other thread to keep free, and a simulated clock does not reach
    // other threads.
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Reports whether the file system that holds `path` is mounted read-only, as some are after an error of their disk.
pub fn is_read_only(path: &Path) -> bool {
    statvfs(path).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Returns the shell command that makes the file system of `dir` writable again.
pub fn remount_command(dir: &Path) -> String {
    format!("mount -o remount,rw $(findmnt -n -o TARGET -T {})", quoted(dir))
}

/// Returns the shell command that shows which subdirectories use the space of `dir`. It uses sudo, because other users
/// may not read the directory.
pub fn usage_command(dir: &Path) -> String {
    format!("sudo du -xhd1 {}", quoted(dir))
}

/// Returns a path as a shell reads it.
pub fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    shlex::try_quote(&path).map_or(path.clone(), |quoted| quoted.into_owned())
}

/// A handle on a medium. Cheap to clone.
#[derive(Clone)]
pub struct Disk {
    medium: Arc<dyn Medium>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl Disk {
    /// Returns a disk on the real file system.
    pub fn real() -> Self {
        Self::on(Arc::new(real::Real))
    }

    /// Returns a disk on the real file system that injects `faults`.
    pub fn faulty(faults: &Faults) -> Self {
        Self::on(Arc::new(faults.clone()))
    }

    pub fn on(medium: Arc<dyn Medium>) -> Self {
        Self { medium }
    }

    pub fn open(&self, path: &Path, open: Open) -> io::Result<DiskFile> {
        let file = descriptors::when_available(|| self.medium.open(path, open))?;
        Ok(DiskFile { path: path.to_owned(), file })
    }

    /// Replaces the content of the file at `path` atomically: a crash leaves the whole old file or the whole new one.
    /// Concurrent replacements run one after the other; the last one wins.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".new");
        let new = path.with_file_name(name);
        let _replacing = REPLACING.lock();
        let file = self.open(&new, Open::Fresh)?;
        file.write_all_at(0, bytes)?;
        file.sync()?;
        self.rename(&new, path)
    }

    /// Renames a file durably and replaces any file at `to`.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.medium.rename(from, to)?;
        // Without this sync a power cut may undo the rename. A journal record would then name a missing file.
        self.sync_dir_of(to)
    }

    /// Removes a file durably. Succeeds if the file does not exist.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        match self.medium.remove(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.sync_dir_of(path),
        }
    }

    /// Renames an unreadable file durably to [`Disk::aside`], so that nobody uses it and nothing is lost.
    pub fn set_aside(&self, path: &Path) -> io::Result<()> {
        self.rename(path, &Self::aside(path))
    }

    /// Returns the path that [`Disk::set_aside`] renames `path` to.
    pub fn aside(path: &Path) -> PathBuf {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".damaged");
        path.with_file_name(name)
    }

    /// Creates a directory and its parents durably.
    pub fn create_dir(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        self.medium.create_dir(path)?;
        self.sync_dir_of(path)
    }

    /// Makes the entries of the parent directory of `path` durable.
    pub fn sync_dir_of(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        descriptors::when_available(|| self.medium.sync_dir(parent.unwrap_or(Path::new("."))))
    }

    /// Returns the bytes that an unprivileged process may still write to the file system of `path`.
    pub fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.medium.free_bytes(path)
    }

    /// Locks a directory against other processes and other locks of this process. Returns `None` if it is locked.
    pub fn lock_dir(&self, path: &Path) -> io::Result<Option<DirLock>> {
        DirLock::take(path)
    }
}

/// An open file.
pub struct DiskFile {
    path: PathBuf,
    file: Box<dyn MediumFile>,
}

impl fmt::Debug for DiskFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DiskFile({})", self.path.display())
    }
}

impl DiskFile {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file's size in bytes.
    pub fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    /// Fills `bytes` from `offset`. Errors: `UnexpectedEof` if the file is shorter.
    pub fn read_exact_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match self.file.read_at(offset + done as u64, &mut bytes[done..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes`, with several system calls if necessary. Durable after [`DiskFile::sync`].
    pub fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match self.file.write_at(offset + done as u64, &bytes[done..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes` with one system call, then syncs. Errors: `WriteZero` for a short write.
    pub fn write_once_synced_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.file.write_at(offset, bytes)? != bytes.len() {
            return Err(io::Error::new(io::ErrorKind::WriteZero, "the write came short"));
        }
        self.sync()
    }

    /// Extends the file to `bytes` and reserves the disk space, so that later writes to that range cannot run out of
    /// space. Durable after [`DiskFile::sync`].
    pub fn preallocate(&self, bytes: u64) -> io::Result<()> {
        let size = self.size()?;
        if size >= bytes {
            return Ok(());
        }
        // Reserve before writing, so that a full disk fails before any byte is written.
        self.file.allocate(bytes)?;
        // Write real zeros: the file system converts a reserved extent on its first write, and may need space for its
        // own metadata to do so.
        self.write_zeros(size, bytes)
    }

    /// Writes zeros from `offset` up to `end`, exclusive.
    pub fn write_zeros(&self, offset: u64, end: u64) -> io::Result<()> {
        let mut at = offset;
        while at < end {
            let count = (end - at).min(ZEROS.len() as u64);
            self.write_all_at(at, &ZEROS[..count as usize])?;
            at += count;
        }
        Ok(())
    }

    /// Truncates the file, or extends it with zeros that use no disk space yet.
    pub fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.file.set_size(bytes)
    }

    /// Makes content and size durable. An error leaves all writes since the last successful sync in doubt. A second
    /// sync does not settle it.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    /// Locks the file exclusively until it is unlocked or closed. Returns false if another handle holds the lock.
    pub fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    /// Releases the lock.
    pub fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}
