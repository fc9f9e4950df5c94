//! The checks and their texts.

use std::collections::BTreeSet;

use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::plan::{Finding, Level, ModelFacts};
use modelferry_protocol::snapshot::Name;

use super::source::{self, Source, SourcePresence};
use super::target::{self, Kind, Known, Target};
use crate::config::{CredentialConfig, EmbeddedConfig, StoragePoolConfig};
use crate::controller::description::Description;
use crate::controller::description::application::ProvisioningState;
use crate::controller::description::sample::Sample;
use crate::controller::embedded;

pub(super) fn config() -> EmbeddedConfig {
    EmbeddedConfig {
        name: "dst".to_owned(),
        cloud: "openstack-eu".to_owned(),
        region: "RegionOne".to_owned(),
        cloud_type: "openstack".to_owned(),
        version: "3.6.23".to_owned(),
        addresses: Vec::new(),
        identity_url: String::new(),
        accept_live_models: false,
        spaces: Vec::new(),
        storage_pools: Vec::new(),
        secret_backends: vec!["63c8ad37c906eb278540e942".to_owned()],
        credentials: vec![credential(true, false)],
        api: None,
        refusals: Vec::new(),
    }
}

fn credential(valid: bool, revoked: bool) -> CredentialConfig {
    CredentialConfig { name: "default".to_owned(), owner: "admin".to_owned(), valid, revoked }
}

fn facts(sample: &Sample) -> ModelFacts {
    let description = Description::parse(sample.yaml().as_bytes()).unwrap();
    ModelFacts { controller_version: Name::cut("3.6.20"), ..description.facts().unwrap() }
}

/// Returns an embedded controller of that configuration.
pub(super) fn embedded_target(config: &EmbeddedConfig, users: &[&str], models: &[Known]) -> Target {
    let users: BTreeSet<String> = users.iter().map(|user| (*user).to_owned()).collect();
    embedded::facts::target(config, users, models.to_vec())
}

fn judged(facts: &ModelFacts, config: &EmbeddedConfig, users: &[&str], models: &[Known]) -> Vec<Finding> {
    target::findings(facts, &embedded_target(config, users, models))
}

/// Judges the sample against a target that `change` has changed, and returns what does not pass.
fn complaints(sample: &Sample, change: impl FnOnce(&mut ModelFacts, &mut EmbeddedConfig)) -> Vec<Finding> {
    let (mut facts, mut config) = (facts(sample), config());
    change(&mut facts, &mut config);
    let findings = judged(&facts, &config, &["admin", "bob"], &[]);
    not_passed(findings)
}

/// Returns what does not pass; all of it names what mends it.
fn not_passed(findings: Vec<Finding>) -> Vec<Finding> {
    let findings: Vec<Finding> = findings.into_iter().filter(|finding| finding.level != Level::Pass).collect();
    findings.iter().for_each(|finding| assert!(!finding.fix.is_empty(), "{finding:?}"));
    findings
}

/// Expects one complaint, and returns its level and texts.
fn one(findings: &[Finding]) -> (Level, &str, &str) {
    let [finding] = findings else { panic!("{findings:?}") };
    (finding.level, &finding.text, &finding.fix)
}

pub(super) fn source_of(description: &Description) -> Source<'_> {
    let presence = SourcePresence::Live;
    Source {
        description,
        presence,
        incomplete: false,
        damaged: Vec::new(),
        credential_revoked: false,
        names: Default::default(),
    }
}

