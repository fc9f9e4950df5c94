//! Spaces and subnets.

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
    /// The space's name, where the document tells.
    pub space_name: String,
}

listed!(
    Space = "spaces" by |space| &space.name,
    Subnet = "subnets" by |subnet| &subnet.cidr,
);
