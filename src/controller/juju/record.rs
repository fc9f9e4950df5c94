//! What the agent remembers of a real controller, and of what it did there: `juju.redb`.
//!
//! A real controller knows no migration's id, and does not tell a failed import from a complete one. So each call that
//! changes something is written down before it is sent, and its outcome before anybody is told. What is written here decides
//! whether a copy may be activated or removed; it outlives every restart.

use std::collections::BTreeMap;
use std::path::Path;

use modelferry_protocol::ids::{Hash, MigrationId, ModelUuid};
use redb::{Durability, ReadableDatabase, ReadableTable, TableDefinition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::controller::port::ControllerError;
use crate::controller::text;
use crate::disk::Disk;
use crate::disk::database::{Database, DatabaseError, Outcome, Schema};

/// The database's name in the state directory.
pub(super) const DATABASE: &str = "juju.redb";
/// Facts about the controller, JSON by name.
const FACTS: TableDefinition<&str, &[u8]> = TableDefinition::new("facts");
/// Copies, JSON by migration.
const COPIES: TableDefinition<u128, &[u8]> = TableDefinition::new("copies");
/// Uploads, JSON by migration and binary.
const UPLOADS: TableDefinition<(u128, &str), &[u8]> = TableDefinition::new("uploads");
/// Memory for the database's pages.
const CACHE_BYTES: usize = 8 << 20;

const SCHEMA: Schema = Schema {
    names: &["facts", "copies", "uploads"],
    make: |transaction| -> Outcome<()> {
        transaction.open_table(FACTS)?;
        transaction.open_table(COPIES)?;
        transaction.open_table(UPLOADS)?;
        Ok(())
    },
    cache_bytes: CACHE_BYTES,
};

/// How far a call is that must not be sent twice blindly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    /// It was about to be sent: it may have been carried out.
    Sent,
    /// It was carried out.
    Done,
}

/// How far an import is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Import {
    /// It was about to be sent, at this moment, Unix milliseconds: its outcome is to be found out.
    Sent {
        /// When.
        at_ms: u64,
    },
    /// The controller has answered that it did nothing, and may do it later: it is sent again.
    PutOff,
    /// The controller has the whole model.
    Done,
    /// It failed, or nobody can tell that it did not. Nothing is ever activated after it.
    Failed {
        /// The first cause.
        cause: String,
    },
}

/// What a migration has made of its model in the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Copy {
    /// The model.
    #[serde(with = "text")]
    pub model: ModelUuid,
    /// The model's description.
    #[serde(with = "text")]
    pub description: Hash,
    /// The version of `MigrationTarget` by which it was imported.
    pub facade: u32,
    /// The import.
    pub import: Import,
    /// Whether the controller's check of the machines has passed: everything is staged.
    #[serde(default)]
    pub checked: bool,
    /// The activation.
    #[serde(default)]
    pub activation: Option<Step>,
    /// Whether the cloud's resources are the controller's.
    #[serde(default)]
    pub adopted: bool,
    /// Whether it has ended without having been activated: nothing is sent for it any more but an abort.
    #[serde(default)]
    pub ended: bool,
    /// Whether the controller was seen without it after that.
    #[serde(default)]
    pub gone: bool,
    /// Time of the last line of the log that was brought, Unix milliseconds.
    #[serde(default)]
    pub log_until_ms: u64,
    /// Pieces of the log that were brought, with their lines.
    #[serde(default)]
    pub log: BTreeMap<String, u32>,
}

impl Copy {
    /// Makes a copy of which nothing but its import is known.
    pub fn new(model: ModelUuid, description: Hash, facade: u32, import: Import) -> Self {
        Self {
            model,
            description,
            facade,
            import,
            checked: false,
            activation: None,
            adopted: false,
            ended: false,
            gone: false,
            log_until_ms: 0,
            log: BTreeMap::new(),
        }
    }
}

/// A binary that was sent to the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Upload {
    /// Its bytes.
    #[serde(with = "text")]
    pub blob: Hash,
    /// How far it is.
    pub step: Step,
}

/// The database, open.
pub(super) struct Records(Database);

