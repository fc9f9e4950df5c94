//! Prechecks, the dry run, the audit and the doctor.

use modelferry_protocol::codec::{Bounded, Text};
use modelferry_protocol::plan::{Finding, Hurdle, Level, ModelFacts, OfferUser};
use modelferry_protocol::snapshot::{Call, Name};

use super::fake::Fault;
use super::*;
use crate::config::HurdleKind;
use crate::juju::rpc::RpcError;

fn facts() -> ModelFacts {
    let told = Sample::default();
    let dir = TempDir::new().unwrap();
    told.write(dir.path());
    let told = Description::parse(&fs::read(dir.path().join("model.yaml")).unwrap()).unwrap();
    let mut facts = told.facts().unwrap();
    facts.cloud_type = Name::cut("openstack");
    facts.controller_version = Name::cut("3.6.23");
    facts.machines_live = true;
    facts
}

fn failures(findings: &[Finding]) -> Vec<(String, String)> {
    let failed = findings.iter().filter(|finding| finding.level == Level::Fail);
    failed.map(|finding| (finding.check.to_string(), finding.fix.to_string())).collect()
}

#[tokio::test]
async fn a_model_that_fits_meets_nothing_that_stops_it() {
    let rig = Rig::start().await;
    rig.juju.connect().await.unwrap();
    let findings = rig.juju.prechecks(&facts()).await.unwrap();
    assert_eq!(failures(&findings), []);
    assert!(findings.iter().any(|finding| &*finding.check == "controller-access"));
}

#[tokio::test]
async fn everything_that_stops_a_model_is_told_at_once_each_with_the_juju_line_that_mends_it() {
    let rig = Rig::start().await;
    *rig.fake().version.lock() = "4.1-beta2".to_owned();
    rig.juju.connect().await.unwrap();
    *rig.fake().access.lock() = "login".to_owned();
    *rig.fake().users.lock() = vec!["admin".to_owned()];
    rig.fake().state().credential = Some(serde_json::json!({ "revoked": true }));
    let status = serde_json::json!({ "status": "available" });
    let same_name =
        serde_json::json!({ "name": "prod", "qualifier": "admin", "uuid": fake::CONTROLLER, "status": status });
    let same_uuid = serde_json::json!({ "name": "here", "qualifier": "bob", "uuid": MODEL, "status": status });
    rig.fake().state().others = vec![same_name, same_uuid];
    let mut facts = facts();
    facts.users = Bounded::truncated(facts.users.iter().cloned().chain([Name::cut("carol@idp")]).collect());
    facts.identity_url = Text::cut("https://other.example");
    facts.cloud = Name::cut("elsewhere");
    facts.agent_version = Name::cut("4.9.0");
    facts.controller_version = Name::cut("4.2.0");
    facts.secret_backends = Bounded::truncated(vec![Name::cut("unknown-id")]);
    facts.charms_without_manifest = Bounded::truncated(vec![Name::cut("ch:amd64/old-1")]);
    facts.fan = Text::cut("fan-config 10.0.0.0/16");
    let offered = OfferUser { user: Name::cut("dora"), offer: Name::cut("pg"), access: Name::cut("read") };
    facts.offer_users = Bounded::truncated(vec![offered]);
    facts.sections = Bounded::truncated(vec![Name::cut("machines:9"), Name::cut("applications:1")]);
    let hurdle = |kind: HurdleKind| Hurdle {
        kind: Name::cut(kind.as_str()),
        things: Text::cut("web"),
        fix: Text::cut("juju config -m prod web"),
    };
    facts.hurdles = Bounded::truncated(HurdleKind::ALL.into_iter().map(hurdle).collect());
    let failed = failures(&rig.juju.prechecks(&facts).await.unwrap());
    for (check, fix) in [
        ("controller-access", "juju grant --controller west admin superuser"),
        ("users", "juju revoke carol@idp read prod\njuju add-user --controller west bob"),
        ("offer-users", "juju add-user --controller west dora"),
        ("cloud", "juju add-cloud --controller west elsewhere"),
        ("credential", "juju update-credential --controller west openstack-eu default"),
        ("version", "juju upgrade-controller --controller west --agent-version 4.9.0"),
        ("controller-version", "juju upgrade-controller --controller west --agent-version 4.2.0"),
        ("secret-backends", "juju add-secret-backend --controller west NAME vault --import-id ID"),
        ("name", "juju show-model west:admin/prod"),
        ("uuid", "juju show-model west:bob/here"),
        ("charm-manifests", "juju refresh -m prod APPLICATION"),
        ("fan-networking", "juju model-config -m prod --reset fan-config"),
        ("sections", "juju upgrade-controller --controller west\n"),
        ("sections", "juju upgrade-model -m prod"),
        ("refusals", "juju config -m prod web"),
        ("refusals", "juju upgrade-controller --controller west --agent-version 4.1-beta3"),
    ] {
        let is_it = |(known, told): &&(String, String)| known == check && told.starts_with(fix);
        assert!(failed.iter().any(|found| is_it(&found)), "{check}: {failed:?}");
    }
    assert_eq!(failed.iter().filter(|(check, _)| check == "refusals").count(), HurdleKind::ALL.len());
    assert!(failed.iter().all(|(_, fix)| fix.starts_with("juju ")), "{failed:?}");
    let (import, status) = (rig.fake().count("Import"), rig.fake().state().models.len());
    assert_eq!((import, status), (0, 0), "prechecks change nothing");
}

