//! What a description's entities look like in a status.

use super::*;
use crate::controller::description::application::{Application, Unit};
use crate::controller::description::sample::Sample;
use crate::controller::description::status::Status;

fn parsed() -> Description {
    Description::parse(Sample::default().yaml().as_bytes()).unwrap()
}

fn unit(name: &str, workload: &str) -> Unit {
    let workload_status = Status { value: workload.into(), ..Status::default() };
    Unit { name: name.into(), workload_status, ..Unit::default() }
}

fn application(name: &str, units: Vec<Unit>) -> Application {
    let mut application = Application::default();
    application.name = name.into();
    application.charm_url = format!("ch:amd64/{name}-1");
    application.units = units;
    application
}

#[test]
fn containers_are_inside_their_machines_and_units_inside_their_applications() {
    let status = ModelStatus::of(&parsed());
    let machines: Vec<&str> = status.machines.iter().map(|(id, _)| id).collect();
    assert_eq!(machines, ["0", "1"]);
    let host = status.machines.get("0").unwrap();
    assert_eq!(host.containers.iter().map(|(id, _)| id).collect::<Vec<_>>(), ["0/lxd/0"]);
    assert_eq!(host.base.as_ref().unwrap().channel, "24.04");
    let unit = status.applications.get("webapp").unwrap().units.get("webapp/0").unwrap();
    assert_eq!((unit.machine.as_str(), unit.leader), ("0/lxd/0", true));
    assert_eq!(unit.juju_status.version, "3.6.23");
    assert_eq!(unit.juju_status.since, "21 Aug 2026 09:00:00Z");
}

#[test]
fn a_relation_is_seen_from_both_ends() {
    let status = ModelStatus::of(&parsed());
    let from = |application: &str, endpoint: &str| {
        let related = status.applications.get(application).unwrap().relations.get(endpoint).unwrap();
        related.iter().map(|other| other.related_application.clone()).collect::<Vec<_>>()
    };
    assert_eq!(from("webapp", "db"), ["postgresql"]);
    assert_eq!(from("postgresql", "database"), ["webapp"]);
    let line = &status.relations[0];
    assert_eq!((line.provider.as_str(), line.requirer.as_str()), ("postgresql:database", "webapp:db"));
    assert_eq!((line.kind.as_str(), line.status.as_str()), ("regular", "joined"));
}

#[test]
fn an_application_that_never_set_its_status_has_the_gravest_of_its_units() {
    let units = vec![unit("a/0", "active"), unit("a/1", "blocked"), unit("a/2", "waiting")];
    let mut description = Description::default();
    description.applications = vec![application("a", units)];
    let current = |description: &Description| {
        ModelStatus::of(description).applications.get("a").unwrap().application_status.current.clone()
    };
    assert_eq!(current(&description), "blocked");
    description.applications[0].status.value = "unset".into();
    assert_eq!(current(&description), "blocked");
    description.applications[0].status.value = "maintenance".into();
    assert_eq!(current(&description), "maintenance");
    description.applications[0] = application("a", Vec::new());
    assert_eq!(current(&description), "unknown");
}

#[test]
fn units_that_accompany_each_other_in_a_circle_end_somewhere() {
    let round = |name: &str, other: &str| Unit {
        principal: other.into(),
        subordinates: vec![other.into()],
        ..unit(name, "active")
    };
    let principal = Unit { subordinates: vec!["a/0".into()], ..unit("a/0", "active") };
    let applications = vec![
        application("a", vec![principal]),
        application("b", vec![round("b/0", "c/0")]),
        application("c", vec![round("c/0", "b/0")]),
    ];
    let mut description = Description::default();
    description.applications = applications;
    let status = ModelStatus::of(&description);
    assert!(status.applications.get("a").unwrap().units.get("a/0").unwrap().subordinates.is_empty());
}

#[test]
fn a_subordinate_stands_below_its_principal_and_where_that_is() {
    let mut description = parsed();
    let mut accompanying = unit("agent/0", "active");
    accompanying.principal = "postgresql/0".into();
    let mut agent = application("agent", vec![accompanying]);
    agent.subordinate = true;
    description.applications.push(agent);
    description.applications[0].units[0].subordinates = vec!["agent/0".into()];
    description.machines[0].preferred_public_address =
        Some(crate::controller::description::machine::Address { value: "10.0.0.7".into(), ..Default::default() });
    let status = ModelStatus::of(&description);
    assert!(status.applications.get("agent").unwrap().units.is_empty());
    let principal = status.applications.get("postgresql").unwrap().units.get("postgresql/0").unwrap();
    let subordinate = principal.subordinates.get("agent/0").unwrap();
    assert_eq!((subordinate.machine.as_str(), subordinate.public_address.as_str()), ("", "10.0.0.7"));
}

#[test]
fn bindings_go_by_the_names_of_spaces() {
    let mut description = parsed();
    description.applications[0].endpoint_bindings =
        [("", "0"), ("db", "7")].map(|(endpoint, space)| (endpoint.to_owned(), space.to_owned())).into();
    let status = ModelStatus::of(&description);
    let bindings = &status.applications.get("postgresql").unwrap().endpoint_bindings;
    assert_eq!((bindings[""].as_str(), bindings["db"].as_str()), ("alpha", "7"));
}

#[test]
fn a_model_without_anything_is_empty() {
    assert!(ModelStatus::of(&Description::default()).is_empty());
    assert!(!ModelStatus::of(&parsed()).is_empty());
}
