//! The agents' configuration: two controllers that differ in nothing that would stop the model.

use std::path::PathBuf;

use serde::Serialize;

use super::agent_process::AgentProcess;
use super::trouble::Trouble;
use crate::config::{CredentialConfig, SpaceConfig, StoragePoolConfig, SubnetConfig};
use crate::controller::description::Description;

/// Where external users are known; the same for both controllers.
const IDENTITY_URL: &str = "https://identity.example";
/// The version of controllers whose model does not tell its own.
const VERSION_DEFAULT: &str = "3.6.23";

/// After 30 seconds, unless an agent is told otherwise, the audience would have left.
const IN_DOUBT_AFTER: &str = "2s";

/// A configuration file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct AgentConfig {
    state_dir: PathBuf,
    socket: PathBuf,
    listen: String,
    migration: MigrationTable,
    embedded: EmbeddedTable,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct MigrationTable {
    in_doubt_after: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct EmbeddedTable {
    name: String,
    cloud: String,
    region: String,
    #[serde(rename = "type")]
    cloud_type: String,
    version: String,
    addresses: Vec<String>,
    identity_url: String,
    secret_backends: Vec<String>,
    spaces: Vec<SpaceConfig>,
    storage_pools: Vec<StoragePoolConfig>,
    credentials: Vec<CredentialConfig>,
    // Tables come last in TOML.
    api: ApiTable,
}

#[derive(Debug, Serialize)]
struct ApiTable {
    listen: String,
}

impl AgentConfig {
    /// Configures `agent` so that its controller is like the one that `model` comes from.
    ///
    /// Errors: [`Trouble`] for a model with more users or pools than any plan carries.
    pub(super) fn like(model: &Description, agent: &AgentProcess, api_port: u16) -> Result<Self, Trouble> {
        let facts = model.facts().map_err(|error| Trouble::new(error.to_string()))?;
        let version = if model.agent_version.is_empty() { VERSION_DEFAULT } else { &model.agent_version };
        let external = model.users.iter().any(|user| user.name.contains('@'));
        let pools = facts.storage_pools.iter().filter_map(|pool| pool.split_once(':'));
        let embedded = EmbeddedTable {
            name: agent.name.to_owned(),
            cloud: model.cloud.clone(),
            region: model.region.clone(),
            cloud_type: model.cloud_type.clone(),
            version: version.to_owned(),
            addresses: vec![format!("127.0.0.1:{api_port}")],
            identity_url: if external { IDENTITY_URL.to_owned() } else { String::new() },
            secret_backends: facts.secret_backends.iter().map(|id| id.to_string()).collect(),
            spaces: spaces(model),
            storage_pools: pools
                .map(|(name, provider)| StoragePoolConfig { name: name.to_owned(), provider: provider.to_owned() })
                .collect(),
            credentials: model
                .credential
                .iter()
                .map(|credential| CredentialConfig {
                    name: credential.name.clone(),
                    owner: credential.owner.clone(),
                    valid: true,
                    revoked: false,
                })
                .collect(),
            api: ApiTable { listen: format!("127.0.0.1:{api_port}") },
        };
        Ok(Self {
            state_dir: agent.state_dir(),
            socket: agent.socket.clone(),
            listen: agent.listen.to_string(),
            migration: MigrationTable { in_doubt_after: IN_DOUBT_AFTER },
            embedded,
        })
    }
}

fn spaces(model: &Description) -> Vec<SpaceConfig> {
    let subnets = |space: &str| {
        let subnets = model.subnets.iter().filter(|subnet| subnet.space_id == space);
        subnets
            .map(|subnet| SubnetConfig {
                cidr: subnet.cidr.clone(),
                zone: String::new(),
                provider_id: subnet.provider_id.clone(),
            })
            .collect()
    };
    model.spaces.iter().map(|space| SpaceConfig { name: space.name.clone(), subnets: subnets(&space.id) }).collect()
}