#[tokio::test]
async fn the_controllers_own_prechecks_are_tried_before_the_freeze_with_all_facades() {
    let rig = Rig::start().await;
    rig.juju.dry_run_stage(migration(FIRST), &rig.calls).await.unwrap();
    let told = rig.fake().state().params["Prechecks"].clone();
    assert_eq!((told["qualifier"].as_str(), told["name"].as_str()), (Some("admin"), Some("prod")));
    assert_eq!(told["facade-versions"]["Uniter"], serde_json::json!([19, 20]));
    assert_eq!(told["facade-versions"]["MigrationTarget"], serde_json::json!([4, 5, 6, 7, 8]));
    rig.fake().fault("Prechecks", Fault::Refuse(RpcError::plain("migration target prechecks failed: no")));
    let refused = rig.juju.dry_run_stage(migration(FIRST), &rig.calls).await.unwrap_err();
    assert!(!refused.is_passing() && refused.to_string().contains("target prechecks failed"), "{refused}");
}

#[tokio::test]
async fn a_model_with_entries_or_without_its_binaries_is_refused_before_the_freeze() {
    let rig = Rig::start().await;
    let mut with_entries = rig.calls.clone();
    with_entries.insert(1, Call::ImportEntries(rig.store.put_bytes(b"entries").unwrap()));
    let refused = rig.juju.dry_run_stage(migration(FIRST), &with_entries).await.unwrap_err().to_string();
    assert!(refused.contains("modelferry embedded get"), "{refused}");
    let bare = [rig.calls[0].clone(), check()];
    let refused = rig.juju.dry_run_stage(migration(FIRST), &bare).await.unwrap_err().to_string();
    assert!(refused.contains("of its") && refused.contains("binaries"), "{refused}");
}

#[tokio::test]
async fn a_controller_of_3_6_is_told_an_owner_and_a_later_one_a_qualifier() {
    for (versions, key, other) in
        [(&[4, 5, 6][..], "owner-tag", "qualifier"), (&[4, 5, 6, 7], "qualifier", "owner-tag")]
    {
        let rig = Rig::start().await;
        *rig.fake().migration_target.lock() = versions.to_vec();
        rig.juju.dry_run_stage(migration(FIRST), &rig.calls).await.unwrap();
        let told = rig.fake().state().params["Prechecks"].clone();
        assert!(told[key].as_str().unwrap().ends_with("admin") && told[other].is_null(), "{told}");
    }
}

