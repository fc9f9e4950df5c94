//! The disk: every durable operation of store and journal goes through a [`Disk`].
//!
//! A [`Disk`] is a handle on a [`Medium`]. The real one is the file system. [`Disk::faulty`] is the file
//! system with [`Faults`]: syncs that fail, writes that come short, space that runs out, a process that
//! dies between two operations, and bytes that were never synced and are lost. A medium keeps its files
//! on the real file system, under their own names, so that complete ones can be read by anybody.
//!
//! Files are made with mode 0600, directories with 0700.

pub mod database;
mod faults;
mod real;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Handle, RuntimeFlavor};

pub use faults::{FaultPlan, Faults};
pub use real::DirLock;

/// Zeros, written where a file is preallocated.
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];

/// Held while a file is replaced. All replacements of a file use one temporary name, so that a crash leaves at most one of
/// them behind; two at once would empty, or rename away, what the other is writing.
static REPLACING: Mutex<()> = Mutex::new(());

/// Runs work that waits for a disk where it holds nobody else up.
pub async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    // On one thread, which is what tests run on, nothing else could go on meanwhile; and where the clock is
    // simulated, another thread would be outside of it.
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Returns the command that says what takes the space of a directory. As root, as nobody else may look into it.
pub fn usage_command(dir: &Path) -> String {
    let dir = dir.display().to_string();
    format!("sudo du -xhd1 {}", shlex::try_quote(&dir).map_or(dir.as_str().into(), |quoted| quoted))
}

/// How a file is opened. Always for reading and writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// It must be there.
    Existing,
    /// It is made, empty, unless it is there.
    OrCreate,
    /// It is made, and emptied if it is there.
    Fresh,
}

/// A file system, or something that behaves like a bad one.
pub trait Medium: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, open: Open) -> io::Result<Box<dyn MediumFile>>;
    /// Makes a directory and those above it; one that is there is left as it is.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Renames a file, replacing what has the other name. Durable after [`Medium::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Returns the bytes that may still be written to the file system of `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// An open file of a [`Medium`].
pub trait MediumFile: Send + Sync {
    /// Returns the file's size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Reads at `offset`; 0 at the end.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;
    /// Writes at `offset`, possibly less than all.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    /// Takes disk space for the first `bytes` of the file, as far as the file system can. Size and content stay.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// Cuts the file, or lets it grow by zeros that take no space yet.
    fn set_size(&self, bytes: u64) -> io::Result<()>;
    /// Makes content and size durable.
    fn sync(&self) -> io::Result<()>;
    /// Locks the file against every other opening of it; false if one holds it.
    fn try_lock(&self) -> io::Result<bool>;
    /// Gives the lock back.
    fn unlock(&self) -> io::Result<()>;
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
    /// Returns the file system.
    pub fn real() -> Self {
        Self::on(Arc::new(real::Real))
    }

    /// Returns the file system with `faults`.
    pub fn faulty(faults: &Faults) -> Self {
        Self::on(Arc::new(faults.clone()))
    }

    /// Returns a handle on `medium`.
    pub fn on(medium: Arc<dyn Medium>) -> Self {
        Self { medium }
    }

    /// Opens a file for reading and writing.
    pub fn open(&self, path: &Path, open: Open) -> io::Result<DiskFile> {
        let file = self.medium.open(path, open)?;
        Ok(DiskFile { path: path.to_owned(), file })
    }

    /// Replaces the file at `path` by `bytes`: after a crash it is the old one or the new one, whole. Replacements wait for
    /// each other; the last one's bytes stay.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".new");
        let new = path.with_file_name(name);
        let _replacing = REPLACING.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.open(&new, Open::Fresh)?;
        file.write_all_at(0, bytes)?;
        file.sync()?;
        self.rename(&new, path)
    }

    /// Renames a file, replacing what has the other name, durably.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.medium.rename(from, to)?;
        // Without this a power cut may undo the rename, and a record would name a file that is not there.
        self.sync_dir_of(to)
    }

    /// Removes a file, durably. One that is not there is no error.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        match self.medium.remove(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.sync_dir_of(path),
        }
    }

    /// Moves a file that cannot be read out of the way, durably, so that it is neither used nor lost.
    pub fn set_aside(&self, path: &Path) -> io::Result<()> {
        self.rename(path, &Self::aside(path))
    }

    /// Returns where [`Disk::set_aside`] puts a file.
    pub fn aside(path: &Path) -> PathBuf {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".damaged");
        path.with_file_name(name)
    }

    /// Makes a directory, and those above it, durably.
    pub fn create_dir(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        self.medium.create_dir(path)?;
        self.sync_dir_of(path)
    }

    /// Makes the names in the directory that `path` lies in durable.
    pub fn sync_dir_of(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        self.medium.sync_dir(parent.unwrap_or(Path::new(".")))
    }

    /// Returns the bytes that an unprivileged process may still write to the file system of `path`.
    pub fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.medium.free_bytes(path)
    }

    /// Locks a directory against every other process, and every other lock of this one; none if it is locked.
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
    /// Returns the path that the file was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file's size in bytes.
    pub fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    /// Reads `bytes` in full. Errors: `UnexpectedEof` where the file is shorter.
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

    /// Writes all of `bytes`, in several goes if need be. Durable after [`DiskFile::sync`].
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

    /// Writes all of `bytes` in one go, and syncs them. Errors: `WriteZero` for a short write.
    pub fn write_once_synced_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.file.write_at(offset, bytes)? != bytes.len() {
            return Err(io::Error::new(io::ErrorKind::WriteZero, "the write came short"));
        }
        self.sync()
    }

    /// Lets the file grow to `bytes`, and takes the space for them now: what is written there later
    /// needs none. Durable after [`DiskFile::sync`].
    pub fn preallocate(&self, bytes: u64) -> io::Result<()> {
        let size = self.size()?;
        if size >= bytes {
            return Ok(());
        }
        // First, so that a disk that is too full says so before anything is written.
        self.file.allocate(bytes)?;
        // Real zeros: an extent that is merely reserved is converted when it is written, which may need
        // space for the file system's own tree.
        self.write_zeros(size, bytes)
    }

    /// Writes zeros from `offset` up to `end`.
    pub fn write_zeros(&self, offset: u64, end: u64) -> io::Result<()> {
        let mut at = offset;
        while at < end {
            let count = (end - at).min(ZEROS.len() as u64);
            self.write_all_at(at, &ZEROS[..count as usize])?;
            at += count;
        }
        Ok(())
    }

    /// Cuts the file, or lets it grow by zeros that take no space yet.
    pub fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.file.set_size(bytes)
    }

    /// Makes content and size durable. After an error nothing is known about what was written since
    /// the last success, and asking again proves nothing.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    /// Locks the file against every other opening of it, until it is unlocked or closed; false if it is locked.
    pub fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    /// Gives the lock back.
    pub fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}
