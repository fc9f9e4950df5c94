//! A model as controllers of Juju 4.0.12 and later send it: an envelope whose payload is the model's database by tables.
//!
//! As of a description, only what is looked at is kept. What a status or a life is called stands in tables of its own.

mod rows;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use self::rows::{
    ApplicationRow, AsGoWrites, CharmRow, InstanceRow, MachineRow, NamedRow, RemoteOffererRow, StatusRow, Tables,
};
use super::application::{Application, Resource, ResourceRevision, Unit, charm_name};
use super::bounds::{PAYLOAD_VERSIONS, options};
use super::machine::{Instance, Machine};
use super::names::{check_names, value};
use super::relation::{RemoteApplication, RemoteEntity};
use super::status::Status;
use super::wanted::Wanted;
use super::words::misread;
use super::{Credential, Description, DescriptionError, ModelKind, User};
use crate::juju::params::serialized_model::{SerializedModelInfo, SerializedModelV2, SerializedResource};
use crate::juju::params::{from_value, tag};
use crate::juju::rpc::{REQUEST_NODES_MAX, count_nodes};

/// What the charms of applications of other models are said to come from.
const CROSS_MODEL: &str = "cmr";

/// The key that an envelope has and no description.
const KEY: &str = "payload-version";

/// Reports whether bytes are an envelope: JSON with the key of one. A description in JSON is a description.
pub(in crate::controller) fn is_envelope(bytes: &[u8]) -> bool {
    let quoted = format!("\"{KEY}\"");
    bytes.trim_ascii_start().starts_with(b"{") && bytes.windows(quoted.len()).any(|part| part == quoted.as_bytes())
}

/// Reads an envelope. Spec: [`Description::parse`].
pub(super) fn parse(json: &[u8]) -> Result<Description, DescriptionError> {
    let text = std::str::from_utf8(json).map_err(|error| DescriptionError::NotText { at: error.valid_up_to() })?;
    // The tables are one text in it: what is denser is made to fill memory.
    if count_nodes(text) > REQUEST_NODES_MAX {
        return Err(DescriptionError::TooLarge);
    }
    let envelope: Value = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    if envelope.get(KEY).is_none() {
        return Err(DescriptionError::Missing(KEY));
    }
    let envelope: SerializedModelV2 = from_value(&envelope).map_err(|error| malformed(&error))?;
    if !PAYLOAD_VERSIONS.contains(&envelope.payload_version.as_str()) {
        let version = envelope.payload_version.chars().take(80).flat_map(char::escape_default).collect();
        return Err(DescriptionError::Payload(version));
    }
    let text = std::str::from_utf8(&envelope.payload)
        .map_err(|error| DescriptionError::NotText { at: error.valid_up_to() })?;
    match serde_saphyr::from_str_with_options::<AsGoWrites>(text, options()) {
        Ok(AsGoWrites(tables)) => into_description(&envelope, &tables),
        Err(error) => Err(misread(text, &error)),
    }
}

/// The text of the error is not quoted where it may hold a secret: serde's own names the type and the place.
fn malformed(error: &serde_json::Error) -> DescriptionError {
    let problem = match error.classify() {
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Eof => "it was cut short",
        _ => "a field is not what an envelope has",
    };
    DescriptionError::Malformed {
        line: error.line() as u64,
        column: error.column() as u64,
        problem: problem.to_owned(),
    }
}

fn into_description(envelope: &SerializedModelV2, tables: &Tables) -> Result<Description, DescriptionError> {
    let info = &envelope.model_info;
    for (text, key) in
        [(&info.name, "model-info.name"), (&info.uuid, "model-info.uuid"), (&info.qualifier, "model-info.qualifier")]
    {
        if text.is_empty() {
            return Err(DescriptionError::Missing(key));
        }
    }
    let model = tables.model.first().ok_or(DescriptionError::Missing("payload.model"))?;
    if model.uuid != info.uuid {
        return Err(value("the payload's model", &model.uuid));
    }
    let mut description = Description {
        uuid: info.uuid.parse().map_err(|_| value("the model's UUID", &info.uuid))?,
        name: info.name.clone(),
        owner: info.qualifier.clone(),
        kind: if info.kind == ModelKind::Caas.as_str() { ModelKind::Caas } else { ModelKind::Iaas },
        agent_version: tables.agent_version.first().map(|row| row.target_version.clone()).unwrap_or_default(),
        cloud: info.cloud.clone(),
        region: info.cloud_region.clone(),
        cloud_type: model.cloud_type.clone(),
        credential: credential(info),
        users: users(envelope),
        machines: tables.machines(),
        applications: tables.applications(&envelope.charms),
        remote_applications: tables.remote_applications(),
        ..Description::default()
    };
    // Its row stands for it in both models.
    let entity = |remote: &RemoteApplication| RemoteEntity { id: tag::application(&remote.name) };
    description.remote_entities = description.remote_applications.iter().map(entity).collect();
    for resource in &envelope.resources {
        let of = description.applications.iter_mut().find(|application| application.name == resource.application);
        if let Some(application) = of {
            application.resources.push(resource_of(resource));
        }
    }
    check_names(&description)?;
    description.wanted = wanted(envelope);
    Ok(description)
}

