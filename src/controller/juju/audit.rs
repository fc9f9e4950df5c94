//! What the controller has of a model that arrived, against what was handed over.

use std::collections::BTreeSet;
use std::sync::Arc;

use modelferry_protocol::plan::{Finding, Level};
use modelferry_protocol::snapshot::Call;
use serde_json::{Value, json};

use super::Inner;
use super::connection::{CallError, ModelConnection};
use super::import::imported;
use super::refusal::is_denied;
use super::summary::text;
use crate::controller::checks::{cut, finding};
use crate::controller::description::{Description, is_envelope};
use crate::controller::port::{ControllerError, MigrationRef};
use crate::juju::params::tag;

/// Versions of `Client` that are spoken: the shape of `FullStatus` is the same as far as it is read here.
const CLIENT: &[u32] = &[6, 7, 8];
/// Versions of `Secrets` that are spoken.
const SECRETS: &[u32] = &[1, 2];

/// The names of what is in a model.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    applications: BTreeSet<String>,
    units: BTreeSet<String>,
    machines: BTreeSet<String>,
    relations: BTreeSet<String>,
    offers: BTreeSet<String>,
    secrets: BTreeSet<String>,
}

impl Names {
    fn of_description(told: &Description) -> Self {
        Self {
            applications: told.applications.iter().map(|application| application.name.clone()).collect(),
            units: told.all_units().map(|(_, unit)| unit.name.clone()).collect(),
            machines: told.all_machines().map(|machine| machine.id.clone()).collect(),
            relations: told.relations.iter().map(|relation| relation_of(&relation.key)).collect(),
            offers: told.applications.iter().flat_map(|it| &it.offers).map(|offer| offer.offer_name.clone()).collect(),
            secrets: told.secrets.iter().map(|secret| secret.id.clone()).collect(),
        }
    }

    /// Reads the result of `FullStatus`.
    fn of_status(status: &Value) -> Self {
        let mut names = Self::default();
        let each = |value: &Value| value.as_object().cloned().unwrap_or_default();
        for (name, application) in each(&status["applications"]) {
            names.applications.insert(name);
            for (unit, inside) in each(&application["units"]) {
                names.units.insert(unit);
                names.units.extend(each(&inside["subordinates"]).into_iter().map(|(name, _)| name));
            }
        }
        let mut machines: Vec<(String, Value)> = each(&status["machines"]).into_iter().collect();
        while let Some((name, machine)) = machines.pop() {
            names.machines.insert(name);
            machines.extend(each(&machine["containers"]));
        }
        let relations = status["relations"].as_array().into_iter().flatten();
        names.relations = relations.map(|relation| relation_of(&text(&relation["key"]))).collect();
        names.offers = each(&status["offers"]).into_iter().map(|(name, _)| name).collect();
        names
    }
}

/// Returns a relation's key with its ends in alphabetical order, which is not the same in every version.
fn relation_of(key: &str) -> String {
    let mut ends: Vec<&str> = key.split(' ').collect();
    ends.sort_unstable();
    ends.join(" ")
}

/// Compares the names of one kind of thing.
fn compared(kind: &str, expected: &BTreeSet<String>, found: &BTreeSet<String>, show: &str) -> Finding {
    let missing: Vec<String> = expected.difference(found).cloned().collect();
    let more: Vec<String> = found.difference(expected).cloned().collect();
    if missing.is_empty() && more.is_empty() {
        return finding(Level::Pass, kind, format!("all {} {kind} are there", expected.len()), String::new());
    }
    let named = |what: &str, names: &[String]| match names.is_empty() {
        true => String::new(),
        false => format!("{what}: {}", cut(names).join(", ")),
    };
    let parts = [named("missing", &missing), named("not handed over", &more)];
    let text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
    // What is there besides may have been added since.
    let level = if missing.is_empty() { Level::Warn } else { Level::Fail };
    finding(
        level,
        kind,
        format!("{} of {} {kind} are there; {text}", expected.len() - missing.len(), expected.len()),
        show.to_owned(),
    )
}

/// Counts the agents that are connected.
fn agents(status: &Value, show: &str) -> Finding {
    let mut total = 0;
    let mut lost = Vec::new();
    let mut pending = vec![status];
    while let Some(value) = pending.pop() {
        for kind in ["machines", "containers", "units", "subordinates"] {
            for (name, one) in value[kind].as_object().into_iter().flatten() {
                let agent =
                    if one["agent-status"].is_object() { &one["agent-status"] } else { &one["instance-status"] };
                total += 1;
                let state = agent["status"].as_str().unwrap_or_default();
                if matches!(state, "down" | "lost" | "unknown" | "error") {
                    lost.push(format!("{name} ({state})"));
                }
                pending.push(one);
            }
        }
        for application in value["applications"].as_object().into_iter().flatten().map(|(_, it)| it) {
            pending.push(application);
        }
    }
    if lost.is_empty() {
        return finding(Level::Pass, "agents", format!("none of {total} agents is reported as lost"), String::new());
    }
    lost.sort();
    finding(
        Level::Warn,
        "agents",
        format!("{} of {total} agents are not connected: {}", lost.len(), cut(&lost).join(", ")),
        show.to_owned(),
    )
}

