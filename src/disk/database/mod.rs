//! redb databases on a [`Disk`]: made whole or not at all, and opened again after a failure.
//!
//! After an I/O error redb refuses every call until its file is opened again. A disk that was full for a moment must
//! not cost more than that moment: the call that met the error fails, and the next one opens the file again.

mod backend;
mod error;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use redb::{Builder, Durability, ReadableDatabase, TableHandle, WriteTransaction};

pub use error::DatabaseError;

use self::backend::Backend;
use super::{Disk, DiskFile, Open};

/// What redb calls return.
pub type Outcome<R> = Result<R, redb::Error>;

/// Bytes that must be free before an ordinary write: with less, the file may have no room to grow, and would have to
/// be opened again.
pub const HEADROOM_BYTES: u64 = 4 << 20;

/// The name of the reserve in the directory of the databases.
const RESERVE: &str = "reserve";
/// Bytes that the reserve holds: a thaw changes a few pages of 4 KiB, and a file that grows needs room for more.
const RESERVE_BYTES: u64 = 4 << 20;

/// The tables of a database.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Their names. A start writes only if one of them is missing, so that it needs no room.
    pub names: &'static [&'static str],
    /// Makes those that are missing.
    pub make: fn(&WriteTransaction) -> Outcome<()>,
    /// Memory for the database's pages, bytes.
    pub cache_bytes: usize,
}

/// An open redb file, and the first I/O error that it met.
struct Opened {
    database: redb::Database,
    failure: Arc<OnceLock<io::Error>>,
}

/// Marks a database as failed when the thread that uses it panics: redb's locks are poisoned then.
struct PanicGuard<'f>(&'f OnceLock<io::Error>);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.set(io::Error::other("a thread that used it panicked"));
        }
    }
}

/// A database that outlives the failures of its disk.
pub struct Database {
    path: PathBuf,
    disk: Disk,
    schema: Schema,
    /// None after a failure: the file must then be opened again. A caller holds the lock shared while it uses the
    /// database, and must not ask for it again meanwhile.
    opened: RwLock<Option<Opened>>,
}

impl Database {
    /// Opens the database at `path`, or makes it. Only its owner can read it. The whole file is checked.
    ///
    /// Errors: [`DatabaseError::Damaged`], also for an empty file: an agent never leaves one.
    pub fn open(path: &Path, disk: Disk, schema: Schema) -> Result<Self, DatabaseError> {
        let database = Self { path: path.to_owned(), disk, schema, opened: RwLock::new(None) };
        if !fs::exists(path).map_err(|source| database.io("look at", source))? {
            database.create()?;
        }
        database.with(|_| Ok::<_, DatabaseError>(()))?;
        Ok(database)
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the disk that the file is on.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Makes the database beside its place: a half made file would be no database.
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
            return Err(self.damaged("the file is empty"));
        }
        self.open_file(file)
    }

    fn open_file(&self, file: DiskFile) -> Result<Opened, DatabaseError> {
        let failure = Arc::new(OnceLock::new());
        let backend = Backend::new(file, failure.clone());
        let opened = || -> Outcome<redb::Database> {
            // Checked as a whole: damage is then an error here, and not a panic somewhere else.
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

    /// Does `act` on the database, which is opened first if the last call met an I/O error.
    ///
    /// Errors: of `act`, unless the disk failed meanwhile: then [`DatabaseError::Full`] or [`DatabaseError::Io`].
    pub fn with<R, E: From<DatabaseError>>(&self, act: impl FnOnce(&redb::Database) -> Result<R, E>) -> Result<R, E> {
        loop {
            let shared = self.opened.read().unwrap_or_else(PoisonError::into_inner);
            let Some(opened) = &*shared else {
                drop(shared);
                let mut exclusive = self.opened.write().unwrap_or_else(PoisonError::into_inner);
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
            // A commit that returned Ok is durable, whatever failed after it.
            return outcome.map_err(|_| failure.into());
        }
    }

    /// Closes the file, unless another caller has opened it again since.
    fn close_failed(&self) {
        let mut exclusive = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if exclusive.as_ref().is_some_and(|opened| opened.failure.get().is_some()) {
            *exclusive = None;
        }
    }

    /// Does `act` in one transaction: all of it is durable as `durability` says, or, on error, nothing of it.
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

    /// As [`Database::commit`], durable at once, also on a full disk: for what ends a migration, or frees space. It is
    /// given the space that the reserve holds. `is_full`: whether an error says that there is no room.
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

    /// Takes the space of the reserve, if the disk has enough of it: a file beside the databases that only holds space.
    pub fn keep_reserve(&self) {
        let path = self.path.with_file_name(RESERVE);
        let has_room = || self.disk.free_bytes(&self.path).is_ok_and(|free| free >= HEADROOM_BYTES + RESERVE_BYTES);
        if fs::metadata(&path).is_ok_and(|reserve| reserve.len() >= RESERVE_BYTES) || !has_room() {
            return;
        }
        let taken = self.disk.open(&path, Open::OrCreate).and_then(|file| file.preallocate(RESERVE_BYTES));
        if taken.is_err() {
            // Somebody else has taken the space meanwhile. The next write tries again.
            let _ = self.disk.remove(&path);
        }
    }

    /// Gives the reserve's space back to the disk; reports whether there was any.
    fn give_reserve(&self) -> bool {
        let path = self.path.with_file_name(RESERVE);
        path.exists() && self.disk.remove(&path).is_ok()
    }

    /// Refuses a write that can wait while the disk is almost full.
    ///
    /// Errors: [`DatabaseError::Full`], [`DatabaseError::Io`].
    pub fn need_room(&self) -> Result<(), DatabaseError> {
        let free = self.disk.free_bytes(&self.path).map_err(|source| self.io("ask for the space at", source))?;
        if free < HEADROOM_BYTES { Err(self.full()) } else { Ok(()) }
    }

    /// Returns the error for what redb says.
    pub fn explained(&self, error: impl Into<redb::Error>) -> DatabaseError {
        let path = self.path.clone();
        match error.into() {
            redb::Error::Io(source) => self.failed(&source),
            redb::Error::Corrupted(reason) => DatabaseError::Damaged { path, reason },
            error @ (redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted) => self.damaged(error),
            redb::Error::DatabaseAlreadyOpen => DatabaseError::Locked(path),
            error => DatabaseError::Other { path, source: Box::new(error) },
        }
    }

    /// Returns the error for what the system said.
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

    fn damaged(&self, reason: impl std::fmt::Display) -> DatabaseError {
        DatabaseError::Damaged { path: self.path.clone(), reason: reason.to_string() }
    }

    fn full(&self) -> DatabaseError {
        let free = self.disk.free_bytes(&self.path).unwrap_or(0);
        DatabaseError::Full { path: self.path.clone(), needed: HEADROOM_BYTES, free }
    }
}
