//! Applications, their units and their resources.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::hurdle::{Fingerprint, Setting, fingerprint};
use super::machine::{Address, Constraints, OpenedPorts, Tools};
use super::relation::Offer;
use super::status::{Status, status};
use super::wire::{list, listed, or_default};

/// Returns the name in a charm's URL and its revision: of `ch:amd64/noble/postgresql-k8s-495` `postgresql-k8s` and 495; of
/// `local:webapp-2`, which has no architecture, `webapp` and 2.
pub(in crate::controller) fn charm_name(url: &str) -> (&str, Option<i64>) {
    let last = url.rsplit(['/', ':']).next().unwrap_or(url);
    let numbered = last.rsplit_once('-').and_then(|(name, revision)| Some((name, revision.parse::<u32>().ok()?)));
    numbered.map_or((last, None), |(name, revision)| (name, Some(revision.into())))
}

/// An application.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Application {
    /// Its name.
    pub name: String,
    /// Whether it lives beside the units of others.
    pub subordinate: bool,
    /// Its charm: `ch:amd64/postgresql-843`, `local:noble/webapp-2`.
    pub charm_url: String,
    /// The channel it follows, as the model has it.
    pub cs_channel: String,
    /// Where its charm came from.
    pub charm_origin: CharmOrigin,
    /// Whether it can be reached from outside.
    pub exposed: bool,
    /// Units it should have at least; 0 for no such wish.
    pub min_units: u64,
    /// What it reports.
    #[serde(deserialize_with = "status")]
    pub status: Status,
    /// What the operator of a Kubernetes application reports.
    #[serde(deserialize_with = "status")]
    pub operator_status: Status,
    /// Endpoint to space id; the empty endpoint is the default of all others.
    #[serde(deserialize_with = "or_default")]
    pub endpoint_bindings: BTreeMap<String, String>,
    /// The unit that leads.
    pub leader: String,
    /// Its units.
    #[serde(deserialize_with = "list")]
    pub units: Vec<Unit>,
    /// Its resources.
    #[serde(deserialize_with = "list")]
    pub resources: Vec<Resource>,
    /// Storage it asks for, by name.
    #[serde(deserialize_with = "or_default")]
    pub storage_directives: BTreeMap<String, StorageDirective>,
    /// Units it should have on Kubernetes.
    pub desired_scale: i64,
    /// Whether it is being scaled, on Kubernetes.
    pub provisioning_state: Option<ProvisioningState>,
    /// Its service on Kubernetes.
    pub cloud_service: Option<CloudService>,
    /// Ports that its units have opened, on Kubernetes.
    pub opened_port_ranges: OpenedPorts,
    /// What it offers to other models.
    #[serde(deserialize_with = "list")]
    pub offers: Vec<Offer>,
    /// What its machines are asked to be.
    #[serde(deserialize_with = "or_default")]
    pub constraints: Constraints,
    /// Whom its endpoints are exposed to; the empty endpoint is all of them.
    #[serde(deserialize_with = "or_default")]
    pub exposed_endpoints: BTreeMap<String, ExposedEndpoint>,
    /// Keys of the charm's settings, and what kind of value each has. The values are nobody's business here.
    #[serde(deserialize_with = "or_default")]
    pub settings: BTreeMap<String, Setting>,
    /// Likewise of the application's own settings.
    #[serde(deserialize_with = "or_default")]
    pub application_config: BTreeMap<String, Setting>,
    charm_configs: Option<Configs>,
    charm_metadata: Option<Metadata>,
    charm_manifest: Option<Manifest>,
}

/// Whom an endpoint is exposed to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ExposedEndpoint {
    /// Ids of spaces.
    #[serde(deserialize_with = "or_default")]
    pub expose_to_spaces: Vec<String>,
    /// Networks.
    #[serde(deserialize_with = "or_default")]
    pub expose_to_cidrs: Vec<String>,
}

/// The settings that a charm has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Configs {
    #[serde(deserialize_with = "or_default")]
    configs: BTreeMap<String, IgnoredAny>,
}

/// How far an application's scaling on Kubernetes is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ProvisioningState {
    /// Whether it is under way.
    pub scaling: bool,
}

/// What is looked at of a charm's `metadata.yaml`: what it can be related by.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "or_default")]
    provides: BTreeMap<String, CharmEndpoint>,
    #[serde(deserialize_with = "or_default")]
    requires: BTreeMap<String, CharmEndpoint>,
}

/// An endpoint, as a charm declares it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct CharmEndpoint {
    /// `provider` or `requirer`.
    pub role: String,
    /// What is spoken over it.
    pub interface: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Manifest {
    #[serde(deserialize_with = "or_default")]
    bases: Vec<IgnoredAny>,
}

impl Application {
    /// Returns what its charm declares of an endpoint that others can be related to.
    pub fn charm_endpoint(&self, name: &str) -> Option<&CharmEndpoint> {
        let metadata = self.charm_metadata.as_ref()?;
        metadata.provides.get(name).or_else(|| metadata.requires.get(name))
    }

    /// Returns the keys of settings that its charm does not have; none where the document does not tell the charm's.
    pub fn settings_unknown(&self) -> Vec<&str> {
        let Some(known) = &self.charm_configs else { return Vec::new() };
        self.settings.keys().map(String::as_str).filter(|key| !known.configs.contains_key(*key)).collect()
    }

