//! What the database holds of a model, as JSON: read by people in an emergency, and open to new fields.

use modelferry_protocol::codec::{Bounded, Bytes};
use modelferry_protocol::ids::{Hash, MigrationId, ModelUuid};
use modelferry_protocol::limits::CA_CERT_BYTES_MAX;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::snapshot::Name;
use serde::{Deserialize, Serialize};

use super::user_record::ModelAccess;
use crate::clock::now_ms;
use crate::controller::description::wanted::Wanted;
use crate::controller::description::{Description, ModelKind};
use crate::controller::embedded::view::ModelState;
pub(in crate::controller::embedded) use crate::controller::log_piece::Blob;
use crate::controller::status::file;
pub(in crate::controller::embedded) use crate::controller::text;
use crate::juju::tls::{first_certificate, pem_of};

/// A migration's id, in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::controller::embedded) struct Mid(#[serde(with = "text")] pub MigrationId);

/// Where a model went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::controller::embedded) struct Redirect {
    pub name: String,
    #[serde(with = "text")]
    pub uuid: ModelUuid,
    pub version: String,
    pub cloud: String,
    pub region: String,
    pub cloud_type: String,
    pub addresses: Vec<String>,
    #[serde(with = "text")]
    pub ca_fingerprint: Hash,
    /// The certificate, PEM; empty where the other side did not send it.
    #[serde(default)]
    pub ca_cert: String,
}

/// Returns the certificate in a PEM text as a card has it; nothing for what is none, or is longer than a card's.
pub(in crate::controller::embedded) fn der_of(pem: &str) -> Bytes<CA_CERT_BYTES_MAX> {
    let der = first_certificate(pem).ok();
    der.and_then(|der| Bytes::new(der.to_vec()).ok()).unwrap_or_default()
}

impl Redirect {
    pub(in crate::controller::embedded) fn new(card: &ControllerCard) -> Self {
        Self {
            name: card.name.to_string(),
            uuid: card.uuid,
            version: card.version.to_string(),
            cloud: card.cloud.to_string(),
            region: card.region.to_string(),
            cloud_type: card.cloud_type.to_string(),
            addresses: card.addresses.iter().map(|address| address.to_string()).collect(),
            ca_fingerprint: Hash(card.ca_fingerprint),
            ca_cert: if card.ca_cert.is_empty() { String::new() } else { pem_of(&card.ca_cert) },
        }
    }

    pub(in crate::controller::embedded) fn card(&self) -> ControllerCard {
        ControllerCard {
            name: Name::cut(&self.name),
            uuid: self.uuid,
            version: Name::cut(&self.version),
            cloud: Name::cut(&self.cloud),
            region: Name::cut(&self.region),
            cloud_type: Name::cut(&self.cloud_type),
            addresses: Bounded::truncated(self.addresses.iter().map(Name::cut).collect()),
            ca_fingerprint: self.ca_fingerprint.0,
            ca_cert: der_of(&self.ca_cert),
        }
    }
}

/// How a model stands. The freeze is a fact here: neither a connection nor a lease, so no restart lifts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub(in crate::controller::embedded) enum State {
    /// In service. `came`: the migration that brought it, if one did.
    Live { came: Option<Mid> },
    /// Held for a migration; with a redirect once it was handed over.
    Frozen { mid: Mid, came: Option<Mid>, redirect: Option<Redirect> },
    /// Being staged. `before`: the redirect that stood here, which an abort puts back.
    Importing { mid: Mid, before: Option<Departed> },
    /// Staged and complete, unusable until it is activated.
    Staged { mid: Mid, before: Option<Departed> },
    /// Elsewhere.
    Gone(Departed),
}

/// A model that left, by which migration and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::controller::embedded) struct Departed {
    pub mid: Mid,
    pub redirect: Redirect,
}

/// What lists show of a model, so that they need not read its description.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::controller::embedded) struct Summary {
    pub model_type: String,
    pub cloud: String,
    pub region: String,
    pub cloud_type: String,
    pub machines: u64,
    pub units: u64,
    /// When each user was last there, RFC 3339.
    pub last_connections: Vec<(String, String)>,
    /// What each user may do: it outlives the description, so that the model's users are told where it went.
    #[serde(default)]
    pub access: Vec<(String, String)>,
    /// Cores of its machines; containers not counted.
    #[serde(default)]
    pub cores: u64,
    /// Its agent version; empty for the controller's own model.
    #[serde(default)]
    pub agent_version: String,
    /// Its support level; empty where nobody bought one.
    #[serde(default)]
    pub sla: String,
    /// Its credential: cloud, owner and name.
    #[serde(default)]
    pub credential: Option<(String, String, String)>,
}

