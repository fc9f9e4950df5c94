//! What can be seen of an agent over its control socket, besides migrations.

use serde::{Deserialize, Serialize};

use crate::engine::view::{MigrationView, Stand};

/// Milliseconds after which an undecided migration is called in doubt: every switchover is undecided for a
/// round trip, and only one that stays so deserves an operator.
pub const IN_DOUBT_MS: u64 = 30_000;

/// Reports whether a migration has been undecided for so long that an operator should know.
pub fn is_in_doubt(migration: &MigrationView, now_ms: u64) -> bool {
    migration.stand == Stand::Undecided
        && migration.undecided_since_ms.is_some_and(|since| now_ms.saturating_sub(since) >= IN_DOUBT_MS)
}

/// The agent as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StatusView {
    /// The agent's version.
    pub version: String,
    /// The controller beside it.
    pub controller: ControllerView,
    /// Where it hears its peers.
    pub listen: String,
    /// Its peers.
    pub peers: Vec<PeerView>,
    /// Migrations that are not at rest, those in doubt first.
    pub migrations: Vec<MigrationView>,
}

/// Who the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IdentityView {
    /// SHA-256 of its public key, which peers pin.
    pub pin: String,
    /// The journal it keeps its promises in.
    pub journal: String,
    /// Where it hears its peers.
    pub listen: String,
    /// Its state directory.
    pub state_dir: String,
}

/// A peer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PeerView {
    /// What DEST means.
    pub name: String,
    /// SHA-256 of its public key.
    pub pin: String,
    /// Where it was last reached, or is dialled; empty if it dials us.
    pub address: String,
    /// Whether there is a link now.
    pub connected: bool,
    /// Round trip of that link, milliseconds.
    pub rtt_ms: Option<f64>,
    /// The controller beside it, once it has been linked.
    pub controller: Option<ControllerView>,
    /// Why there is no link, if there is none.
    pub trouble: Option<String>,
}

/// A controller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerView {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// The Juju version it runs, or claims.
    pub version: String,
    /// Its cloud.
    pub cloud: String,
    /// The cloud's region, empty where there is none.
    pub region: String,
    /// The cloud's type.
    pub cloud_type: String,
    /// `host:port` of its API.
    pub addresses: Vec<String>,
    /// SHA-256 of its CA certificate, as Juju prints it.
    pub ca_fingerprint: String,
    /// Through which peer it is known; nothing for the agent's own.
    pub peer: Option<String>,
    /// Its models, where they were counted.
    pub model_count: Option<u64>,
    /// The identity provider, empty where there is none.
    pub identity_url: String,
    /// What it does not do, where that could surprise; empty where nothing is to be said.
    pub runs: String,
}

/// A model in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelSummary {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Its UUID.
    pub uuid: String,
    /// Its cloud.
    pub cloud: String,
    /// The cloud's region, empty where there is none.
    pub region: String,
    /// The cloud's type.
    pub cloud_type: String,
    /// Its status, one word.
    pub status: String,
    /// Machines.
    pub machine_count: u64,
    /// Units.
    pub unit_count: u64,
    /// Whether it is the controller's own model.
    pub is_controller: bool,
}

/// A model by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelDetail {
    /// What a list says of it.
    #[serde(flatten)]
    pub summary: ModelSummary,
    /// `iaas` or `caas`.
    pub model_type: String,
    /// The agent version it runs.
    pub agent_version: String,
    /// The controller's UUID.
    pub controller_uuid: String,
    /// The controller's name.
    pub controller_name: String,
    /// What the status adds, in words.
    pub status_message: String,
    /// Since when it has that status, Unix milliseconds.
    pub status_since_ms: Option<u64>,
    /// Its migration, if it is in one, or the last one failed.
    pub migration: Option<ModelMigration>,
    /// Who may use it.
    pub users: Vec<UserView>,
    /// Its credential, `owner/cloud/name`; empty where it has none.
    pub credential: String,
    /// Whether that credential works.
    pub credential_valid: bool,
    /// Whether every binary that its description names is here.
    pub complete: bool,
    /// Its applications.
    pub applications: Vec<ApplicationView>,
}

/// A model's migration, as the model shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelMigration {
    /// In Juju's form.
    pub id: String,
    /// What happens now, or why it failed.
    pub note: String,
    /// When it began, Unix milliseconds.
    pub started_ms: u64,
    /// When it failed, Unix milliseconds.
    pub ended_ms: Option<u64>,
}

/// An application of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ApplicationView {
    /// Its name.
    pub name: String,
    /// Its charm's URL.
    pub charm: String,
    /// Its units.
    pub units: u64,
}

/// A user of a controller or of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UserView {
    /// The user, external ones with their domain.
    pub name: String,
    /// How people call them.
    pub display_name: String,
    /// The access level.
    pub access: String,
    /// When they last used it, as it was recorded; empty if never.
    pub last_connection: String,
}

/// An open offer to pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OfferView {
    /// The one-time code.
    pub code: String,
    /// Seconds for which it is good.
    pub seconds: u64,
    /// The port to name on the other host.
    pub port: u16,
}

/// A completed pairing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PairedView {
    /// What the peer is called here.
    pub name: String,
    /// SHA-256 of its public key.
    pub pin: String,
}

/// An imported model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImportView {
    /// The model's name.
    pub name: String,
    /// The model's owner.
    pub owner: String,
    /// The model's UUID.
    pub uuid: String,
    /// Binaries imported.
    pub blob_count: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Whether every binary that the description names was imported.
    pub complete: bool,
}

/// An exported model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ExportView {
    /// Where it lies.
    pub dir: String,
}

/// Where a model went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RedirectView {
    /// `owner/name` of the model.
    pub model: String,
    /// What the operator who moved it called the controller it went to; may be empty.
    pub alias: String,
    /// That controller's UUID.
    pub controller_uuid: String,
    /// `host:port` of its API.
    pub addresses: Vec<String>,
    /// SHA-256 of its CA certificate, as Juju prints it.
    pub ca_fingerprint: String,
    /// What that controller is called by the agent that answers, if it is known there.
    pub known_as: Option<String>,
}
