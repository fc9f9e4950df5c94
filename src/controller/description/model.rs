//! A read-only view of a Juju model description, for listing and checks.
//!
//! The description itself is kept and carried verbatim: Juju refuses some documents that were read and
//! written again, even by its own library. So nothing here can be written, and only what is looked at
//! is kept; settings, passwords and secrets stay in the bytes.

pub mod application;
pub mod machine;
pub mod network;
pub mod relation;
pub mod secret;
pub mod status;
pub mod storage;
pub mod wanted;

mod archives;
mod credential;
mod document;
mod facts;
pub mod hurdle;
mod lenient;
pub(crate) mod packed;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
pub(crate) mod sample_envelope;
pub mod tables;
#[cfg(test)]
mod tests;
mod wire;
mod words;

use std::collections::BTreeMap;
use std::io::Read;

use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;
use serde::{Deserialize, Serialize};

use application::{Application, Unit};
use machine::{Constraints, Machine};
use network::{IpAddress, LinkLayerDevice, Space, Subnet};
use relation::{ExternalController, OfferConnection, Relation, RemoteApplication, RemoteEntity};
use secret::{RemoteSecret, Secret};
use status::Status;
use storage::{Filesystem, Storage, StoragePool, Volume};
use wanted::Wanted;

pub(super) use tables::is_envelope;

/// The oldest document version that is understood: Juju 3.x writes it.
pub const DOCUMENT_VERSION_MIN: u64 = 11;
/// The newest document version that is understood: Juju 4.0 writes it.
pub const DOCUMENT_VERSION_MAX: u64 = 14;
/// Levels of a description's nesting. Juju's own stay below 20; a charm's action schema may be deep.
const DEPTH_MAX: usize = 64;

/// Bytes that are no model description, or not one that is understood.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// The file cannot be read.
    #[error("cannot read the model description")]
    Io(#[from] std::io::Error),
    /// More bytes than a description may have.
    #[error("a model description has at most {} MiB, this one has more", DESCRIPTION_BYTES_MAX >> 20)]
    TooLarge,
    /// The bytes are no text.
    #[error("not a model description: byte {at} is no text")]
    NotText {
        /// Where.
        at: usize,
    },
    /// The file is compressed.
    #[error("this file is compressed; unpack it first, with `{0}`")]
    Compressed(&'static str),
    /// The database of a controller of Juju 4.1.
    #[error(
        "not a model description but tables, as a controller of Juju 4.1 or later dumps a model: it writes no description"
    )]
    Tables,
    /// The text is no YAML, or its fields are not what a description has.
    #[error("not a model description: line {line}, column {column}: {problem}")]
    Malformed {
        /// Counted from 1.
        line: u64,
        /// Counted from 1.
        column: u64,
        /// What is wrong there.
        problem: String,
    },
    /// The text uses what Juju never writes: anchors and aliases, from which a small file makes a huge one.
    #[error("not a model description: line {line}, column {column}: YAML anchors and aliases are refused")]
    Alias {
        /// Counted from 1.
        line: u64,
        /// Counted from 1.
        column: u64,
    },
    /// The document's version is not understood.
    #[error(
        "model description has document version {0}; versions {DOCUMENT_VERSION_MIN} to {DOCUMENT_VERSION_MAX} are understood"
    )]
    Version(u64),
    /// The payload of an envelope of Juju 4 has another version.
    #[error("the model's tables have version {0}; versions {list} are understood", list = tables::PAYLOAD_VERSIONS.join(" and "))]
    Payload(String),
    /// The document is YAML, but something that every description has is missing.
    #[error("not a model description: it has no `{0}`")]
    Missing(&'static str),
    /// The document ends too early.
    #[error("the model description was cut short: it has no `{0}`; fetch it again")]
    CutShort(&'static str),
    /// A name or number in it is not what Juju writes.
    #[error("not a model description: {what} is `{value}`")]
    Value {
        /// Which.
        what: &'static str,
        /// What it says.
        value: String,
    },
}

impl DescriptionError {
    /// Returns what to do about it; nothing where only another file helps.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Version(version) if *version < DOCUMENT_VERSION_MIN => Some(
                "move the model to a controller of Juju 3.6 first, with `juju migrate MODEL CONTROLLER`; \
                 one of Juju 2.9 must run 2.9.43 or later for that",
            ),
            Self::Version(_) | Self::Payload(_) => {
                Some("use a newer modelferry: this one is older than the model's controller")
            }
            Self::Tables => Some(
                "look at the model with `juju status` and `juju show-model`; modelferry reads what controllers of \
                 Juju 3 and 4.0 write",
            ),
            _ => None,
        }
    }
}