/// Lists the ids of a model's secrets, if any are expected. What they say is not asked for.
async fn secrets(model: &ModelConnection, expected: bool) -> Result<BTreeSet<String>, CallError> {
    if !expected {
        return Ok(BTreeSet::new());
    }
    let listed = model.call("Secrets", SECRETS, "ListSecrets", json!({ "show-secrets": false, "filter": {} })).await?;
    let uris = listed["results"].as_array().into_iter().flatten().filter_map(|secret| secret["uri"].as_str());
    // `secret:ID`, or with the model's UUID before the id.
    Ok(uris.filter_map(|uri| uri.rsplit([':', '/']).next()).map(str::to_owned).collect())
}

impl Inner {
    /// Compares a model that has arrived with what staged it.
    pub(super) async fn audit(
        self: &Arc<Self>,
        migration: MigrationRef,
        calls: &[Call],
    ) -> Result<Vec<Finding>, ControllerError> {
        let (bytes, told) = self.description(imported(calls)?).await?;
        let live = self.connector.live().await?;
        let path = format!("{}:{}/{}", self.connector.name(), told.owner, told.name);
        let show = format!("juju status -m {path}");
        let looked = async {
            let model = live.model(migration.model).await?;
            let asked = json!({ "patterns": null, "include-storage": false });
            let status = model.call("Client", CLIENT, "FullStatus", asked).await?;
            let secrets = match secrets(&model, !told.secrets.is_empty()).await {
                // A superuser sees a model's status, and its secrets only as a user of the model.
                Err(CallError::Refused(denied)) if is_denied(&denied) => Err(denied),
                listed => Ok(listed?),
            };
            Ok((status, secrets))
        };
        let (status, secrets) = match looked.await {
            Ok(looked) => looked,
            Err(CallError::Refused(error)) => {
                return Ok(vec![finding(
                    Level::Fail,
                    "model",
                    format!("the controller does not show the model: {error}"),
                    show,
                )]);
            }
            Err(error) => return Err(error.into()),
        };
        let (expected, found) = (Names::of_description(&told), Names::of_status(&status));
        let mut findings = vec![
            compared("applications", &expected.applications, &found.applications, &show),
            compared("units", &expected.units, &found.units, &show),
            compared("machines", &expected.machines, &found.machines, &show),
        ];
        // Of an envelope no more than these is read.
        if !is_envelope(&bytes) {
            findings.extend([
                compared("relations", &expected.relations, &found.relations, &show),
                compared("offers", &expected.offers, &found.offers, &show),
                match secrets {
                    Ok(found) => compared("secrets", &expected.secrets, &found, &format!("juju secrets -m {path}")),
                    Err(denied) => {
                        let user = live.result.user_info.clone().unwrap_or_default().identity;
                        let user = tag::user_of(&user).unwrap_or("USER");
                        let (controller, count) = (self.connector.name(), expected.secrets.len());
                        let text =
                            format!("{count} secrets were handed over; the agent's user may not list them: {denied}");
                        let fix =
                            format!("juju grant --controller {controller} {user} read {}/{}", told.owner, told.name);
                        finding(Level::Warn, "secrets", text, fix)
                    }
                },
            ]);
        }
        findings.push(agents(&status, &show));
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Value {
        json!({
            "applications": { "db": { "units": { "db/0": { "agent-status": { "status": "idle" }, "subordinates": {
                "backup/0": { "agent-status": { "status": "lost" } } } } } }, "backup": { "units": null } },
            "machines": { "0": { "agent-status": { "status": "started" }, "containers": {
                "0/lxd/0": { "agent-status": { "status": "down" } } } } },
            "relations": [{ "key": "web:db db:database" }], "offers": { "sql": {} }
        })
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn everything_in_a_status_is_named_containers_and_subordinates_as_well() {
        let names = Names::of_status(&status());
        assert_eq!(names.units, set(&["backup/0", "db/0"]));
        assert_eq!(names.machines, set(&["0", "0/lxd/0"]));
        assert_eq!((names.applications, names.offers), (set(&["backup", "db"]), set(&["sql"])));
        assert_eq!(names.relations, set(&[&relation_of("db:database web:db")]));
    }

    #[test]
    fn what_is_missing_is_named_and_fails_and_what_is_more_only_warns() {
        let missing = compared("units", &set(&["a/0", "a/1"]), &set(&["a/0"]), "juju status");
        assert!(missing.level == Level::Fail && missing.text.contains("missing: a/1"), "{}", &*missing.text);
        let more = compared("units", &set(&["a/0"]), &set(&["a/0", "a/1"]), "juju status");
        assert!(more.level == Level::Warn && more.text.contains("not handed over: a/1"), "{}", &*more.text);
        assert_eq!(compared("units", &set(&["a/0"]), &set(&["a/0"]), "").level, Level::Pass);
    }

    #[test]
    fn agents_that_are_lost_are_named() {
        let found = agents(&status(), "juju status");
        assert_eq!(&*found.text, "2 of 4 agents are not connected: 0/lxd/0 (down), backup/0 (lost)");
    }
}
