//! What the embedded controller tells the checks of itself.

use std::collections::BTreeSet;

use crate::config::EmbeddedConfig;
use crate::controller::checks::target::{Credential, Kind, Known, StoragePool, Target};

/// Returns what the controller is by its configuration, with these users and models.
pub(in crate::controller) fn target(config: &EmbeddedConfig, users: BTreeSet<String>, models: Vec<Known>) -> Target {
    let credentials = config.credentials.iter().map(|known| Credential {
        name: known.name.clone(),
        owner: known.owner.clone(),
        valid: known.valid,
        revoked: known.revoked,
    });
    let pools = config.storage_pools.iter();
    let storage_pools = pools.map(|pool| StoragePool { name: pool.name.clone(), provider: pool.provider.clone() });
    Target {
        kind: Kind::Embedded,
        name: config.name.clone(),
        version: config.version.clone(),
        cloud: config.cloud.clone(),
        cloud_type: config.cloud_type.clone(),
        region: config.region.clone(),
        identity_url: config.identity_url.clone(),
        users,
        models,
        credentials: credentials.collect(),
        secret_backends: config.secret_backends.clone(),
        storage_pools: storage_pools.collect(),
        takes_live_models: config.accept_live_models,
        refusals: config.refusals.clone(),
    }
}
