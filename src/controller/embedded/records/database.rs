//! The controller's database: its tables, and transactions over them.

use std::collections::BTreeSet;
use std::path::Path;

use modelferry_protocol::ids::{Hash, MigrationId, ModelUuid};
use redb::{Durability, ReadTransaction, ReadableDatabase, ReadableTable};
use serde::de::DeserializeOwned;

use super::record::{Blob, ModelRecord};
use super::tables::*;
use crate::controller::log_piece::LogPiece;
use crate::controller::port::ControllerError;
use crate::disk::Disk;
use crate::disk::database::{Database, DatabaseError};

/// The database's name in the state directory.
pub(in crate::controller::embedded) const DATABASE: &str = "controller.redb";

/// The database, open.
pub(in crate::controller::embedded) struct ControllerDatabase(Database);

impl ControllerDatabase {
    /// Opens the database in `dir`, or makes it. Only its owner can read it.
    ///
    /// Errors: [`DatabaseError::Damaged`], [`DatabaseError::Locked`], [`DatabaseError::Full`], [`DatabaseError::Io`].
    pub(in crate::controller::embedded) fn open(dir: &Path, disk: Disk) -> Result<Self, DatabaseError> {
        let database = Database::open(&dir.join(DATABASE), disk, SCHEMA)?;
        database.keep_reserve();
        Ok(Self(database))
    }

    /// Does `work` in one transaction: all of it is durable when this returns, or, on error, nothing of it. Refused
    /// while the disk is almost full.
    pub(in crate::controller::embedded) fn write<T>(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, ControllerError>,
    ) -> Result<T, ControllerError> {
        self.need_room()?;
        self.commit(Durability::Immediate, work)
    }

    /// As [`Controller::write`], but it is durable only with the next one: for what can be done again. Whoever reads
    /// sees it at once.
    pub(in crate::controller::embedded) fn write_soon<T>(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, ControllerError>,
    ) -> Result<T, ControllerError> {
        self.need_room()?;
        self.commit(Durability::None, work)
    }

    /// As [`Controller::write`], also on a full disk: for what ends a migration, or frees space: see
    /// [`Database::commit_regardless`].
    pub(in crate::controller::embedded) fn write_regardless<T>(
        &self,
        work: impl Fn(&mut Tables<'_>) -> Result<T, ControllerError>,
    ) -> Result<T, ControllerError> {
        let is_full = ControllerError::is_full;
        self.0.commit_regardless(is_full, |transaction| work(&mut Tables::open(transaction)?))
    }

    fn commit<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, ControllerError>,
    ) -> Result<T, ControllerError> {
        self.0.commit(durability, |transaction| work(&mut Tables::open(transaction)?))
    }

    fn need_room(&self) -> Result<(), ControllerError> {
        self.0.need_room()?;
        self.0.keep_reserve();
        Ok(())
    }

    fn read<T>(&self, look: impl FnOnce(&ReadTransaction) -> Result<T, ControllerError>) -> Result<T, ControllerError> {
        self.0.with(|database| look(&database.begin_read().map_err(ControllerError::storage)?))
    }

    /// Reports whether a blob was proven to be this.
    pub(in crate::controller::embedded) fn is_proven(&self, blob: Hash, proof: &str) -> Result<bool, ControllerError> {
        self.read(|transaction| {
            let table = transaction.open_table(PROVEN).map_err(ControllerError::storage)?;
            Ok(table.get((&blob.0, proof)).map_err(ControllerError::storage)?.is_some())
        })
    }

    /// Returns a fact about the controller.
    pub(in crate::controller::embedded) fn fact<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, ControllerError> {
        self.read(|transaction| {
            let table = transaction.open_table(FACTS).map_err(ControllerError::storage)?;
            let value = table.get(name).map_err(ControllerError::storage)?;
            value.map(|value| from_json(value.value())).transpose()
        })
    }

    /// Returns every user with what was stored for it, by name.
    pub(in crate::controller::embedded) fn users<T: DeserializeOwned>(
        &self,
    ) -> Result<Vec<(String, T)>, ControllerError> {
        self.read(|transaction| {
            let table = transaction.open_table(USERS).map_err(ControllerError::storage)?;
            let mut users = Vec::new();
            for user in table.iter().map_err(ControllerError::storage)? {
                let (name, value) = user.map_err(ControllerError::storage)?;
                users.push((name.value().to_owned(), from_json(value.value())?));
            }
            Ok(users)
        })
    }

    /// Returns what was stored for a user.
    pub(in crate::controller::embedded) fn user<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, ControllerError> {
        self.read(|transaction| {
            let table = transaction.open_table(USERS).map_err(ControllerError::storage)?;
            let value = table.get(name).map_err(ControllerError::storage)?;
            value.map(|value| from_json(value.value())).transpose()
        })
    }

