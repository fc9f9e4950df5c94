//! The document as it is written, and what it must have to be a model.

use std::collections::BTreeMap;

use modelferry_protocol::limits::NAME_BYTES_MAX;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Error, Options};

use super::application::applications;
use super::machine::machines;
use super::status::status;
use super::wire::{list, listed, or_default, present};
use super::*;

/// Scalars, lists and maps of a document. Juju's have one for every 13 bytes or more; what is denser is made
/// to fill memory, as a few bytes can ask for a machine.
const NODES_MAX: usize = DESCRIPTION_BYTES_MAX as usize / 12;

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
    #[serde(deserialize_with = "list")]
    users: Vec<User>,
    #[serde(deserialize_with = "machines")]
    machines: Vec<Machine>,
    #[serde(deserialize_with = "applications")]
    applications: Vec<Application>,
    #[serde(deserialize_with = "list")]
    relations: Vec<Relation>,
    #[serde(deserialize_with = "list")]
    offer_connections: Vec<OfferConnection>,
    #[serde(deserialize_with = "list")]
    external_controllers: Vec<ExternalController>,
    #[serde(deserialize_with = "list")]
    spaces: Vec<Space>,
    #[serde(deserialize_with = "list")]
    subnets: Vec<Subnet>,
    #[serde(deserialize_with = "list")]
    link_layer_devices: Vec<LinkLayerDevice>,
    #[serde(deserialize_with = "list")]
    ip_addresses: Vec<IpAddress>,
    #[serde(deserialize_with = "status")]
    status: Status,
    #[serde(deserialize_with = "or_default")]
    sequences: BTreeMap<String, i64>,
    cloud: String,
    cloud_region: String,
    cloud_credential: Option<Credential>,
    #[serde(deserialize_with = "present")]
    volumes: Option<Vec<Volume>>,
    #[serde(deserialize_with = "list")]
    filesystems: Vec<Filesystem>,
    #[serde(deserialize_with = "list")]
    storages: Vec<Storage>,
    #[serde(deserialize_with = "list")]
    storage_pools: Vec<StoragePool>,
    #[serde(deserialize_with = "list")]
    remote_applications: Vec<RemoteApplication>,
    secret_backend_id: String,
    #[serde(deserialize_with = "list")]
    secrets: Vec<Secret>,
    #[serde(deserialize_with = "or_default")]
    sla: Sla,
    meter_status: Option<IgnoredAny>,
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
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sla {
    level: String,
}

/// The container networking method that Juju 4 has given up.
const FAN: &str = "fan";

/// The one field that is looked for in a document that cannot be read otherwise.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            // Every node is one event, or two: its begin and its end.
            max_events: 2 * NODES_MAX,
            max_nodes: NODES_MAX,
            max_total_scalar_bytes: DESCRIPTION_BYTES_MAX as usize,
            max_depth: DEPTH_MAX,
            max_documents: 1,
            max_anchors: 0,
            max_aliases: 0,
            max_merge_keys: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        emit_comments: false,
        // A snippet would print what stands around the error, and that may be a secret.
        with_snippet: false,
    }
}

/// Reads a description. Spec: `Description::parse`.
pub(super) fn parse(yaml: &[u8]) -> Result<Description, DescriptionError> {
    if yaml.len() as u64 > DESCRIPTION_BYTES_MAX {
        return Err(DescriptionError::TooLarge);
    }
    let text = std::str::from_utf8(yaml).map_err(|error| DescriptionError::NotText { at: error.valid_up_to() })?;
    match serde_saphyr::from_str_with_options::<Document>(text, options()) {
        Ok(document) => document.into_description(),
        Err(error) => Err(misread(text, &error)),
    }
}

