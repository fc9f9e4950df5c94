//! Whether the target's version takes the model.

use modelferry_protocol::plan::{Finding, ModelFacts};

use super::cloud::set;
use crate::controller::checks::facts::{Kind, Target};
use crate::controller::checks::version::Version;
use crate::controller::checks::{fail, pass, warn};

/// The oldest 2.x that later controllers take models of.
const UPGRADE_FROM: Version = Version::release(2, 9, 43);

/// The series whose own code was run as a destination.
const RUN: (u32, u32) = (4, 1);

pub(super) fn show(facts: &ModelFacts) -> String {
    format!("juju show-model {}", &*facts.name)
}

pub(super) fn model_version(facts: &ModelFacts, target: &Target) -> Finding {
    let check = "version";
    let upgrade = |version: &str| {
        target.fix(
            |name| format!("juju upgrade-controller --controller {name} --agent-version {version}"),
            || set("version", version),
        )
    };
    let Ok(ours) = target.version.parse::<Version>() else {
        return fail(
            check,
            format!("unknown target controller version {}", target.version),
            upgrade(&facts.agent_version),
        );
    };
    if facts.agent_version.is_empty() {
        return warn(check, "the model description does not tell which version the model runs", show(facts));
    }
    let Ok(model) = facts.agent_version.parse::<Version>() else {
        return fail(check, format!("model version \"{}\" not valid", &*facts.agent_version), show(facts));
    };
    if model > ours {
        let text = format!("model has higher version than target controller ({model} > {ours})");
        return fail(check, text, upgrade(&model.to_string()));
    }
    if model.major == 2 && ours.major > 2 && model < UPGRADE_FROM {
        let text = format!(
            "model must be upgraded to at least version {UPGRADE_FROM} before being migrated to a controller with version {ours}"
        );
        return fail(check, text, format!("juju upgrade-model -m {} --agent-version {UPGRADE_FROM}", &*facts.name));
    }
    pass(check, format!("the model runs {model}, the target controller {ours}"))
}

pub(super) fn controller_version(facts: &ModelFacts, target: &Target) -> Finding {
    let check = "controller-version";
    let (Ok(theirs), Ok(ours)) = (facts.controller_version.parse::<Version>(), target.version.parse::<Version>())
    else {
        let text = format!("source controller version \"{}\" cannot be compared", &*facts.controller_version);
        return warn(check, text, "juju show-controller # of the model's own controller");
    };
    if theirs.is_later_series(&ours) {
        let text = format!("source controller has higher version than target controller ({theirs} > {ours})");
        let fix = target.fix(
            |name| format!("juju upgrade-controller --controller {name} --agent-version {theirs}"),
            || set("version", &theirs.to_string()),
        );
        return fail(check, text, fix);
    }
    pass(check, format!("the source controller runs {theirs}, the target controller {ours}"))
}

/// Warns of a real controller of a series whose code was read, and never run as a destination.
pub(super) fn never_run(target: &Target) -> Option<Finding> {
    let version = target.version.parse::<Version>().ok().filter(|_| target.kind == Kind::Juju)?;
    if (version.major, version.minor) == RUN {
        return None;
    }
    let text = format!(
        "Juju {version} was read as a destination, and never run: what is promised of one owner was seen to hold with {}.{} alone",
        RUN.0, RUN.1
    );
    Some(warn("destination-version", text, "modelferry migrate MODEL DEST # first a model that can be missed"))
}

pub(super) fn is_juju_4(target: &Target) -> bool {
    target.version.parse::<Version>().is_ok_and(|version| version.major >= 4)
}
