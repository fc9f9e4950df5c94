//! `Client` 6 to 8: `FullStatus`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::storage::{FilesystemDetails, StorageDetails, VolumeDetails};
use crate::juju::params::values::common::is_default;

/// `StatusParams`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct StatusParams {
    /// What is shown; everything if there is none.
    pub patterns: Vec<String>,
    /// Whether storage is shown.
    #[serde(skip_serializing_if = "is_default")]
    pub include_storage: bool,
}

/// `FullStatus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct FullStatus {
    /// The model by itself.
    pub model: ModelStatusInfo,
    /// By id.
    pub machines: BTreeMap<String, MachineStatus>,
    /// By name.
    pub applications: BTreeMap<String, ApplicationStatus>,
    /// Applications of other models that are consumed, by name.
    pub remote_applications: BTreeMap<String, RemoteApplicationStatus>,
    /// By name.
    pub offers: BTreeMap<String, OfferStatus>,
    /// Relations.
    pub relations: Vec<RelationStatus>,
    /// RFC 3339.
    pub controller_timestamp: Option<String>,
    /// 3.x had branches of a model. There are none.
    pub branches: BTreeMap<String, Value>,
    /// Storage.
    #[serde(skip_serializing_if = "is_default")]
    pub storage: Vec<StorageDetails>,
    /// Filesystems.
    #[serde(skip_serializing_if = "is_default")]
    pub filesystems: Vec<FilesystemDetails>,
    /// Volumes.
    #[serde(skip_serializing_if = "is_default")]
    pub volumes: Vec<VolumeDetails>,
}

/// `ModelStatusInfo`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ModelStatusInfo {
    /// The name.
    pub name: String,
    /// `iaas` or `caas`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The cloud.
    pub cloud_tag: String,
    /// Its region.
    #[serde(skip_serializing_if = "is_default")]
    pub region: String,
    /// The agent version it runs.
    pub version: String,
    /// One that it could be upgraded to; empty where nobody knows.
    pub available_version: String,
    /// How it stands.
    pub model_status: DetailedStatus,
    /// What its support costs.
    pub meter_status: MeterStatus,
    /// Its support level.
    pub sla: String,
}

/// `MeterStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeterStatus {
    /// A traffic light's.
    pub color: String,
    /// In words.
    pub message: String,
}

/// `DetailedStatus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DetailedStatus {
    /// The word.
    pub status: String,
    /// The message.
    pub info: String,
    /// Details by name.
    pub data: BTreeMap<String, Value>,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// Of what: mostly empty.
    pub kind: String,
    /// The agent's version.
    pub version: String,
    /// `alive`, or empty where that is said elsewhere.
    pub life: String,
}

/// `Base`: what a machine or charm runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Base {
    /// `ubuntu`.
    pub name: String,
    /// `22.04/stable`.
    pub channel: String,
}

/// `NetworkInterface`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct NetworkInterface {
    /// Its addresses.
    pub ip_addresses: Vec<String>,
    /// Its hardware address.
    pub mac_address: String,
    /// Its gateway.
    #[serde(skip_serializing_if = "is_default")]
    pub gateway: String,
    /// Its name servers.
    #[serde(skip_serializing_if = "is_default")]
    pub dns_nameservers: Vec<String>,
    /// Its space.
    #[serde(skip_serializing_if = "is_default")]
    pub space: String,
    /// Whether it is up.
    pub is_up: bool,
}

/// `MachineStatus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct MachineStatus {
    /// What its agent reports.
    pub agent_status: DetailedStatus,
    /// What its cloud reports.
    pub instance_status: DetailedStatus,
    /// Whether changes to it were made.
    pub modification_status: DetailedStatus,
    /// Its host name.
    #[serde(skip_serializing_if = "is_default")]
    pub hostname: String,
    /// Where users reach it.
    pub dns_name: String,
    /// All its addresses.
    #[serde(skip_serializing_if = "is_default")]
    pub ip_addresses: Vec<String>,
    /// The cloud's id of it.
    pub instance_id: String,
    /// The cloud's name of it.
    pub display_name: String,
    /// What it runs.
    pub base: Base,
    /// Its id.
    pub id: String,
    /// By name.
    #[serde(skip_serializing_if = "is_default")]
    pub network_interfaces: BTreeMap<String, NetworkInterface>,
    /// By id.
    pub containers: BTreeMap<String, MachineStatus>,
    /// What was asked for.
    pub constraints: String,
    /// What it is made of.
    pub hardware: String,
    /// What it does: hosts units.
    pub jobs: Vec<String>,
    /// Of controllers' machines.
    pub has_vote: bool,
    /// Of controllers' machines.
    pub wants_vote: bool,
}

