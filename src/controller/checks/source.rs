//! What the source of a migration checks: the model itself, and the controller it leaves.

use modelferry_protocol::plan::Finding;

use super::offers::{self, ModelNames};
use super::version::Version;
use super::{Complaint, NAMED_MAX, cut, fail, findings_of, pass, storage, warn};
use crate::controller::description::application::charm_name;
use crate::controller::description::machine::Tools;
use crate::controller::description::spaces::SpaceRef;
use crate::controller::description::{Description, ModelKind};

/// The check that a controller's own model never passes.
pub const CONTROLLER_MODEL: &str = "controller-model";
/// What Juju says about moving a controller's own model.
pub const CONTROLLER: &str = "controllers can't be migrated";
/// What Juju says about moving a model that is still coming.
pub const IMPORTING: &str = "model is being imported as part of another migration";
/// What Juju says about a second migration of a model.
pub const MIGRATING: &str = "failed to create migration: already in progress";

/// How the model stands on its controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourcePresence {
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
    pub presence: SourcePresence,
    /// Whether it was imported without the binaries that its description names.
    pub incomplete: bool,
    /// Binaries that should be here and are not, or not whole; in words.
    pub damaged: Vec<String>,
    /// Whether its cloud credential has been revoked.
    pub credential_revoked: bool,
    /// The controller's models, as far as this one has to do with others.
    pub names: ModelNames,
}

/// Returns the one finding there is about a controller's own model.
pub fn controller_model() -> Finding {
    fail(CONTROLLER_MODEL, CONTROLLER, "modelferry migrate --all DEST # moves every other model")
}

/// Returns that a model is no controller's own.
pub fn not_controller_model() -> Finding {
    pass(CONTROLLER_MODEL, "the model is not a controller's own")
}

/// Returns what cannot be known of a model before it migrates.
pub fn unseen(controller: &Version) -> Finding {
    let text = format!(
        "a controller of Juju {controller} shows nobody what is in a live model: nothing travels ahead, and what the destination \
         refuses is found out while the model is frozen"
    );
    warn("description", text, "modelferry migrate MODEL DEST # an import that is refused aborts within seconds")
}

/// Returns what the controller's own code does wrong with a model that it has migrated.
pub fn goes_on(controller: &Version) -> Finding {
    let text = format!(
        "Juju {controller} goes on taking changes to a model that it has migrated away: from SUCCESS on the copy at the source is \
         stale, whatever it says, and \"never two owners\" is not promised for it"
    );
    warn("source-version", text, "juju switch CONTROLLER:MODEL # every user of the model, to the destination")
}

/// Checks a model before it leaves.
pub fn findings(source: &Source<'_>) -> Vec<Finding> {
    let description = source.description;
    let mut findings = vec![not_controller_model(), presence(source.presence), credential(source.credential_revoked)];
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
    findings.extend(findings_of("charms", charm_complaints(description), "no charm is from the old charm store"));
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
    findings.extend(findings_of(
        "bindings",
        binding_complaints(description),
        "every endpoint is bound to a space that the model has",
    ));
    findings.extend(findings_of(
        "storage-references",
        storage::complaints(description),
        format!("{} storages, volumes and filesystems refer to what the model has", storage_count(description)),
    ));
    findings.push(binaries(source));
    findings.push(offers::consumers(description, &source.names));
    findings.push(offers::consumed(description, &source.names));
    findings
}

