//! Models that real imports refuse, and what is said of each before anything moves.

use modelferry_protocol::plan::{Finding, Level};

use super::source::{self, Source};
use super::target;
use crate::config::{EmbeddedConfig, HurdleKind, RefusalConfig, RefusalLevel, Refused};
use crate::controller::description::Description;
use crate::controller::description::hurdle::Thing;

const OFFER_ACL: &str = include_str!("../../../tests/cases/07-offer-acl.yaml");
const SPACES: &str = include_str!("../../../tests/cases/08-space-constraints.yaml");
const SECTIONS: &str = include_str!("../../../tests/cases/11-sections.yaml");
const TINY: &str = include_str!("../../../tests/cases/tiny.yaml");

/// A controller as it is where nothing is configured, but for its version.
fn config(version: &str) -> EmbeddedConfig {
    EmbeddedConfig {
        cloud: "localhost".to_owned(),
        region: "localhost".to_owned(),
        cloud_type: "lxd".to_owned(),
        version: version.to_owned(),
        ..super::tests::config()
    }
}

fn described(yaml: &str) -> Description {
    Description::parse(yaml.as_bytes()).unwrap()
}

/// Returns what a target finds against a model of the description, by its checks' names.
fn against(yaml: &str, config: &EmbeddedConfig, users: &[&str]) -> Vec<(String, Level, String, String)> {
    let mut facts = described(yaml).facts().unwrap();
    facts.controller_version = modelferry_protocol::snapshot::Name::cut("3.6.9");
    told(target::findings(&facts, &super::tests::embedded_target(config, users, &[])))
}

fn told(findings: Vec<Finding>) -> Vec<(String, Level, String, String)> {
    let bad = findings.into_iter().filter(|finding| finding.level != Level::Pass);
    let text = |text: &str| text.to_owned();
    bad.map(|one| (text(&one.check), one.level, text(&one.text), text(&one.fix))).collect()
}

