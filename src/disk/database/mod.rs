//! redb databases on a [`Disk`]. Creation is atomic, and a failed database is reopened.
//!
//! After an I/O error redb refuses every call until its file is reopened. So that a briefly full disk causes one
//! failure only, the call that met the error fails and the next call reopens the file.

mod backend;
mod error;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use redb::{Builder, Durability, ReadableDatabase, TableHandle, WriteTransaction};

pub use error::DatabaseError;

use self::backend::Backend;
use super::{Disk, DiskFile, Open};

/// The result of redb calls.
pub type Outcome<R> = Result<R, redb::Error>;

/// Free bytes required before an ordinary write, 4 MiB. With less, the file might be unable to grow; redb would then
/// fail and the file would have to be reopened.
pub const HEADROOM_BYTES: u64 = 4 << 20;

/// File name of the reserve, in the directory of the databases.
const RESERVE: &str = "reserve";
/// Bytes that the reserve holds. Enough for a thaw, which changes a few pages of 4 KiB, and for the file to grow.
const RESERVE_BYTES: u64 = 4 << 20;

/// The tables of a database.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Table names. Opening writes only if one is missing, so that a start needs no free space.
    pub names: &'static [&'static str],
    /// Creates the missing tables.
    pub make: fn(&WriteTransaction) -> Outcome<()>,
    /// Page cache, bytes.
    pub cache_bytes: usize,
}

/// An open redb file and the first I/O error it met.
struct Opened {
    database: redb::Database,
    failure: Arc<OnceLock<io::Error>>,
}

/// Marks a database as failed if its user panics, because the panic poisons redb's locks.
struct PanicGuard<'f>(&'f OnceLock<io::Error>);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.set(io::Error::other("a thread that used it panicked"));
        }
    }
}

/// A database that recovers from failures of its disk.
pub struct Database {
    path: PathBuf,
    disk: Disk,
    schema: Schema,
    /// `None` after a failure, until the file is reopened. A caller holds the read lock while it uses the database and
    /// must not take it again meanwhile.
    opened: RwLock<Option<Opened>>,
}

