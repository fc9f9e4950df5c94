//! What the target of a migration checks: whether it could keep the model.

use std::collections::BTreeSet;

use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::plan::{Finding, Level, ModelFacts};

pub use super::users::CHECK as USERS;
use super::version::Version;
use super::{fail, pass, refusals, users, warn};
use crate::config::EmbeddedConfig;
use crate::controller::description::{DOCUMENT_VERSION_MAX, DOCUMENT_VERSION_MIN, DescriptionError};

/// The oldest 2.x that later controllers take models of.
const UPGRADE_FROM: Version = Version::release(2, 9, 43);
/// The page that tells how to compare two copies.
pub const TWO_COPIES: &str = "\"Two copies of one model\" in docs/in-doubt.md";
/// Where an operator changes what an embedded controller claims to have.
pub(super) const CONFIGURATION: &str = "of the destination's configuration, and restart its agent";

/// How a model stands on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// In service.
    Live,
    /// Frozen, to leave.
    Leaving,
    /// A copy of the very migration that asks.
    Ours,
    /// A copy of some other migration.
    LeftOver,
    /// Elsewhere, with a redirect.
    Gone,
}

/// A model that the target knows.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its UUID.
    pub uuid: ModelUuid,
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// How it stands.
    pub standing: Standing,
    /// The migration that it is in, if it is in one.
    pub mid: Option<MigrationId>,
}

/// What a target is.
pub struct Target<'a> {
    /// What it was told to be.
    pub config: &'a EmbeddedConfig,
    /// Its users.
    pub users: &'a BTreeSet<String>,
    /// Its models.
    pub models: &'a [Known],
    /// The name of a real controller, which `juju` mends; none for an embedded one, which its configuration mends.
    pub real: Option<&'a str>,
}

impl Target<'_> {
    /// Returns what mends it, by the kind of controller. `juju`: the command, of the controller's name.
    pub(super) fn fix(&self, juju: impl FnOnce(&str) -> String, embedded: impl FnOnce() -> String) -> String {
        match self.real {
            Some(name) => juju(name),
            None => embedded(),
        }
    }
}

/// Returns the first thing that stands against a model whose description is being imported, if anything does.
///
/// A source may have asked before or not: an import holds to the same rules. What only the source could tell,
/// its version, its identity provider and whether machines run the model, is as it told, or is not judged.
pub fn refusal(facts: &ModelFacts, target: &Target<'_>) -> Option<Finding> {
    findings(facts, target).into_iter().find(|finding| finding.level == Level::Fail)
}

/// Judges a model that wants to come.
pub fn findings(facts: &ModelFacts, target: &Target<'_>) -> Vec<Finding> {
    let config = target.config;
    let mut findings = vec![
        live(facts, config),
        document(facts),
        cloud(facts, target),
        region(facts, target),
        model_version(facts, target),
        controller_version(facts, target),
        users::finding(facts, target),
        uuid(facts, target),
        name(facts, target),
        credential(facts, target),
        secret_backends(facts, target),
        storage_pools(facts, config),
        manifests(facts, config),
        fan(facts, config),
        users::offer_finding(facts, target),
    ];
    findings.extend(refusals::findings(facts, config));
    findings
}

fn live(facts: &ModelFacts, config: &EmbeddedConfig) -> Finding {
    if !facts.machines_live || config.accept_live_models {
        return pass("live-machines", "no machine would lose its controller");
    }
    let text = "a live model of a real controller is not migrated into an embedded one: it runs no machines, \
        and the model's own would be without a controller";
    let fix = "juju controllers # move it to another of these; embedded controllers take live models for tests alone, see \
        accept-live-models in modelferry.toml(5)";
    fail("live-machines", text, fix)
}

fn document(facts: &ModelFacts) -> Finding {
    let version = u64::from(facts.document_version);
    // 0: a source that cannot tell before it exports.
    if version == 0 || (DOCUMENT_VERSION_MIN..=DOCUMENT_VERSION_MAX).contains(&version) {
        return pass("document", "the model description's version is understood");
    }
    let error = DescriptionError::Version(version);
    fail("document", error.to_string(), error.advice().unwrap_or_default())
}

fn set(key: &str, value: &str) -> String {
    format!("set {key} = \"{value}\" under [embedded] {CONFIGURATION}")
}

fn show(facts: &ModelFacts) -> String {
    format!("juju show-model {}", &*facts.name)
}

fn cloud(facts: &ModelFacts, target: &Target<'_>) -> Finding {
    let config = target.config;
    let (cloud, cloud_type) = (&*facts.cloud, &*facts.cloud_type);
    if cloud != config.cloud {
        let text =
            format!("model's cloud \"{cloud}\" not found on target controller: its cloud is \"{}\"", config.cloud);
        let fix = target.fix(
            |name| format!("juju add-cloud --controller {name} {cloud} # the same cloud, under the same name"),
            || set("cloud", cloud),
        );
        return fail("cloud", text, fix);
    }
    if cloud_type != config.cloud_type {
        let ours = &config.cloud_type;
        let text =
            format!("model's cloud \"{cloud}\" is of type {cloud_type}, on the target controller it is of type {ours}");
        let fix = target.fix(|name| format!("juju show-cloud --controller {name} {cloud}"), || set("type", cloud_type));
        return fail("cloud", text, fix);
    }
    pass("cloud", format!("both controllers know cloud \"{cloud}\" of type {cloud_type}"))
}