impl Summary {
    pub(in crate::controller::embedded) fn of(description: &Description) -> Self {
        Self {
            model_type: description.kind.as_str().to_owned(),
            cloud: description.cloud.clone(),
            region: description.region.clone(),
            cloud_type: description.cloud_type.clone(),
            machines: description.machines.len() as u64,
            units: description.all_units().count() as u64,
            last_connections: description
                .users
                .iter()
                .map(|user| (user.name.clone(), user.last_connection.clone()))
                .collect(),
            access: description.users.iter().map(|user| (user.name.clone(), user.access.clone())).collect(),
            cores: file::cores(description).values().sum(),
            agent_version: description.agent_version.clone(),
            sla: description.sla.clone(),
            credential: description
                .credential
                .as_ref()
                .map(|credential| (credential.cloud.clone(), credential.owner.clone(), credential.name.clone())),
        }
    }

    /// Describes the controller's own model, which has nothing in it.
    pub(super) fn of_controller(cloud: &str, region: &str, cloud_type: &str) -> Self {
        Self {
            model_type: ModelKind::Iaas.as_str().to_owned(),
            cloud: cloud.to_owned(),
            region: region.to_owned(),
            cloud_type: cloud_type.to_owned(),
            ..Self::default()
        }
    }
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::controller::embedded) struct ModelRecord {
    #[serde(with = "text")]
    pub uuid: ModelUuid,
    pub name: String,
    pub owner: String,
    /// Whether it is the controller's own: without a description, and here to stay.
    pub controller: bool,
    /// None for the controller's own model, and for one that is gone.
    pub description: Option<Blob>,
    /// Whether binaries that the description names are missing here.
    pub incomplete: bool,
    pub state: State,
    /// Since when it has been in this state, Unix milliseconds.
    pub since_ms: u64,
    pub summary: Summary,
}

impl ModelRecord {
    /// Returns `owner/name`.
    pub(in crate::controller::embedded) fn path(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    pub(in crate::controller::embedded) fn set_state(&mut self, state: State) {
        self.state = state;
        self.since_ms = now_ms();
    }

    /// Returns what a user may do in the model, the controller's superusers aside.
    pub(in crate::controller::embedded) fn access_of(&self, user: &str) -> Option<ModelAccess> {
        if self.owner == user {
            return Some(ModelAccess::Admin);
        }
        let granted = self.summary.access.iter().find(|(name, _)| name == user);
        granted.and_then(|(_, access)| ModelAccess::parse(access))
    }

    /// Returns the migration that the model is in.
    pub(in crate::controller::embedded) fn mid(&self) -> Option<MigrationId> {
        match &self.state {
            State::Frozen { mid, .. } | State::Importing { mid, .. } | State::Staged { mid, .. } => Some(mid.0),
            State::Live { .. } | State::Gone(_) => None,
        }
    }

    /// Returns the migration that made the model live here.
    pub(in crate::controller::embedded) fn came(&self) -> Option<MigrationId> {
        match &self.state {
            State::Live { came } | State::Frozen { came, .. } => came.map(|mid| mid.0),
            State::Importing { .. } | State::Staged { .. } | State::Gone(_) => None,
        }
    }

    /// Returns where the model's users are sent.
    pub(in crate::controller::embedded) fn redirect(&self) -> Option<&Redirect> {
        match &self.state {
            State::Frozen { redirect, .. } => redirect.as_ref(),
            State::Importing { before, .. } | State::Staged { before, .. } => before.as_ref().map(|at| &at.redirect),
            State::Gone(departed) => Some(&departed.redirect),
            State::Live { .. } => None,
        }
    }

    pub(in crate::controller::embedded) fn model_state(&self) -> ModelState {
        match self.state {
            State::Live { .. } => ModelState::Live,
            // Its users are sent elsewhere already; what is left is to delete it.
            State::Frozen { redirect: Some(_), .. } | State::Gone(_) => ModelState::Gone,
            State::Frozen { .. } => ModelState::Frozen,
            State::Importing { .. } => ModelState::Importing,
            State::Staged { .. } => ModelState::Staged,
        }
    }
}

/// Returns the key under which a binary is stored: its path below an export's directory.
pub(in crate::controller::embedded) fn key(wanted: &Wanted) -> String {
    wanted.path().to_string_lossy().into_owned()
}
