//! Storage: what units were given, the pools it came from, the volumes and filesystems behind it.

use serde::Deserialize;

use super::status::{Status, status};
use super::wire::{list, listed, or_default};

/// A storage instance.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Storage {
    /// `pgdata/0`.
    pub id: String,
    /// `block` or `filesystem`.
    pub kind: String,
    /// Tag of its owner, `unit-postgresql-0`; a plain unit name in documents from 14 on.
    #[serde(alias = "unit-owner")]
    pub owner: String,
    /// Its name in the charm.
    pub name: String,
    /// Units it is attached to.
    #[serde(deserialize_with = "or_default")]
    pub attachments: Vec<String>,
    /// What was asked for.
    #[serde(deserialize_with = "or_default")]
    pub constraints: StorageConstraints,
}

/// What was asked of a storage.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct StorageConstraints {
    /// The pool.
    pub pool: String,
    /// MiB.
    pub size: u64,
}

/// A storage pool of the model's own. Every provider is a pool of its own name besides.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct StoragePool {
    /// Its name.
    pub name: String,
    /// Who provides it: `cinder`, `lxd`.
    pub provider: String,
}

/// A volume or a filesystem.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Disk {
    /// Its number.
    pub id: String,
    /// The storage it serves.
    pub storage_id: String,
    /// Of a filesystem, the number of the volume under it; of a volume, the cloud's name for it.
    #[serde(rename = "volume-id")]
    pub volume: String,
    /// The cloud's name for a filesystem.
    pub filesystem_id: String,
    /// What the hardware calls a volume.
    pub hardware_id: String,
    /// A volume's world-wide name.
    pub wwn: String,
    /// Whether a volume outlives what it is attached to.
    pub persistent: bool,
    /// Whether the cloud has made it.
    pub provisioned: bool,
    /// MiB.
    pub size: u64,
    /// The pool it came from.
    pub pool: String,
    /// What is reported of it.
    #[serde(deserialize_with = "status")]
    pub status: Status,
    /// Where it is attached.
    #[serde(deserialize_with = "list")]
    pub attachments: Vec<Attachment>,
}

/// A volume: the same as a filesystem, under another list key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Volume(pub Disk);

/// A filesystem.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Filesystem(pub Disk);

/// Where a volume or filesystem is attached.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Attachment {
    // One of the three: which one depends on the document's version.
    host_id: String,
    host_machine_id: String,
    host_unit_id: String,
    /// Whether the cloud has made it.
    pub provisioned: bool,
    /// Where it is mounted.
    pub mount_point: String,
    /// Of a volume, its device below `/dev`.
    pub device_name: String,
    /// Likewise, a link to it.
    pub device_link: String,
    /// Likewise, where it is on its bus.
    pub bus_address: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

impl Attachment {
    /// Returns the machine or unit it is attached to.
    pub fn host(&self) -> &str {
        [&self.host_id, &self.host_machine_id, &self.host_unit_id]
            .into_iter()
            .find(|id| !id.is_empty())
            .map_or("", |id| id)
    }
}

listed!(
    Storage = "storages" by |storage| &storage.id,
    StoragePool = "pools" by |pool| &pool.name,
    Volume = "volumes" by |volume| &volume.0.id,
    Filesystem = "filesystems" by |filesystem| &filesystem.0.id,
    Attachment = "attachments" by Attachment::host,
);