fn key(mid: MigrationId) -> u128 {
    u128::from_be_bytes(mid.0)
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, ControllerError> {
    serde_json::to_vec(value).map_err(ControllerError::storage)
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ControllerError> {
    serde_json::from_slice(bytes).map_err(ControllerError::storage)
}

impl Records {
    /// Reads a row.
    fn row<K: redb::Key + 'static, T: DeserializeOwned>(
        &self,
        table: TableDefinition<K, &[u8]>,
        key: K::SelfType<'_>,
    ) -> Result<Option<T>, ControllerError> {
        self.0.with(|database| {
            let transaction = database.begin_read().map_err(ControllerError::storage)?;
            let table = transaction.open_table(table).map_err(ControllerError::storage)?;
            let value = table.get(key).map_err(ControllerError::storage)?;
            value.map(|value| from_json(value.value())).transpose()
        })
    }

    /// Opens the database in `dir`, or makes it.
    ///
    /// Errors: as [`Database::open`].
    pub fn open(dir: &Path, disk: Disk) -> Result<Self, DatabaseError> {
        let database = Database::open(&dir.join(DATABASE), disk, SCHEMA)?;
        database.keep_reserve();
        Ok(Self(database))
    }

    /// Returns a fact about the controller.
    pub fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ControllerError> {
        self.row(FACTS, name)
    }

    /// Keeps a fact about the controller.
    pub fn put_fact(&self, name: &str, value: &impl Serialize) -> Result<(), ControllerError> {
        let json = to_json(value)?;
        self.0.commit(Durability::Immediate, |transaction| {
            let mut table = transaction.open_table(FACTS).map_err(ControllerError::storage)?;
            table.insert(name, json.as_slice()).map_err(ControllerError::storage)?;
            Ok(())
        })
    }

    /// Returns what a migration has made.
    pub fn copy(&self, mid: MigrationId) -> Result<Option<Copy>, ControllerError> {
        self.row(COPIES, key(mid))
    }

    /// Returns every copy, with its migration.
    pub fn copies(&self) -> Result<Vec<(MigrationId, Copy)>, ControllerError> {
        self.0.with(|database| {
            let transaction = database.begin_read().map_err(ControllerError::storage)?;
            let table = transaction.open_table(COPIES).map_err(ControllerError::storage)?;
            let mut found = Vec::new();
            for row in table.iter().map_err(ControllerError::storage)? {
                let (mid, value) = row.map_err(ControllerError::storage)?;
                found.push((MigrationId(mid.value().to_be_bytes()), from_json(value.value())?));
            }
            Ok(found)
        })
    }

    /// Keeps what a migration has made; durable when this returns. It ends on a full disk as well: a few hundred bytes.
    pub fn put_copy(&self, mid: MigrationId, copy: &Copy) -> Result<(), ControllerError> {
        let json = to_json(copy)?;
        self.0.commit_regardless(ControllerError::is_full, |transaction| {
            let mut table = transaction.open_table(COPIES).map_err(ControllerError::storage)?;
            table.insert(key(mid), json.as_slice()).map_err(ControllerError::storage)?;
            Ok(())
        })
    }

    /// Begins a copy, while there is room for what follows.
    ///
    /// Errors: [`ControllerError::Storage`] with [`DatabaseError::Full`].
    pub fn begin(&self, mid: MigrationId, copy: &Copy) -> Result<(), ControllerError> {
        self.0.need_room()?;
        self.0.keep_reserve();
        self.put_copy(mid, copy)
    }

    /// Returns what was sent of a binary.
    pub fn upload(&self, mid: MigrationId, binary: &str) -> Result<Option<Upload>, ControllerError> {
        self.row(UPLOADS, (key(mid), binary))
    }

    /// Keeps how far the upload of a binary is; durable when this returns.
    pub fn put_upload(&self, mid: MigrationId, binary: &str, upload: &Upload) -> Result<(), ControllerError> {
        let json = to_json(upload)?;
        self.0.need_room()?;
        self.0.commit(Durability::Immediate, |transaction| {
            let mut table = transaction.open_table(UPLOADS).map_err(ControllerError::storage)?;
            table.insert((key(mid), binary), json.as_slice()).map_err(ControllerError::storage)?;
            Ok(())
        })
    }
}