/// Tells what is wrong with a document that cannot be read: its version, if it is one that may look different.
fn misread(text: &str, error: &Error) -> DescriptionError {
    // Whoever fills a document up to its bounds is not read a second time.
    let bounded = matches!(error.without_snippet(), Error::Budget { .. });
    if !bounded
        && let Ok(Versioned { version }) = serde_saphyr::from_str_with_options(text, options())
        && !(DOCUMENT_VERSION_MIN..=DOCUMENT_VERSION_MAX).contains(&version)
    {
        return DescriptionError::Version(version);
    }
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    match error.without_snippet() {
        Error::Budget { breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. }, .. }
        | Error::UnknownAnchor { .. } => DescriptionError::Alias { line, column },
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            DescriptionError::Malformed { line, column, problem: format!("nested deeper than {DEPTH_MAX} levels") }
        }
        Error::Budget { breach: BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. }, .. } => {
            let problem = format!("more than {NODES_MAX} values");
            DescriptionError::Malformed { line, column, problem }
        }
        other => DescriptionError::Malformed { line, column, problem: sentence(other) },
    }
}

/// Returns an error's words without the place, which is told apart, on one line.
fn sentence(error: &Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

impl Document {
    fn into_description(self) -> Result<Description, DescriptionError> {
        if !(DOCUMENT_VERSION_MIN..=DOCUMENT_VERSION_MAX).contains(&self.version) {
            return Err(if self.version == 0 {
                DescriptionError::Missing("version")
            } else {
                DescriptionError::Version(self.version)
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
            users: self.users,
            machines: self.machines,
            applications: self.applications,
            relations: self.relations,
            offer_connections: self.offer_connections,
            remote_applications: self.remote_applications,
            external_controllers: self.external_controllers,
            spaces: self.spaces,
            subnets: self.subnets,
            link_layer_devices: self.link_layer_devices,
            ip_addresses: self.ip_addresses,
            storages: self.storages,
            storage_pools: self.storage_pools,
            volumes,
            filesystems: self.filesystems,
            secrets: self.secrets,
            secret_backend_id: self.secret_backend_id,
            sequences: self.sequences,
            status: self.status,
            sla: self.sla.level,
            fan: String::new(),
            wanted: Vec::new(),
        };
        description.fan = match (self.config.fan_config.as_str(), self.config.container_networking_method.as_str()) {
            ("", FAN) => format!("container-networking-method \"{FAN}\""),
            ("", _) => String::new(),
            (config, _) => format!("fan-config \"{config}\""),
        };
        check_names(&description)?;
        description.wanted = wanted::of(&description);
        Ok(description)
    }
}

/// Refuses names that could not be printed or made into a file's name, or that no message could carry.
fn check_names(description: &Description) -> Result<(), DescriptionError> {
    let plain = |what, name: &str| {
        let ok = name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
        if ok { Ok(()) } else { Err(value(what, name)) }
    };
    let component = |what, name: &str| {
        plain(what, name)?;
        if name.is_empty() || name.starts_with('.') || name.contains('/') { Err(value(what, name)) } else { Ok(()) }
    };
    component("the model's name", &description.name)?;
    component("the model's owner", &description.owner)?;
    for (what, name) in [
        ("the agent version", &description.agent_version),
        ("the cloud's name", &description.cloud),
        ("the region's name", &description.region),
        ("the cloud's type", &description.cloud_type),
        ("the secret back-end's id", &description.secret_backend_id),
    ] {
        plain(what, name)?;
    }
    description.users.iter().try_for_each(|user| component("a user's name", &user.name))?;
    for application in &description.applications {
        component("an application's name", &application.name)?;
        component("a charm's URL", &application.charm_url.replace('/', "_"))?;
        application.resources.iter().try_for_each(|resource| component("a resource's name", &resource.name))?;
    }
    let tools = description.all_machines().map(|machine| &machine.tools);
    let tools = tools.chain(description.all_units().map(|(_, unit)| &unit.tools));
    let mut versions = tools.flatten().map(|tools| &tools.tools_version).filter(|version| !version.is_empty());
    versions.try_for_each(|version| component("an agent binary's version", version))
}

fn value(what: &'static str, value: &str) -> DescriptionError {
    DescriptionError::Value { what, value: value.chars().take(80).flat_map(char::escape_default).collect() }
}
