//! The tables of the controller's database, and what a transaction that writes does to them.

use modelferry_protocol::ids::{Hash, MigrationId, ModelUuid};
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::record::{Blob, ModelRecord};
use crate::controller::log_piece::LogPiece;
use crate::controller::port::ControllerError;
use crate::disk::database::{Outcome, Schema};

/// Facts about the controller itself, JSON by name.
pub(super) const FACTS: TableDefinition<&str, &[u8]> = TableDefinition::new("facts");
/// Access levels, JSON by user name.
pub(super) const USERS: TableDefinition<&str, &[u8]> = TableDefinition::new("users");
/// Models, JSON by UUID.
pub(super) const MODELS: TableDefinition<u128, &[u8]> = TableDefinition::new("models");
/// Binaries, JSON by model and path.
pub(super) const BINARIES: TableDefinition<(u128, &str), &[u8]> = TableDefinition::new("binaries");
/// Writes to models: key and value by model and number.
pub(super) const ENTRIES: TableDefinition<(u128, u64), (&str, &str)> = TableDefinition::new("entries");
/// How many writes each model has, and their bytes.
pub(super) const ENTRY_TOTALS: TableDefinition<u128, (u64, u64)> = TableDefinition::new("entry-totals");
/// Pieces of models' logs, JSON by model and name.
pub(super) const LOGS: TableDefinition<(u128, &str), &[u8]> = TableDefinition::new("logs");
/// How far the log of a model is that a migration brought, Unix milliseconds, by migration.
pub(super) const LOG_TIMES: TableDefinition<u128, u64> = TableDefinition::new("log-times");
/// Models that an operator removed from here, until the journal knows it: it may still say that they are live here.
pub(super) const REMOVED: TableDefinition<u128, ()> = TableDefinition::new("removed");
/// Migrations that have ended here: a call of one that lands late must not begin it again.
pub(super) const ENDED: TableDefinition<u128, ()> = TableDefinition::new("ended");

/// Blobs that were proven to be what a description names: the hash, and what the description says they hash to.
pub(super) const PROVEN: TableDefinition<(&[u8; 32], &str), ()> = TableDefinition::new("proven");

/// Memory for the database's pages.
const CACHE_BYTES: usize = 64 << 20;

/// All of them.
pub(super) const SCHEMA: Schema = Schema {
    names: &[
        "facts",
        "users",
        "models",
        "binaries",
        "entries",
        "entry-totals",
        "logs",
        "log-times",
        "ended",
        "proven",
        "removed",
    ],
    make: |transaction| -> Outcome<()> {
        transaction.open_table(FACTS)?;
        transaction.open_table(USERS)?;
        transaction.open_table(MODELS)?;
        transaction.open_table(BINARIES)?;
        transaction.open_table(ENTRIES)?;
        transaction.open_table(ENTRY_TOTALS)?;
        transaction.open_table(LOGS)?;
        transaction.open_table(LOG_TIMES)?;
        transaction.open_table(ENDED)?;
        transaction.open_table(PROVEN)?;
        transaction.open_table(REMOVED)?;
        Ok(())
    },
    cache_bytes: CACHE_BYTES,
};

pub(in crate::controller::embedded) fn key(model: ModelUuid) -> u128 {
    u128::from_be_bytes(model.0)
}

pub(super) fn to_json(value: &impl Serialize) -> Result<Vec<u8>, ControllerError> {
    serde_json::to_vec(value).map_err(ControllerError::storage)
}

pub(super) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ControllerError> {
    serde_json::from_slice(bytes).map_err(ControllerError::storage)
}

pub(in crate::controller::embedded) fn models(
    table: &impl ReadableTable<u128, &'static [u8]>,
) -> Result<Vec<ModelRecord>, ControllerError> {
    let mut models = Vec::new();
    for row in table.iter().map_err(ControllerError::storage)? {
        models.push(from_json(row.map_err(ControllerError::storage)?.1.value())?);
    }
    Ok(models)
}

