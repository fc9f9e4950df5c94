//! The controller's database: its tables, and transactions over them.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use modelferry_protocol::ids::{Hash, MigrationId, ModelUuid};
use redb::backends::FileBackend;
use redb::{Builder, Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::logs::LogRecord;
use super::record::{Blob, ModelRecord};
use crate::controller::port::ControllerError;

/// Facts about the controller itself, JSON by name.
const FACTS: TableDefinition<&str, &[u8]> = TableDefinition::new("facts");
/// Access levels, JSON by user name.
const USERS: TableDefinition<&str, &[u8]> = TableDefinition::new("users");
/// Models, JSON by UUID.
const MODELS: TableDefinition<u128, &[u8]> = TableDefinition::new("models");
/// Binaries, JSON by model and path.
const BINARIES: TableDefinition<(u128, &str), &[u8]> = TableDefinition::new("binaries");
/// Writes to models: key and value by model and number.
const ENTRIES: TableDefinition<(u128, u64), (&str, &str)> = TableDefinition::new("entries");
/// How many writes each model has, and their bytes.
const ENTRY_TOTALS: TableDefinition<u128, (u64, u64)> = TableDefinition::new("entry-totals");
/// Pieces of models' logs, JSON by model and name.
const LOGS: TableDefinition<(u128, &str), &[u8]> = TableDefinition::new("logs");
/// How far the log of a model is that a migration brought, Unix milliseconds, by migration.
const LOG_TIMES: TableDefinition<u128, u64> = TableDefinition::new("log-times");
/// Migrations that have ended here: a call of one that lands late must not begin it again.
const ENDED: TableDefinition<u128, ()> = TableDefinition::new("ended");

/// Blobs that were proven to be what a description names: the hash, and what the description says they hash to.
const PROVEN: TableDefinition<(&[u8; 32], &str), ()> = TableDefinition::new("proven");

/// The database, open.
pub(super) struct Controller(Database);

fn key(model: ModelUuid) -> u128 {
    u128::from_be_bytes(model.0)
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, ControllerError> {
    serde_json::to_vec(value).map_err(ControllerError::storage)
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ControllerError> {
    serde_json::from_slice(bytes).map_err(ControllerError::storage)
}

impl Controller {
    /// Opens the database at `path`, or makes it. Only its owner can read it.
    pub(super) fn open(path: &Path) -> Result<Self, ControllerError> {
        let file: File = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(ControllerError::storage)?;
        let backend = FileBackend::new(file).map_err(ControllerError::storage)?;
        let database = Builder::new().create_with_backend(backend).map_err(ControllerError::storage)?;
        let controller = Self(database);
        // Makes every table, so that reading finds them.
        controller.write(|_| Ok(()))?;
        Ok(controller)
    }

    /// Does `work` in one transaction: all of it is durable when this returns, or, on error, nothing of it.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, ControllerError>,
    ) -> Result<T, ControllerError> {
        let transaction = self.0.begin_write().map_err(ControllerError::storage)?;
        let done = work(&mut Tables::open(&transaction)?)?;
        transaction.commit().map_err(ControllerError::storage)?;
        Ok(done)
    }

    /// As [`Controller::write`], but it is durable only with the next one: for what can be done again. Whoever reads
    /// sees it at once.
    pub(super) fn write_soon<T>(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, ControllerError>,
    ) -> Result<T, ControllerError> {
        let mut transaction = self.0.begin_write().map_err(ControllerError::storage)?;
        transaction.set_durability(Durability::None).map_err(ControllerError::storage)?;
        let done = work(&mut Tables::open(&transaction)?)?;
        transaction.commit().map_err(ControllerError::storage)?;
        Ok(done)
    }

    /// Reports whether a blob was proven to be this.
    pub(super) fn is_proven(&self, blob: Hash, proof: &str) -> Result<bool, ControllerError> {
        let transaction = self.0.begin_read().map_err(ControllerError::storage)?;
        let table = transaction.open_table(PROVEN).map_err(ControllerError::storage)?;
        Ok(table.get((&blob.0, proof)).map_err(ControllerError::storage)?.is_some())
    }

    /// Returns a fact about the controller.
    pub(super) fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ControllerError> {
        let transaction = self.0.begin_read().map_err(ControllerError::storage)?;
        let table = transaction.open_table(FACTS).map_err(ControllerError::storage)?;
        let value = table.get(name).map_err(ControllerError::storage)?;
        value.map(|value| from_json(value.value())).transpose()
    }

    /// Returns every user with what was stored for it, by name.
    pub(super) fn users<T: DeserializeOwned>(&self) -> Result<Vec<(String, T)>, ControllerError> {
        let transaction = self.0.begin_read().map_err(ControllerError::storage)?;
        let table = transaction.open_table(USERS).map_err(ControllerError::storage)?;
        let mut users = Vec::new();
        for user in table.iter().map_err(ControllerError::storage)? {
            let (name, value) = user.map_err(ControllerError::storage)?;
            users.push((name.value().to_owned(), from_json(value.value())?));
        }
        Ok(users)
    }

    /// Returns what was stored for a user.
    pub(super) fn user<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ControllerError> {
        let transaction = self.0.begin_read().map_err(ControllerError::storage)?;
        let table = transaction.open_table(USERS).map_err(ControllerError::storage)?;
        let value = table.get(name).map_err(ControllerError::storage)?;
        value.map(|value| from_json(value.value())).transpose()
    }

    /// Returns a model.
    pub(super) fn model(&self, model: ModelUuid) -> Result<Option<ModelRecord>, ControllerError> {
        let transaction = self.0.begin_read().map_err(ControllerError::storage)?;
        let table = transaction.open_table(MODELS).map_err(ControllerError::storage)?;
        let value = table.get(key(model)).map_err(ControllerError::storage)?;
        value.map(|value| from_json(value.value())).transpose()
    }

    /// Returns every model.
    pub(super) fn models(&self) -> Result<Vec<ModelRecord>, ControllerError> {
        let transaction = self.0.begin_read().map_err(ControllerError::storage)?;
        models(&transaction.open_table(MODELS).map_err(ControllerError::storage)?)
    }

    /// Returns a model's binaries by their paths.
    pub(super) fn binaries(&self, model: ModelUuid) -> Result<Vec<(String, Blob)>, ControllerError> {
        let transaction = self.0.begin_read().map_err(ControllerError::storage)?;
        binaries(&transaction.open_table(BINARIES).map_err(ControllerError::storage)?, key(model))
    }

    /// Returns the pieces of a model's log, in the order of their names.
    pub(super) fn logs(&self, model: ModelUuid) -> Result<Vec<LogRecord>, ControllerError> {
        let transaction = self.0.begin_read().map_err(ControllerError::storage)?;
        logs(&transaction.open_table(LOGS).map_err(ControllerError::storage)?, key(model))
    }

    /// Returns every model with the blobs that it is made of, all as of one moment.
    pub(super) fn holdings(&self) -> Result<Vec<(ModelRecord, Vec<Blob>)>, ControllerError> {
        let transaction = self.0.begin_read().map_err(ControllerError::storage)?;
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
    }

    /// Returns how far a migration has brought a log, Unix milliseconds.
    pub(super) fn log_time(&self, mid: MigrationId) -> Result<u64, ControllerError> {
        let transaction = self.0.begin_read().map_err(ControllerError::storage)?;
        let table = transaction.open_table(LOG_TIMES).map_err(ControllerError::storage)?;
        let time = table.get(u128::from_be_bytes(mid.0)).map_err(ControllerError::storage)?;
        Ok(time.map_or(0, |time| time.value()))
    }

    /// Calls `each` with number, key and value of every entry of a model, ascending.
    pub(super) fn entries(
        &self,
        model: ModelUuid,
        mut each: impl FnMut(u64, &str, &str) -> Result<(), ControllerError>,
    ) -> Result<(), ControllerError> {
        let transaction = self.0.begin_read().map_err(ControllerError::storage)?;
        let table = transaction.open_table(ENTRIES).map_err(ControllerError::storage)?;
        for row in table.range((key(model), 0)..=(key(model), u64::MAX)).map_err(ControllerError::storage)? {
            let (at, entry) = row.map_err(ControllerError::storage)?;
            let (name, value) = entry.value();
            each(at.value().1, name, value)?;
        }
        Ok(())
    }

    /// Returns how many entries a model has, and their bytes.
    pub(super) fn entry_totals(&self, model: ModelUuid) -> Result<(u64, u64), ControllerError> {
        let transaction = self.0.begin_read().map_err(ControllerError::storage)?;
        let table = transaction.open_table(ENTRY_TOTALS).map_err(ControllerError::storage)?;
        let totals = table.get(key(model)).map_err(ControllerError::storage)?;
        Ok(totals.map_or((0, 0), |totals| totals.value()))
    }
}

fn models(table: &impl ReadableTable<u128, &'static [u8]>) -> Result<Vec<ModelRecord>, ControllerError> {
    let mut models = Vec::new();
    for row in table.iter().map_err(ControllerError::storage)? {
        models.push(from_json(row.map_err(ControllerError::storage)?.1.value())?);
    }
    Ok(models)
}

fn binaries(
    table: &impl ReadableTable<(u128, &'static str), &'static [u8]>,
    model: u128,
) -> Result<Vec<(String, Blob)>, ControllerError> {
    let mut found = Vec::new();
    for row in table.range((model, "")..).map_err(ControllerError::storage)? {
        let (at, blob) = row.map_err(ControllerError::storage)?;
        let (of, path) = at.value();
        if of != model {
            break;
        }
        found.push((path.to_owned(), from_json(blob.value())?));
    }
    Ok(found)
}

fn logs(
    table: &impl ReadableTable<(u128, &'static str), &'static [u8]>,
    model: u128,
) -> Result<Vec<LogRecord>, ControllerError> {
    let mut found = Vec::new();
    for row in table.range((model, "")..).map_err(ControllerError::storage)? {
        let (at, log) = row.map_err(ControllerError::storage)?;
        if at.value().0 != model {
            break;
        }
        found.push(from_json(log.value())?);
    }
    Ok(found)
}

/// Every table, inside a transaction that writes.
pub(super) struct Tables<'t> {
    facts: Table<'t, &'static str, &'static [u8]>,
    users: Table<'t, &'static str, &'static [u8]>,
    models: Table<'t, u128, &'static [u8]>,
    binaries: Table<'t, (u128, &'static str), &'static [u8]>,
    entries: Table<'t, (u128, u64), (&'static str, &'static str)>,
    entry_totals: Table<'t, u128, (u64, u64)>,
    logs: Table<'t, (u128, &'static str), &'static [u8]>,
    log_times: Table<'t, u128, u64>,
    ended: Table<'t, u128, ()>,
    proven: Table<'t, (&'static [u8; 32], &'static str), ()>,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, ControllerError> {
        Ok(Self {
            facts: transaction.open_table(FACTS).map_err(ControllerError::storage)?,
            users: transaction.open_table(USERS).map_err(ControllerError::storage)?,
            models: transaction.open_table(MODELS).map_err(ControllerError::storage)?,
            binaries: transaction.open_table(BINARIES).map_err(ControllerError::storage)?,
            entries: transaction.open_table(ENTRIES).map_err(ControllerError::storage)?,
            entry_totals: transaction.open_table(ENTRY_TOTALS).map_err(ControllerError::storage)?,
            logs: transaction.open_table(LOGS).map_err(ControllerError::storage)?,
            log_times: transaction.open_table(LOG_TIMES).map_err(ControllerError::storage)?,
            ended: transaction.open_table(ENDED).map_err(ControllerError::storage)?,
            proven: transaction.open_table(PROVEN).map_err(ControllerError::storage)?,
        })
    }

    /// Remembers, for ever, that a migration has ended here.
    pub(super) fn end(&mut self, mid: MigrationId) -> Result<(), ControllerError> {
        self.ended.insert(u128::from_be_bytes(mid.0), ()).map_err(ControllerError::storage)?;
        Ok(())
    }

    /// Refuses to begin what has ended: a freeze or an import that was sent before the end and lands after it.
    pub(super) fn refuse_ended(&self, mid: MigrationId) -> Result<(), ControllerError> {
        match self.ended.get(u128::from_be_bytes(mid.0)).map_err(ControllerError::storage)? {
            Some(_) => Err(ControllerError::Refused(format!("migration {mid} has ended here"))),
            None => Ok(()),
        }
    }

    /// Remembers that a blob is what a description names.
    pub(super) fn put_proven(&mut self, blob: Hash, proof: &str) -> Result<(), ControllerError> {
        self.proven.insert((&blob.0, proof), ()).map_err(ControllerError::storage)?;
        Ok(())
    }

    pub(super) fn put_fact(&mut self, name: &str, fact: &impl Serialize) -> Result<(), ControllerError> {
        self.facts.insert(name, to_json(fact)?.as_slice()).map_err(ControllerError::storage)?;
        Ok(())
    }

    /// Returns what was stored for a user.
    pub(super) fn user<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ControllerError> {
        let value = self.users.get(name).map_err(ControllerError::storage)?;
        value.map(|value| from_json(value.value())).transpose()
    }

    /// Puts a user; tells whether there was one of that name.
    pub(super) fn put_user(&mut self, name: &str, user: &impl Serialize) -> Result<bool, ControllerError> {
        let before = self.users.insert(name, to_json(user)?.as_slice()).map_err(ControllerError::storage)?;
        Ok(before.is_some())
    }

    /// Removes a user; tells whether there was one of that name.
    pub(super) fn remove_user(&mut self, name: &str) -> Result<bool, ControllerError> {
        Ok(self.users.remove(name).map_err(ControllerError::storage)?.is_some())
    }

    pub(super) fn model(&self, model: ModelUuid) -> Result<Option<ModelRecord>, ControllerError> {
        let value = self.models.get(key(model)).map_err(ControllerError::storage)?;
        value.map(|value| from_json(value.value())).transpose()
    }

    pub(super) fn models(&self) -> Result<Vec<ModelRecord>, ControllerError> {
        models(&self.models)
    }

    pub(super) fn put_model(&mut self, model: &ModelRecord) -> Result<(), ControllerError> {
        self.models.insert(key(model.uuid), to_json(model)?.as_slice()).map_err(ControllerError::storage)?;
        Ok(())
    }

    /// Returns the pieces of a model's log, in the order of their names.
    pub(super) fn logs(&self, model: ModelUuid) -> Result<Vec<LogRecord>, ControllerError> {
        logs(&self.logs, key(model))
    }

    /// Puts a piece of a model's log, unless one of its name is there.
    pub(super) fn add_log(&mut self, model: ModelUuid, log: &LogRecord) -> Result<(), ControllerError> {
        let at = (key(model), log.name.as_str());
        if self.logs.get(at).map_err(ControllerError::storage)?.is_none() {
            self.logs.insert(at, to_json(log)?.as_slice()).map_err(ControllerError::storage)?;
        }
        Ok(())
    }

    /// Notes that a migration has brought a log as far as `until_ms`, and returns how far it is.
    pub(super) fn advance_log_time(&mut self, mid: MigrationId, until_ms: u64) -> Result<u64, ControllerError> {
        let mid = u128::from_be_bytes(mid.0);
        let before = self.log_times.get(mid).map_err(ControllerError::storage)?.map_or(0, |time| time.value());
        let now = before.max(until_ms);
        self.log_times.insert(mid, now).map_err(ControllerError::storage)?;
        Ok(now)
    }

    /// Removes a model's record, binaries, entries and log.
    pub(super) fn remove_model(&mut self, model: ModelUuid) -> Result<(), ControllerError> {
        self.remove_content(model)?;
        self.models.remove(key(model)).map_err(ControllerError::storage)?;
        Ok(())
    }

    /// Removes a model's binaries, entries and log. Their blobs stay in the store, for whoever else needs them.
    pub(super) fn remove_content(&mut self, model: ModelUuid) -> Result<(), ControllerError> {
        let model = key(model);
        for (path, _) in binaries(&self.binaries, model)? {
            self.binaries.remove((model, path.as_str())).map_err(ControllerError::storage)?;
        }
        for log in logs(&self.logs, model)? {
            self.logs.remove((model, log.name.as_str())).map_err(ControllerError::storage)?;
        }
        self.entries.retain_in((model, 0)..=(model, u64::MAX), |_, _| false).map_err(ControllerError::storage)?;
        self.entry_totals.remove(model).map_err(ControllerError::storage)?;
        Ok(())
    }

    pub(super) fn binaries(&self, model: ModelUuid) -> Result<Vec<(String, Blob)>, ControllerError> {
        binaries(&self.binaries, key(model))
    }

    pub(super) fn put_binary(&mut self, model: ModelUuid, path: &str, blob: Blob) -> Result<(), ControllerError> {
        self.binaries.insert((key(model), path), to_json(&blob)?.as_slice()).map_err(ControllerError::storage)?;
        Ok(())
    }

    pub(super) fn entry_totals(&self, model: ModelUuid) -> Result<(u64, u64), ControllerError> {
        let totals = self.entry_totals.get(key(model)).map_err(ControllerError::storage)?;
        Ok(totals.map_or((0, 0), |totals| totals.value()))
    }

    /// Adds an entry under the model's next number, and returns the number.
    pub(super) fn add_entry(&mut self, model: ModelUuid, name: &str, value: &str) -> Result<u64, ControllerError> {
        let (count, bytes) = self.entry_totals(model)?;
        let number = count + 1;
        self.entries.insert((key(model), number), (name, value)).map_err(ControllerError::storage)?;
        let bytes = bytes + (name.len() + value.len()) as u64;
        self.entry_totals.insert(key(model), (number, bytes)).map_err(ControllerError::storage)?;
        Ok(number)
    }

    /// Forgets a model's entries.
    pub(super) fn clear_entries(&mut self, model: ModelUuid) -> Result<(), ControllerError> {
        let model = key(model);
        self.entries.retain_in((model, 0)..=(model, u64::MAX), |_, _| false).map_err(ControllerError::storage)?;
        self.entry_totals.remove(model).map_err(ControllerError::storage)?;
        Ok(())
    }
}
