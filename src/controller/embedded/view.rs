//! What can be seen of the embedded controller: plain data for the control socket.
//!
//! Times are as they are known: Unix milliseconds where this controller took them, RFC 3339 where a
//! description tells them.

use modelferry_protocol::message::ControllerCard;
use serde::{Deserialize, Serialize};

use crate::controller::inventory::Brought;
use crate::controller::status::named::Named;

/// The controller: what `show-controller` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerView {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// Its cloud.
    pub cloud: String,
    /// The cloud's region, empty where there is none.
    pub region: String,
    /// The cloud's type.
    pub cloud_type: String,
    /// The Juju version it claims.
    pub version: String,
    /// `host:port` of its API.
    pub addresses: Vec<String>,
    /// Its CA certificate, PEM.
    pub ca_cert: String,
    /// SHA-256 of the certificate, as Juju prints it: `93:73:…`.
    pub ca_fingerprint: String,
    /// Its identity provider, empty where there is none.
    pub identity_url: String,
    /// Its users.
    pub users: Vec<UserView>,
    /// How many models it has, its own among them.
    pub models: usize,
    /// What it is not: it runs no machines.
    pub note: String,
}

/// A user of the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UserView {
    /// The name; with a domain for an external user.
    pub name: String,
    /// What the user may do.
    pub access: Access,
    /// Whether the user has a password, and can log in.
    #[serde(default)]
    pub password: bool,
    /// When the user was added, Unix milliseconds; 0 where nobody noted it.
    #[serde(default)]
    pub created_ms: u64,
    /// When the user last logged in, Unix milliseconds; 0 for never.
    #[serde(default)]
    pub seen_ms: u64,
}

/// What a user may do on the controller, in Juju's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Log in.
    #[default]
    Login,
    /// Add models.
    AddModel,
    /// Everything.
    Superuser,
}

impl Access {
    /// Returns Juju's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::AddModel => "add-model",
            Self::Superuser => "superuser",
        }
    }
}

impl std::str::FromStr for Access {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Login, Self::AddModel, Self::Superuser]
            .into_iter()
            .find(|access| access.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no access level; write login, add-model or superuser"))
    }
}

/// How a model stands on this controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelState {
    /// In service.
    Live,
    /// Held for a migration: it can be read, not written.
    Frozen,
    /// Arriving: nobody can use it.
    Importing,
    /// Arrived, and waiting for the other side's decision: nobody can use it.
    Staged,
    /// Elsewhere; its users are redirected.
    Gone,
}

/// A line of `models`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelRow {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Its UUID.
    pub uuid: String,
    /// `iaas` or `caas`.
    pub model_type: String,
    /// Its cloud.
    pub cloud: String,
    /// The region, empty where there is none.
    pub region: String,
    /// The cloud's type.
    pub cloud_type: String,
    /// Juju's word: `available`, or `busy` during a migration.
    pub status: String,
    /// Its machines, containers not counted.
    pub machines: u64,
    /// Its units.
    pub units: u64,
    /// What the controller's administrator may do with it.
    pub access: String,
    /// When the administrator was last there, RFC 3339; none for never.
    pub last_connection: Option<String>,
    /// How it stands.
    pub state: ModelState,
    /// Whether binaries that its description names are missing here.
    pub incomplete: bool,
    /// Whether it is the controller's own model.
    pub is_controller: bool,
}

/// A model: what `show-model` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelDetails {
    /// What its line in the list says.
    pub row: ModelRow,
    /// The controller's name.
    pub controller_name: String,
    /// The controller's UUID.
    pub controller_uuid: String,
    /// The agent version it runs; empty where nobody knows.
    pub agent_version: String,
    /// Its support level; empty where there is none.
    pub sla: String,
    /// What its own status adds, in words: why it is suspended.
    #[serde(default)]
    pub message: String,
    /// Since when it has been in its state, Unix milliseconds.
    pub since_ms: u64,
    /// Its users.
    pub users: Vec<ModelUserView>,
    /// Cores of its machines, by id; containers not counted.
    #[serde(default)]
    pub cores: Named<u64>,
    /// Its credential.
    pub credential: Option<CredentialView>,
    /// Version of its description's document; 0 for the controller model, which has none.
    pub document_version: u64,
    /// Bytes of its description.
    pub description_bytes: u64,
    /// BLAKE3 of its description, hexadecimal; empty for the controller model.
    pub description_hash: String,
    /// Binaries that its description names.
    pub binaries: u64,
    /// Of those, how many are here.
    pub binaries_held: u64,
    /// Entries written to it.
    pub entries: u64,
    /// How many of each kind of thing it has: `applications`, `relations`, `secrets` and so on.
    pub counts: Vec<(String, u64)>,
    /// The migration that it is in, hexadecimal.
    pub mid: Option<String>,
    /// How a Juju controller brings it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brought: Option<Brought>,
}

/// A user of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelUserView {
    /// The name.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// `read`, `write` or `admin`.
    pub access: String,
    /// RFC 3339; none for never.
    pub last_connection: Option<String>,
}

/// A model's cloud credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CredentialView {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Its cloud.
    pub cloud: String,
    /// `valid`, `invalid`, `revoked`; empty where this controller does not know it.
    pub validity: String,
}

/// Where a model went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RedirectView {
    /// `owner/name`.
    pub model: String,
    /// The model's UUID.
    pub model_uuid: String,
    /// The controller it is on now.
    pub controller: String,
    /// That controller's UUID.
    pub controller_uuid: String,
    /// `host:port` of its API.
    pub addresses: Vec<String>,
    /// SHA-256 of its CA certificate, as Juju prints it.
    pub ca_fingerprint: String,
}

impl RedirectView {
    /// Makes the view of a redirect to the controller of `card`.
    pub fn new(model: String, model_uuid: String, card: &ControllerCard) -> Self {
        Self {
            model,
            model_uuid,
            controller: card.name.to_string(),
            controller_uuid: card.uuid.to_string(),
            addresses: card.addresses.iter().map(|address| address.to_string()).collect(),
            ca_fingerprint: fingerprint(&card.ca_fingerprint),
        }
    }
}

/// An acknowledged write to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EntryView {
    /// Counts the model's writes, from 1.
    pub number: u64,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// What an import has taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Imported {
    /// `owner/name`.
    pub model: String,
    /// The model's UUID.
    pub uuid: String,
    /// Bytes of the description.
    pub description_bytes: u64,
    /// Binaries taken in.
    pub binaries: u64,
    /// Their bytes.
    pub binaries_bytes: u64,
    /// Entries taken in.
    pub entries: u64,
    /// Whether binaries that the description names were left out.
    pub incomplete: bool,
    /// What the operator should know of the binaries, a sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What an export has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exported {
    /// `owner/name`.
    pub model: String,
    /// Files written, the description among them.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether binaries that the description names are missing here.
    pub incomplete: bool,
}

/// Writes a fingerprint as Juju does: `93:73:…`.
pub fn fingerprint(sha256: &[u8; 32]) -> String {
    sha256.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}
