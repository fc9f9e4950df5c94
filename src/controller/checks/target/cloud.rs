//! Whether the target reaches the model's cloud.

use modelferry_protocol::plan::{Finding, ModelFacts};

use crate::controller::checks::facts::{CONFIGURATION, Target};
use crate::controller::checks::{fail, pass, warn};

pub(super) fn set(key: &str, value: &str) -> String {
    format!("set {key} = \"{value}\" under [embedded] {CONFIGURATION}")
}

pub(super) fn cloud(facts: &ModelFacts, target: &Target) -> Finding {
    let (cloud, cloud_type) = (&*facts.cloud, &*facts.cloud_type);
    if cloud != target.cloud {
        let text =
            format!("model's cloud \"{cloud}\" not found on target controller: its cloud is \"{}\"", target.cloud);
        let fix = target.fix(
            |name| format!("juju add-cloud --controller {name} {cloud} # the same cloud, under the same name"),
            || set("cloud", cloud),
        );
        return fail("cloud", text, fix);
    }
    if cloud_type != target.cloud_type {
        let ours = &target.cloud_type;
        let text =
            format!("model's cloud \"{cloud}\" is of type {cloud_type}, on the target controller it is of type {ours}");
        let fix = target.fix(|name| format!("juju show-cloud --controller {name} {cloud}"), || set("type", cloud_type));
        return fail("cloud", text, fix);
    }
    pass("cloud", format!("both controllers know cloud \"{cloud}\" of type {cloud_type}"))
}

pub(super) fn region(facts: &ModelFacts, target: &Target) -> Finding {
    let (theirs, ours) = (&*facts.region, target.region.as_str());
    if theirs.is_empty() || ours.is_empty() || theirs == ours {
        return pass("region", "the model lives in no other region than the target controller");
    }
    let text = format!(
        "the model lives in region \"{theirs}\" and stays there: the target controller, in \"{ours}\", must reach it"
    );
    let fix =
        format!("modelferry show-controller {} # the addresses that the model's machines must reach", target.name);
    warn("region", text, fix)
}
