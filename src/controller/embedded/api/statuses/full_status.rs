//! `FullStatus`: what `status -m` shows, in the shape in which Juju's client asks for it.
//!
//! A pure function of the model's description and of what `controller::status` makes of it, so that both show the same.

use std::collections::BTreeMap;

use super::entity_status::since;
use super::storage_status::storage;
use crate::controller::description::Description;
use crate::controller::description::application::Application;
use crate::controller::description::relation::{Endpoint, Relation};
use crate::controller::status::application::{ApplicationStatus as App, Saas, UnitStatus as Unit};
use crate::controller::status::machine::{Interface, MachineStatus as Machine};
use crate::controller::status::named::Named;
use crate::controller::status::relation::{EndpointStatus as End, OfferStatus as Offer};
use crate::controller::status::{Base as Runs, ModelStatus, StatusInfo};
use crate::juju::params::status::{
    ApplicationStatus, Base, DetailedStatus, EndpointStatus, FullStatus, MachineStatus, ModelStatusInfo,
    NetworkInterface, OfferStatus, RelationStatus, RemoteApplicationStatus, RemoteEndpoint, UnitStatus,
};

/// Everything is alive: a description tells of nothing that dies.
pub(in crate::controller::embedded::api) const ALIVE: &str = "alive";

/// What the description tells, by name.
struct ByName<'a> {
    applications: BTreeMap<&'a str, &'a Application>,
    versions: BTreeMap<&'a str, &'a str>,
}

impl<'a> ByName<'a> {
    fn new(description: &'a Description) -> Self {
        let applications = description.applications.iter();
        let units = description.all_units();
        Self {
            applications: applications.map(|application| (application.name.as_str(), application)).collect(),
            versions: units.map(|(_, unit)| (unit.name.as_str(), unit.workload_version.as_str())).collect(),
        }
    }
}

/// Makes the status of a model. `model`: what the controller knows of it besides.
pub(in crate::controller::embedded::api) fn full_status(
    model: ModelStatusInfo,
    description: &Description,
    include_storage: bool,
    now: String,
) -> FullStatus {
    let inside = ModelStatus::of(description);
    let told = ByName::new(description);
    let applications =
        inside.applications.iter().map(|(name, shown)| (name.to_owned(), application(name, shown, &told)));
    let mut status = FullStatus {
        model,
        machines: inside.machines.iter().map(|(id, shown)| (id.to_owned(), machine(id, shown))).collect(),
        applications: applications.collect(),
        remote_applications: inside
            .application_endpoints
            .iter()
            .map(|(name, shown)| (name.to_owned(), remote(shown)))
            .collect(),
        offers: inside.offers.iter().map(|(name, shown)| (name.to_owned(), offer(name, shown))).collect(),
        relations: description.relations.iter().map(|it| relation(it, &told)).collect(),
        controller_timestamp: Some(now),
        ..FullStatus::default()
    };
    if include_storage {
        storage(&mut status, description, &inside.storage);
    }
    status
}

fn detailed(status: &StatusInfo) -> DetailedStatus {
    DetailedStatus {
        status: status.current.clone(),
        info: status.message.clone(),
        since: since(&status.since),
        version: status.version.clone(),
        ..DetailedStatus::default()
    }
}

fn base(runs: Option<&Runs>) -> Base {
    runs.map_or_else(Base::default, |runs| {
        // Juju prints a stable channel without its risk, and sends it with it.
        let channel =
            if runs.channel.contains('/') { runs.channel.clone() } else { format!("{}/stable", runs.channel) };
        Base { name: runs.name.clone(), channel }
    })
}

fn machine(id: &str, shown: &Machine) -> MachineStatus {
    MachineStatus {
        agent_status: detailed(&shown.juju_status),
        instance_status: detailed(&shown.machine_status),
        modification_status: detailed(&shown.modification_status),
        hostname: shown.hostname.clone(),
        dns_name: shown.dns_name.clone(),
        ip_addresses: shown.ip_addresses.clone(),
        instance_id: shown.instance_id.clone(),
        display_name: shown.display_name.clone(),
        base: base(shown.base.as_ref()),
        id: id.to_owned(),
        network_interfaces: shown
            .network_interfaces
            .iter()
            .map(|(name, it)| (name.to_owned(), interface(it)))
            .collect(),
        containers: shown.containers.iter().map(|(id, shown)| (id.to_owned(), machine(id, shown))).collect(),
        constraints: shown.constraints.clone(),
        hardware: shown.hardware.clone(),
        jobs: vec!["JobHostUnits".to_owned()],
        ..MachineStatus::default()
    }
}

fn interface(shown: &Interface) -> NetworkInterface {
    NetworkInterface {
        ip_addresses: shown.ip_addresses.clone(),
        mac_address: shown.mac_address.clone(),
        gateway: shown.gateway.clone(),
        dns_nameservers: shown.dns_nameservers.clone(),
        space: shown.space.clone(),
        is_up: shown.is_up,
    }
}