    /// Returns the keys of settings that are whole numbers.
    pub fn settings_integer(&self) -> Vec<&str> {
        let integers = self.settings.iter().filter(|(_, setting)| **setting == Setting::Integer);
        integers.map(|(key, _)| key.as_str()).collect()
    }

    /// Notes that its charm came with a `manifest.yaml`, for documents that do not tell what is in it.
    pub(super) fn note_manifest(&mut self) {
        self.charm_manifest = Some(Manifest { bases: vec![IgnoredAny] });
    }

    /// Reports whether its charm came with a `manifest.yaml`, which Juju 4 demands.
    pub fn has_manifest(&self) -> bool {
        self.charm_manifest.as_ref().is_some_and(|manifest| !manifest.bases.is_empty())
    }
}

/// Where a charm came from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct CharmOrigin {
    /// `charm-hub` or `local`.
    pub source: String,
    /// Its revision.
    pub revision: i64,
    /// The channel it follows.
    pub channel: String,
    /// `amd64/ubuntu/24.04/stable`.
    pub platform: String,
    hash: String,
}

impl CharmOrigin {
    /// Returns the SHA-256 of the archive, in hexadecimal; empty where it is not told, as of every local charm.
    pub fn sha256(&self) -> &str {
        let is_sha256 = self.hash.len() == 64 && self.hash.bytes().all(|digit| digit.is_ascii_hexdigit());
        if self.source == STORE && is_sha256 { &self.hash } else { "" }
    }
}

/// Where charms come from whose hash is that of the archive.
const STORE: &str = "charm-hub";

/// How much storage an application asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct StorageDirective {
    /// From which pool.
    pub pool: String,
    /// MiB.
    pub size: u64,
    /// How often.
    pub count: u64,
}

/// The service of an application on Kubernetes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct CloudService {
    /// The cloud's name for it.
    pub provider_id: String,
    /// Where it is reached.
    #[serde(deserialize_with = "or_default")]
    pub addresses: Vec<Address>,
}

/// A unit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Unit {
    /// `postgresql/0`.
    pub name: String,
    /// The machine it runs on; empty on Kubernetes.
    pub machine: String,
    /// What its agent reports.
    #[serde(deserialize_with = "status")]
    pub agent_status: Status,
    /// What its charm reports.
    #[serde(deserialize_with = "status")]
    pub workload_status: Status,
    /// The version of what it runs.
    pub workload_version: String,
    /// The unit it accompanies; empty for a principal.
    pub principal: String,
    /// The units that accompany it.
    #[serde(deserialize_with = "or_default")]
    pub subordinates: Vec<String>,
    /// What its machine was asked to be.
    #[serde(deserialize_with = "or_default")]
    pub constraints: Constraints,
    /// What its agent's password is known by.
    #[serde(rename = "password-hash", deserialize_with = "fingerprint")]
    pub password: Option<Fingerprint>,
    /// Its agent's binary.
    pub tools: Option<Tools>,
    /// Its pod.
    pub cloud_container: Option<CloudContainer>,
    /// The revisions of the application's resources that it has fetched.
    #[serde(deserialize_with = "list")]
    pub resources: Vec<UnitResource>,
}

/// A unit's pod on Kubernetes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct CloudContainer {
    /// The pod's name.
    pub provider_id: String,
    /// Where it is reached.
    pub address: Option<Address>,
    /// Ports it has opened.
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<String>,
}

/// A resource of an application.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Resource {
    /// Its name in the charm.
    pub name: String,
    /// The revision that the application uses.
    #[serde(rename = "application-revision", deserialize_with = "or_default")]
    pub revision: ResourceRevision,
}

/// A resource that a unit has fetched.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct UnitResource {
    /// Its name in the charm.
    pub name: String,
    /// The revision that the unit has.
    #[serde(deserialize_with = "or_default")]
    pub revision: ResourceRevision,
}

/// A revision of a resource.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ResourceRevision {
    /// Its number.
    pub revision: i64,
    /// `file` or `oci-image`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `store` or `upload`.
    pub origin: String,
    /// SHA-384 in hexadecimal, as documents up to 12 name it. Empty for a placeholder.
    #[serde(alias = "sha384")]
    pub fingerprint: String,
    /// Its bytes.
    pub size: u64,
    /// When it was fetched; empty for a placeholder.
    pub timestamp: String,
    /// The file's name for the charm. Documents from 13 on do not tell it.
    pub path: String,
    /// What it is, for people.
    pub description: String,
    /// Who uploaded or fetched it.
    #[serde(alias = "retrieved-by")]
    pub username: String,
}

impl ResourceRevision {
    /// Reports whether the resource was never fetched, so that the controller has no bytes of it.
    pub fn is_placeholder(&self) -> bool {
        self.fingerprint.is_empty() || self.timestamp.is_empty() || self.timestamp.starts_with("0001-01-01")
    }
}

listed!(
    Application = "applications" by |application| &application.name,
    Unit = "units" by |unit| &unit.name,
    Resource = "resources" by |resource| &resource.name,
    UnitResource = "resources" by |resource| &resource.name,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charms_name_is_read_from_each_kind_of_url() {
        for (url, name, revision) in [
            ("ch:amd64/jammy/postgresql-843", "postgresql", Some(843)),
            ("ch:amd64/cos-configuration-k8s-67", "cos-configuration-k8s", Some(67)),
            ("local:jammy/webapp-2", "webapp", Some(2)),
            ("local:webapp-2", "webapp", Some(2)),
            ("local:foo", "foo", None),
        ] {
            assert_eq!(charm_name(url), (name, revision));
        }
    }
}
