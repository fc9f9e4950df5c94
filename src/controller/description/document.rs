//! The document as it is written, and what it must have to be a model.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::IgnoredAny;

use super::application::Application;
use super::bounds::{DOCUMENT_VERSION_MAX, DOCUMENT_VERSION_MIN, options};
use super::lenient::Lenient;
use super::machine::{Constraints, Machine};
use super::names::{check_names, value};
use super::network::{IpAddress, LinkLayerDevice, Space, Subnet};
use super::relation::{ExternalController, OfferConnection, Relation, RemoteApplication, RemoteEntity};
use super::secret::{RemoteSecret, Secret};
use super::status::{Status, status};
use super::storage::{Filesystem, Storage, StoragePool, Volume};
use super::wire::{Section, listed, or_default};
use super::words::misread;
use super::{Credential, Description, DescriptionError, ModelKind, User};
use super::{binaries, hurdle, packed};

/// The top of a document. Every key may be missing, as whatever needs one says so in words.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Document {
    version: u64,
    agent_version: String,
    #[serde(rename = "type")]
    kind: ModelKind,
    owner: String,
    #[serde(deserialize_with = "or_default")]
    config: ModelConfig,
    users: Section<User>,
    machines: Section<Machine>,
    applications: Section<Application>,
    relations: Section<Relation>,
    offer_connections: Section<OfferConnection>,
    external_controllers: Section<ExternalController>,
    spaces: Section<Space>,
    subnets: Section<Subnet>,
    link_layer_devices: Section<LinkLayerDevice>,
    ip_addresses: Section<IpAddress>,
    #[serde(deserialize_with = "status")]
    status: Status,
    #[serde(deserialize_with = "or_default")]
    sequences: BTreeMap<String, i64>,
    cloud: String,
    cloud_region: String,
    cloud_credential: Option<Credential>,
    volumes: Option<Section<Volume>>,
    filesystems: Section<Filesystem>,
    storages: Section<Storage>,
    storage_pools: Section<StoragePool>,
    remote_applications: Section<RemoteApplication>,
    secret_backend_id: String,
    secrets: Section<Secret>,
    remote_secrets: Section<RemoteSecret>,
    remote_entities: Section<RemoteEntity>,
    #[serde(deserialize_with = "or_default")]
    sla: Sla,
    meter_status: Option<IgnoredAny>,
    #[serde(deserialize_with = "or_default")]
    constraints: Constraints,
    // Tables, as a controller of Juju 4.1 dumps them: no description has these keys.
    application: Option<IgnoredAny>,
    model: Option<IgnoredAny>,
}

/// A document whose strings are read as Go writes them.
struct AsGoWrites(Document);

impl<'de> Deserialize<'de> for AsGoWrites {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Document::deserialize(Lenient(deserializer)).map(Self)
    }
}

listed!(User = "users" by |user| &user.name);

/// Those of a model's settings that are looked at.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct ModelConfig {
    name: String,
    uuid: String,
    #[serde(rename = "type")]
    cloud_type: String,
    agent_version: String,
    #[serde(deserialize_with = "or_default")]
    fan_config: String,
    #[serde(deserialize_with = "or_default")]
    container_networking_method: String,
    #[serde(deserialize_with = "or_default")]
    authorized_keys: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sla {
    level: String,
}

/// The container networking method that Juju 4 has given up.
const FAN: &str = "fan";

/// Reads a description's YAML. Spec: [`Description::parse`].
pub(super) fn parse(yaml: &[u8]) -> Result<Description, DescriptionError> {
    if let Some(unpack) = packed::how_to_unpack(yaml) {
        return Err(DescriptionError::Compressed(unpack));
    }
    let text = std::str::from_utf8(yaml).map_err(|error| DescriptionError::NotText { at: error.valid_up_to() })?;
    let read = |text: &str| serde_saphyr::from_str_with_options::<AsGoWrites>(text, options());
    let first = read(text).or_else(|error| untagged(text).map_or(Err(error), |untagged| read(&untagged)));
    match first {
        Ok(AsGoWrites(document)) => document.into_description(),
        Err(error) => Err(misread(text, &error)),
    }
}

/// What a time may be tagged with. Go's library tags none; others do.
const TIMESTAMP: &str = "!!timestamp ";