fn examined(sample: &Sample, change: impl FnOnce(&mut Source<'_>)) -> Vec<Finding> {
    let description = Description::parse(sample.yaml().as_bytes()).unwrap();
    let mut source = source_of(&description);
    change(&mut source);
    not_passed(source::findings(&source))
}

#[test]
fn a_model_with_nothing_wrong_passes_every_check() {
    assert_eq!(complaints(&Sample::default(), |_, _| {}), []);
    assert_eq!(examined(&Sample::default(), |_| {}), []);
}

#[test]
fn missing_users_are_listed_as_juju_lists_them() {
    let users = ["admin", "bob", "eve", "carol@external"].map(str::to_owned).to_vec();
    let findings = judged(&facts(&Sample { users, ..Sample::default() }), &config(), &["admin"], &[]);
    let users: Vec<&Finding> = findings.iter().filter(|finding| &*finding.check == "users").collect();
    assert_eq!(
        &*users[0].text,
        "cannot initiate migration as the users granted access to the model do not exist\n\
        on the destination controller. To resolve this issue you can add the following\n\
        users to the destination controller or remove them from the current model:\n  - bob\n  - eve"
    );
    assert_eq!(&*users[0].fix, "modelferry embedded user add bob && modelferry embedded user add eve");
}

#[test]
fn external_users_need_the_same_identity_provider() {
    let users = ["admin", "bob", "carol@external"].map(str::to_owned).to_vec();
    let sample = Sample { users, ..Sample::default() };
    let findings = complaints(&sample, |_, config| config.identity_url = "https://id.example".to_owned());
    let (level, text, _) = one(&findings);
    assert_eq!(level, Level::Fail);
    assert_eq!(
        text,
        "cannot initiate migration as external users have been granted access to the model\n\
        and the two controllers have different identity provider configurations. To resolve\n\
        this issue you can remove the following users from the current model:\n  - carol@external"
    );
    let mut config = config();
    config.identity_url = "https://id.example".to_owned();
    let findings = judged(&facts(&sample), &config, &["admin"], &[]);
    let text = &findings.iter().find(|finding| finding.level == Level::Fail).unwrap().text;
    assert!(
        text.ends_with(
            "this issue you need to remove the following users from the current model:\n  - carol@external\n\n\
            and add the following users to the destination controller or remove them from\n\
            the current model:\n  - bob"
        ),
        "{text}"
    );
}

#[test]
fn a_newer_model_or_controller_is_refused() {
    let sample = Sample::default();
    let findings = complaints(&sample, |facts, config| {
        facts.sections = Default::default();
        config.version = "3.6.20".to_owned();
    });
    assert_eq!(one(&findings).1, "model has higher version than target controller (3.6.23 > 3.6.20)");
    let findings = complaints(&sample, |facts, _| facts.controller_version = Name::cut("4.0.1"));
    assert_eq!(one(&findings).1, "source controller has higher version than target controller (4.0.1 > 3.6.23)");
    // Patch releases of one series go both ways.
    assert_eq!(complaints(&sample, |facts, _| facts.controller_version = Name::cut("3.6.99")), []);
    let findings = complaints(&Sample { agent_version: "2.9.42".to_owned(), ..sample }, |_, _| {});
    assert!(one(&findings).1.starts_with("model must be upgraded to at least version 2.9.43 before"));
}

#[test]
fn the_cloud_and_its_type_must_be_the_same() {
    let findings = complaints(&Sample::default(), |_, config| config.cloud = "aws".to_owned());
    assert!(one(&findings).1.starts_with("model's cloud \"openstack-eu\" not found on target controller"));
    let findings = complaints(&Sample::default(), |facts, _| facts.cloud_type = Name::cut("ec2"));
    assert!(one(&findings).1.contains("is of type ec2"));
    let findings = complaints(&Sample::default(), |_, config| config.region = "RegionTwo".to_owned());
    assert_eq!(one(&findings).0, Level::Warn);
}

#[test]
fn clashes_are_told_in_jujus_words() {
    let facts = facts(&Sample::default());
    let clash = |uuid, name: &str, owner: &str, presence| {
        let known = Known { uuid, name: name.to_owned(), owner: owner.to_owned(), presence, mid: None };
        let findings = judged(&facts, &config(), &["admin", "bob"], &[known]);
        findings.into_iter().find(|finding| finding.level != Level::Pass).map(|finding| finding.text.into_string())
    };
    let exists = "model with same UUID already exists (9372c470-eead-45ec-89c3-c74c2b3cb633)";
    let of = |presence| clash(facts.uuid, "prod", "admin", presence);
    assert_eq!(of(target::ModelPresence::Live).unwrap(), exists);
    assert_eq!(of(target::ModelPresence::Leaving).unwrap(), "model is being migrated out of target controller");
    assert!(of(target::ModelPresence::LeftOver).unwrap().starts_with(exists));
    assert_eq!(of(target::ModelPresence::Ours), None);
    assert_eq!(of(target::ModelPresence::Gone), None);
    let other = ModelUuid([7; 16]);
    assert_eq!(
        clash(other, "prod", "admin", target::ModelPresence::Live).unwrap(),
        "model named \"prod\" already exists"
    );
    assert_eq!(clash(other, "prod", "bob", target::ModelPresence::Live), None);
    assert_eq!(clash(other, "prod", "admin", target::ModelPresence::Gone), None);
}

#[test]
fn what_juju_finds_too_late_is_found_before() {
    let sample = Sample::default();
    let findings = complaints(&sample, |_, config| config.credentials = vec![credential(true, true)]);
    assert_eq!(one(&findings).1, "credential \"openstack-eu/admin/default\" is revoked");
    for credentials in [vec![], vec![credential(false, false)]] {
        let findings = complaints(&sample, |_, config| config.credentials = credentials);
        assert_eq!(one(&findings).0, Level::Warn);
    }
    let findings = complaints(&sample, |_, config| config.secret_backends.clear());
    assert!(one(&findings).1.starts_with("cannot load secret backend \"63c8ad37c906eb278540e942\""));
    let on_lxd = |pools: Vec<StoragePoolConfig>| {
        complaints(&sample, |facts, config| {
            (facts.cloud_type, config.cloud_type) = (Name::cut("lxd"), "lxd".to_owned());
            config.storage_pools = pools;
        })
    };
    let findings = on_lxd(Vec::new());
    assert_eq!(one(&findings).1, "storage pool not found: \"fast\" of provider cinder");
    assert_eq!(on_lxd(vec![StoragePoolConfig { name: "fast".to_owned(), provider: "lxd".to_owned() }]), []);
    let findings = complaints(&sample, |facts, _| facts.document_version = 1);
    assert!(one(&findings).1.ends_with("document version 1; versions 11 to 14 are understood"));
}

#[test]
fn only_juju_4_demands_manifests() {
    let sample = Sample { manifests: false, ..Sample::default() };
    assert_eq!(one(&complaints(&sample, |_, _| {})).0, Level::Warn);
    let findings = complaints(&sample, |_, config| config.version = "4.0.6".to_owned());
    let (level, text, _) = one(&findings);
    assert_eq!(level, Level::Fail);
    assert!(text.ends_with("no manifest.yaml file: ch:amd64/postgresql-843, local:noble/webapp-2"), "{text}");
}

#[test]
fn a_live_model_of_a_real_controller_is_not_taken_unless_a_test_says_so() {
    let live = |accept| {
        complaints(&Sample::default(), |facts, config| {
            facts.machines_live = true;
            config.accept_live_models = accept;
        })
    };
    assert_eq!(one(&live(false)).0, Level::Fail);
    assert_eq!(live(true), []);
}

#[test]
fn machines_and_units_must_be_well() {
    let sample = Sample { machine_status: "down".to_owned(), ..Sample::default() };
    let texts: Vec<String> = examined(&sample, |_| {}).into_iter().map(|found| found.text.into_string()).collect();
    assert_eq!(
        texts,
        ["0", "0/lxd/0", "1"].map(|id| format!("machine {id} agent not functioning at this time (down)"))
    );
    let sample = Sample { instance_status: "provisioning error".to_owned(), ..Sample::default() };
    assert_eq!(&*examined(&sample, |_| {})[0].text, "machine 0 not running (provisioning error)");
    let sample = Sample { unit_status: "error".to_owned(), ..Sample::default() };
    assert_eq!(&*examined(&sample, |_| {})[0].text, "unit postgresql/0 not idle or executing (error)");
    let sample = Sample { unit_status: "executing".to_owned(), ..Sample::default() };
    assert_eq!(examined(&sample, |_| {}), []);
}

#[test]
fn agents_must_run_the_models_version() {
    let yaml = Sample::default().yaml().replacen("agent-version: 3.6.23", "agent-version: 3.6.24", 1);
    let description = Description::parse(yaml.as_bytes()).unwrap();
    let texts: Vec<String> = source::findings(&source_of(&description))
        .into_iter()
        .filter(|finding| finding.level == Level::Fail)
        .map(|finding| finding.text.into_string())
        .collect();
    assert_eq!(texts[0], "machine 0 agent binaries don't match model (3.6.23 != 3.6.24)");
    assert_eq!(texts[3], "unit postgresql/0 agent binaries don't match model (3.6.23 != 3.6.24)");
}

#[test]
fn applications_must_be_whole_and_at_rest() {
    let complaint = |change: fn(&mut Description)| {
        let mut description = Description::parse(Sample::default().yaml().as_bytes()).unwrap();
        change(&mut description);
        let findings = not_passed(source::findings(&source_of(&description)));
        let (level, text, fix) = one(&findings);
        assert_eq!(level, Level::Fail);
        (text.to_owned(), fix.to_owned())
    };
    let (text, fix) = complaint(|model| model.applications[0].min_units = 3);
    assert_eq!(text, "application postgresql is below its minimum units threshold");
    assert_eq!(fix, "juju add-unit -m prod postgresql -n 2");
    let (text, _) = complaint(|model| model.applications[0].charm_url.clear());
    assert_eq!(text, "application charm url is nil");
    let (text, _) = complaint(|model| {
        model.applications[0].provisioning_state = Some(ProvisioningState { scaling: true });
    });
    assert_eq!(text, "application postgresql has an ongoing scale operation");
    let (text, fix) = complaint(|model| model.applications[0].charm_url = "cs:~ops/focal/postgresql-239".into());
    assert_eq!(
        text,
        "cannot migrate to controller due to issues:\n\"admin/prod\":\n- the model hosts deprecated charm store \
         charms(s): cs:~ops/focal/postgresql-239"
    );
    assert_eq!(fix, "juju refresh -m prod postgresql --switch ch:postgresql");
}

#[test]
fn a_unit_that_has_not_joined_holds_the_model_back() {
    let findings = examined(&Sample { joined: Vec::new(), ..Sample::default() }, |_| {});
    assert_eq!(one(&findings).1, "unit postgresql/0 hasn't joined relation \"webapp:db postgresql:database\" yet");
}

#[test]
fn a_source_tells_what_else_stands_against_it() {
    let sample = Sample::default();
    let findings = examined(&sample, |source| source.credential_revoked = true);
    assert_eq!(one(&findings).1, "model has revoked credentials");
    let findings = examined(&sample, |source| source.presence = SourcePresence::Importing);
    assert_eq!(one(&findings).1, "model is being imported as part of another migration");
    let findings = examined(&sample, |source| source.presence = SourcePresence::Migrating);
    assert_eq!(one(&findings).1, "failed to create migration: already in progress");
    let findings = examined(&sample, |source| source.incomplete = true);
    assert_eq!(one(&findings).0, Level::Warn);
    let findings = examined(&sample, |source| source.damaged = vec!["charm ch:a-1 is missing".to_owned()]);
    let (level, text, fix) = one(&findings);
    assert_eq!(
        (level, text),
        (Level::Fail, "binaries are missing or wrong on the source controller: charm ch:a-1 is missing")
    );
    assert!(fix.starts_with("modelferry status # "), "{fix}");
}

#[test]
fn a_binding_to_a_space_that_the_model_has_not_is_refused() {
    let yaml = Sample::default().yaml().replace("\"\": \"1\"", "\"\": \"7\"");
    let description = Description::parse(yaml.as_bytes()).unwrap();
    let findings = source::findings(&source_of(&description));
    let failed: Vec<&Finding> = findings.iter().filter(|finding| finding.level == Level::Fail).collect();
    assert_eq!(&*failed[0].text, "application postgresql is bound by default to space \"7\", which the model has not");
    assert_eq!(&*failed[0].fix, "juju bind -m prod postgresql alpha");
}

#[test]
fn only_juju_4_refuses_fan_networking() {
    let fan = |version: &str| {
        complaints(&Sample::default(), |facts, config| {
            facts.fan = modelferry_protocol::codec::Text::cut("container-networking-method \"fan\"");
            config.version = version.to_owned();
        })
    };
    assert_eq!(one(&fan("3.6.23")).0, Level::Warn);
    let findings = fan("4.0.6");
    assert_eq!(
        one(&findings),
        (
            Level::Fail,
            "fan networking not supported, remove container-networking-method \"fan\" from migrating model config",
            "juju model-config -m prod --reset container-networking-method"
        )
    );
    let yaml = Sample::default().yaml().replacen("config:\n", "config:\n  fan-config: 10.0.0.0/16=252.0.0.0/8\n", 1);
    let facts = Description::parse(yaml.as_bytes()).unwrap().facts().unwrap();
    assert_eq!(&*facts.fan, "fan-config \"10.0.0.0/16=252.0.0.0/8\"");
}

#[test]
fn every_complaint_about_a_model_names_the_command_that_mends_it() {
    let bad = Sample {
        unit_status: "error".to_owned(),
        instance_status: "pending".to_owned(),
        joined: Vec::new(),
        ..Sample::default()
    };
    let findings = examined(&bad, |source| source.presence = SourcePresence::Migrating);
    assert!(findings.len() >= 5, "{findings:?}");
    assert!(findings.iter().all(|finding| finding.fix.starts_with("juju ") || finding.fix.starts_with("modelferry ")));
}

#[test]
fn a_thousand_complaints_stay_readable() {
    let complaint = |number| super::Complaint { text: format!("machine {number}"), fix: String::new() };
    let complaints = (0..1000).map(complaint).collect();
    let findings = super::findings_of("machines", complaints, "");
    assert_eq!(findings.len(), 11);
    assert_eq!(&*findings[10].text, "… and 990 more of this kind");
}

#[test]
fn a_real_destination_of_a_series_that_was_never_run_is_warned_of_and_one_that_was_is_not() {
    let facts = facts(&Sample::default());
    for (version, is_warned) in [("3.6.23", true), ("4.0.14", true), ("4.1.0", false), ("4.1-beta2", false)] {
        let mut target = embedded_target(&config(), &["admin", "bob"], &[]);
        (target.kind, target.version) = (Kind::Juju, version.to_owned());
        let found = target::findings(&facts, &target);
        let warned = found.iter().find(|finding| *finding.check == *"destination-version");
        assert_eq!(warned.map(|finding| finding.level), is_warned.then_some(Level::Warn), "{version}");
    }
}