/// The bug: only the model's own users were compared; `erik` and `dora@idp`, who are in an offer's ACL alone, came to
/// light when the import failed.
#[test]
fn users_of_an_offer_alone_are_looked_for() {
    let mut config = config("3.6.23");
    assert_eq!(against(OFFER_ACL, &config, &["admin", "erik"]), []);
    config.identity_url = "https://other.example".to_owned();
    let found = against(OFFER_ACL, &config, &["admin"]);
    let [(check, level, text, fix)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((check.as_str(), *level), ("offer-users", Level::Fail));
    assert!(text.ends_with("dora@idp (consume on offer web), erik (read on offer web)"), "{text}");
    assert_eq!(fix, "juju revoke dora@idp consume admin/tiny.web\nmodelferry embedded user add erik");
}

/// Juju's word for everybody is no user, and nobody adds it to a controller.
#[test]
fn everybody_is_no_user_that_could_be_missing() {
    let yaml =
        OFFER_ACL.replace("dora@idp: consume", "everyone@external: read").replace("erik: read", "admin@local: read");
    let mut config = config("3.6.23");
    config.identity_url = "https://other.example".to_owned();
    assert_eq!(against(&yaml, &config, &["admin"]), []);
}

/// The bug: bindings were looked at, and neither constraints nor exposed endpoints.
#[test]
fn spaces_in_constraints_and_of_exposed_endpoints_must_be_the_models() {
    for version in ["3.6.23", "4.0.6"] {
        let found = against(SPACES, &config(version), &["admin"]);
        let [(_, Level::Fail, constraints, add), (_, Level::Fail, exposed, expose)] = found.as_slice() else {
            panic!("{found:?}")
        };
        let told = "constraints that name spaces which the model has not: space \"inside\" (the model), space \"dmz\" \
                    (application web)";
        assert!(constraints.ends_with(told), "{constraints}");
        assert!(add.starts_with("juju add-space -m tiny inside\njuju add-space -m tiny dmz\n"), "{add}");
        assert!(
            exposed.ends_with("which the model has not: space \"7\" (every endpoint of application web)"),
            "{exposed}"
        );
        assert!(expose.starts_with("juju expose -m tiny web --to-spaces NAME\n"), "{expose}");
    }
    let here =
        "  - id: '1'\n    name: inside\n  - id: '2'\n    name: dmz\n  - id: '7'\n    name: out\nlink-layer-devices:";
    assert_eq!(against(&SPACES.replacen("link-layer-devices:", here, 1), &config("3.6.23"), &["admin"]), []);
}

/// The bug: the document's version was compared, and not those of its sections, by which an import fails.
#[test]
fn a_section_that_is_newer_than_the_target_reads_is_refused() {
    let checks = |version: &str| {
        let found = against(SECTIONS, &config(version), &["admin"]).into_iter();
        found.map(|(check, level, text, _)| format!("{check} {level:?} {text}")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(checks("3.6.23"), "");
    assert_eq!(checks("4.0.6"), "");
    assert_eq!(
        checks("3.6.11"),
        "sections Fail the model description's section \"applications\" has version 14: Juju 3.6.11 reads it up to version 13\n\
         sections Fail the model description's section \"machines\" has version 4: Juju 3.6.11 reads it up to version 3"
    );
    assert!(checks("3.6.15").starts_with("sections Warn "), "{}", checks("3.6.15"));
    let old = SECTIONS.replace("applications:\n  version: 14", "applications:\n  version: 10");
    let found = against(&old, &config("4.0.6"), &["admin"]);
    assert!(found[0].2.ends_with("has version 10: Juju 4.0.6 reads it from version 11"), "{found:?}");
}

/// Every kind of thing that the real 4.1-beta2 was seen to refuse, in one model.
#[test]
fn what_real_imports_refuse_is_told_by_the_targets_version() {
    let yaml = TINY
        .replace("    settings: {}\n", "    settings:\n      port: 80\n      colour: blue\n    application-config:\n      trust: true\n      other: 1\n")
        .replace("    charm-manifest:", "    charm-configs:\n      version: 1\n      configs:\n        port:\n          type: int\n    charm-manifest:")
        .replace("  agent-version: 3.6.9\nblocks", "  agent-version: 3.6.9\n  authorized-keys: ssh-rsa scrambled\nblocks")
        .replace("  volumes: []", "  volumes:\n  - id: '0'\n    attachments:\n      version: 2\n      attachments:\n      - host-id: '0'\n        provisioned: true\n        device-name: vdb")
        .replace("  secrets: []", "  secrets:\n  - id: d6lf\n    consumers:\n    - consumer: application-web")
        .replace("  remote-applications: []", "  remote-applications:\n  - name: db");
    let hurdles = described(&yaml).hurdles();
    let found: Vec<(HurdleKind, String)> = hurdles.into_iter().map(|(kind, things)| (kind, names(things))).collect();
    fn names(things: Vec<Thing>) -> String {
        things.into_iter().map(|thing| thing.name).collect::<Vec<_>>().join(", ")
    }
    let expected = [
        (HurdleKind::UnknownSettings, "web: colour"),
        (HurdleKind::IntegerSettings, "web: port"),
        (HurdleKind::SeveralApplicationSettings, "web"),
        (HurdleKind::VolumesWithoutDeviceLink, "volume 0"),
        (HurdleKind::ApplicationsThatReadSecrets, "web reads d6lf"),
        (HurdleKind::RemoteApplicationsWithoutEntity, "db"),
        (HurdleKind::SharedPasswords, "machine 0 and unit web/0"),
        (HurdleKind::ScrambledSshKeys, "line 1"),
    ];
    assert_eq!(found, expected.map(|(kind, things)| (kind, things.to_owned())));
    assert_eq!(against(&yaml, &config("3.6.23"), &["admin"]), []);
    assert_eq!(against(&yaml, &config("4.0.14"), &["admin"]), []);
    let refused = against(&yaml, &config("4.1-beta2"), &["admin"]);
    assert_eq!(refused.len(), expected.len(), "{refused:?}");
    for (check, level, text, fix) in &refused {
        assert_eq!((check.as_str(), *level), ("refusals", Level::Fail), "{text}");
        assert!(text.starts_with("Juju 4.1-beta2 does not import ") && !fix.is_empty(), "{text}: {fix}");
    }
}

#[test]
fn rows_of_the_configuration_go_before_the_shipped_ones() {
    let row = |about, level| RefusalConfig { about, from: Some("4.1-beta2".into()), below: None, level };
    let password = Refused::Hurdle(HurdleKind::SharedPasswords);
    let mut config = config("4.1-beta2");
    assert_eq!(against(TINY, &config, &["admin"])[0].1, Level::Fail);
    config.refusals = vec![row(password.clone(), RefusalLevel::Warn)];
    assert_eq!(against(TINY, &config, &["admin"])[0].1, Level::Warn);
    config.refusals = vec![row(password, RefusalLevel::Pass)];
    assert_eq!(against(TINY, &config, &["admin"]), []);
    let section = Refused::Section { name: "secrets".to_owned(), oldest: 0, newest: 1 };
    config.refusals.push(row(section, RefusalLevel::Fail));
    assert_eq!(against(TINY, &config, &["admin"])[0].0, "sections");
}

/// Returns what a source finds against the model of a description, by its checks' names.
fn of_source(yaml: &str, names: &[(&str, &str)]) -> Vec<(String, Level, String, String)> {
    let description = described(yaml);
    let names = names.iter().map(|(uuid, name)| ((*uuid).to_owned(), (*name).to_owned())).collect();
    let findings = source::findings(&Source { names, ..super::tests::source_of(&description) });
    let wanted = ["storage-references", "consumers", "consumed-offers"];
    told(findings).into_iter().filter(|(check, ..)| wanted.contains(&check.as_str())).collect()
}

#[test]
fn storage_that_refers_to_what_the_model_has_not_is_told_before_an_import_fails_on_it() {
    assert_eq!(of_source(TINY, &[]), []);
    let storages = "  storages:\n  - id: pgdata/0\n    owner: unit-web-0\n    attachments: [unit-web-0]\n\
                    \x20 - id: pgdata/1\n    owner: application-web\n    attachments: [web/0]\n";
    let sound = TINY.replace("  storages: []\n", storages);
    assert_eq!(of_source(&sound, &[]), []);
    let dangling = sound.replace("owner: unit-web-0", "owner: unit-gone-7").replace("[web/0]", "[web/9]");
    let texts: Vec<String> = of_source(&dangling, &[])
        .into_iter()
        .map(|(_, level, text, fix)| format!("{level:?} {text} | {fix}"))
        .collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts[0].starts_with(
            "Fail storage pgdata/0 belongs to unit-gone-7, which the model has not | juju remove-storage -m tiny"
        ),
        "{}",
        texts[0]
    );
    assert!(texts[1].starts_with("Fail storage pgdata/1 is attached to unit web/9, which"), "{}", texts[1]);
    let volumes = "  volumes:\n  - id: '3'\n    storage-id: pgdata/7\n    attachments:\n      version: 2\n      attachments:\n\
                   \x20     - host-id: '9'\n        device-name: vdb\n";
    let texts: Vec<String> =
        of_source(&TINY.replace("  volumes: []", volumes), &[]).into_iter().map(|(_, _, text, _)| text).collect();
    assert_eq!(
        texts,
        [
            "volume 3 serves storage pgdata/7, which the model has not",
            "volume 3 is attached to 9, which the model has not"
        ]
    );
}

#[test]
fn models_that_are_related_are_told_in_the_order_in_which_they_should_move() {
    let other = "8419cd78-4993-4c3a-928e-c646226beeee";
    let remote = format!(
        "  remote-applications:\n  - name: db\n    url: admin/shared.db\n    source-model-uuid: {other}\n  - name: gone\n    \
         source-model-uuid: 11111111-4993-4c3a-928e-c646226beeee\n"
    );
    let consumes = TINY.replace("  remote-applications: []", &remote);
    let found = of_source(&consumes, &[(other, "admin/shared")]);
    let [(check, Level::Warn, text, fix)] = found.as_slice() else { panic!("{found:?}") };
    assert!(check == "consumed-offers" && text.contains("db of model admin/shared; from its new controller"), "{text}");
    assert_eq!(
        fix,
        "modelferry migrate admin/shared DEST --wait # and only then: modelferry migrate admin/tiny DEST --wait"
    );
    assert_eq!(of_source(&consumes, &[]), [], "models elsewhere do not move with it");
    let connections = format!(
        "offer-connections:\n  version: 1\n  offer-connections:\n  - offer-uuid: o\n    user-name: bob\n    source-model-uuid: {other}\n"
    );
    let offers = TINY.replace("offer-connections:\n  version: 1\n  offer-connections: []\n", &connections);
    assert_ne!(offers, TINY);
    let found = of_source(&offers, &[(other, "admin/shared")]);
    let [(check, Level::Warn, text, fix)] = found.as_slice() else { panic!("{found:?}") };
    assert!(check == "consumers" && text.ends_with("o by model admin/shared; move this model before them"), "{text}");
    assert_eq!(
        fix,
        "modelferry migrate admin/tiny DEST --wait # and only then: modelferry migrate admin/shared DEST --wait"
    );
}

#[test]
fn the_end_of_a_token_in_the_models_credential_is_read_and_nothing_else_of_it() {
    // {"exp":1795000000}
    let token = "e30.eyJleHAiOjE3OTUwMDAwMDB9.c2ln";
    let with = |attributes: &str| {
        let credential = format!(
            "cloud-credential:\n  version: 2\n  owner: admin\n  cloud: c\n  name: n\n  attributes: {attributes}\n"
        );
        described(&format!("{TINY}{credential}")).credential.unwrap().ends_s
    };
    assert!(!TINY.contains("\ncloud-credential:"));
    assert_eq!(with(&format!("{{Token: {token}, other: [1]}}")), Some(1_795_000_000));
    assert_eq!(with("{password: s3cret}"), None);
    assert_eq!(with("null"), None);
}