impl Database {
    /// Opens the database at `path`, or creates it with mode 0600. Checks the integrity of the whole file.
    ///
    /// Errors: [`DatabaseError::Damaged`], also for an empty file, which the agent never creates.
    pub fn open(path: &Path, disk: Disk, schema: Schema) -> Result<Self, DatabaseError> {
        let database = Self { path: path.to_owned(), disk, schema, opened: RwLock::new(None) };
        if !fs::exists(path).map_err(|source| database.io("look at", source))? {
            database.create()?;
        }
        database.with(|_| Ok::<_, DatabaseError>(()))?;
        Ok(database)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Creates the database under a temporary name and renames it, so that a crash leaves no partial database.
    fn create(&self) -> Result<(), DatabaseError> {
        let new = self.path.with_extension("redb.new");
        let file = self.disk.open(&new, Open::Fresh);
        let file = file.map_err(|source| DatabaseError::Io { doing: "make", path: new.clone(), source })?;
        drop(self.open_file(file)?);
        self.disk.rename(&new, &self.path).map_err(|source| self.io("make", source))
    }

    fn reopen(&self) -> Result<Opened, DatabaseError> {
        let file = self.disk.open(&self.path, Open::Existing).map_err(|source| self.io("open", source))?;
        if file.size().map_err(|source| self.io("read", source))? == 0 {
            let reason = "the file is empty".to_owned();
            return Err(DatabaseError::Damaged { path: self.path.clone(), reason });
        }
        self.open_file(file)
    }

    fn open_file(&self, file: DiskFile) -> Result<Opened, DatabaseError> {
        let failure = Arc::new(OnceLock::new());
        let backend = Backend::new(file, failure.clone());
        let opened = || -> Outcome<redb::Database> {
            // Check the integrity of the whole file: damage becomes an error here instead of a panic later.
            let database = Builder::new()
                .set_cache_size(self.schema.cache_bytes)
                .set_check_integrity_on_open(true)
                .create_with_backend(backend)?;
            if !self.has_all_tables(&database)? {
                let transaction = database.begin_write()?;
                (self.schema.make)(&transaction)?;
                transaction.commit()?;
            }
            Ok(database)
        };
        match opened() {
            Ok(database) => Ok(Opened { database, failure }),
            Err(error) => Err(failure.get().map_or_else(|| self.explained(error), |source| self.failed(source))),
        }
    }

    fn has_all_tables(&self, database: &redb::Database) -> Outcome<bool> {
        let there: Vec<String> = database.begin_read()?.list_tables()?.map(|table| table.name().to_owned()).collect();
        Ok(self.schema.names.iter().all(|name| there.iter().any(|known| known == name)))
    }

    /// Runs `act` on the database. Reopens the file first if the previous call met an I/O error.
    ///
    /// Errors: those of `act`. If the disk failed meanwhile: [`DatabaseError::Full`] or [`DatabaseError::Io`].
    pub fn with<R, E: From<DatabaseError>>(&self, act: impl FnOnce(&redb::Database) -> Result<R, E>) -> Result<R, E> {
        loop {
            let shared = self.opened.read();
            let Some(opened) = &*shared else {
                drop(shared);
                let mut exclusive = self.opened.write();
                if exclusive.is_none() {
                    *exclusive = Some(self.reopen()?);
                }
                continue;
            };
            let outcome = {
                let _guard = PanicGuard(&opened.failure);
                act(&opened.database)
            };
            let failure = opened.failure.get().map(|source| self.failed(source));
            drop(shared);
            let Some(failure) = failure else { return outcome };
            self.close_failed();
            // An `Ok` from a commit means durable, even if a later operation failed.
            return outcome.map_err(|_| failure.into());
        }
    }

    /// Closes the failed file, unless another caller has already reopened it.
    fn close_failed(&self) {
        let mut exclusive = self.opened.write();
        if exclusive.as_ref().is_some_and(|opened| opened.failure.get().is_some()) {
            *exclusive = None;
        }
    }

    /// Runs `act` in one transaction. On success all of it has the given `durability`; on error none of it is applied.
    pub fn commit<R, E: From<DatabaseError>>(
        &self,
        durability: Durability,
        act: impl FnOnce(&WriteTransaction) -> Result<R, E>,
    ) -> Result<R, E> {
        self.with(|database| {
            let mut transaction = database.begin_write().map_err(|error| E::from(self.explained(error)))?;
            transaction.set_durability(durability).map_err(|error| E::from(self.explained(error)))?;
            let result = act(&transaction)?;
            transaction.commit().map_err(|error| E::from(self.explained(error)))?;
            Ok(result)
        })
    }

    /// Like [`Database::commit`] with immediate durability, but retries a full disk with the space of the reserve. For
    /// writes that end a migration or free space. `is_full`: reports whether an error means a full disk.
    pub fn commit_regardless<R, E: From<DatabaseError>>(
        &self,
        is_full: impl Fn(&E) -> bool,
        mut act: impl FnMut(&WriteTransaction) -> Result<R, E>,
    ) -> Result<R, E> {
        match self.commit(Durability::Immediate, &mut act) {
            Err(error) if is_full(&error) && self.give_reserve() => self.commit(Durability::Immediate, act),
            done => done,
        }
    }

    /// Creates the reserve, a file that only occupies disk space, if the disk has room for it and [`HEADROOM_BYTES`].
    pub fn keep_reserve(&self) {
        let path = self.path.with_file_name(RESERVE);
        let has_room = || self.disk.free_bytes(&self.path).is_ok_and(|free| free >= HEADROOM_BYTES + RESERVE_BYTES);
        if fs::metadata(&path).is_ok_and(|reserve| reserve.len() >= RESERVE_BYTES) || !has_room() {
            return;
        }
        let taken = self.disk.open(&path, Open::OrCreate).and_then(|file| file.preallocate(RESERVE_BYTES));
        if taken.is_err() {
            // Another process has taken the space meanwhile. The next call tries again.
            let _ = self.disk.remove(&path);
        }
    }

    /// Removes the reserve to free its space. Returns whether it existed.
    fn give_reserve(&self) -> bool {
        let path = self.path.with_file_name(RESERVE);
        path.exists() && self.disk.remove(&path).is_ok()
    }

    /// Refuses a deferrable write if the disk has less than [`HEADROOM_BYTES`] free.
    ///
    /// Errors: [`DatabaseError::Full`], [`DatabaseError::Io`].
    pub fn need_room(&self) -> Result<(), DatabaseError> {
        let free = self.disk.free_bytes(&self.path).map_err(|source| self.io("ask for the space at", source))?;
        if free < HEADROOM_BYTES { Err(self.full()) } else { Ok(()) }
    }

    /// Converts a redb error.
    pub fn explained(&self, error: impl Into<redb::Error>) -> DatabaseError {
        let path = self.path.clone();
        match error.into() {
            redb::Error::Io(source) => self.failed(&source),
            redb::Error::Corrupted(reason) => self.damaged(reason),
            error @ (redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted) => self.damaged(error),
            redb::Error::DatabaseAlreadyOpen => DatabaseError::Locked(path),
            error => DatabaseError::Other { path, source: Box::new(error) },
        }
    }

    /// Converts an I/O error of the database file.
    fn failed(&self, source: &io::Error) -> DatabaseError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => self.full(),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => self.damaged(source),
            kind => {
                let copy = source.raw_os_error().map(io::Error::from_raw_os_error);
                let copy = copy.unwrap_or_else(|| io::Error::new(kind, source.to_string()));
                self.io("read or write", copy)
            }
        }
    }

    fn io(&self, doing: &'static str, source: io::Error) -> DatabaseError {
        DatabaseError::Io { doing, path: self.path.clone(), source }
    }

    /// `said`: the database's own text, which goes into the log.
    fn damaged(&self, said: impl std::fmt::Display) -> DatabaseError {
        tracing::error!("`{}` is damaged: {said}", self.path.display());
        let reason = "its content is not what was written to it".to_owned();
        DatabaseError::Damaged { path: self.path.clone(), reason }
    }

    fn full(&self) -> DatabaseError {
        let free = self.disk.free_bytes(&self.path).unwrap_or(0);
        DatabaseError::Full { path: self.path.clone(), needed: HEADROOM_BYTES, free }
    }
}
