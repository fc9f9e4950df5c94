//! What a target tells of itself, whatever kind of controller it is.

use std::collections::BTreeSet;

use modelferry_protocol::ids::{MigrationId, ModelUuid};

use crate::config::RefusalConfig;

/// The page that tells how to compare two copies.
pub const TWO_COPIES: &str = "\"Two copies of one model\" in docs/in-doubt.md";
/// What is said of a model that is held for a migration away, in Juju's words.
pub const LEAVING: &str = "model is being migrated out of target controller";
/// Where an operator changes what an embedded controller claims to have.
pub(super) const CONFIGURATION: &str = "of the destination's configuration, and restart its agent";

/// How a model stands on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelPresence {
    /// In service.
    Live,
    /// Frozen, to leave.
    Leaving,
    /// A copy of the very migration that asks.
    Ours,
    /// A copy of some other migration.
    LeftOver,
    /// Elsewhere, with a redirect.
    Gone,
}

/// A model that the target knows.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its UUID.
    pub uuid: ModelUuid,
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// How it stands.
    pub presence: ModelPresence,
    /// The migration that it is in, if it is in one.
    pub mid: Option<MigrationId>,
}

/// The kind of a controller: it says what mends a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The one inside an agent: its configuration mends it, and `modelferry embedded`.
    Embedded,
    /// Juju's own: `juju` mends it.
    Juju,
}

/// A cloud credential that the target knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Whether it is valid.
    pub valid: bool,
    /// Whether it is revoked.
    pub revoked: bool,
}

/// A storage pool that the target has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoragePool {
    /// Its name.
    pub name: String,
    /// Its provider.
    pub provider: String,
}

/// What a target is.
#[derive(Debug, Clone)]
pub struct Target {
    /// What kind of controller.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The version of Juju that it runs.
    pub version: String,
    /// Its cloud; of a controller with several, the model's.
    pub cloud: String,
    /// The cloud's type.
    pub cloud_type: String,
    /// The region that the checks compare with the model's; empty for none.
    pub region: String,
    /// Where it has external users from; empty for none.
    pub identity_url: String,
    /// Its users.
    pub users: BTreeSet<String>,
    /// Its models.
    pub models: Vec<Known>,
    /// Its cloud credentials.
    pub credentials: Vec<Credential>,
    /// The ids of its secret back-ends.
    pub secret_backends: Vec<String>,
    /// Its storage pools.
    pub storage_pools: Vec<StoragePool>,
    /// Whether it takes models whose machines run.
    pub takes_live_models: bool,
    /// What its operator adds to the table of refusals.
    pub refusals: Vec<RefusalConfig>,
}

impl Target {
    /// Returns what mends a finding, by the kind of controller. `juju`: the command, of the controller's name.
    pub(super) fn fix(&self, juju: impl FnOnce(&str) -> String, embedded: impl FnOnce() -> String) -> String {
        match self.kind {
            Kind::Juju => juju(&self.name),
            Kind::Embedded => embedded(),
        }
    }
}
