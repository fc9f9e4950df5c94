//! References of a model's storage that lead to nothing: an export or an import of such a model fails.

use std::collections::HashSet;

use super::Complaint;
use crate::controller::description::Description;
use crate::controller::description::storage::Disk;

/// What a model has that its storage may refer to.
struct Known<'a> {
    units: HashSet<&'a str>,
    applications: HashSet<&'a str>,
    hosts: HashSet<&'a str>,
    storages: HashSet<&'a str>,
    volumes: HashSet<&'a str>,
}

impl<'a> Known<'a> {
    fn of(description: &'a Description) -> Self {
        let units: HashSet<&str> = description.all_units().map(|(_, unit)| unit.name.as_str()).collect();
        let machines = description.all_machines().map(|machine| machine.id.as_str());
        Self {
            hosts: machines.chain(units.iter().copied()).collect(),
            units,
            applications: description.applications.iter().map(|application| application.name.as_str()).collect(),
            storages: description.storages.iter().map(|storage| storage.id.as_str()).collect(),
            volumes: description.volumes.iter().map(|volume| volume.0.id.as_str()).collect(),
        }
    }

    /// Reports whether the model has the owner: a unit's name, or the tag of a unit or of an application.
    fn has_owner(&self, owner: &str) -> bool {
        match owner.split_once('-') {
            Some(("unit", rest)) => self.units.contains(name_of_unit(rest).as_str()),
            Some(("application", name)) => self.applications.contains(name),
            _ => self.units.contains(owner),
        }
    }

    fn has_unit(&self, attached: &str) -> bool {
        let rest = attached.strip_prefix("unit-");
        rest.map_or_else(|| self.units.contains(attached), |rest| self.units.contains(name_of_unit(rest).as_str()))
    }
}

/// Returns the name of the unit whose tag ends so: `postgresql-0` is `postgresql/0`.
fn name_of_unit(rest: &str) -> String {
    rest.rsplit_once('-').map_or_else(|| rest.to_owned(), |(application, number)| format!("{application}/{number}"))
}

/// Complains of storage, volumes and filesystems that refer to what the model has not.
pub(super) fn complaints(description: &Description) -> Vec<Complaint> {
    let (known, model) = (Known::of(description), description.name.as_str());
    let mut complaints = Vec::new();
    for storage in &description.storages {
        let id = &storage.id;
        let mut complain = |text: String| {
            let fix = format!(
                "juju remove-storage -m {model} --force --no-destroy {id} # the model forgets it, and the cloud keeps it"
            );
            complaints.push(Complaint { text, fix });
        };
        if !storage.owner.is_empty() && !known.has_owner(&storage.owner) {
            complain(format!("storage {id} belongs to {}, which the model has not", storage.owner));
        }
        for unit in storage.attachments.iter().filter(|unit| !known.has_unit(unit)) {
            complain(format!("storage {id} is attached to unit {unit}, which the model has not"));
        }
    }
    let volumes = description.volumes.iter().map(|volume| ("volume", &volume.0));
    let filesystems = description.filesystems.iter().map(|filesystem| ("filesystem", &filesystem.0));
    for (kind, disk) in volumes.chain(filesystems) {
        let fix = format!(
            "juju storage -m {model} --{kind} --format yaml # `juju remove-storage --force` removes what it serves"
        );
        let texts = of_disk(&known, kind, disk);
        complaints.extend(texts.into_iter().map(|text| Complaint { text, fix: fix.clone() }));
    }
    complaints
}

fn of_disk(known: &Known<'_>, kind: &str, disk: &Disk) -> Vec<String> {
    let id = &disk.id;
    let mut texts = Vec::new();
    if !disk.storage_id.is_empty() && !known.storages.contains(disk.storage_id.as_str()) {
        texts.push(format!("{kind} {id} serves storage {}, which the model has not", disk.storage_id));
    }
    if kind == "filesystem" && !disk.volume.is_empty() && !known.volumes.contains(disk.volume.as_str()) {
        texts.push(format!("filesystem {id} is on volume {}, which the model has not", disk.volume));
    }
    let hosts = disk.attachments.iter().map(|attachment| attachment.host());
    for host in hosts.filter(|host| !host.is_empty() && !known.hosts.contains(host)) {
        texts.push(format!("{kind} {id} is attached to {host}, which the model has not"));
    }
    texts
}
