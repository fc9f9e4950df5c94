//! Applications and their units, and what is consumed of other models, as `status` shows them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::info::{Base, StatusInfo, space_name, version_number};
use super::machine;
use super::named::Named;
use super::relation::{self, EndpointStatus, Related};
use crate::controller::description::application::{Application, Unit, charm_name};
use crate::controller::description::machine::{Machine, PortRange};
use crate::controller::description::{Description, ModelKind};

/// An application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ApplicationStatus {
    /// Its charm's name; of a local charm the whole URL.
    pub charm: String,
    /// What the charm runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// `charmhub` or `local`.
    pub charm_origin: String,
    /// Its charm's name.
    pub charm_name: String,
    /// Its charm's revision.
    pub charm_rev: i64,
    /// The channel it follows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub charm_channel: String,
    /// Units it should have, on Kubernetes.
    #[serde(skip_serializing_if = "is_zero")]
    pub scale: u64,
    /// The cloud's name for its service, on Kubernetes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub provider_id: String,
    /// Its service's address, on Kubernetes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Whether it is exposed.
    pub exposed: bool,
    /// What it reports.
    pub application_status: StatusInfo,
    /// What it is related to, by its own endpoints.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub relations: Named<Vec<Related>>,
    /// The applications beside whose units it lives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subordinate_to: Vec<String>,
    /// Its units; a subordinate's are with those they accompany.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub units: Named<UnitStatus>,
    /// The version of what it runs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Endpoint to space; the empty endpoint is the default of all others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoint_bindings: BTreeMap<String, String>,
}

/// A unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct UnitStatus {
    /// What its charm reports.
    pub workload_status: StatusInfo,
    /// What its agent reports.
    pub juju_status: StatusInfo,
    /// Whether it leads its application.
    #[serde(skip_serializing_if = "is_false")]
    pub leader: bool,
    /// The machine it is on; a subordinate is where its principal is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub machine: String,
    /// Ports it has opened: `8776/tcp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open_ports: Vec<String>,
    /// Where users reach it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub public_address: String,
    /// Where it is reached, on Kubernetes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Its pod, on Kubernetes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub provider_id: String,
    /// The units that accompany it.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub subordinates: Named<UnitStatus>,
}

/// An application of another model that is consumed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Saas {
    /// The offer: `controller:admin/cos.grafana`.
    pub url: String,
    /// Its endpoints.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub endpoints: Named<EndpointStatus>,
    /// What it reports.
    pub application_status: StatusInfo,
    /// Applications here that it is related to, by its endpoints.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub relations: Named<Vec<String>>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Returns the applications.
pub(super) fn applications(description: &Description) -> Named<ApplicationStatus> {
    let inside = Inside::new(description);
    let applications = description.applications.iter();
    applications.map(|application| (application.name.clone(), inside.application(application))).collect()
}

/// Returns the applications of other models that this one consumes.
pub(super) fn saas(description: &Description) -> Named<Saas> {
    let remotes = description.remote_applications.iter().filter(|remote| !remote.is_consumer_proxy);
    let described = remotes.map(|remote| {
        let mut status = StatusInfo::of(&remote.status);
        if status.current.is_empty() {
            "unknown".clone_into(&mut status.current);
        }
        let endpoints = remote.endpoints.iter().map(|endpoint| {
            let shown = EndpointStatus { interface: endpoint.interface.clone(), role: endpoint.role.clone() };
            (endpoint.name.clone(), shown)
        });
        let relations = relation::related(description, &remote.name);
        let names = |related: &Vec<Related>| related.iter().map(|other| other.related_application.clone()).collect();
        let relations = relations.iter().map(|(endpoint, related)| (endpoint.to_owned(), names(related)));
        let saas = Saas {
            url: remote.url.clone(),
            endpoints: endpoints.collect(),
            application_status: status,
            relations: relations.collect(),
        };
        (remote.name.clone(), saas)
    });
    described.collect()
}

/// A description, with what is looked up in it again and again.
struct Inside<'a> {
    description: &'a Description,
    machines: BTreeMap<&'a str, &'a Machine>,
    units: BTreeMap<&'a str, (&'a Application, &'a Unit)>,
}

impl<'a> Inside<'a> {
    fn new(description: &'a Description) -> Self {
        Self {
            description,
            machines: description.all_machines().map(|machine| (machine.id.as_str(), machine)).collect(),
            units: description
                .all_units()
                .map(|(application, unit)| (unit.name.as_str(), (application, unit)))
                .collect(),
        }
    }

