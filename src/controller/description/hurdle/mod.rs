//! Finds parts of a valid description that some versions of Juju refuse to import.
//!
//! Which versions those are is told in the table of refusals; here things are only found, and named.

mod setting;
mod spaces;
mod ssh_keys;
mod thing;

use std::collections::HashMap;

pub(super) use setting::fingerprint;
pub use setting::{Fingerprint, Setting};
pub(super) use ssh_keys::scrambled;
pub use thing::Thing;

use super::application::Application;
use super::storage::Disk;
use super::{Description, ModelKind};
use crate::config::HurdleKind;

impl Description {
    /// Returns what is in the model that some versions of Juju refuse, by its kind.
    pub fn hurdles(&self) -> Vec<(HurdleKind, Vec<Thing>)> {
        let all = [
            (HurdleKind::UnknownSettings, self.settings(Application::settings_unknown, " --reset ")),
            (HurdleKind::IntegerSettings, self.settings(Application::settings_integer, " ")),
            (HurdleKind::SeveralApplicationSettings, self.several_application_settings()),
            (HurdleKind::VolumesWithoutDeviceLink, self.volumes_without_device_link()),
            (HurdleKind::ApplicationsThatReadSecrets, self.applications_that_read_secrets()),
            (HurdleKind::RemoteApplicationsWithoutEntity, self.remote_applications_without_entity()),
            (HurdleKind::SharedPasswords, self.shared_passwords()),
            (HurdleKind::ScrambledSshKeys, self.scrambled_ssh_keys()),
            (HurdleKind::UnknownSpacesInConstraints, spaces::in_constraints(self)),
            (HurdleKind::ExposedToUnknownSpaces, spaces::exposed_to(self)),
        ];
        all.into_iter().filter(|(_, things)| !things.is_empty()).collect()
    }

    fn settings(&self, of: fn(&Application) -> Vec<&str>, verb: &str) -> Vec<Thing> {
        let things = |application: &Application| {
            let name = &application.name;
            let thing = |key: &str| Thing {
                name: format!("{name}: {key}"),
                fix: format!("juju config -m {} {name}{verb}{key}", self.name),
            };
            of(application).into_iter().map(thing).collect::<Vec<_>>()
        };
        self.applications.iter().flat_map(things).collect()
    }

    fn several_application_settings(&self) -> Vec<Thing> {
        let several = self.applications.iter().filter(|application| application.application_config.len() > 1);
        let thing = |application: &Application| Thing {
            name: application.name.clone(),
            fix: format!("juju config -m {} {}", self.name, application.name),
        };
        several.map(thing).collect()
    }

    fn volumes_without_device_link(&self) -> Vec<Thing> {
        // On Kubernetes a volume is a claim of a pod, and no device of a machine: 4.1-beta2 was seen to import these.
        if self.kind == ModelKind::Caas {
            return Vec::new();
        }
        let lacks = |disk: &Disk| {
            let mut provisioned = disk.attachments.iter().filter(|attachment| attachment.provisioned);
            provisioned.any(|attachment| attachment.device_link.is_empty() || attachment.device_name.is_empty())
        };
        let volumes = self.volumes.iter().filter(|volume| lacks(&volume.0));
        let fix = format!("juju storage -m {} --volume", self.name);
        volumes.map(|volume| Thing { name: format!("volume {}", volume.0.id), fix: fix.clone() }).collect()
    }

    fn applications_that_read_secrets(&self) -> Vec<Thing> {
        let own = self
            .secrets
            .iter()
            .flat_map(|secret| secret.consumers.iter().map(move |consumer| (&secret.id, &consumer.consumer)));
        let remote = self.remote_secrets.iter().map(|secret| (&secret.id, &secret.consumer));
        let read = own.chain(remote).filter_map(|(secret, consumer)| {
            let application = consumer.strip_prefix("application-")?;
            let fix = format!("juju show-secret -m {} {secret}", self.name);
            Some(Thing { name: format!("{application} reads {secret}"), fix })
        });
        read.collect()
    }

    fn remote_applications_without_entity(&self) -> Vec<Thing> {
        let has_entity = |name: &str| {
            let mut tags = self.remote_entities.iter().filter_map(|entity| entity.id.strip_prefix("application-"));
            tags.any(|id| id == name)
        };
        let without = self.remote_applications.iter().filter(|remote| !has_entity(&remote.name));
        let fix = format!("juju status -m {} --relations", self.name);
        without.map(|remote| Thing { name: remote.name.clone(), fix: fix.clone() }).collect()
    }

    fn shared_passwords(&self) -> Vec<Thing> {
        let machines = self.all_machines().map(|machine| (machine.password, format!("machine {}", machine.id)));
        let units = self.all_units().map(|(_, unit)| (unit.password, format!("unit {}", unit.name)));
        let mut owners: HashMap<Fingerprint, String> = HashMap::new();
        let mut shared = Vec::new();
        for (password, agent) in machines.chain(units) {
            let Some(password) = password else { continue };
            if let Some(first) = owners.get(&password) {
                let fix = format!("juju status -m {}", self.name);
                shared.push(Thing { name: format!("{first} and {agent}"), fix });
            } else {
                owners.insert(password, agent);
            }
        }
        shared
    }

    fn scrambled_ssh_keys(&self) -> Vec<Thing> {
        let fix = format!("juju ssh-keys -m {} --full", self.name);
        self.ssh_keys_scrambled.iter().map(|line| Thing { name: format!("line {line}"), fix: fix.clone() }).collect()
    }
}
