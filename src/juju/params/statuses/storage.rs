//! Storage, as `FullStatus` and `Storage` 6 tell it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::juju::params::values::common::{EntityStatus, is_default};

/// `StorageKind`: nobody knows.
pub const KIND_UNKNOWN: u8 = 0;
/// `StorageKind`: a block device.
pub const KIND_BLOCK: u8 = 1;
/// `StorageKind`: a filesystem.
pub const KIND_FILESYSTEM: u8 = 2;

/// `StorageDetails`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct StorageDetails {
    /// The storage.
    pub storage_tag: String,
    /// The unit or application that has it.
    pub owner_tag: String,
    /// One of the kinds above.
    pub kind: u8,
    /// How it stands.
    pub status: EntityStatus,
    /// `alive`.
    #[serde(skip_serializing_if = "is_default")]
    pub life: String,
    /// Whether it outlives its machine.
    pub persistent: bool,
    /// Units that it is attached to, by tag.
    #[serde(skip_serializing_if = "is_default")]
    pub attachments: BTreeMap<String, StorageAttachment>,
}

/// `StorageAttachmentDetails`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct StorageAttachment {
    /// The storage.
    pub storage_tag: String,
    /// The unit.
    pub unit_tag: String,
    /// Its machine; empty on Kubernetes.
    pub machine_tag: String,
    /// Where it is there.
    #[serde(skip_serializing_if = "is_default")]
    pub location: String,
    /// `alive`.
    #[serde(skip_serializing_if = "is_default")]
    pub life: String,
}

/// `FilesystemDetails`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct FilesystemDetails {
    /// The filesystem.
    pub filesystem_tag: String,
    /// The volume that it is on.
    #[serde(skip_serializing_if = "is_default")]
    pub volume_tag: String,
    /// What it is.
    pub info: FilesystemInfo,
    /// `alive`.
    #[serde(skip_serializing_if = "is_default")]
    pub life: String,
    /// How it stands.
    pub status: EntityStatus,
    /// Machines that it is attached to, by tag.
    #[serde(skip_serializing_if = "is_default")]
    pub machine_attachments: BTreeMap<String, FilesystemAttachment>,
    /// Units that it is attached to, by tag.
    #[serde(skip_serializing_if = "is_default")]
    pub unit_attachments: BTreeMap<String, FilesystemAttachment>,
    /// The storage that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageDetails>,
}

/// `FilesystemInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct FilesystemInfo {
    /// The provider's id.
    pub filesystem_id: String,
    /// The pool.
    pub pool: String,
    /// MiB.
    pub size: u64,
}

/// `FilesystemAttachmentDetails`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct FilesystemAttachment {
    /// Where it is.
    #[serde(skip_serializing_if = "is_default")]
    pub mount_point: String,
    /// Whether it cannot be written to.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// `alive`.
    #[serde(skip_serializing_if = "is_default")]
    pub life: String,
}

/// `VolumeDetails`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct VolumeDetails {
    /// The volume.
    pub volume_tag: String,
    /// What it is.
    pub info: VolumeInfo,
    /// `alive`.
    #[serde(skip_serializing_if = "is_default")]
    pub life: String,
    /// How it stands.
    pub status: EntityStatus,
    /// Machines that it is attached to, by tag.
    #[serde(skip_serializing_if = "is_default")]
    pub machine_attachments: BTreeMap<String, VolumeAttachment>,
    /// Units that it is attached to, by tag.
    #[serde(skip_serializing_if = "is_default")]
    pub unit_attachments: BTreeMap<String, VolumeAttachment>,
    /// The storage that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageDetails>,
}

/// `VolumeInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct VolumeInfo {
    /// The provider's id.
    pub volume_id: String,
    /// The device's serial number.
    #[serde(skip_serializing_if = "is_default")]
    pub hardware_id: String,
    /// The device's world-wide name.
    #[serde(skip_serializing_if = "is_default")]
    pub wwn: String,
    /// The pool.
    #[serde(skip_serializing_if = "is_default")]
    pub pool: String,
    /// MiB.
    pub size: u64,
    /// Whether it outlives its machine.
    pub persistent: bool,
}

/// `VolumeAttachmentDetails`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct VolumeAttachment {
    /// The device.
    #[serde(skip_serializing_if = "is_default")]
    pub device_name: String,
    /// A link to it.
    #[serde(skip_serializing_if = "is_default")]
    pub device_link: String,
    /// Its place on the bus.
    #[serde(skip_serializing_if = "is_default")]
    pub bus_address: String,
    /// Whether it cannot be written to.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// `alive`.
    #[serde(skip_serializing_if = "is_default")]
    pub life: String,
}
