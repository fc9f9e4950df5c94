//! Spaces and subnets, network devices and their addresses.

use serde::Deserialize;

use super::wire::{listed, or_default};

/// A network space.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Space {
    /// Its number; `0` is `alpha`. Empty in documents from 14 on, which write `uuid`.
    pub id: String,
    /// Its identity in documents from 14 on.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// The cloud's name for it.
    pub provider_id: String,
}

/// A subnet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Subnet {
    /// Its number.
    pub subnet_id: String,
    /// The cloud's name for it.
    pub provider_id: String,
    /// The cloud's name for the network around it.
    pub provider_network_id: String,
    /// Its addresses.
    pub cidr: String,
    /// Its VLAN, 0 for none.
    pub vlan_tag: i64,
    /// Where it can be used.
    #[serde(deserialize_with = "or_default")]
    pub availability_zones: Vec<String>,
    /// The space it belongs to.
    pub space_id: String,
    /// The space's identity in documents from 14 on.
    pub space_uuid: String,
    /// The space's name, where the document tells.
    pub space_name: String,
}

/// A network device of a machine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct LinkLayerDevice {
    /// Its name there.
    pub name: String,
    /// The machine.
    pub machine_id: String,
    /// `ethernet`, `bridge`, `loopback`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its MAC address.
    pub mac_address: String,
    /// Whether it is up.
    pub is_up: bool,
}

/// An address of a network device.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct IpAddress {
    /// The device.
    pub device_name: String,
    /// The machine.
    pub machine_id: String,
    /// The subnet it is in.
    pub subnet_cidr: String,
    /// `dhcp`, `static`, `loopback`.
    pub config_method: String,
    /// The address.
    pub value: String,
    /// Name servers known by it.
    #[serde(deserialize_with = "or_default")]
    pub dns_servers: Vec<String>,
    /// The way out.
    pub gateway_address: String,
}

listed!(
    Space = "spaces" by |space| &space.name,
    Subnet = "subnets" by |subnet| &subnet.cidr,
    LinkLayerDevice = "link-layer-devices" by |device| &device.name,
    IpAddress = "ip-addresses" by |address| &address.value,
);