fn credential(info: &SerializedModelInfo) -> Option<Credential> {
    let (owner, cloud, name) = (info.credential_owner.clone(), info.cloud.clone(), info.credential_name.clone());
    (!name.is_empty()).then_some(Credential { owner, cloud, name, ends_s: None })
}

fn users(envelope: &SerializedModelV2) -> Vec<User> {
    let of_model = envelope.permissions.iter().filter(|permission| permission.object_type == "model");
    let user = |name: &str, access: &str| User { name: name.to_owned(), access: access.to_owned(), ..User::default() };
    of_model.map(|permission| user(&permission.subject_name, &permission.access)).collect()
}

fn resource_of(resource: &SerializedResource) -> Resource {
    let revision = ResourceRevision {
        revision: resource.revision,
        kind: resource.kind.clone(),
        origin: resource.origin.clone(),
        fingerprint: resource.fingerprint.clone(),
        size: resource.size,
        timestamp: resource.timestamp.clone(),
        username: resource.username.clone(),
        ..ResourceRevision::default()
    };
    Resource { name: resource.name.clone(), revision }
}

/// Lists what is uploaded. The envelope has the charms' URLs and no hashes of them.
fn wanted(envelope: &SerializedModelV2) -> Vec<Wanted> {
    let charms = envelope.charms.iter().map(|url| Wanted::Charm { url: url.clone(), sha256: String::new() });
    let tools = envelope.tools.iter().map(|tools| Wanted::AgentBinary {
        version: tools.version.clone(),
        sha256: tools.sha256.to_lowercase(),
        bytes: 0,
    });
    let resources = envelope.resources.iter().map(|resource| {
        let (application, name) = (resource.application.clone(), resource.name.clone());
        match resource.kind.as_str() {
            "oci-image" => Wanted::OciImage { application, name, revision: resource.revision },
            _ => Wanted::File {
                application,
                name,
                revision: resource.revision,
                sha384: resource.fingerprint.to_lowercase(),
                bytes: resource.size,
            },
        }
    });
    let mut wanted: Vec<Wanted> = Vec::new();
    for one in charms.chain(tools).chain(resources) {
        if !wanted.contains(&one) {
            wanted.push(one);
        }
    }
    wanted
}

fn words(rows: &[NamedRow]) -> HashMap<i64, &str> {
    rows.iter().filter_map(|row| Some((row.id.number()?, row.called.as_str()))).collect()
}

/// Gathers statuses by what they are of.
fn statuses<'a>(rows: &'a [StatusRow], values: &[NamedRow]) -> HashMap<&'a str, Status> {
    let words = words(values);
    let status = |row: &StatusRow| Status {
        value: row.status_id.number().and_then(|id| words.get(&id)).map(|word| (*word).to_owned()).unwrap_or_default(),
        message: row.message.clone().unwrap_or_default(),
        updated: row.updated_at.clone().unwrap_or_default(),
    };
    rows.iter().map(|row| (row.of.as_str(), status(row))).collect()
}

impl Tables {
    /// Returns the machines, each with its containers.
    fn machines(&self) -> Vec<Machine> {
        let parents: HashMap<&str, &str> =
            self.machine_parent.iter().map(|row| (row.machine_uuid.as_str(), row.parent_uuid.as_str())).collect();
        let systems = words(&self.os);
        let bases: HashMap<&str, String> = self
            .machine_platform
            .iter()
            .filter_map(|row| {
                let system = systems.get(&row.os_id.number()?)?;
                Some((row.machine_uuid.as_str(), format!("{system}@{}", row.channel.as_deref().unwrap_or_default())))
            })
            .collect();
        let of_machine = statuses(&self.machine_status, &self.machine_status_value);
        let of_instance = statuses(&self.machine_cloud_instance_status, &self.machine_cloud_instance_status_value);
        let instances: HashMap<&str, &InstanceRow> =
            self.machine_cloud_instance.iter().map(|row| (row.machine_uuid.as_str(), row)).collect();
        let machine = |row: &MachineRow| {
            let uuid = row.uuid.as_str();
            Machine {
                id: row.name.clone(),
                hostname: row.hostname.clone().unwrap_or_default(),
                base: bases.get(uuid).cloned().unwrap_or_default(),
                container_type: row.name.split('/').nth(1).unwrap_or_default().to_owned(),
                status: of_machine.get(uuid).cloned().unwrap_or_default(),
                instance: instances.get(uuid).map(|row| instance(row, of_instance.get(uuid))),
                ..Machine::default()
            }
        };
        let mut contained: BTreeMap<&str, Vec<Machine>> = BTreeMap::new();
        for row in &self.machine {
            if let Some(parent) = parents.get(row.uuid.as_str()) {
                contained.entry(parent).or_default().push(machine(row));
            }
        }
        let tops = self.machine.iter().filter(|row| !parents.contains_key(row.uuid.as_str()));
        tops.map(|row| {
            let mut machine = machine(row);
            machine.containers = contained.remove(row.uuid.as_str()).unwrap_or_default();
            machine
        })
        .collect()
    }

