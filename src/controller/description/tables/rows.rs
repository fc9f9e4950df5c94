//! The rows of those tables of a payload that are looked at.

use serde::{Deserialize, Deserializer};

use super::super::lenient::Lenient;

/// Those of a payload's tables that are looked at. Other versions may have other tables: none is needed but the model's.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Tables {
    pub model: Vec<ModelRow>,
    pub agent_version: Vec<AgentVersionRow>,
    pub application: Vec<ApplicationRow>,
    pub application_remote_offerer: Vec<RemoteOffererRow>,
    pub application_status: Vec<StatusRow>,
    pub charm: Vec<CharmRow>,
    pub charm_metadata: Vec<CharmMetadataRow>,
    pub charm_source: Vec<NamedRow>,
    pub machine: Vec<MachineRow>,
    pub machine_cloud_instance: Vec<InstanceRow>,
    pub machine_cloud_instance_status: Vec<StatusRow>,
    pub machine_cloud_instance_status_value: Vec<NamedRow>,
    pub machine_parent: Vec<ParentRow>,
    pub machine_platform: Vec<PlatformRow>,
    pub machine_status: Vec<StatusRow>,
    pub machine_status_value: Vec<NamedRow>,
    pub os: Vec<NamedRow>,
    pub unit: Vec<UnitRow>,
    pub unit_agent_status: Vec<StatusRow>,
    pub unit_agent_status_value: Vec<NamedRow>,
    pub unit_workload_status: Vec<StatusRow>,
    pub workload_status_value: Vec<NamedRow>,
}

/// Tables whose strings are read as Go writes them.
pub(super) struct AsGoWrites(pub Tables);

impl<'de> Deserialize<'de> for AsGoWrites {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Tables::deserialize(Lenient(deserializer)).map(Self)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelRow {
    pub uuid: String,
    pub cloud_type: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AgentVersionRow {
    pub target_version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ApplicationRow {
    pub uuid: String,
    pub name: String,
    pub charm_uuid: String,
}

/// An application of another model that this one consumes. Its application here is made up.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RemoteOffererRow {
    pub application_uuid: String,
    pub offer_url: String,
    pub offerer_model_uuid: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CharmRow {
    pub uuid: String,
    pub source_id: Id,
    pub revision: i64,
    pub reference_name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CharmMetadataRow {
    pub charm_uuid: String,
    pub subordinate: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct MachineRow {
    pub uuid: String,
    pub name: String,
    pub net_node_uuid: String,
    pub hostname: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct InstanceRow {
    pub machine_uuid: String,
    pub instance_id: Option<String>,
    pub display_name: Option<String>,
    pub arch: Option<String>,
    pub cpu_cores: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ParentRow {
    pub machine_uuid: String,
    pub parent_uuid: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PlatformRow {
    pub machine_uuid: String,
    pub os_id: Id,
    pub channel: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct UnitRow {
    pub uuid: String,
    pub name: String,
    pub application_uuid: String,
    pub net_node_uuid: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct StatusRow {
    #[serde(alias = "machine_uuid", alias = "unit_uuid", alias = "application_uuid")]
    pub of: String,
    pub status_id: Id,
    pub message: Option<String>,
    pub updated_at: Option<String>,
}

/// What an id stands for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NamedRow {
    pub id: Id,
    #[serde(alias = "status", alias = "name")]
    pub called: String,
}

/// An id of a table of words: a number, which some tables write as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    #[default]
    None,
    Number(i64),
    Text(String),
}

impl Id {
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::None => None,
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}
