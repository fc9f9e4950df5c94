//! Configuration of the embedded controller: the properties of a real controller that checks look at.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::RefusalConfig;
use super::table::table;

/// Default cloud: the one that Juju bootstraps on a bare host.
const CLOUD_DEFAULT: &str = "localhost";
/// Type of the default cloud.
const CLOUD_TYPE_DEFAULT: &str = "lxd";
/// Default Juju version: the long-term release, which reads the newest models.
const VERSION_DEFAULT: &str = "3.6.23";

/// Default address of the API: Juju's port, reachable only from this host until an operator asks for more.
const API_LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 17070);

/// The checked configuration of the embedded controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedConfig {
    pub name: String,
    pub cloud: String,
    /// The cloud's region; empty if it has none.
    pub region: String,
    pub cloud_type: String,
    /// The Juju version that the controller reports.
    pub version: String,
    /// API addresses, `host:port`, for redirects and logins.
    pub addresses: Vec<String>,
    /// URL of the identity provider; empty if there is none.
    pub identity_url: String,
    /// Whether to accept live models of real controllers. For tests only, because nothing would run their units.
    pub accept_live_models: bool,
    pub spaces: Vec<SpaceConfig>,
    pub storage_pools: Vec<StoragePoolConfig>,
    pub secret_backends: Vec<String>,
    pub credentials: Vec<CredentialConfig>,
    /// The API for Juju's own clients; `None` unless configured.
    pub api: Option<ApiConfig>,
    /// Rows about what versions of Juju refuse to import. They take precedence over the shipped table.
    pub refusals: Vec<RefusalConfig>,
}

/// The checked configuration of the embedded controller's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiConfig {
    /// TCP address to listen on.
    pub listen: SocketAddr,
}

table! {
    /// The embedded controller's API, for Juju's own clients. Without this table nothing listens.
    [] pub(super) struct ApiTable in "embedded.api" {
        /// The TCP address at which the API listens.
        listen: Option<super::value::Address> => "127.0.0.1:17070",
    }
}

impl ApiTable {
    fn into_config(self) -> ApiConfig {
        ApiConfig { listen: self.listen.map_or(API_LISTEN_DEFAULT, |listen| listen.0) }
    }
}

table! {
    /// A network space.
    [Clone, PartialEq, Eq, Serialize] pub struct SpaceConfig in "embedded.spaces[]" {
        /// The space's name.
        pub name: String => "(must be given)",
        /// The space's subnets.
        pub subnets: Vec<SubnetConfig> => "[]" [serde(default)],
    }
}

table! {
    /// A subnet of a space.
    [Clone, PartialEq, Eq, Serialize] pub struct SubnetConfig in "embedded.spaces.subnets[]" {
        /// The subnet, such as `10.0.0.0/24`.
        pub cidr: String => "(must be given)" [serde(deserialize_with = "network")],
        /// The subnet's availability zone.
        pub zone: String => "" [serde(default)],
        /// The cloud's own ID of the subnet.
        pub provider_id: String => "" [serde(default)],
    }
}

table! {
    /// A storage pool.
    [Clone, PartialEq, Eq, Serialize] pub struct StoragePoolConfig in "embedded.storage-pools[]" {
        /// The pool's name.
        pub name: String => "(must be given)",
        /// The provider behind it, such as `cinder`.
        pub provider: String => "(must be given)",
    }
}

table! {
    /// A cloud credential that the controller knows.
    [Clone, PartialEq, Eq, Serialize] pub struct CredentialConfig in "embedded.credentials[]" {
        /// The credential's name.
        pub name: String => "(must be given)",
        /// The credential's owner.
        pub owner: String => "(must be given)",
        /// Whether the cloud still accepts it.
        pub valid: bool => "true" [serde(default = "usable")],
        /// Whether it was revoked.
        pub revoked: bool => "false" [serde(default)],
    }
}