/// Returns a document with spaces in the place of the tags of times, which the library reads into no string; nothing if it
/// has none. Lines and columns stay what they are.
fn untagged(text: &str) -> Option<String> {
    let (mut untagged, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(TIMESTAMP) {
        let (before, tagged) = rest.split_at(at);
        untagged.push_str(before);
        let is_tag = [": ", "- ", "? ", "[", "{", ", "].iter().any(|begin| before.ends_with(begin));
        match is_tag {
            true => untagged.extend(TIMESTAMP.chars().map(|_| ' ')),
            false => untagged.push_str(TIMESTAMP),
        }
        rest = &tagged[TIMESTAMP.len()..];
    }
    untagged.push_str(rest);
    (untagged != text).then_some(untagged)
}

impl Document {
    /// Checks what every description begins with.
    fn check_head(&self) -> Result<(), DescriptionError> {
        if !(DOCUMENT_VERSION_MIN..=DOCUMENT_VERSION_MAX).contains(&self.version) {
            return Err(match self.version {
                0 if self.application.is_some() && self.model.is_some() => DescriptionError::Tables,
                0 => DescriptionError::Missing("version"),
                version => DescriptionError::Version(version),
            });
        }
        if self.config.name.is_empty() {
            return Err(DescriptionError::Missing("config.name"));
        }
        if self.config.uuid.is_empty() {
            return Err(DescriptionError::Missing("config.uuid"));
        }
        if self.owner.is_empty() {
            return Err(DescriptionError::Missing("owner"));
        }
        Ok(())
    }

    fn into_description(self) -> Result<Description, DescriptionError> {
        let sections = self.section_versions();
        self.check_head()?;
        // A file that was cut between two lines is still YAML. Juju writes every document's keys in one
        // order, `juju dump-model` sorts them: of these two, one stands near the end of either.
        let Some(volumes) = self.volumes else {
            return Err(DescriptionError::CutShort("volumes"));
        };
        if self.meter_status.is_none() {
            return Err(DescriptionError::CutShort("meter-status"));
        }
        let uuid = self.config.uuid.parse().map_err(|_| value("the model's UUID", &self.config.uuid))?;
        let agent_version = if self.agent_version.is_empty() { self.config.agent_version } else { self.agent_version };
        let mut description = Description {
            document_version: self.version,
            uuid,
            name: self.config.name,
            owner: self.owner,
            kind: self.kind,
            agent_version,
            cloud: self.cloud,
            region: self.cloud_region,
            cloud_type: self.config.cloud_type,
            credential: self.cloud_credential.filter(|credential| !credential.name.is_empty()),
            users: self.users.items,
            machines: self.machines.items,
            applications: self.applications.items,
            relations: self.relations.items,
            offer_connections: self.offer_connections.items,
            remote_applications: self.remote_applications.items,
            external_controllers: self.external_controllers.items,
            spaces: self.spaces.items,
            subnets: self.subnets.items,
            link_layer_devices: self.link_layer_devices.items,
            ip_addresses: self.ip_addresses.items,
            storages: self.storages.items,
            storage_pools: self.storage_pools.items,
            volumes: volumes.items,
            filesystems: self.filesystems.items,
            secrets: self.secrets.items,
            remote_secrets: self.remote_secrets.items,
            remote_entities: self.remote_entities.items,
            ssh_keys_scrambled: hurdle::scrambled(&self.config.authorized_keys),
            sections,
            secret_backend_id: self.secret_backend_id,
            sequences: self.sequences,
            status: self.status,
            sla: self.sla.level,
            constraints: self.constraints,
            fan: String::new(),
            wanted: Vec::new(),
        };
        description.fan = match (self.config.fan_config.as_str(), self.config.container_networking_method.as_str()) {
            ("", FAN) => format!("container-networking-method \"{FAN}\""),
            ("", _) => String::new(),
            (config, _) => format!("fan-config \"{config}\""),
        };
        check_names(&description)?;
        description.wanted = binaries::of(&description);
        Ok(description)
    }
}

impl Document {
    /// Returns the versions of the sections that are there, by the names that the document calls them.
    fn section_versions(&self) -> BTreeMap<String, u64> {
        let all = [
            ("users", self.users.version),
            ("machines", self.machines.version),
            ("applications", self.applications.version),
            ("relations", self.relations.version),
            ("remote-entities", self.remote_entities.version),
            ("offer-connections", self.offer_connections.version),
            ("external-controllers", self.external_controllers.version),
            ("spaces", self.spaces.version),
            ("subnets", self.subnets.version),
            ("link-layer-devices", self.link_layer_devices.version),
            ("ip-addresses", self.ip_addresses.version),
            ("volumes", self.volumes.as_ref().map_or(0, |volumes| volumes.version)),
            ("filesystems", self.filesystems.version),
            ("storages", self.storages.version),
            ("storage-pools", self.storage_pools.version),
            ("remote-applications", self.remote_applications.version),
            ("secrets", self.secrets.version),
            ("remote-secrets", self.remote_secrets.version),
        ];
        all.into_iter().filter(|(_, version)| *version > 0).map(|(name, version)| (name.to_owned(), version)).collect()
    }
}