fn application(name: &str, shown: &App, told: &ByName<'_>) -> ApplicationStatus {
    let related = shown.relations.iter().map(|(endpoint, related)| {
        let names = related.iter().map(|other| other.related_application.clone()).collect();
        (endpoint.to_owned(), names)
    });
    ApplicationStatus {
        charm: told.applications.get(name).map(|told| told.charm_url.clone()).unwrap_or_default(),
        charm_channel: shown.charm_channel.clone(),
        charm_rev: shown.charm_rev,
        base: base(shown.base.as_ref()),
        exposed: shown.exposed,
        relations: related.collect(),
        subordinate_to: shown.subordinate_to.clone(),
        units: units(&shown.units, told),
        status: detailed(&shown.application_status),
        workload_version: shown.version.clone(),
        endpoint_bindings: shown.endpoint_bindings.clone(),
        scale: shown.scale,
        provider_id: shown.provider_id.clone(),
        public_address: shown.address.clone(),
        // Of what is alive Juju says nothing.
        ..ApplicationStatus::default()
    }
}

fn units(shown: &Named<Unit>, told: &ByName<'_>) -> BTreeMap<String, UnitStatus> {
    shown.iter().map(|(name, shown)| (name.to_owned(), unit(name, shown, told))).collect()
}

fn unit(name: &str, shown: &Unit, told: &ByName<'_>) -> UnitStatus {
    UnitStatus {
        agent_status: detailed(&shown.juju_status),
        workload_status: detailed(&shown.workload_status),
        workload_version: told.versions.get(name).copied().unwrap_or_default().to_owned(),
        machine: shown.machine.clone(),
        opened_ports: shown.open_ports.clone(),
        public_address: shown.public_address.clone(),
        subordinates: units(&shown.subordinates, told),
        leader: shown.leader,
        provider_id: shown.provider_id.clone(),
        address: shown.address.clone(),
        ..UnitStatus::default()
    }
}

fn endpoint(name: &str, shown: &End) -> RemoteEndpoint {
    RemoteEndpoint { name: name.to_owned(), role: shown.role.clone(), interface: shown.interface.clone(), limit: 0 }
}

fn remote(shown: &Saas) -> RemoteApplicationStatus {
    RemoteApplicationStatus {
        offer_url: shown.url.clone(),
        offer_name: shown.url.rsplit('.').next().unwrap_or_default().to_owned(),
        endpoints: shown.endpoints.iter().map(|(name, shown)| endpoint(name, shown)).collect(),
        relations: shown.relations.iter().map(|(name, related)| (name.to_owned(), related.clone())).collect(),
        status: detailed(&shown.application_status),
        ..RemoteApplicationStatus::default()
    }
}

fn offer(name: &str, shown: &Offer) -> OfferStatus {
    OfferStatus {
        offer_name: name.to_owned(),
        application_name: shown.application.clone(),
        charm: shown.charm.clone(),
        endpoints: shown.endpoints.iter().map(|(name, shown)| (name.to_owned(), endpoint(name, shown))).collect(),
        active_connected_count: shown.active_connected_count,
        total_connected_count: shown.total_connected_count,
    }
}

/// Returns how a relation stands.
pub(in crate::controller::embedded::api) fn relation_status(it: &Relation) -> DetailedStatus {
    let status = match it.status.value.as_str() {
        "" if it.suspended => "suspended",
        "" => "joined",
        value => value,
    };
    DetailedStatus {
        status: status.to_owned(),
        info: it.status.message.clone(),
        since: Some(it.status.updated.clone()).filter(|since| !since.is_empty()),
        ..DetailedStatus::default()
    }
}

fn relation(it: &Relation, told: &ByName<'_>) -> RelationStatus {
    let subordinate = |end: &Endpoint| {
        told.applications.get(end.application_name.as_str()).is_some_and(|application| application.subordinate)
    };
    let container = it.endpoints.iter().any(|end| end.scope == "container");
    RelationStatus {
        id: it.id,
        key: it.key.clone(),
        interface: it.endpoints.first().map(|end| end.interface.clone()).unwrap_or_default(),
        scope: if container { "container" } else { "global" }.to_owned(),
        endpoints: it
            .endpoints
            .iter()
            .map(|end| EndpointStatus {
                application: end.application_name.clone(),
                name: end.name.clone(),
                role: end.role.clone(),
                subordinate: subordinate(end),
            })
            .collect(),
        status: relation_status(it),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_sent_as_it_is_shown() {
        assert_eq!(since("12 Jul 2023 12:36:01Z").as_deref(), Some("2023-07-12T12:36:01Z"));
        assert_eq!(since(""), None);
    }

    #[test]
    fn a_stable_channel_is_sent_with_its_risk() {
        let runs = |channel: &str| Runs { name: "ubuntu".into(), channel: channel.into() };
        assert_eq!(base(Some(&runs("22.04"))).channel, "22.04/stable");
        assert_eq!(base(Some(&runs("22.04/edge"))).channel, "22.04/edge");
        assert_eq!(base(None), Base::default());
    }
}