/// A model, as its description tells it.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// The document's version.
    pub document_version: u64,
    /// The model's UUID.
    pub uuid: ModelUuid,
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// `iaas` for machines, `caas` for Kubernetes.
    pub kind: ModelKind,
    /// The agent version it runs; empty where the document does not tell.
    pub agent_version: String,
    /// The cloud it lives in.
    pub cloud: String,
    /// The region, empty where there is none.
    pub region: String,
    /// The cloud's type: `lxd`, `openstack`, `kubernetes`.
    pub cloud_type: String,
    /// The credential its machines are made with.
    pub credential: Option<Credential>,
    /// Its users.
    pub users: Vec<User>,
    /// Its machines; their containers are in them.
    pub machines: Vec<Machine>,
    /// Its applications.
    pub applications: Vec<Application>,
    /// Its relations.
    pub relations: Vec<Relation>,
    /// Models elsewhere that consume its offers.
    pub offer_connections: Vec<OfferConnection>,
    /// Applications elsewhere that it consumes.
    pub remote_applications: Vec<RemoteApplication>,
    /// Controllers of models it has relations with.
    pub external_controllers: Vec<ExternalController>,
    /// Its spaces.
    pub spaces: Vec<Space>,
    /// Its subnets.
    pub subnets: Vec<Subnet>,
    /// Network devices of its machines.
    pub link_layer_devices: Vec<LinkLayerDevice>,
    /// Their addresses.
    pub ip_addresses: Vec<IpAddress>,
    /// Its storage.
    pub storages: Vec<Storage>,
    /// Its storage pools.
    pub storage_pools: Vec<StoragePool>,
    /// Its volumes.
    pub volumes: Vec<Volume>,
    /// Its filesystems.
    pub filesystems: Vec<Filesystem>,
    /// Its secrets, without their content.
    pub secrets: Vec<Secret>,
    /// Secrets of other models that it reads.
    pub remote_secrets: Vec<RemoteSecret>,
    /// What stands for something of this model elsewhere, or of others here.
    pub remote_entities: Vec<RemoteEntity>,
    /// Which of its SSH keys are none, counted from 1.
    pub ssh_keys_scrambled: Vec<usize>,
    /// The versions of the document's sections, by their names.
    pub sections: BTreeMap<String, u64>,
    /// Id of the secret back-end it keeps new secrets in; empty for the controller's own.
    pub secret_backend_id: String,
    /// The next number of everything numbered.
    pub sequences: BTreeMap<String, i64>,
    /// Its own status, where the document tells.
    pub status: Status,
    /// Its support level; empty where nobody bought one.
    pub sla: String,
    /// What its machines are asked to be, unless an application asks for something else.
    pub constraints: Constraints,
    /// The setting by which it uses fan networking, in Juju's words; empty where it does not.
    pub fan: String,
    wanted: Vec<Wanted>,
}

/// What a model's applications run on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Machines.
    #[default]
    Iaas,
    /// Kubernetes.
    Caas,
}

impl ModelKind {
    /// Returns Juju's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Iaas => "iaas",
            Self::Caas => "caas",
        }
    }
}

/// A cloud credential, without what it proves itself with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Credential {
    /// Its owner.
    pub owner: String,
    /// Its cloud.
    pub cloud: String,
    /// Its name.
    pub name: String,
    /// When the first token in it ends, Unix seconds; nothing where none does, or none tells.
    #[serde(rename = "attributes", deserialize_with = "credential::ends")]
    pub ends_s: Option<u64>,
}

/// A user of the model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct User {
    /// `bob`, `carol@external`.
    pub name: String,
    /// Its name for people.
    pub display_name: String,
    /// `read`, `write` or `admin`.
    pub access: String,
    /// When it was last here, in RFC 3339; empty for never.
    pub last_connection: String,
}

/// A model elsewhere that consumes an offer of this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Consumer {
    /// The offer's name.
    pub offer: String,
    /// Who consumes it.
    pub user: String,
    /// The consuming model.
    pub model_uuid: String,
}

impl Description {
    /// Reads a description out of its YAML, or out of the envelope in which controllers of Juju 4.0.12 and later send a model;
    /// its document version is 0 then.
    ///
    /// Errors: [`DescriptionError`]; the text is never quoted, since it holds secrets.
    pub fn parse(yaml: &[u8]) -> Result<Self, DescriptionError> {
        document::parse(yaml)
    }

    /// Returns the binaries that the description names, each once: charms, agent binaries, resources.
    pub fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// Returns every machine and container.
    pub fn all_machines(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().flat_map(Machine::with_containers)
    }

    /// Returns who elsewhere consumes what the model offers, each once: offer, user, and the consuming model's UUID.
    pub fn consumers(&self) -> Vec<Consumer> {
        let own = self.uuid.to_string();
        let offers = || self.applications.iter().flat_map(|application| &application.offers);
        let mut consumers: Vec<Consumer> = self
            .offer_connections
            .iter()
            .filter(|connection| connection.source_model_uuid != own)
            .map(|connection| Consumer {
                offer: offers()
                    .find(|offer| offer.offer_uuid == connection.offer_uuid)
                    .map_or_else(|| connection.offer_uuid.clone(), |offer| offer.offer_name.clone()),
                user: connection.user_name.clone(),
                model_uuid: connection.source_model_uuid.clone(),
            })
            .collect();
        consumers.sort();
        consumers.dedup();
        consumers
    }

    /// Returns every unit, with its application.
    pub fn all_units(&self) -> impl Iterator<Item = (&Application, &Unit)> {
        self.applications.iter().flat_map(|application| application.units.iter().map(move |unit| (application, unit)))
    }
}

/// Reads a description's bytes, and not one more than it may have.
///
/// Errors: [`DescriptionError::TooLarge`], [`DescriptionError::Io`].
pub fn read_bytes(source: &mut dyn Read) -> Result<Vec<u8>, DescriptionError> {
    let mut bytes = Vec::new();
    source.take(DESCRIPTION_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > DESCRIPTION_BYTES_MAX { Err(DescriptionError::TooLarge) } else { Ok(bytes) }
}