    /// Returns the applications, each with its units. `charms`: the URLs that the envelope names.
    fn applications(&self, charms: &[String]) -> Vec<Application> {
        let subordinate: HashMap<&str, bool> =
            self.charm_metadata.iter().map(|row| (row.charm_uuid.as_str(), row.subordinate)).collect();
        let urls: HashMap<&str, &String> = self
            .charm
            .iter()
            .filter_map(|row| {
                let named = (row.reference_name.as_str(), Some(row.revision));
                Some((row.uuid.as_str(), charms.iter().find(|url| charm_name(url) == named)?))
            })
            .collect();
        let of_application = statuses(&self.application_status, &self.workload_status_value);
        let mut units = self.units();
        let application = |row: &ApplicationRow| {
            let mut application = Application::default();
            application.name.clone_from(&row.name);
            application.charm_url = urls.get(row.charm_uuid.as_str()).map(|url| (*url).clone()).unwrap_or_default();
            application.subordinate = subordinate.get(row.charm_uuid.as_str()).copied().unwrap_or_default();
            application.status = of_application.get(row.uuid.as_str()).cloned().unwrap_or_default();
            application.units = units.remove(row.uuid.as_str()).unwrap_or_default();
            // A controller of 4.x takes no charm without one.
            application.note_manifest();
            application
        };
        let made_up = self.made_up_charms();
        let own = self.application.iter().filter(|row| !made_up.contains(row.charm_uuid.as_str()));
        own.map(application).collect()
    }

    /// Returns the charms that were made up for applications of other models: no archive belongs to them.
    fn made_up_charms(&self) -> HashSet<&str> {
        let sources = words(&self.charm_source);
        let source = |row: &CharmRow| row.source_id.number().and_then(|id| sources.get(&id).copied());
        self.charm.iter().filter(|row| source(row) == Some(CROSS_MODEL)).map(|row| row.uuid.as_str()).collect()
    }

    /// Returns the applications of other models: those that this model consumes, and those that stand for its consumers.
    fn remote_applications(&self) -> Vec<RemoteApplication> {
        let made_up = self.made_up_charms();
        let offers: HashMap<&str, &RemoteOffererRow> =
            self.application_remote_offerer.iter().map(|row| (row.application_uuid.as_str(), row)).collect();
        let remote = |row: &ApplicationRow| {
            let offer = offers.get(row.uuid.as_str());
            RemoteApplication {
                name: row.name.clone(),
                url: offer.map(|offer| offer.offer_url.clone()).unwrap_or_default(),
                source_model_uuid: offer.map(|offer| offer.offerer_model_uuid.clone()).unwrap_or_default(),
                is_consumer_proxy: offer.is_none(),
                ..RemoteApplication::default()
            }
        };
        let rows = self.application.iter().filter(|row| made_up.contains(row.charm_uuid.as_str()));
        rows.map(remote).collect()
    }

    /// Returns the units by their applications.
    fn units(&self) -> HashMap<&str, Vec<Unit>> {
        let machines: HashMap<&str, &str> =
            self.machine.iter().map(|row| (row.net_node_uuid.as_str(), row.name.as_str())).collect();
        let agent = statuses(&self.unit_agent_status, &self.unit_agent_status_value);
        let workload = statuses(&self.unit_workload_status, &self.workload_status_value);
        let mut units: HashMap<&str, Vec<Unit>> = HashMap::new();
        for row in &self.unit {
            let uuid = row.uuid.as_str();
            let unit = Unit {
                name: row.name.clone(),
                machine: machines.get(row.net_node_uuid.as_str()).map(|name| (*name).to_owned()).unwrap_or_default(),
                agent_status: agent.get(uuid).cloned().unwrap_or_default(),
                workload_status: workload.get(uuid).cloned().unwrap_or_default(),
                ..Unit::default()
            };
            units.entry(&row.application_uuid).or_default().push(unit);
        }
        units
    }
}

fn instance(row: &InstanceRow, status: Option<&Status>) -> Instance {
    Instance {
        instance_id: row.instance_id.clone().unwrap_or_default(),
        display_name: row.display_name.clone().unwrap_or_default(),
        architecture: row.arch.clone().unwrap_or_default(),
        cores: row.cpu_cores.unwrap_or_default(),
        status: status.cloned().unwrap_or_default(),
        ..Instance::default()
    }
}
