//! Storage, as `status` shows it.

use serde::{Deserialize, Serialize};

use super::info::StatusInfo;
use super::named::Named;
use crate::controller::description::Description;
use crate::controller::description::storage::{Attachment, Disk, Storage};

/// What everything is that a description holds: what dies is gone before a model may leave.
const ALIVE: &str = "alive";

/// A model's storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageStatus {
    /// What units were given.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub storage: Named<StorageInfo>,
    /// The filesystems behind it.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub filesystems: Named<DiskInfo>,
    /// The volumes behind it.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub volumes: Named<DiskInfo>,
}

/// A storage instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct StorageInfo {
    /// `block` or `filesystem`.
    pub kind: String,
    /// `alive`.
    pub life: String,
    /// What is reported of what is behind it.
    pub status: StatusInfo,
    /// Whether it outlives its unit.
    pub persistent: bool,
    /// Where it is attached.
    #[serde(skip_serializing_if = "Attachments::is_empty")]
    pub attachments: Attachments,
}

/// A volume or a filesystem.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct DiskInfo {
    /// The cloud's name for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub provider_id: String,
    /// The volume under a filesystem.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub volume: String,
    /// The storage it serves.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub storage: String,
    /// Where it is attached.
    #[serde(skip_serializing_if = "Attachments::is_empty")]
    pub attachments: Attachments,
    /// The pool it came from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pool: String,
    /// What the hardware calls it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hardware_id: String,
    /// Its world-wide name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub wwn: String,
    /// MiB.
    pub size: u64,
    /// Of a volume, whether it outlives what it is attached to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
    /// `alive`.
    pub life: String,
    /// What is reported of it.
    pub status: StatusInfo,
}

/// Where storage is attached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachments {
    /// To machines.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub machines: Named<AttachmentInfo>,
    /// To pods, by their units.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub containers: Named<AttachmentInfo>,
    /// To units.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub units: Named<UnitAttachment>,
}

impl Attachments {
    /// Reports whether there are none.
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty() && self.containers.is_empty() && self.units.is_empty()
    }
}

/// How a volume or a filesystem is attached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct AttachmentInfo {
    /// Of a volume, its device below `/dev`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub device: String,
    /// Likewise, a link to it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub device_link: String,
    /// Likewise, where it is on its bus.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bus_address: String,
    /// Of a filesystem, where it is mounted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mount_point: String,
    /// Whether it can only be read.
    pub read_only: bool,
    /// `alive`.
    pub life: String,
}

/// How storage is attached to a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitAttachment {
    /// The unit's machine, where it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub machine: String,
    /// Where the unit finds it there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// `alive`.
    pub life: String,
}

impl StorageStatus {
    /// Returns what is behind a storage: its filesystem, or else its volume.
    fn behind(&self, storage: &str) -> impl Iterator<Item = &DiskInfo> {
        self.filesystems.values().chain(self.volumes.values()).filter(move |disk| disk.storage == storage)
    }

    /// Returns the pool of a storage, the volume's where there is one; empty where there is none.
    pub fn pool(&self, storage: &str) -> &str {
        self.behind(storage).map(|disk| disk.pool.as_str()).filter(|pool| !pool.is_empty()).last().unwrap_or("")
    }

    /// Returns the size of a storage, MiB; nothing while it has not been provided.
    pub fn size(&self, storage: &str) -> Option<u64> {
        self.behind(storage).map(|disk| disk.size).next()
    }

    /// Returns where a unit has a storage mounted; empty where it has not.
    pub fn mount_point(&self, storage: &str, unit: &str) -> &str {
        let mounted = self.filesystems.values().filter(|disk| disk.storage == storage).find_map(|disk| {
            let attachments = &disk.attachments;
            let unit_there = attachments.units.get(unit)?;
            attachments.containers.get(unit).or_else(|| attachments.machines.get(&unit_there.machine))
        });
        mounted.map_or("", |attachment| &attachment.mount_point)
    }
}

