//! What the embedded controller is told to be: as much of a real controller as checks look at.

use serde::{Deserialize, Serialize};

/// Cloud of an embedded controller that was told nothing: the one Juju bootstraps on a bare host.
const CLOUD_DEFAULT: &str = "localhost";
/// Its type, likewise.
const CLOUD_TYPE_DEFAULT: &str = "lxd";
/// Juju version it claims: the long-term release whose models are the newest it reads.
const VERSION_DEFAULT: &str = "3.6.23";

/// The embedded controller, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedConfig {
    /// Its name, as its operators call it.
    pub name: String,
    /// Its cloud.
    pub cloud: String,
    /// The cloud's region, empty where there is none.
    pub region: String,
    /// The cloud's type.
    pub cloud_type: String,
    /// The Juju version it claims.
    pub version: String,
    /// `host:port` of the API that redirects name.
    pub addresses: Vec<String>,
    /// Its identity provider, empty where there is none.
    pub identity_url: String,
    /// Whether live models of real controllers may come: for tests alone, as nothing would run their units.
    pub accept_live_models: bool,
    /// Network spaces.
    pub spaces: Vec<SpaceConfig>,
    /// Storage pools.
    pub storage_pools: Vec<StoragePoolConfig>,
    /// Ids of secret back-ends.
    pub secret_backends: Vec<String>,
    /// Cloud credentials.
    pub credentials: Vec<CredentialConfig>,
}

/// A network space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SpaceConfig {
    /// Its name.
    pub name: String,
    /// Its subnets.
    #[serde(default)]
    pub subnets: Vec<SubnetConfig>,
}

/// A subnet of a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SubnetConfig {
    /// Its network, such as `10.0.0.0/24`.
    pub cidr: String,
    /// Its availability zone, empty where there is none.
    #[serde(default)]
    pub zone: String,
    /// The cloud's own id of it.
    #[serde(default)]
    pub provider_id: String,
}

/// A storage pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StoragePoolConfig {
    /// Its name.
    pub name: String,
    /// The provider behind it, such as `cinder`.
    pub provider: String,
}

/// A cloud credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CredentialConfig {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Whether the cloud still accepts it.
    #[serde(default = "usable")]
    pub valid: bool,
    /// Whether it was revoked.
    #[serde(default)]
    pub revoked: bool,
}

fn usable() -> bool {
    true
}

/// The `[embedded]` table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct EmbeddedTable {
    name: Option<super::file::Named>,
    cloud: Option<super::file::Named>,
    region: String,
    #[serde(rename = "type")]
    cloud_type: Option<super::file::Named>,
    version: Option<super::file::Version>,
    addresses: Vec<super::file::HostPort>,
    identity_url: String,
    accept_live_models: bool,
    spaces: Vec<SpaceConfig>,
    storage_pools: Vec<StoragePoolConfig>,
    secret_backends: Vec<String>,
    credentials: Vec<CredentialConfig>,
}

impl EmbeddedTable {
    /// Fills in what was not said; a controller without a name is called after its host.
    pub(super) fn into_config(self, host_name: &str) -> EmbeddedConfig {
        let or = |given: Option<super::file::Named>, default: &str| given.map_or_else(|| default.to_owned(), |g| g.0);
        let name_default = if host_name.is_empty() { "modelferry" } else { host_name };
        EmbeddedConfig {
            name: or(self.name, name_default),
            cloud: or(self.cloud, CLOUD_DEFAULT),
            region: self.region,
            cloud_type: or(self.cloud_type, CLOUD_TYPE_DEFAULT),
            version: self.version.map_or_else(|| VERSION_DEFAULT.to_owned(), |version| version.0),
            addresses: self.addresses.into_iter().map(|address| address.0).collect(),
            identity_url: self.identity_url,
            accept_live_models: self.accept_live_models,
            spaces: self.spaces,
            storage_pools: self.storage_pools,
            secret_backends: self.secret_backends,
            credentials: self.credentials,
        }
    }
}
