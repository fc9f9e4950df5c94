//! Storage within `FullStatus`.

use std::collections::BTreeMap;

use super::entity_status::entity_status;
use crate::controller::description::Description;
use crate::controller::status::named::Named;
use crate::controller::status::storage::{AttachmentInfo, DiskInfo, StorageInfo, StorageStatus};
use crate::juju::params::status::FullStatus;
use crate::juju::params::storage::{
    FilesystemAttachment, FilesystemDetails, FilesystemInfo, KIND_BLOCK, KIND_FILESYSTEM, KIND_UNKNOWN,
    StorageAttachment, StorageDetails, VolumeAttachment, VolumeDetails, VolumeInfo,
};
use crate::juju::params::tag;

/// Adds a model's storage to its status.
pub(in crate::controller::embedded::api) fn storage(
    status: &mut FullStatus,
    description: &Description,
    shown: &StorageStatus,
) {
    let owners: BTreeMap<&str, &str> =
        description.storages.iter().map(|storage| (storage.id.as_str(), storage.owner.as_str())).collect();
    let details: BTreeMap<&str, StorageDetails> =
        shown.storage.iter().map(|(id, info)| (id, instance(id, info, owners.get(id).copied()))).collect();
    let of = |id: &str| details.get(id).cloned();
    status.filesystems = shown.filesystems.iter().map(|(id, disk)| filesystem(id, disk, of(&disk.storage))).collect();
    status.volumes = shown.volumes.iter().map(|(id, disk)| volume(id, disk, of(&disk.storage))).collect();
    status.storage = details.into_values().collect();
}

fn instance(id: &str, info: &StorageInfo, owner: Option<&str>) -> StorageDetails {
    let storage_tag = tag::dashed("storage", id);
    let attachments = info.attachments.units.iter().map(|(unit, attached)| {
        let attachment = StorageAttachment {
            storage_tag: storage_tag.clone(),
            unit_tag: tag::unit(unit),
            machine_tag: if attached.machine.is_empty() { String::new() } else { tag::machine(&attached.machine) },
            location: attached.location.clone(),
            life: attached.life.clone(),
        };
        (tag::unit(unit), attachment)
    });
    StorageDetails {
        attachments: attachments.collect(),
        owner_tag: owner.map(owner_tag).unwrap_or_default(),
        kind: match info.kind.as_str() {
            "block" => KIND_BLOCK,
            "filesystem" => KIND_FILESYSTEM,
            _ => KIND_UNKNOWN,
        },
        status: entity_status(&info.status),
        life: info.life.clone(),
        persistent: info.persistent,
        storage_tag,
    }
}

/// Returns an owner's tag. Descriptions name it by tag or by name.
fn owner_tag(owner: &str) -> String {
    match owner {
        "" => String::new(),
        tagged if tagged.starts_with("unit-") || tagged.starts_with("application-") => tagged.to_owned(),
        unit if unit.contains('/') => tag::unit(unit),
        application => tag::application(application),
    }
}

fn filesystem(id: &str, disk: &DiskInfo, storage: Option<StorageDetails>) -> FilesystemDetails {
    let attached = |hosts: &Named<AttachmentInfo>, tag: fn(&str) -> String| {
        let host = |(host, info): (&str, &AttachmentInfo)| {
            let attachment = FilesystemAttachment {
                mount_point: info.mount_point.clone(),
                read_only: info.read_only,
                life: info.life.clone(),
            };
            (tag(host), attachment)
        };
        hosts.iter().map(host).collect()
    };
    FilesystemDetails {
        filesystem_tag: tag::dashed("filesystem", id),
        volume_tag: if disk.volume.is_empty() { String::new() } else { tag::dashed("volume", &disk.volume) },
        info: FilesystemInfo { filesystem_id: disk.provider_id.clone(), pool: disk.pool.clone(), size: disk.size },
        life: disk.life.clone(),
        status: entity_status(&disk.status),
        machine_attachments: attached(&disk.attachments.machines, tag::machine),
        unit_attachments: attached(&disk.attachments.containers, tag::unit),
        storage,
    }
}

fn volume(id: &str, disk: &DiskInfo, storage: Option<StorageDetails>) -> VolumeDetails {
    let attached = |hosts: &Named<AttachmentInfo>, tag: fn(&str) -> String| {
        let host = |(host, info): (&str, &AttachmentInfo)| {
            let attachment = VolumeAttachment {
                device_name: info.device.clone(),
                device_link: info.device_link.clone(),
                bus_address: info.bus_address.clone(),
                read_only: info.read_only,
                life: info.life.clone(),
            };
            (tag(host), attachment)
        };
        hosts.iter().map(host).collect()
    };
    VolumeDetails {
        volume_tag: tag::dashed("volume", id),
        info: VolumeInfo {
            volume_id: disk.provider_id.clone(),
            hardware_id: disk.hardware_id.clone(),
            wwn: disk.wwn.clone(),
            pool: disk.pool.clone(),
            size: disk.size,
            persistent: disk.persistent.unwrap_or_default(),
        },
        life: disk.life.clone(),
        status: entity_status(&disk.status),
        machine_attachments: attached(&disk.attachments.machines, tag::machine),
        unit_attachments: attached(&disk.attachments.containers, tag::unit),
        storage,
    }
}