fn presence(presence: SourcePresence) -> Finding {
    match presence {
        SourcePresence::Live => pass("migration", "no other migration of the model is under way"),
        SourcePresence::Importing => fail("migration", IMPORTING, "modelferry migrations"),
        SourcePresence::Migrating => fail("migration", MIGRATING, "modelferry migrations"),
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
fn tools_complaint(
    of: &str,
    tools: Option<&Tools>,
    model: Option<&Version>,
    description: &Description,
) -> Option<Complaint> {
    let (number, model) = (tools?.tools_version.rsplitn(3, '-').last()?, model?);
    let agent: Version = number.parse().ok()?;
    (agent != *model).then(|| Complaint {
        text: format!("{of} agent binaries don't match model ({agent} != {model})"),
        fix: format!("juju upgrade-model -m {} --agent-version {model}", description.name),
    })
}

fn machine_complaints(description: &Description) -> Vec<Complaint> {
    let (model, name) = (description.agent_version.parse::<Version>().ok(), &description.name);
    let mut complaints = Vec::new();
    for machine in description.all_machines() {
        let id = &machine.id;
        let instance = machine.instance.as_ref().map_or("", |instance| instance.status.value.as_str());
        if instance != "running" {
            complaints.push(Complaint {
                text: format!("machine {id} not running ({instance})"),
                fix: format!("juju retry-provisioning -m {name} {id}"),
            });
        } else if machine.status.value != "started" {
            let agent = id.replace('/', "-");
            complaints.push(Complaint {
                text: format!("machine {id} agent not functioning at this time ({})", machine.status.value),
                fix: format!("juju ssh -m {name} {id} sudo systemctl restart jujud-machine-{agent}"),
            });
        }
        complaints.extend(tools_complaint(
            &format!("machine {id}"),
            machine.tools.as_ref(),
            model.as_ref(),
            description,
        ));
    }
    complaints
}

fn application_complaints(description: &Description) -> Vec<Complaint> {
    let model = &description.name;
    let mut complaints = Vec::new();
    for application in &description.applications {
        let name = &application.name;
        if application.charm_url.is_empty() {
            complaints.push(Complaint {
                text: "application charm url is nil".to_owned(),
                fix: format!("juju refresh -m {model} {name}"),
            });
        }
        if application.provisioning_state.as_ref().is_some_and(|state| state.scaling) {
            complaints.push(Complaint {
                text: format!("application {name} has an ongoing scale operation"),
                fix: format!("juju wait-for application -m {model} {name}"),
            });
        }
        let missing = application.min_units.saturating_sub(application.units.len() as u64);
        if missing > 0 {
            complaints.push(Complaint {
                text: format!("application {name} is below its minimum units threshold"),
                fix: format!("juju add-unit -m {model} {name} -n {missing}"),
            });
        }
    }
    complaints
}

/// Complains of charms from the old charm store, which no controller of Juju 3 or later takes.
fn charm_complaints(description: &Description) -> Vec<Complaint> {
    let of_store = description.applications.iter().filter(|application| application.charm_url.starts_with("cs:"));
    let of_store: Vec<_> = of_store.collect();
    if of_store.is_empty() {
        return Vec::new();
    }
    let (owner, model) = (&description.owner, &description.name);
    let urls: Vec<String> = of_store.iter().map(|application| application.charm_url.clone()).collect();
    let text = format!(
        "cannot migrate to controller due to issues:\n\"{owner}/{model}\":\n- the model hosts deprecated charm store \
         charms(s): {}",
        cut(&urls).join(", ")
    );
    let refresh = of_store.iter().take(NAMED_MAX).map(|application| {
        let (name, _) = charm_name(&application.charm_url);
        format!("juju refresh -m {model} {} --switch ch:{name}", application.name)
    });
    vec![Complaint { text, fix: refresh.collect::<Vec<_>>().join("\n") }]
}

fn unit_complaints(description: &Description) -> Vec<Complaint> {
    let (model, name) = (description.agent_version.parse::<Version>().ok(), &description.name);
    let mut complaints = Vec::new();
    for (_, unit) in description.all_units() {
        let status = &unit.agent_status.value;
        if !matches!(status.as_str(), "idle" | "executing") {
            // A unit in error waits for somebody; any other becomes idle, or its machine is the trouble.
            let verb =
                if status == "error" || unit.workload_status.value == "error" { "resolved" } else { "show-unit" };
            complaints.push(Complaint {
                text: format!("unit {} not idle or executing ({status})", unit.name),
                fix: format!("juju {verb} -m {name} {}", unit.name),
            });
        }
        if description.kind == ModelKind::Iaas {
            let of = format!("unit {}", unit.name);
            complaints.extend(tools_complaint(&of, unit.tools.as_ref(), model.as_ref(), description));
        }
    }
    complaints
}

/// Complains of endpoints that are bound to a space which the model has not: Juju refuses such an import.
fn binding_complaints(description: &Description) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for application in &description.applications {
        for (endpoint, reference) in &application.endpoint_bindings {
            if description.space_of(reference) == SpaceRef::Dangling {
                let (name, model) = (&application.name, &description.name);
                let of = if endpoint.is_empty() { "by default".to_owned() } else { format!("at endpoint {endpoint}") };
                let bind = if endpoint.is_empty() { "alpha".to_owned() } else { format!("{endpoint}=alpha") };
                complaints.push(Complaint {
                    text: format!("application {name} is bound {of} to space \"{reference}\", which the model has not"),
                    fix: format!("juju bind -m {model} {name} {bind}"),
                });
            }
        }
    }
    complaints
}

fn relation_complaints(description: &Description) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    // Units leave a relation that is suspended. Between principals and subordinates only those of one
    // machine meet, and which ones should the description does not tell.
    let relations = description.relations.iter().filter(|relation| !relation.suspended);
    for relation in relations.filter(|relation| relation.endpoints.iter().all(|end| end.scope != "container")) {
        for end in &relation.endpoints {
            let application = description.applications.iter().find(|known| known.name == end.application_name);
            for unit in application.into_iter().flat_map(|application| &application.units) {
                if !end.units_joined.contains(&unit.name) {
                    complaints.push(Complaint {
                        text: format!("unit {} hasn't joined relation \"{}\" yet", unit.name, relation.key),
                        fix: format!("juju show-unit -m {} {}", description.name, unit.name),
                    });
                }
            }
        }
    }
    complaints
}

fn binaries(source: &Source<'_>) -> Finding {
    let count = source.description.wanted().len();
    if source.incomplete {
        let text = format!(
            "the model was imported without its {count} binaries: it arrives without them, and no real controller takes it"
        );
        return warn("binaries", text, completed(&source.description.name));
    }
    if source.damaged.is_empty() {
        return pass("binaries", format!("{count} binaries are here, and are proven again on their way"));
    }
    let text = format!("binaries are missing or wrong on the source controller: {}", cut(&source.damaged).join(", "));
    fail(
        "binaries",
        text,
        "modelferry status # its alarm says where the files belong, and how a model comes back without them",
    )
}

/// Says how a model gets its binaries. What is to be typed first writes files and changes nothing else.
fn completed(model: &str) -> String {
    format!(
        "modelferry embedded export {model} DIR # then put the missing files into DIR (docs/backup.md, \"The archive\", says where); \
         then `modelferry embedded remove {model}` and `modelferry embedded import DIR/model.yaml --blobs DIR`"
    )
}

fn storage_count(description: &Description) -> usize {
    description.storages.len() + description.volumes.len() + description.filesystems.len()
}