/// `ApplicationStatus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ApplicationStatus {
    /// Its charm's URL.
    pub charm: String,
    /// Its charm's own version.
    pub charm_version: String,
    /// Its charm's LXD profile.
    pub charm_profile: String,
    /// The channel it follows.
    #[serde(skip_serializing_if = "is_default")]
    pub charm_channel: String,
    /// Its charm's revision.
    #[serde(skip_serializing_if = "is_default")]
    pub charm_rev: i64,
    /// What its charm runs on.
    pub base: Base,
    /// Whether it is exposed.
    pub exposed: bool,
    /// `alive`.
    pub life: String,
    /// The applications related to it, by its own endpoints.
    pub relations: BTreeMap<String, Vec<String>>,
    /// A newer charm; empty where nobody knows.
    pub can_upgrade_to: String,
    /// The applications beside whose units it lives.
    pub subordinate_to: Vec<String>,
    /// By name.
    pub units: BTreeMap<String, UnitStatus>,
    /// What its support costs, by unit.
    pub meter_statuses: BTreeMap<String, MeterStatus>,
    /// What it reports.
    pub status: DetailedStatus,
    /// The version of what it runs.
    pub workload_version: String,
    /// Endpoint to space.
    pub endpoint_bindings: BTreeMap<String, String>,
    /// Units it should have, on Kubernetes. Its name on the wire is Juju's own slip.
    #[serde(rename = "int", skip_serializing_if = "is_default")]
    pub scale: u64,
    /// The cloud's name for its service, on Kubernetes.
    #[serde(skip_serializing_if = "is_default")]
    pub provider_id: String,
    /// Its service's address, on Kubernetes.
    pub public_address: String,
}

/// `UnitStatus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct UnitStatus {
    /// What its agent reports.
    pub agent_status: DetailedStatus,
    /// What its charm reports.
    pub workload_status: DetailedStatus,
    /// The version of what it runs.
    pub workload_version: String,
    /// Its machine; empty for a subordinate.
    pub machine: String,
    /// Ports it has opened.
    pub opened_ports: Vec<String>,
    /// Where users reach it.
    pub public_address: String,
    /// Its charm, where that is another than its application's.
    pub charm: String,
    /// By name.
    pub subordinates: BTreeMap<String, UnitStatus>,
    /// Whether it leads its application.
    #[serde(skip_serializing_if = "is_default")]
    pub leader: bool,
    /// Its pod, on Kubernetes.
    #[serde(skip_serializing_if = "is_default")]
    pub provider_id: String,
    /// Where it is reached, on Kubernetes.
    #[serde(skip_serializing_if = "is_default")]
    pub address: String,
}

/// `RemoteEndpoint`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteEndpoint {
    /// The endpoint.
    pub name: String,
    /// `provider` or `requirer`.
    pub role: String,
    /// The interface.
    pub interface: String,
    /// How many relations it takes; 0 for any number.
    pub limit: u64,
}

/// `RemoteApplicationStatus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct RemoteApplicationStatus {
    /// The offer: `controller:admin/cos.grafana`.
    pub offer_url: String,
    /// The offer's name.
    pub offer_name: String,
    /// Its endpoints.
    pub endpoints: Vec<RemoteEndpoint>,
    /// `alive`.
    pub life: String,
    /// Applications here that it is related to, by its endpoints.
    pub relations: BTreeMap<String, Vec<String>>,
    /// What it reports.
    pub status: DetailedStatus,
}

/// `ApplicationOfferStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct OfferStatus {
    /// The offer.
    pub offer_name: String,
    /// The application.
    pub application_name: String,
    /// Its charm.
    pub charm: String,
    /// By the name that the offer gives it.
    pub endpoints: BTreeMap<String, RemoteEndpoint>,
    /// Relations that are joined.
    pub active_connected_count: u64,
    /// Relations.
    pub total_connected_count: u64,
}

/// `RelationStatus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RelationStatus {
    /// Its number.
    pub id: i64,
    /// `db:cluster`, `web:db db:db`.
    pub key: String,
    /// The interface.
    pub interface: String,
    /// `global` or `container`.
    pub scope: String,
    /// Its ends; a peer relation has one.
    pub endpoints: Vec<EndpointStatus>,
    /// How it stands.
    pub status: DetailedStatus,
}

/// `EndpointStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointStatus {
    /// The application.
    pub application: String,
    /// The endpoint.
    pub name: String,
    /// `provider`, `requirer` or `peer`.
    pub role: String,
    /// Whether the application is a subordinate.
    pub subordinate: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::juju::params::from_value;

    #[test]
    fn a_status_has_the_keys_that_jujus_client_looks_for() {
        let status = FullStatus {
            applications: BTreeMap::from([("db".to_owned(), ApplicationStatus { scale: 3, ..Default::default() })]),
            ..FullStatus::default()
        };
        let written = json!(status);
        for key in ["model", "machines", "applications", "remote-applications", "offers", "relations", "branches"] {
            assert!(written.get(key).is_some(), "{key}");
        }
        assert!(written.get("storage").is_none(), "absent unless it was asked for");
        assert_eq!(written["applications"]["db"]["int"], 3, "Juju's name for the scale");
        assert!(written["applications"]["db"]["status"].get("since").is_some());
    }

    #[test]
    fn what_juju_writes_as_null_is_read_as_nothing() {
        let sent = json!({ "applications": { "db": {
            "relations": null, "subordinate-to": null, "units": null, "meter-statuses": null, "endpoint-bindings": null,
            "status": { "status": "active", "data": null, "since": null }
        } }, "machines": null, "relations": null });
        let status: FullStatus = from_value(&sent).unwrap();
        assert_eq!(status.applications["db"].status.status, "active");
        assert!(status.machines.is_empty() && status.applications["db"].units.is_empty());
    }
}