/// Reads a network, which an address with bits behind the mask is not: no model's subnet would ever match it.
fn network<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    match text.parse::<IpNet>() {
        Ok(net) if net == net.trunc() => Ok(text),
        Ok(net) => {
            Err(Error::custom(format!("`{text}` is an address in a network; write the network, \"{}\"", net.trunc())))
        }
        Err(_) => Err(Error::custom(format!("`{text}` is no network; write one such as \"10.0.0.0/24\""))),
    }
}

fn usable() -> bool {
    true
}

table! {
    /// The embedded controller that every agent hosts, and the properties that the checks of a migration look at.
    [Default] pub(super) struct EmbeddedTable in "embedded" {
        /// The controller's name.
        name: Option<super::value::ControllerName> => "(the host's name)",
        /// The controller's cloud. Models of other clouds are refused.
        cloud: Option<super::value::Named> => "localhost",
        /// The cloud's region.
        region: String => "" [serde(default)],
        /// The cloud's type.
        r#type: Option<super::value::Named> => "lxd",
        /// The version of Juju that the controller claims to be. Models of a newer version are refused.
        version: Option<super::value::Version> => "3.6.23",
        /// The API addresses that redirects and logins name.
        addresses: Vec<super::value::HostPort> => "(where `[embedded.api]` listens)" [serde(default)],
        /// The URL of the controller's identity provider. A model with external users moves only between controllers
        /// with the same provider.
        identity_url: String => "" [serde(default)],
        /// Whether to accept live models of real controllers. For tests only: nothing would run their units.
        accept_live_models: bool => "false" [serde(default)],
        /// Network spaces.
        spaces: Vec<SpaceConfig> => "[]" [serde(default)],
        /// Storage pools.
        storage_pools: Vec<StoragePoolConfig> => "[]" [serde(default)],
        /// IDs of secret back-ends.
        secret_backends: Vec<String> => "[]" [serde(default)],
        /// Cloud credentials.
        credentials: Vec<CredentialConfig> => "[]" [serde(default)],
        /// The controller's API.
        pub(super) api: Option<ApiTable> => "(none)",
        /// Rows about what versions of Juju refuse to import, in addition to the shipped ones: `docs/refusals.md`.
        refusals: Vec<RefusalConfig> => "[]" [serde(default)],
    }
}

impl EmbeddedTable {
    /// Fills in the defaults. The default name is the host's.
    pub(super) fn into_config(self, host_name: &str) -> EmbeddedConfig {
        let or = |given: Option<super::value::Named>, default: &str| given.map_or_else(|| default.to_owned(), |g| g.0);
        let name_default = if host_name.is_empty() { "modelferry" } else { host_name };
        let api = self.api.map(ApiTable::into_config);
        let mut addresses: Vec<String> = self.addresses.into_iter().map(|address| address.0).collect();
        // Redirects, and the replies to logins, name the addresses at which clients reach the API.
        if let (true, Some(api)) = (addresses.is_empty(), &api) {
            let anywhere = api.listen.ip().is_unspecified() && !host_name.is_empty();
            addresses.push(if anywhere {
                format!("{host_name}:{}", api.listen.port())
            } else {
                api.listen.to_string()
            });
        }
        EmbeddedConfig {
            name: self.name.map_or_else(|| name_default.to_owned(), |name| name.0),
            cloud: or(self.cloud, CLOUD_DEFAULT),
            region: self.region,
            cloud_type: or(self.r#type, CLOUD_TYPE_DEFAULT),
            version: self.version.map_or_else(|| VERSION_DEFAULT.to_owned(), |version| version.0),
            addresses,
            identity_url: self.identity_url,
            accept_live_models: self.accept_live_models,
            spaces: self.spaces,
            storage_pools: self.storage_pools,
            secret_backends: self.secret_backends,
            credentials: self.credentials,
            api,
            refusals: self.refusals,
        }
    }
}
