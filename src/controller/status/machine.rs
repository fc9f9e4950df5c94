//! Machines and containers, as `status` shows them.

use serde::{Deserialize, Serialize};

use super::info::{Base, StatusInfo, space_name, version_number};
use super::named::Named;
use crate::controller::description::Description;
use crate::controller::description::machine::{Address, Constraints, Instance, Machine};
use crate::controller::description::network::Subnet;

/// A machine or a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct MachineStatus {
    /// What its agent reports.
    pub juju_status: StatusInfo,
    /// Its host name, where the document tells.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// The address that users connect to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dns_name: String,
    /// All addresses at which others reach it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
    /// The cloud's name for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instance_id: String,
    /// Its name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// What the cloud reports.
    #[serde(skip_serializing_if = "StatusInfo::is_empty")]
    pub machine_status: StatusInfo,
    /// Whether changes asked for were applied.
    #[serde(skip_serializing_if = "StatusInfo::is_empty")]
    pub modification_status: StatusInfo,
    /// Its operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Its network devices.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub network_interfaces: Named<Interface>,
    /// The containers in it.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub containers: Named<MachineStatus>,
    /// What it was asked to be.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub constraints: String,
    /// What it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hardware: String,
}

/// A network device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Interface {
    /// Its addresses.
    pub ip_addresses: Vec<String>,
    /// Its MAC address.
    pub mac_address: String,
    /// The way out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gateway: String,
    /// Name servers known by it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_nameservers: Vec<String>,
    /// The space it is in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub space: String,
    /// Whether it is up.
    pub is_up: bool,
}

impl MachineStatus {
    /// Returns what people call it.
    pub fn name(&self) -> &str {
        if self.display_name.is_empty() { &self.instance_id } else { &self.display_name }
    }

    /// Returns its availability zone, empty where there is none.
    pub fn zone(&self) -> &str {
        self.hardware.split(' ').find_map(|part| part.strip_prefix("availability-zone=")).unwrap_or("")
    }

    /// Returns status and message as Juju's table has them: changes that could not be applied come first.
    pub fn state(&self) -> (&str, &str) {
        if self.modification_status.current == "error" {
            (&self.modification_status.current, &self.modification_status.message)
        } else {
            (&self.juju_status.current, &self.machine_status.message)
        }
    }
}

/// Returns the machines.
pub(super) fn machines(description: &Description) -> Named<MachineStatus> {
    named(description, &description.machines)
}

fn named(description: &Description, machines: &[Machine]) -> Named<MachineStatus> {
    machines.iter().map(|machine| (machine.id.clone(), status(description, machine))).collect()
}

fn status(description: &Description, machine: &Machine) -> MachineStatus {
    let nothing = Instance::default();
    let instance = machine.instance.as_ref().unwrap_or(&nothing);
    let version = machine.tools.as_ref().map_or("", |tools| version_number(&tools.tools_version));
    let (name, channel) = machine.base.split_once('@').unwrap_or((&machine.base, ""));
    MachineStatus {
        juju_status: StatusInfo::of_agent(&machine.status, version),
        hostname: machine.hostname.clone(),
        dns_name: public_address(machine),
        ip_addresses: addresses(machine),
        instance_id: instance.instance_id.clone(),
        display_name: instance.display_name.clone(),
        machine_status: StatusInfo::of(&instance.status),
        modification_status: StatusInfo::of(&instance.modification_status),
        base: Base::new(name, channel),
        network_interfaces: interfaces(description, &machine.id),
        containers: named(description, &machine.containers),
        constraints: constraints(&machine.constraints),
        hardware: hardware(instance),
    }
}

/// Returns the address at which users reach a machine, empty where it is not known.
pub(super) fn public_address(machine: &Machine) -> String {
    let preferred = machine.preferred_public_address.as_ref().or(machine.preferred_private_address.as_ref());
    preferred.or(machine.provider_addresses.first()).map(|address| address.value.clone()).unwrap_or_default()
}

fn addresses(machine: &Machine) -> Vec<String> {
    let mut seen = Vec::new();
    let reachable = |address: &&Address| !matches!(address.scope.as_str(), "local-machine" | "link-local");
    for address in machine.provider_addresses.iter().chain(&machine.machine_addresses).filter(reachable) {
        if !seen.contains(&address.value) {
            seen.push(address.value.clone());
        }
    }
    seen
}

fn interfaces(description: &Description, machine: &str) -> Named<Interface> {
    let devices = description.link_layer_devices.iter();
    let devices = devices.filter(|device| device.machine_id == machine && device.kind != "loopback");
    let described = devices.filter_map(|device| {
        let of_device = |name: &str, of: &str| name == device.name && of == machine;
        let mut interface =
            Interface { mac_address: device.mac_address.clone(), is_up: device.is_up, ..Interface::default() };
        let addresses = description.ip_addresses.iter();
        let addresses = addresses.filter(|address| of_device(&address.device_name, &address.machine_id));
        for address in addresses.filter(|address| address.config_method != "loopback") {
            interface.ip_addresses.push(address.value.clone());
            if interface.gateway.is_empty() {
                interface.gateway.clone_from(&address.gateway_address);
            }
            if interface.dns_nameservers.is_empty() {
                interface.dns_nameservers.clone_from(&address.dns_servers);
            }
            if interface.space.is_empty() {
                let subnet = description.subnets.iter().find(|subnet| subnet.cidr == address.subnet_cidr);
                interface.space = subnet.map(|subnet| space_of(description, subnet)).unwrap_or_default();
            }
        }
        // Juju leaves out what has no address.
        (!interface.ip_addresses.is_empty()).then(|| (device.name.clone(), interface))
    });
    described.collect()
}

/// Returns the name of a subnet's space, by whichever of its names the document's version tells.
fn space_of(description: &Description, subnet: &Subnet) -> String {
    let told = [&subnet.space_name, &subnet.space_uuid].into_iter().find(|told| !told.is_empty());
    space_name(description, told.unwrap_or(&subnet.space_id)).to_owned()
}

/// Joins `key=value` of everything that is known.
fn pairs(pairs: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let known = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

fn number(number: u64) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

fn mebibytes(size: u64) -> String {
    if size == 0 { String::new() } else { format!("{size}M") }
}

fn hardware(instance: &Instance) -> String {
    pairs([
        ("arch", instance.architecture.clone()),
        ("cores", number(instance.cores)),
        ("cpu-power", number(instance.cpu_power)),
        ("mem", mebibytes(instance.memory)),
        ("root-disk", mebibytes(instance.root_disk)),
        ("root-disk-source", instance.root_disk_source.clone()),
        ("tags", instance.tags.join(",")),
        ("availability-zone", instance.availability_zone.clone()),
        ("virt-type", instance.virt_type.clone()),
    ])
}

fn constraints(constraints: &Constraints) -> String {
    pairs([
        ("arch", constraints.architecture.clone()),
        ("container", constraints.container.clone()),
        ("cores", number(constraints.cores)),
        ("cpu-power", number(constraints.cpu_power)),
        ("instance-type", constraints.instance_type.clone()),
        ("mem", mebibytes(constraints.memory)),
        ("root-disk", mebibytes(constraints.root_disk)),
        ("root-disk-source", constraints.root_disk_source.clone()),
        ("tags", constraints.tags.join(",")),
        ("spaces", constraints.spaces.join(",")),
        ("virt-type", constraints.virt_type.clone()),
        ("zones", constraints.zones.join(",")),
        ("image-id", constraints.image_id.clone()),
    ])
}
