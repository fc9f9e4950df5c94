//! A model, as its description tells it.

use std::collections::BTreeMap;

use modelferry_protocol::ids::ModelUuid;
use serde::{Deserialize, Serialize};

use super::application::{Application, Unit};
use super::machine::{Constraints, Machine};
use super::network::{IpAddress, LinkLayerDevice, Space, Subnet};
use super::relation::{ExternalController, OfferConnection, Relation, RemoteApplication, RemoteEntity};
use super::secret::{RemoteSecret, Secret};
use super::status::Status;
use super::storage::{Filesystem, Storage, StoragePool, Volume};
use super::wanted::Wanted;

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
    /// See [`Description::wanted`].
    pub(super) wanted: Vec<Wanted>,
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
    #[serde(rename = "attributes", deserialize_with = "super::credential::ends")]
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
