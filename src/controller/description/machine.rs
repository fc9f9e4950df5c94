//! Machines, and the containers in them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::hurdle::{Fingerprint, fingerprint};
use super::status::{Status, status};
use super::wire::{bare, listed, or_default};

/// A machine or container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Machine {
    /// `0`, or `0/lxd/0` for a container.
    pub id: String,
    /// Its host name, where the document is new enough to tell.
    pub hostname: String,
    /// Its operating system: `ubuntu@24.04/stable`.
    pub base: String,
    /// `lxd` and the like for a container; empty for a machine.
    pub container_type: String,
    /// What its agent reports.
    #[serde(deserialize_with = "status")]
    pub status: Status,
    /// What the cloud reports; none for a machine that was never provisioned.
    pub instance: Option<Instance>,
    /// The address that users connect to.
    pub preferred_public_address: Option<Address>,
    /// The address that other machines connect to.
    pub preferred_private_address: Option<Address>,
    /// All that the cloud knows of its addresses.
    #[serde(deserialize_with = "or_default")]
    pub provider_addresses: Vec<Address>,
    /// All that the machine itself knows of them.
    #[serde(deserialize_with = "or_default")]
    pub machine_addresses: Vec<Address>,
    /// What its agent's password is known by.
    #[serde(rename = "password-hash", deserialize_with = "fingerprint")]
    pub password: Option<Fingerprint>,
    /// Its agent's binary.
    pub tools: Option<Tools>,
    /// The containers in it.
    #[serde(deserialize_with = "bare")]
    pub containers: Vec<Machine>,
    /// Ports that its units have opened.
    pub opened_port_ranges: OpenedPorts,
    /// What it was asked to be.
    #[serde(deserialize_with = "or_default")]
    pub constraints: Constraints,
}

/// What a machine was asked to be; what is empty or 0 was not asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Constraints {
    /// Processor architecture.
    pub architecture: String,
    /// Kind of container.
    pub container: String,
    /// Cores.
    pub cores: u64,
    /// Processor power, in the cloud's own measure.
    pub cpu_power: u64,
    /// The cloud's name for a size of machine.
    pub instance_type: String,
    /// Memory, MiB.
    pub memory: u64,
    /// Root disk, MiB.
    pub root_disk: u64,
    /// Where the root disk comes from.
    pub root_disk_source: String,
    /// Tags, understood by some clouds.
    #[serde(deserialize_with = "or_default")]
    pub tags: Vec<String>,
    /// Spaces it must, or with a `^` must not, be in.
    #[serde(deserialize_with = "or_default")]
    pub spaces: Vec<String>,
    /// Kind of virtualization.
    pub virt_type: String,
    /// Availability zones it may be in.
    #[serde(deserialize_with = "or_default")]
    pub zones: Vec<String>,
    /// The image it starts from.
    pub image_id: String,
}

/// What a cloud says about a machine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Instance {
    /// The cloud's name for it.
    pub instance_id: String,
    /// Its name for people.
    pub display_name: String,
    /// The cloud's status of it.
    #[serde(deserialize_with = "status")]
    pub status: Status,
    /// Whether changes asked for were applied.
    #[serde(deserialize_with = "status")]
    pub modification_status: Status,
    /// Where in the region it stands.
    pub availability_zone: String,
    /// Its processor architecture.
    pub architecture: String,
    /// Its cores.
    pub cores: u64,
    /// Its memory, MiB.
    pub memory: u64,
    /// Its root disk, MiB.
    pub root_disk: u64,
    /// Where the root disk came from.
    pub root_disk_source: String,
    /// Processor power, in the cloud's own measure.
    pub cpu_power: u64,
    /// Tags, on some clouds.
    #[serde(deserialize_with = "or_default")]
    pub tags: Vec<String>,
    /// Kind of virtualization.
    pub virt_type: String,
}

/// A network address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Address {
    /// The address.
    pub value: String,
    /// `public`, `local-cloud`, `local-machine`.
    pub scope: String,
    /// The space it belongs to.
    pub spaceid: String,
}

/// An agent binary, as machines and units refer to it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Tools {
    /// Version, system and architecture: `3.6.23-ubuntu-amd64`.
    pub tools_version: String,
    /// SHA-256 in hexadecimal; empty in old documents.
    pub sha256: String,
    /// Its bytes; 0 in old documents.
    pub size: u64,
}

/// Opened ports, by unit and endpoint.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct OpenedPorts {
    #[serde(deserialize_with = "or_default")]
    machine_port_ranges: BTreeMap<String, UnitPorts>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct UnitPorts {
    #[serde(deserialize_with = "or_default")]
    unit_port_ranges: BTreeMap<String, Vec<PortRange>>,
}

/// A range of ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct PortRange {
    /// First port; -1 for a protocol without ports.
    pub from_port: i32,
    /// Last port.
    pub to_port: i32,
    /// `tcp`, `udp`, `icmp`.
    pub protocol: String,
}

impl OpenedPorts {
    /// Returns what `unit` has opened, on any endpoint, ascending and each once.
    pub fn of(&self, unit: &str) -> Vec<&PortRange> {
        let mut ranges: Vec<&PortRange> = self
            .machine_port_ranges
            .get(unit)
            .into_iter()
            .flat_map(|ports| ports.unit_port_ranges.values().flatten())
            .collect();
        ranges.sort();
        ranges.dedup();
        ranges
    }
}

impl Machine {
    /// Returns the machine and every container in it, at any depth.
    pub fn with_containers(&self) -> Vec<&Machine> {
        let mut all = vec![self];
        let mut next = 0;
        while let Some(machine) = all.get(next).copied() {
            all.extend(&machine.containers);
            next += 1;
        }
        all
    }
}

listed!(Machine = "machines" by |machine| &machine.id);