    fn application(&self, application: &Application) -> ApplicationStatus {
        let caas = self.description.kind == ModelKind::Caas;
        let url = &application.charm_url;
        let (name, revision) = charm_name(url);
        let local = url.starts_with("local:");
        let origin = &application.charm_origin;
        let mut platform = origin.platform.splitn(3, '/').skip(1);
        let (system, channel) = (platform.next().unwrap_or(""), platform.next().unwrap_or(""));
        let version = application.units.iter().map(|unit| &unit.workload_version).find(|version| !version.is_empty());
        let service = application.cloud_service.as_ref();
        let bindings = application.endpoint_bindings.iter();
        // A subordinate's units are shown with those that they accompany.
        let principals = application.units.iter().filter(|unit| unit.principal.is_empty());
        ApplicationStatus {
            charm: if local { url.clone() } else { name.to_owned() },
            base: Base::new(system, channel),
            charm_origin: if local { "local" } else { "charmhub" }.to_owned(),
            charm_name: name.to_owned(),
            charm_rev: revision.unwrap_or(origin.revision),
            charm_channel: origin.channel.clone(),
            scale: if caas { application.desired_scale.max(0) as u64 } else { 0 },
            provider_id: service.map(|service| service.provider_id.clone()).unwrap_or_default(),
            address: service
                .and_then(|service| service.addresses.first())
                .map(|address| address.value.clone())
                .unwrap_or_default(),
            exposed: application.exposed,
            application_status: status_of(application),
            relations: relation::related(self.description, &application.name),
            subordinate_to: self.subordinate_to(application),
            units: principals.map(|unit| (unit.name.clone(), self.unit(application, unit))).collect(),
            version: version.cloned().unwrap_or_default(),
            endpoint_bindings: bindings
                .map(|(endpoint, space)| (endpoint.clone(), space_name(self.description, space).to_owned()))
                .collect(),
        }
    }

    /// Returns the applications that a subordinate is related to in the way that makes it one.
    fn subordinate_to(&self, application: &Application) -> Vec<String> {
        if !application.subordinate {
            return Vec::new();
        }
        let mut principals = BTreeSet::new();
        for relation in &self.description.relations {
            let ends = &relation.endpoints;
            let here = ends.iter().any(|end| end.application_name == application.name && end.scope == "container");
            if here {
                principals
                    .extend(ends.iter().map(|end| &end.application_name).filter(|name| **name != application.name));
            }
        }
        principals.into_iter().cloned().collect()
    }

    fn unit(&self, application: &Application, unit: &Unit) -> UnitStatus {
        let caas = self.description.kind == ModelKind::Caas;
        let container = unit.cloud_container.as_ref();
        // Where a document does not say it of a subordinate, it is on the machine of its principal.
        let principal = self.units.get(unit.principal.as_str()).map(|(_, principal)| principal.machine.as_str());
        let host = if unit.machine.is_empty() { principal.unwrap_or("") } else { &unit.machine };
        let machine = self.machines.get(host).copied();
        let version = unit.tools.as_ref().map_or(self.description.agent_version.as_str(), |tools| &tools.tools_version);
        let ports = match machine {
            Some(machine) => machine.opened_port_ranges.of(&unit.name).into_iter().map(port_range).collect(),
            // On Kubernetes Juju tells the pod's ports, and not those that the charm asked to have opened.
            None => container.map(|container| container.ports.clone()).unwrap_or_default(),
        };
        let subordinates = unit.subordinates.iter().filter_map(|name| self.units.get(name.as_str()));
        UnitStatus {
            workload_status: StatusInfo::of(&unit.workload_status),
            juju_status: StatusInfo::of_agent(&unit.agent_status, version_number(version)),
            leader: application.leader == unit.name,
            machine: if unit.principal.is_empty() { unit.machine.clone() } else { String::new() },
            open_ports: ports,
            public_address: machine.map(machine::public_address).unwrap_or_default(),
            address: container
                .filter(|_| caas)
                .and_then(|container| container.address.as_ref())
                .map(|address| address.value.clone())
                .unwrap_or_default(),
            provider_id: container.map(|container| container.provider_id.clone()).unwrap_or_default(),
            subordinates: subordinates
                // A description whose units accompany each other in a circle must not take us round it.
                .filter(|(_, subordinate)| subordinate.principal == unit.name && subordinate.subordinates.is_empty())
                .map(|(application, subordinate)| (subordinate.name.clone(), self.unit(application, subordinate)))
                .collect(),
        }
    }
}

fn port_range(range: &PortRange) -> String {
    let PortRange { from_port, to_port, protocol } = range;
    match protocol.as_str() {
        "icmp" => protocol.clone(),
        _ if from_port == to_port => format!("{from_port}/{protocol}"),
        _ => format!("{from_port}-{to_port}/{protocol}"),
    }
}

/// Returns an application's status; one whose charm never set it has the gravest of its units', as in Juju.
fn status_of(application: &Application) -> StatusInfo {
    if !matches!(application.status.value.as_str(), "" | "unset") {
        return StatusInfo::of(&application.status);
    }
    let gravest = application.units.iter().map(|unit| &unit.workload_status).rev().max_by_key(|status| {
        const GRAVITY: [&str; 7] = ["unknown", "terminated", "active", "maintenance", "waiting", "blocked", "error"];
        GRAVITY.iter().position(|word| *word == status.value)
    });
    match gravest {
        Some(status) => StatusInfo::of(status),
        None => StatusInfo { current: "unknown".to_owned(), ..StatusInfo::of(&application.status) },
    }
}