    /// Returns a model.
    pub(in crate::controller::embedded) fn model(
        &self,
        model: ModelUuid,
    ) -> Result<Option<ModelRecord>, ControllerError> {
        self.read(|transaction| {
            let table = transaction.open_table(MODELS).map_err(ControllerError::storage)?;
            let value = table.get(key(model)).map_err(ControllerError::storage)?;
            value.map(|value| from_json(value.value())).transpose()
        })
    }

    /// Returns every model.
    pub(in crate::controller::embedded) fn models(&self) -> Result<Vec<ModelRecord>, ControllerError> {
        self.read(|transaction| models(&transaction.open_table(MODELS).map_err(ControllerError::storage)?))
    }

    /// Returns a model's binaries by their paths.
    pub(in crate::controller::embedded) fn binaries(
        &self,
        model: ModelUuid,
    ) -> Result<Vec<(String, Blob)>, ControllerError> {
        self.read(|transaction| {
            binaries(&transaction.open_table(BINARIES).map_err(ControllerError::storage)?, key(model))
        })
    }

    /// Returns the pieces of a model's log, in the order of their names.
    pub(in crate::controller::embedded) fn logs(&self, model: ModelUuid) -> Result<Vec<LogPiece>, ControllerError> {
        self.read(|transaction| logs(&transaction.open_table(LOGS).map_err(ControllerError::storage)?, key(model)))
    }

    /// Returns every model with the blobs that it is made of, all as of one moment.
    pub(in crate::controller::embedded) fn holdings(&self) -> Result<Vec<(ModelRecord, Vec<Blob>)>, ControllerError> {
        self.read(|transaction| {
            let of_binaries = transaction.open_table(BINARIES).map_err(ControllerError::storage)?;
            let of_logs = transaction.open_table(LOGS).map_err(ControllerError::storage)?;
            let models = models(&transaction.open_table(MODELS).map_err(ControllerError::storage)?)?;
            let holding = |model: ModelRecord| {
                let uuid = key(model.uuid);
                let binaries = binaries(&of_binaries, uuid)?.into_iter().map(|(_, blob)| blob);
                let logs = logs(&of_logs, uuid)?.into_iter().map(|log| log.blob);
                let blobs = model.description.into_iter().chain(binaries).chain(logs).collect();
                Ok((model, blobs))
            };
            models.into_iter().map(holding).collect()
        })
    }

    /// Returns the migrations that have ended here, and the models that an operator removed.
    pub(in crate::controller::embedded) fn ended_and_removed(
        &self,
    ) -> Result<(BTreeSet<MigrationId>, BTreeSet<ModelUuid>), ControllerError> {
        let keys = |table: redb::ReadOnlyTable<u128, ()>| -> Result<Vec<[u8; 16]>, ControllerError> {
            let rows = table.iter().map_err(ControllerError::storage)?;
            rows.map(|row| Ok(row.map_err(ControllerError::storage)?.0.value().to_be_bytes())).collect()
        };
        self.read(|transaction| {
            let ended = keys(transaction.open_table(ENDED).map_err(ControllerError::storage)?)?;
            let removed = keys(transaction.open_table(REMOVED).map_err(ControllerError::storage)?)?;
            Ok((ended.into_iter().map(MigrationId).collect(), removed.into_iter().map(ModelUuid).collect()))
        })
    }

    /// Returns how far a migration has brought a log, Unix milliseconds.
    pub(in crate::controller::embedded) fn log_time(&self, mid: MigrationId) -> Result<u64, ControllerError> {
        self.read(|transaction| {
            let table = transaction.open_table(LOG_TIMES).map_err(ControllerError::storage)?;
            let time = table.get(u128::from_be_bytes(mid.0)).map_err(ControllerError::storage)?;
            Ok(time.map_or(0, |time| time.value()))
        })
    }

    /// Calls `each` with number, key and value of every entry of a model, ascending.
    pub(in crate::controller::embedded) fn entries(
        &self,
        model: ModelUuid,
        mut each: impl FnMut(u64, &str, &str) -> Result<(), ControllerError>,
    ) -> Result<(), ControllerError> {
        self.read(|transaction| {
            let table = transaction.open_table(ENTRIES).map_err(ControllerError::storage)?;
            for row in table.range((key(model), 0)..=(key(model), u64::MAX)).map_err(ControllerError::storage)? {
                let (at, entry) = row.map_err(ControllerError::storage)?;
                let (name, value) = entry.value();
                each(at.value().1, name, value)?;
            }
            Ok(())
        })
    }

    /// Returns how many entries a model has, and their bytes.
    pub(in crate::controller::embedded) fn entry_totals(
        &self,
        model: ModelUuid,
    ) -> Result<(u64, u64), ControllerError> {
        self.read(|transaction| {
            let table = transaction.open_table(ENTRY_TOTALS).map_err(ControllerError::storage)?;
            let totals = table.get(key(model)).map_err(ControllerError::storage)?;
            Ok(totals.map_or((0, 0), |totals| totals.value()))
        })
    }
}