pub(in crate::controller::embedded) fn binaries(
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

pub(in crate::controller::embedded) fn logs(
    table: &impl ReadableTable<(u128, &'static str), &'static [u8]>,
    model: u128,
) -> Result<Vec<LogPiece>, ControllerError> {
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
pub(in crate::controller::embedded) struct Tables<'t> {
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
    removed: Table<'t, u128, ()>,
}

impl<'t> Tables<'t> {
    /// Opens them all.
    pub(in crate::controller::embedded) fn open(transaction: &'t WriteTransaction) -> Result<Self, ControllerError> {
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
            removed: transaction.open_table(REMOVED).map_err(ControllerError::storage)?,
        })
    }

    /// Remembers, for ever, that a migration has ended here.
    pub(in crate::controller::embedded) fn end(&mut self, mid: MigrationId) -> Result<(), ControllerError> {
        self.ended.insert(u128::from_be_bytes(mid.0), ()).map_err(ControllerError::storage)?;
        Ok(())
    }

    /// Refuses to begin what has ended: a freeze or an import that was sent before the end and lands after it.
    pub(in crate::controller::embedded) fn refuse_ended(&self, mid: MigrationId) -> Result<(), ControllerError> {
        match self.ended.get(u128::from_be_bytes(mid.0)).map_err(ControllerError::storage)? {
            Some(_) => Err(ControllerError::Refused(format!("migration {mid} has ended here"))),
            None => Ok(()),
        }
    }

    /// Remembers that a blob is what a description names.
    pub(in crate::controller::embedded) fn put_proven(
        &mut self,
        blob: Hash,
        proof: &str,
    ) -> Result<(), ControllerError> {
        self.proven.insert((&blob.0, proof), ()).map_err(ControllerError::storage)?;
        Ok(())
    }

    pub(in crate::controller::embedded) fn put_fact(
        &mut self,
        name: &str,
        fact: &impl Serialize,
    ) -> Result<(), ControllerError> {
        self.facts.insert(name, to_json(fact)?.as_slice()).map_err(ControllerError::storage)?;
        Ok(())
    }

    /// Returns what was stored for a user.
    pub(in crate::controller::embedded) fn user<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, ControllerError> {
        let value = self.users.get(name).map_err(ControllerError::storage)?;
        value.map(|value| from_json(value.value())).transpose()
    }

    /// Puts a user; tells whether there was one of that name.
    pub(in crate::controller::embedded) fn put_user(
        &mut self,
        name: &str,
        user: &impl Serialize,
    ) -> Result<bool, ControllerError> {
        let before = self.users.insert(name, to_json(user)?.as_slice()).map_err(ControllerError::storage)?;
        Ok(before.is_some())
    }

    /// Removes a user; tells whether there was one of that name.
    pub(in crate::controller::embedded) fn remove_user(&mut self, name: &str) -> Result<bool, ControllerError> {
        Ok(self.users.remove(name).map_err(ControllerError::storage)?.is_some())
    }

    pub(in crate::controller::embedded) fn model(
        &self,
        model: ModelUuid,
    ) -> Result<Option<ModelRecord>, ControllerError> {
        let value = self.models.get(key(model)).map_err(ControllerError::storage)?;
        value.map(|value| from_json(value.value())).transpose()
    }

    pub(in crate::controller::embedded) fn models(&self) -> Result<Vec<ModelRecord>, ControllerError> {
        models(&self.models)
    }

    pub(in crate::controller::embedded) fn put_model(&mut self, model: &ModelRecord) -> Result<(), ControllerError> {
        self.models.insert(key(model.uuid), to_json(model)?.as_slice()).map_err(ControllerError::storage)?;
        self.forget_removed(model.uuid)
    }

    /// Remembers that an operator removed a model, until the journal knows it or the model comes back.
    pub(in crate::controller::embedded) fn note_removed(&mut self, model: ModelUuid) -> Result<(), ControllerError> {
        self.removed.insert(key(model), ()).map_err(ControllerError::storage)?;
        Ok(())
    }

    pub(in crate::controller::embedded) fn forget_removed(&mut self, model: ModelUuid) -> Result<(), ControllerError> {
        self.removed.remove(key(model)).map_err(ControllerError::storage)?;
        Ok(())
    }

    /// Returns the pieces of a model's log, in the order of their names.
    pub(in crate::controller::embedded) fn logs(&self, model: ModelUuid) -> Result<Vec<LogPiece>, ControllerError> {
        logs(&self.logs, key(model))
    }

    /// Puts a piece of a model's log, unless one of its name is there.
    pub(in crate::controller::embedded) fn add_log(
        &mut self,
        model: ModelUuid,
        log: &LogPiece,
    ) -> Result<(), ControllerError> {
        let at = (key(model), log.name.as_str());
        if self.logs.get(at).map_err(ControllerError::storage)?.is_none() {
            self.logs.insert(at, to_json(log)?.as_slice()).map_err(ControllerError::storage)?;
        }
        Ok(())
    }

    /// Notes that a migration has brought a log as far as `until_ms`, and returns how far it is.
    pub(in crate::controller::embedded) fn advance_log_time(
        &mut self,
        mid: MigrationId,
        until_ms: u64,
    ) -> Result<u64, ControllerError> {
        let mid = u128::from_be_bytes(mid.0);
        let before = self.log_times.get(mid).map_err(ControllerError::storage)?.map_or(0, |time| time.value());
        let now = before.max(until_ms);
        self.log_times.insert(mid, now).map_err(ControllerError::storage)?;
        Ok(now)
    }

    /// Removes a model's record, binaries, entries and log.
    pub(in crate::controller::embedded) fn remove_model(&mut self, model: ModelUuid) -> Result<(), ControllerError> {
        self.remove_content(model)?;
        self.models.remove(key(model)).map_err(ControllerError::storage)?;
        Ok(())
    }

    /// Removes a model's binaries, entries and log. Their blobs stay in the store, for whoever else needs them.
    pub(in crate::controller::embedded) fn remove_content(&mut self, model: ModelUuid) -> Result<(), ControllerError> {
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

    pub(in crate::controller::embedded) fn binaries(
        &self,
        model: ModelUuid,
    ) -> Result<Vec<(String, Blob)>, ControllerError> {
        binaries(&self.binaries, key(model))
    }

    pub(in crate::controller::embedded) fn put_binary(
        &mut self,
        model: ModelUuid,
        path: &str,
        blob: Blob,
    ) -> Result<(), ControllerError> {
        self.binaries.insert((key(model), path), to_json(&blob)?.as_slice()).map_err(ControllerError::storage)?;
        Ok(())
    }

    pub(in crate::controller::embedded) fn entry_totals(
        &self,
        model: ModelUuid,
    ) -> Result<(u64, u64), ControllerError> {
        let totals = self.entry_totals.get(key(model)).map_err(ControllerError::storage)?;
        Ok(totals.map_or((0, 0), |totals| totals.value()))
    }

    /// Adds an entry under the model's next number, and returns the number.
    pub(in crate::controller::embedded) fn add_entry(
        &mut self,
        model: ModelUuid,
        name: &str,
        value: &str,
    ) -> Result<u64, ControllerError> {
        let (count, bytes) = self.entry_totals(model)?;
        let number = count + 1;
        self.entries.insert((key(model), number), (name, value)).map_err(ControllerError::storage)?;
        let bytes = bytes + (name.len() + value.len()) as u64;
        self.entry_totals.insert(key(model), (number, bytes)).map_err(ControllerError::storage)?;
        Ok(number)
    }

    /// Forgets a model's entries.
    pub(in crate::controller::embedded) fn clear_entries(&mut self, model: ModelUuid) -> Result<(), ControllerError> {
        let model = key(model);
        self.entries.retain_in((model, 0)..=(model, u64::MAX), |_, _| false).map_err(ControllerError::storage)?;
        self.entry_totals.remove(model).map_err(ControllerError::storage)?;
        Ok(())
    }
}