#[tokio::test]
async fn an_audit_counts_secrets_by_their_ids() {
    let rig = Rig::start().await;
    let told = Description::parse(&fs::read(rig.dir.path().join("files/model.yaml")).unwrap()).unwrap();
    let ids: Vec<String> = told.secrets.iter().map(|secret| secret.id.clone()).collect();
    assert!(!ids.is_empty(), "the sample has no secrets");
    let secrets = async || {
        let findings = rig.juju.audit(migration(FIRST), &rig.calls).await.unwrap();
        findings.into_iter().find(|finding| &*finding.check == "secrets").unwrap()
    };
    let missing = secrets().await;
    assert!(missing.level == Level::Fail && missing.text.contains(&ids[0]), "{}", &*missing.text);
    rig.fake().state().secrets = ids.iter().map(|id| format!("secret:{id}")).collect();
    assert_eq!(secrets().await.level, Level::Pass);
    rig.fake().state().secrets = ids.iter().map(|id| format!("secret://{MODEL}/{id}")).collect();
    assert_eq!(secrets().await.level, Level::Pass);
}

/// Seen with Juju 4.1-beta2 and a superuser who has no access to the model itself: the model seemed not to be there.
#[tokio::test]
async fn an_audit_by_a_user_who_may_not_list_the_secrets_compares_the_rest_and_says_what_to_grant() {
    let rig = Rig::start().await;
    rig.fake().fault("ListSecrets", Fault::Refuse(RpcError::permission_denied()));
    let findings = rig.juju.audit(migration(FIRST), &rig.calls).await.unwrap();
    let of = |check: &str| findings.iter().find(|finding| &*finding.check == check).unwrap();
    assert_eq!(of("secrets").level, Level::Warn);
    assert_eq!(&*of("secrets").fix, "juju grant --controller west admin read admin/prod");
    assert!(of("units").text.contains("missing: webapp/0"));
}

#[tokio::test]
async fn an_audit_names_what_is_missing() {
    let rig = Rig::start().await;
    let findings = rig.juju.audit(migration(FIRST), &rig.calls).await.unwrap();
    for (check, missing) in [
        ("applications", "missing: webapp"),
        ("units", "missing: webapp/0"),
        ("machines", "missing: 0, 0/lxd/0, 1"),
        ("relations", "missing: postgresql:database webapp:db"),
    ] {
        let found = findings.iter().find(|finding| &*finding.check == check).unwrap();
        assert!(found.level == Level::Fail && found.text.contains(missing), "{}", &*found.text);
    }
}

#[tokio::test]
async fn the_doctor_checks_connection_version_rights_facades_and_clock() {
    let rig = Rig::start().await;
    let checks = |findings: &[Finding]| -> Vec<String> { findings.iter().map(|it| it.check.to_string()).collect() };
    let findings = rig.juju.doctor().await;
    assert_eq!(failures(&findings), []);
    for check in ["connection", "version", "controller-access", "facades", "clock"] {
        assert!(checks(&findings).iter().any(|known| known == check), "{check}");
    }
    let rig = rig.restarted();
    rig.fake().set_down(true);
    let findings = rig.juju.doctor().await;
    assert_eq!(checks(&findings), ["connection"]);
    assert!(failures(&findings)[0].1.contains("correct endpoints"));
}

#[tokio::test]
async fn the_doctor_names_what_is_wrong_with_login_rights_version_facades_and_ca_and_what_mends_it() {
    let other = Running::start().await;
    type Spoil<'a> = &'a dyn Fn(&Rig);
    let cases: [(&str, &str, Spoil); 5] = [
        ("connection", "password-file", &|rig| *rig.fake().password.lock() = "changed".to_owned()),
        ("connection", "juju upgrade-controller --controller west", &|rig| {
            *rig.fake().version.lock() = "3.5.4".to_owned()
        }),
        ("connection", "ca-cert", &|rig| fs::write(rig.dir.path().join("ca.pem"), &other.ca_cert).unwrap()),
        ("controller-access", "juju grant --controller west admin superuser", &|rig| {
            *rig.fake().access.lock() = "login".to_owned();
        }),
        ("facades", "juju upgrade-controller --controller west", &|rig| *rig.fake().migration_target.lock() = vec![3]),
    ];
    for (check, fix, spoil) in cases {
        let rig = Rig::start().await;
        spoil(&rig);
        let failed = failures(&rig.juju.doctor().await);
        assert!(failed.iter().any(|(of, told)| of == check && told.contains(fix)), "{check}: {failed:?}");
    }
}
