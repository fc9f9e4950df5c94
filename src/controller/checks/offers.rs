//! What crosses the model's border, and the order in which models that are related should move.

use std::collections::{BTreeMap, BTreeSet};

use modelferry_protocol::plan::Finding;

use super::{cut, pass, warn};
use crate::controller::description::Description;

/// Names of the source controller's models by their UUIDs: `owner/name`. Models elsewhere are not among them.
pub type ModelNames = BTreeMap<String, String>;

/// Says a model as people know it, or by its UUID.
fn named<'a>(names: &'a ModelNames, uuid: &'a str) -> &'a str {
    names.get(uuid).map_or(uuid, String::as_str)
}

/// Reports who consumes what the model offers. Such a model goes before its consumers: one that stays behind follows to the
/// new controller, while one that went first asks the old controller from a host that may not reach it.
pub(super) fn consumers(description: &Description, names: &ModelNames) -> Finding {
    let consumers = description.consumers();
    if consumers.is_empty() {
        return pass("consumers", "no other model consumes what this one offers");
    }
    let said: Vec<String> =
        consumers.iter().map(|one| format!("{} by model {}", one.offer, named(names, &one.model_uuid))).collect();
    let text = format!(
        "other models consume what this one offers, and must reach its new controller: {}; move this model before them",
        cut(&said).join(", ")
    );
    let later: BTreeSet<&str> =
        consumers.iter().filter_map(|one| names.get(&one.model_uuid)).map(String::as_str).collect();
    let fix = match later.is_empty() {
        true => format!("juju offers -m {} --format yaml", description.name),
        false => in_order(&[own_name(description).as_str()], &later.into_iter().collect::<Vec<_>>()),
    };
    warn("consumers", text, fix)
}

/// Reports whose offers the model consumes: models of the same controller should go before it.
pub(super) fn consumed(description: &Description, names: &ModelNames) -> Finding {
    let remote = description.remote_applications.iter().filter(|remote| !remote.is_consumer_proxy);
    let mut offering: BTreeMap<&str, &str> = BTreeMap::new();
    for remote in remote {
        if let Some(name) = names.get(&remote.source_model_uuid) {
            offering.insert(name, &remote.name);
        }
    }
    if offering.is_empty() {
        return pass("consumed-offers", "the model consumes no offer of another model of its controller");
    }
    let said: Vec<String> = offering.iter().map(|(model, saas)| format!("{saas} of model {model}")).collect();
    let text = format!(
        "the model consumes offers of models that stay behind: {}; from its new controller it asks for them at the old one, which \
         its new controller must reach: move those models before it",
        cut(&said).join(", ")
    );
    let first: Vec<&str> = offering.into_keys().collect();
    warn("consumed-offers", text, in_order(&first, &[own_name(description).as_str()]))
}

fn own_name(description: &Description) -> String {
    format!("{}/{}", description.owner, description.name)
}

/// Writes the commands that move models one group after the other.
fn in_order(first: &[&str], then: &[&str]) -> String {
    let all = |models: &[&str]| format!("modelferry migrate {} DEST --wait", models.join(" "));
    format!("{} # and only then: {}", all(first), all(then))
}