fn region(facts: &ModelFacts, target: &Target<'_>) -> Finding {
    let config = target.config;
    let (theirs, ours) = (&*facts.region, config.region.as_str());
    if theirs.is_empty() || ours.is_empty() || theirs == ours {
        return pass("region", "the model lives in no other region than the target controller");
    }
    let text = format!(
        "the model lives in region \"{theirs}\" and stays there: the target controller, in \"{ours}\", must reach it"
    );
    let fix =
        format!("modelferry show-controller {} # the addresses that the model's machines must reach", config.name);
    warn("region", text, fix)
}

fn model_version(facts: &ModelFacts, target: &Target<'_>) -> Finding {
    let config = target.config;
    let check = "version";
    let upgrade = |version: &str| {
        target.fix(
            |name| format!("juju upgrade-controller --controller {name} --agent-version {version}"),
            || set("version", version),
        )
    };
    let Ok(ours) = config.version.parse::<Version>() else {
        return fail(
            check,
            format!("unknown target controller version {}", config.version),
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

fn controller_version(facts: &ModelFacts, target: &Target<'_>) -> Finding {
    let config = target.config;
    let check = "controller-version";
    let (Ok(theirs), Ok(ours)) = (facts.controller_version.parse::<Version>(), config.version.parse::<Version>())
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

fn uuid(facts: &ModelFacts, target: &Target<'_>) -> Finding {
    let check = "uuid";
    let Some(known) = target.models.iter().find(|known| known.uuid == facts.uuid) else {
        return pass(check, "no model of that UUID is here");
    };
    let exists = format!("model with same UUID already exists ({})", facts.uuid);
    match known.standing {
        Standing::Ours => pass(check, "the copy of the model that is here is this migration's own"),
        Standing::Gone => pass(check, "the model was here before, and comes back"),
        // Which of the two counts only a person can tell, so nothing is to be typed that ends one of them.
        Standing::Live => {
            let model = format!("{}/{}", known.owner, known.name);
            let fix = target.fix(
                |name| format!("juju show-model {name}:{model} # and on the other controller; then read {TWO_COPIES}"),
                || format!("modelferry show-model {model} # and on the other host; then read {TWO_COPIES}"),
            );
            fail(check, exists, fix)
        }
        Standing::Leaving => fail(check, "model is being migrated out of target controller", "modelferry migrations"),
        Standing::LeftOver => {
            // Juju's own prechecks let it pass, and its import fails. Only the migration that made it can remove it.
            let fix = known.mid.map_or_else(
                || "modelferry migrations".to_owned(),
                |mid| format!("modelferry abort {mid} # on the host of its source"),
            );
            fail(check, format!("{exists}: the left-over import of another migration; abort that on its source"), fix)
        }
    }
}

fn name(facts: &ModelFacts, target: &Target<'_>) -> Finding {
    let same = |known: &&Known| known.uuid != facts.uuid && known.name == *facts.name && known.owner == *facts.owner;
    match target.models.iter().filter(same).find(|known| known.standing != Standing::Gone) {
        None => pass("name", format!("no model is called {}/{}", &*facts.owner, &*facts.name)),
        Some(known) => {
            let model = format!("{}/{}", known.owner, known.name);
            // It may be in service: whether it can go, only its operator knows.
            let other = format!("another model, of UUID {}, has that name there", known.uuid);
            let fix = target.fix(
                |name| format!("juju show-model {name}:{model} # {other}"),
                || format!("modelferry show-model {model} # {other}"),
            );
            fail("name", format!("model named \"{}\" already exists", known.name), fix)
        }
    }
}

fn credential(facts: &ModelFacts, target: &Target<'_>) -> Finding {
    let config = target.config;
    let check = "credential";
    let mut parts = facts.credential.splitn(3, '/');
    let (Some(owner), Some(cloud), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return pass(check, "the model uses no cloud credential");
    };
    // Juju writes a credential's id with its cloud first.
    let id = format!("{cloud}/{owner}/{name}");
    match config.credentials.iter().find(|known| known.owner == owner && known.name == name) {
        Some(known) if known.revoked => {
            let fix = target.fix(
                |controller| format!("juju update-credential --controller {controller} {cloud} {name}"),
                || format!("set revoked = false for it under [[embedded.credentials]] {CONFIGURATION}"),
            );
            fail(check, format!("credential \"{id}\" is revoked"), fix)
        }
        Some(known) if !known.valid => {
            let text =
                format!("credential \"{id}\" is not valid: the model would be suspended on the target controller");
            warn(check, text, format!("juju update-credential -c {} {cloud} {name}", config.name))
        }
        Some(_) => pass(check, format!("credential \"{id}\" is known and valid")),
        None => {
            let text = format!("credential \"{id}\" is not known, and is made from the model description");
            let fix = target.fix(
                |controller| format!("juju update-credential --controller {controller} {cloud} {name} # if it should be known before"),
                || {
                    format!(
                        "if it should be known before, add {{ name = \"{name}\", owner = \"{owner}\" }} to credentials under \
                         [embedded] {CONFIGURATION}"
                    )
                },
            );
            warn(check, text, fix)
        }
    }
}

fn secret_backends(facts: &ModelFacts, target: &Target<'_>) -> Finding {
    let config = target.config;
    let check = "secret-backends";
    let known = |id: &str| config.secret_backends.iter().any(|known| known == id);
    let absent: Vec<String> =
        facts.secret_backends.iter().filter(|id| !known(id)).map(|id| format!("\"{}\"", &**id)).collect();
    if absent.is_empty() {
        return pass(check, format!("{} secret back-ends are known by their ids", facts.secret_backends.len()));
    }
    let ids = absent.join(", ");
    if target.real.is_some() && *facts.cloud_type == *"kubernetes" {
        let text = format!(
            "the target controller does not know secret back-end {ids}: it takes it for the model's own, which is in its cluster"
        );
        return warn(check, text, format!("juju secret-backends --controller {}", config.name));
    }
    let text = format!("cannot load secret backend {ids}: the target controller must have it under the same id");
    let fix = target.fix(
        |name| {
            format!(
                "juju add-secret-backend --controller {name} NAME vault --import-id ID --config FILE # for each: {ids}"
            )
        },
        || format!("add {ids} to secret-backends under [embedded] {CONFIGURATION}"),
    );
    fail(check, text, fix)
}

/// Reports whether a cloud of this type has pools of this provider without anybody making one.
fn is_built_in(provider: &str, cloud_type: &str) -> bool {
    matches!(provider, "loop" | "rootfs" | "tmpfs")
        || matches!(
            (cloud_type, provider),
            ("openstack", "cinder")
                | ("ec2", "ebs" | "ebs-ssd")
                | ("azure", "azure" | "azure-premium")
                | ("gce", "gce")
                | ("maas", "maas")
                | ("lxd", "lxd" | "lxd-zfs" | "lxd-btrfs")
                | ("kubernetes", "kubernetes")
                | ("oci", "oci" | "iscsi")
        )
}

fn storage_pools(facts: &ModelFacts, config: &EmbeddedConfig) -> Finding {
    let check = "storage-pools";
    let known = |pool: &str, provider: &str| {
        is_built_in(provider, &config.cloud_type)
            || config.storage_pools.iter().any(|known| known.name == pool || known.provider == provider)
    };
    let pools = facts.storage_pools.iter().map(|pool| pool.rsplit_once(':').unwrap_or((pool, pool)));
    let absent: Vec<(&str, &str)> = pools.filter(|(pool, provider)| !known(pool, provider)).collect();
    if absent.is_empty() {
        return pass(check, format!("{} storage pools can be served", facts.storage_pools.len()));
    }
    let named = absent.iter().map(|(pool, provider)| format!("\"{pool}\" of provider {provider}"));
    let tables = absent.iter().map(|(pool, provider)| format!("{{ name = \"{pool}\", provider = \"{provider}\" }}"));
    let fix =
        format!("add {} to storage-pools under [embedded] {CONFIGURATION}", tables.collect::<Vec<_>>().join(", "));
    fail(check, format!("storage pool not found: {}", named.collect::<Vec<_>>().join(", ")), fix)
}

fn manifests(facts: &ModelFacts, config: &EmbeddedConfig) -> Finding {
    let check = "charm-manifests";
    if facts.charms_without_manifest.is_empty() {
        return pass(check, "every charm has a manifest.yaml");
    }
    let charms = facts.charms_without_manifest.iter().map(|charm| charm.to_string()).collect::<Vec<_>>().join(", ");
    let fix = format!("juju refresh -m {} APPLICATION", &*facts.name);
    if is_juju_4(config) {
        let text = format!(
            "all charms now require a manifest.yaml file, this model hosts charm(s) with no manifest.yaml file: {charms}"
        );
        return fail(check, text, fix);
    }
    warn(check, format!("charms without a manifest.yaml file, which Juju 4 does not take: {charms}"), fix)
}

fn is_juju_4(config: &EmbeddedConfig) -> bool {
    config.version.parse::<Version>().is_ok_and(|version| version.major >= 4)
}

fn fan(facts: &ModelFacts, config: &EmbeddedConfig) -> Finding {
    let check = "fan-networking";
    if facts.fan.is_empty() {
        return pass(check, "the model uses no fan networking");
    }
    let setting = facts.fan.split(' ').next().unwrap_or_default();
    let fix = format!("juju model-config -m {} --reset {setting}", &*facts.name);
    if is_juju_4(config) {
        let text = format!("fan networking not supported, remove {} from migrating model config", &*facts.fan);
        return fail(check, text, fix);
    }
    warn(check, format!("the model uses fan networking, which Juju 4 does not support: {}", &*facts.fan), fix)
}