/// Returns the storage.
pub(super) fn storage(description: &Description) -> StorageStatus {
    let filesystems: Vec<&Disk> = description.filesystems.iter().map(|filesystem| &filesystem.0).collect();
    let volumes: Vec<&Disk> = description.volumes.iter().map(|volume| &volume.0).collect();
    let disk = |disk: &&Disk, filesystem: bool| {
        let info = DiskInfo {
            provider_id: if filesystem { &disk.filesystem_id } else { &disk.volume }.clone(),
            volume: if filesystem { disk.volume.clone() } else { String::new() },
            storage: disk.storage_id.clone(),
            attachments: attachments(description, disk),
            pool: disk.pool.clone(),
            hardware_id: disk.hardware_id.clone(),
            wwn: disk.wwn.clone(),
            size: disk.size,
            persistent: (!filesystem).then_some(disk.persistent),
            life: ALIVE.to_owned(),
            status: StatusInfo::of(&disk.status),
        };
        (disk.id.clone(), info)
    };
    let instance = |storage: &Storage| {
        let of_storage = |disk: &&&Disk| disk.storage_id == storage.id;
        let filesystem = filesystems.iter().find(of_storage).copied();
        let volume = volumes.iter().find(of_storage).copied();
        let info = StorageInfo {
            kind: storage.kind.clone(),
            life: ALIVE.to_owned(),
            status: filesystem.or(volume).map(|disk| StatusInfo::of(&disk.status)).unwrap_or_default(),
            persistent: description.kind.as_str() == "iaas" && volume.is_some_and(|volume| volume.persistent),
            attachments: Attachments { units: units(description, storage), ..Attachments::default() },
        };
        (storage.id.clone(), info)
    };
    StorageStatus {
        storage: description.storages.iter().map(instance).collect(),
        filesystems: filesystems.iter().map(|filesystem| disk(filesystem, true)).collect(),
        volumes: volumes.iter().map(|volume| disk(volume, false)).collect(),
    }
}

/// Returns the units that a storage is attached to.
fn units(description: &Description, storage: &Storage) -> Named<UnitAttachment> {
    let filesystem =
        description.filesystems.iter().map(|filesystem| &filesystem.0).find(|it| it.storage_id == storage.id);
    let volume = description.volumes.iter().map(|volume| &volume.0).find(|it| it.storage_id == storage.id);
    let attached = storage.attachments.iter().map(|name| {
        let unit = description.all_units().find(|(_, unit)| unit.name == *name);
        let machine = unit.map(|(_, unit)| unit.machine.clone()).unwrap_or_default();
        let there = |disk: Option<&Disk>| disk.and_then(|disk| at(disk, &machine)).map(location);
        // A pod has its storage where its charm says, which Juju does not tell here.
        let location = if machine.is_empty() { None } else { there(filesystem).or_else(|| there(volume)) };
        let life = ALIVE.to_owned();
        (name.clone(), UnitAttachment { machine, location: location.unwrap_or_default(), life })
    });
    attached.collect()
}

fn at<'a>(disk: &'a Disk, host: &str) -> Option<&'a Attachment> {
    disk.attachments.iter().find(|attachment| attachment.host() == host)
}

fn location(attachment: &Attachment) -> String {
    match (&attachment.mount_point, &attachment.device_link, &attachment.device_name) {
        (mount_point, _, _) if !mount_point.is_empty() => mount_point.clone(),
        (_, link, _) if !link.is_empty() => link.clone(),
        (_, _, name) if !name.is_empty() => format!("/dev/{name}"),
        _ => String::new(),
    }
}

fn attachments(description: &Description, disk: &Disk) -> Attachments {
    let hosts = |pods: bool| {
        // Units have a slash where machines have none; containers of machines have two.
        let is_pod = |host: &str| host.matches('/').count() == 1;
        let hosts = disk.attachments.iter().filter(move |attachment| is_pod(attachment.host()) == pods);
        hosts.map(|attachment| {
            let info = AttachmentInfo {
                device: attachment.device_name.clone(),
                device_link: attachment.device_link.clone(),
                bus_address: attachment.bus_address.clone(),
                mount_point: attachment.mount_point.clone(),
                read_only: attachment.read_only,
                life: ALIVE.to_owned(),
            };
            (attachment.host().to_owned(), info)
        })
    };
    let storage = description.storages.iter().find(|storage| storage.id == disk.storage_id);
    Attachments {
        machines: hosts(false).collect(),
        containers: hosts(true).collect(),
        units: storage.map(|storage| units(description, storage)).unwrap_or_default(),
    }
}
