//! Prechecks, the rehearsal, the audit and the doctor.

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::plan::{Finding, Level, ModelFacts};
use modelferry_protocol::snapshot::{Call, Name};

use super::fake::Fault;
use super::*;
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
    rig.juju.connect().await.unwrap();
    *rig.fake().access.lock() = "login".to_owned();
    *rig.fake().users.lock() = vec!["admin".to_owned()];
    let mut facts = facts();
    facts.cloud = Name::cut("elsewhere");
    facts.agent_version = Name::cut("4.9.0");
    facts.secret_backends = Bounded::truncated(vec![Name::cut("unknown-id")]);
    let failed = failures(&rig.juju.prechecks(&facts).await.unwrap());
    for (check, fix) in [
        ("controller-access", "juju grant --controller west admin superuser"),
        ("users", "juju add-user --controller west bob"),
        ("cloud", "juju add-cloud --controller west elsewhere"),
        ("version", "juju upgrade-controller --controller west --agent-version 4.9.0"),
    ] {
        let found = failed.iter().find(|(known, _)| known == check);
        assert!(found.is_some_and(|(_, told)| told.starts_with(fix)), "{check}: {failed:?}");
    }
    assert!(failed.iter().all(|(_, fix)| !fix.contains("[embedded]")), "{failed:?}");
    let (import, status) = (rig.fake().count("Import"), rig.fake().state().models.len());
    assert_eq!((import, status), (0, 0), "prechecks change nothing");
}

#[tokio::test]
async fn the_controllers_own_prechecks_are_tried_before_the_freeze_with_all_facades() {
    let rig = Rig::start().await;
    rig.juju.rehearse(errand(FIRST), &rig.calls).await.unwrap();
    let told = rig.fake().state().params["Prechecks"].clone();
    assert_eq!((told["qualifier"].as_str(), told["name"].as_str()), (Some("admin"), Some("prod")));
    assert_eq!(told["facade-versions"]["Uniter"], serde_json::json!([19, 20]));
    assert_eq!(told["facade-versions"]["MigrationTarget"], serde_json::json!([4, 5, 6, 7, 8]));
    rig.fake().fault("Prechecks", Fault::Refuse(RpcError::plain("migration target prechecks failed: no")));
    let refused = rig.juju.rehearse(errand(FIRST), &rig.calls).await.unwrap_err();
    assert!(!refused.is_passing() && refused.to_string().contains("target prechecks failed"), "{refused}");
}

#[tokio::test]
async fn a_model_with_entries_or_without_its_binaries_is_refused_before_the_freeze() {
    let rig = Rig::start().await;
    let mut with_entries = rig.calls.clone();
    with_entries.insert(1, Call::ImportEntries(rig.store.put_bytes(b"entries").unwrap()));
    let refused = rig.juju.rehearse(errand(FIRST), &with_entries).await.unwrap_err().to_string();
    assert!(refused.contains("modelferry embedded get"), "{refused}");
    let bare = [rig.calls[0].clone(), check()];
    let refused = rig.juju.rehearse(errand(FIRST), &bare).await.unwrap_err().to_string();
    assert!(refused.contains("of its") && refused.contains("binaries"), "{refused}");
}

#[tokio::test]
async fn a_controller_of_3_6_is_told_an_owner_and_a_later_one_a_qualifier() {
    for (versions, key, other) in
        [(&[4, 5, 6][..], "owner-tag", "qualifier"), (&[4, 5, 6, 7], "qualifier", "owner-tag")]
    {
        let rig = Rig::start().await;
        *rig.fake().migration_target.lock() = versions.to_vec();
        rig.juju.rehearse(errand(FIRST), &rig.calls).await.unwrap();
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
        let findings = rig.juju.audit(errand(FIRST), &rig.calls).await.unwrap();
        findings.into_iter().find(|finding| &*finding.check == "secrets").unwrap()
    };
    let missing = secrets().await;
    assert!(missing.level == Level::Fail && missing.text.contains(&ids[0]), "{}", &*missing.text);
    rig.fake().state().secrets = ids.iter().map(|id| format!("secret:{id}")).collect();
    assert_eq!(secrets().await.level, Level::Pass);
    rig.fake().state().secrets = ids.iter().map(|id| format!("secret://{MODEL}/{id}")).collect();
    assert_eq!(secrets().await.level, Level::Pass);
}

#[tokio::test]
async fn an_audit_names_what_is_missing() {
    let rig = Rig::start().await;
    let findings = rig.juju.audit(errand(FIRST), &rig.calls).await.unwrap();
    let units = findings.iter().find(|finding| &*finding.check == "units").unwrap();
    assert!(units.level == Level::Fail && units.text.contains("missing: webapp/0"), "{}", &*units.text);
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
