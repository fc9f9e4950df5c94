//! Whether the target takes what is in the model.

use modelferry_protocol::plan::{Finding, ModelFacts};

use super::versions::is_juju_4;
use crate::controller::checks::facts::Target;
use crate::controller::checks::{fail, pass, warn};
use crate::controller::description::{DOCUMENT_VERSION_MAX, DOCUMENT_VERSION_MIN, DescriptionError};

pub(super) fn live(facts: &ModelFacts, target: &Target) -> Finding {
    if !facts.machines_live || target.takes_live_models {
        return pass("live-machines", "no machine would lose its controller");
    }
    let text = "a live model of a real controller is not migrated into an embedded one: it runs no machines, \
        and the model's own would be without a controller";
    let fix = "juju controllers # move it to another of these; embedded controllers take live models for tests alone, see \
        accept-live-models in modelferry.toml(5)";
    fail("live-machines", text, fix)
}

pub(super) fn document(facts: &ModelFacts) -> Finding {
    let version = u64::from(facts.document_version);
    // 0: a source that cannot tell before it exports.
    if version == 0 || (DOCUMENT_VERSION_MIN..=DOCUMENT_VERSION_MAX).contains(&version) {
        return pass("document", "the model description's version is understood");
    }
    let error = DescriptionError::Version(version);
    fail("document", error.to_string(), error.advice().unwrap_or_default())
}

pub(super) fn manifests(facts: &ModelFacts, target: &Target) -> Finding {
    let check = "charm-manifests";
    if facts.charms_without_manifest.is_empty() {
        return pass(check, "every charm has a manifest.yaml");
    }
    let charms = facts.charms_without_manifest.iter().map(|charm| charm.to_string()).collect::<Vec<_>>().join(", ");
    let fix = format!("juju refresh -m {} APPLICATION", &*facts.name);
    if is_juju_4(target) {
        let text = format!(
            "all charms now require a manifest.yaml file, this model hosts charm(s) with no manifest.yaml file: {charms}"
        );
        return fail(check, text, fix);
    }
    warn(check, format!("charms without a manifest.yaml file, which Juju 4 does not take: {charms}"), fix)
}

pub(super) fn fan(facts: &ModelFacts, target: &Target) -> Finding {
    let check = "fan-networking";
    if facts.fan.is_empty() {
        return pass(check, "the model uses no fan networking");
    }
    let setting = facts.fan.split(' ').next().unwrap_or_default();
    let fix = format!("juju model-config -m {} --reset {setting}", &*facts.name);
    if is_juju_4(target) {
        let text = format!("fan networking not supported, remove {} from migrating model config", &*facts.fan);
        return fail(check, text, fix);
    }
    warn(check, format!("the model uses fan networking, which Juju 4 does not support: {}", &*facts.fan), fix)
}
