//! What the source of a migration checks: the model itself, and the controller it leaves.

use std::collections::BTreeSet;

use modelferry_protocol::plan::Finding;

use super::version::Version;
use super::{fail, findings_of, pass, warn};
use crate::controller::description::machine::Tools;
use crate::controller::description::{Description, ModelKind};

/// What Juju says about moving a controller's own model.
pub const CONTROLLER: &str = "controllers can't be migrated";
/// What Juju says about moving a model that is still coming.
pub const IMPORTING: &str = "model is being imported as part of another migration";
/// What Juju says about a second migration of a model.
const MIGRATING: &str = "failed to create migration: already in progress";

/// How the model stands on its controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// In service, or frozen by the migration that asks.
    Live,
    /// Arriving itself.
    Importing,
    /// Frozen by another migration.
    Migrating,
}

/// What a source knows of a model.
pub struct Source<'a> {
    /// The model.
    pub description: &'a Description,
    /// How it stands.
    pub standing: Standing,
    /// Whether binaries that its description names are missing on its own controller.
    pub incomplete: bool,
    /// Whether its cloud credential has been revoked.
    pub credential_revoked: bool,
}

/// Returns the one finding there is about a controller's own model.
pub fn controller_model() -> Finding {
    fail("controller-model", CONTROLLER, "")
}

/// Checks a model before it leaves.
pub fn findings(source: &Source<'_>) -> Vec<Finding> {
    let description = source.description;
    let mut findings = vec![
        pass("controller-model", "the model is not a controller's own"),
        standing(source.standing),
        credential(source.credential_revoked),
    ];
    findings.extend(findings_of(
        "machines",
        machine_complaints(description),
        format!("{} machines and containers are running", description.all_machines().count()),
    ));
    findings.extend(findings_of(
        "applications",
        application_complaints(description),
        format!("{} applications have the units they need", description.applications.len()),
    ));
    findings.extend(findings_of(
        "units",
        unit_complaints(description),
        format!("{} units are idle or executing", description.all_units().count()),
    ));
    findings.extend(findings_of(
        "relations",
        relation_complaints(description),
        format!("every unit has joined its relations, {} in all", description.relations.len()),
    ));
    findings.push(binaries(source));
    findings.push(consumers(description));
    findings
}

fn standing(standing: Standing) -> Finding {
    match standing {
        Standing::Live => pass("migration", "no other migration of the model is under way"),
        Standing::Importing => fail("migration", IMPORTING, ""),
        Standing::Migrating => fail("migration", MIGRATING, "modelferry migrations"),
    }
}

fn credential(revoked: bool) -> Finding {
    if !revoked {
        return pass("source-credential", "the model's credential is not revoked");
    }
    let fix = "set revoked = false for it under [[embedded.credentials]] of the source's configuration, and restart its agent";
    fail("source-credential", "model has revoked credentials", fix)
}

/// Complains of an agent of another version than the model's.
fn tools_complaint(of: &str, tools: Option<&Tools>, model: Option<&Version>) -> Option<String> {
    let (number, model) = (tools?.tools_version.rsplitn(3, '-').last()?, model?);
    let agent: Version = number.parse().ok()?;
    (agent != *model).then(|| format!("{of} agent binaries don't match model ({agent} != {model})"))
}

fn machine_complaints(description: &Description) -> Vec<String> {
    let model = description.agent_version.parse::<Version>().ok();
    let mut complaints = Vec::new();
    for machine in description.all_machines() {
        let id = &machine.id;
        let instance = machine.instance.as_ref().map_or("", |instance| instance.status.value.as_str());
        if instance != "running" {
            complaints.push(format!("machine {id} not running ({instance})"));
        } else if machine.status.value != "started" {
            complaints.push(format!("machine {id} agent not functioning at this time ({})", machine.status.value));
        }
        complaints.extend(tools_complaint(&format!("machine {id}"), machine.tools.as_ref(), model.as_ref()));
    }
    complaints
}

fn application_complaints(description: &Description) -> Vec<String> {
    let short = description.applications.iter().filter(|application| {
        let count = application.units.len() as u64;
        count < application.min_units
    });
    short.map(|application| format!("application {} is below its minimum units threshold", application.name)).collect()
}

fn unit_complaints(description: &Description) -> Vec<String> {
    let model = description.agent_version.parse::<Version>().ok();
    let mut complaints = Vec::new();
    for (_, unit) in description.all_units() {
        let status = &unit.agent_status.value;
        if !matches!(status.as_str(), "idle" | "executing") {
            complaints.push(format!("unit {} not idle or executing ({status})", unit.name));
        }
        if description.kind == ModelKind::Iaas {
            complaints.extend(tools_complaint(&format!("unit {}", unit.name), unit.tools.as_ref(), model.as_ref()));
        }
    }
    complaints
}

fn relation_complaints(description: &Description) -> Vec<String> {
    let mut complaints = Vec::new();
    // Units leave a relation that is suspended. Between principals and subordinates only those of one
    // machine meet, and which ones should the description does not tell.
    let relations = description.relations.iter().filter(|relation| !relation.suspended);
    for relation in relations.filter(|relation| relation.endpoints.iter().all(|end| end.scope != "container")) {
        for end in &relation.endpoints {
            let application = description.applications.iter().find(|known| known.name == end.application_name);
            for unit in application.into_iter().flat_map(|application| &application.units) {
                if !end.units_joined.contains(&unit.name) {
                    complaints.push(format!("unit {} hasn't joined relation \"{}\" yet", unit.name, relation.key));
                }
            }
        }
    }
    complaints
}

fn binaries(source: &Source<'_>) -> Finding {
    let count = source.description.wanted().len();
    if !source.incomplete {
        return pass("binaries", format!("{count} binaries are here and proven"));
    }
    let text = format!(
        "the model was imported without its {count} binaries: it arrives without them, and no real controller takes it"
    );
    warn("binaries", text, "modelferry embedded import FILE --blobs DIR")
}

fn consumers(description: &Description) -> Finding {
    let own = description.uuid.to_string();
    let connections = description.offer_connections.iter().map(|connection| connection.source_model_uuid.as_str());
    let elsewhere: BTreeSet<&str> = connections.filter(|model| *model != own).collect();
    if elsewhere.is_empty() {
        return pass("consumers", "no other model consumes what this one offers");
    }
    let models = elsewhere.into_iter().collect::<Vec<_>>().join(", ");
    let text = format!("other models consume what this one offers, and must reach its new controller: {models}");
    warn("consumers", text, "")
}
