//! A target's rules hold at import too, and what arrived is compared with what was handed over.

use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::plan::{Finding, Level};
use modelferry_protocol::snapshot::Call;

use super::*;
use crate::controller::port::{Arrival, Departure, MigrationRef, ModelReader};

const MID: MigrationId = MigrationId([1; 16]);

fn migration() -> MigrationRef {
    MigrationRef { mid: MID, model: Sample::default().uuid }
}

/// Freezes the sample on `source` and carries its blobs to `target`.
async fn handed_over(source: &EmbeddedRig, target: &EmbeddedRig) -> Vec<Call> {
    source.with_model();
    source.embedded.freeze(migration()).await.unwrap();
    let export = Departure::export(&source.embedded, migration()).await.unwrap();
    for blob in modelferry_protocol::snapshot::distinct_blobs(&export.calls) {
        target.store.put(&mut source.store.open_blob(blob.hash).unwrap()).unwrap();
    }
    export.calls
}

/// Starts a controller like the others, but for what `change` does to its configuration.
fn target(change: impl FnOnce(&mut EmbeddedConfig)) -> EmbeddedRig {
    let mut config = config("dst");
    change(&mut config);
    EmbeddedRig::start_as(config)
}

#[tokio::test]
async fn a_source_that_skips_asking_is_refused_at_import() {
    type Change = fn(&mut EmbeddedConfig);
    let refusals: [(Change, &str); 5] = [
        (|config| config.version = "3.6.1".into(), "model has higher version than target controller (3.6.23 > 3.6.1)"),
        (|config| config.cloud = "aws".into(), "model's cloud \"openstack-eu\" not found on target controller"),
        (|config| config.cloud_type = "ec2".into(), "on the target controller it is of type ec2"),
        (|config| config.secret_backends.clear(), "cannot load secret backend \"63c8ad37c906eb278540e942\""),
        (
            |config| {
                let (name, owner) = ("default".to_owned(), "admin".to_owned());
                config.credentials = vec![crate::config::CredentialConfig { name, owner, valid: true, revoked: true }];
            },
            "credential \"openstack-eu/admin/default\" is revoked",
        ),
    ];
    for (change, expected) in refusals {
        let (source, target) = (EmbeddedRig::start("src"), target(change));
        let calls = handed_over(&source, &target).await;
        let refused = target.embedded.perform(migration(), &calls[0]).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert!(target.embedded.find("prod").is_err(), "something was imported");
    }
}

#[tokio::test]
async fn an_import_without_its_users_is_refused() {
    let (source, target) = (EmbeddedRig::start("src"), EmbeddedRig::start("dst"));
    let calls = handed_over(&source, &target).await;
    target.embedded.remove_user("bob").unwrap();
    let refused = target.embedded.perform(migration(), &calls[0]).await.unwrap_err().to_string();
    assert!(refused.starts_with("cannot initiate migration as the users granted access to the model do not exist"));
}

#[tokio::test]
async fn an_import_that_is_repeated_is_not_judged_anew() {
    let (source, target) = (EmbeddedRig::start("src"), EmbeddedRig::start("dst"));
    let calls = handed_over(&source, &target).await;
    target.embedded.perform(migration(), &calls[0]).await.unwrap();
    target.embedded.remove_user("bob").unwrap();
    target.embedded.perform(migration(), &calls[0]).await.unwrap();
}

#[tokio::test]
async fn a_left_over_import_names_the_migration_that_can_remove_it() {
    let (source, target) = (EmbeddedRig::start("src"), EmbeddedRig::start("dst"));
    let calls = handed_over(&source, &target).await;
    target.embedded.perform(migration(), &calls[0]).await.unwrap();
    let other = MigrationId([2; 16]);
    let facts = source.embedded.examine(migration().model, Some(other)).await.unwrap().facts;
    let findings = target.embedded.prechecks(&facts).await.unwrap();
    let left_over = findings.iter().find(|finding| finding.level == Level::Fail).unwrap();
    assert!(left_over.text.contains("left-over import"), "{}", &*left_over.text);
    assert_eq!(&*left_over.fix, format!("modelferry abort {MID} # on the host of its source"));
}

#[tokio::test]
async fn a_binary_that_is_gone_is_found_before_anything_moves() {
    let source = EmbeddedRig::start("src");
    source.with_model();
    let wal = Sample::default().binaries().into_iter().find(|(path, _)| path.ends_with("wal-g")).unwrap().1;
    source.store.remove(source.store.put_bytes(&wal).unwrap().hash).unwrap();
    let findings = source.embedded.examine(migration().model, None).await.unwrap().findings;
    let failed: Vec<&Finding> = findings.iter().filter(|finding| finding.level == Level::Fail).collect();
    assert_eq!(failed.len(), 1, "{findings:?}");
    assert!(failed[0].text.ends_with("resource postgresql/wal-g is missing"), "{}", &*failed[0].text);
}

async fn arrived() -> (EmbeddedRig, Vec<Call>) {
    let (source, target) = (EmbeddedRig::start("src"), EmbeddedRig::start("dst"));
    let calls = handed_over(&source, &target).await;
    for call in calls.iter().chain(&[Call::Activate(Default::default())]) {
        target.embedded.perform(migration(), call).await.unwrap();
    }
    (target, calls)
}

fn wrong(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|finding| finding.level == Level::Fail).map(|finding| &*finding.check).collect()
}

#[tokio::test]
async fn a_model_that_arrived_whole_passes_its_audit_and_later_writes_are_no_loss() {
    let (target, calls) = arrived().await;
    target.embedded.set("prod", "later", "write").unwrap();
    let findings = target.embedded.audit(migration(), &calls).await.unwrap();
    let checks: Vec<&str> = findings.iter().map(|finding| &*finding.check).collect();
    assert_eq!(checks, ["model", "description", "counts", "entries", "binaries"]);
    assert_eq!(wrong(&findings), [""; 0]);
    assert!(findings[2].text.contains("2 machines, 1 containers"), "{}", &*findings[2].text);
}

#[tokio::test]
async fn an_audit_tells_what_differs_from_what_was_handed_over() {
    let (target, mut calls) = arrived().await;
    let other = target.store.put_bytes(Sample { seed: 9, ..Sample::default() }.yaml().as_bytes()).unwrap();
    calls[0] = Call::Import(other);
    let more = b"{\"number\":1,\"key\":\"colour\",\"value\":\"another\"}\n";
    calls[1] = Call::ImportEntries(target.store.put_bytes(more).unwrap());
    let charm = modelferry_protocol::snapshot::Charm {
        blob: other,
        ..modelferry_protocol::snapshot::Charm::named(modelferry_protocol::snapshot::Name::cut("ch:never-1"))
    };
    calls.push(Call::UploadCharm(charm));
    let findings = target.embedded.audit(migration(), &calls).await.unwrap();
    assert_eq!(wrong(&findings), ["description", "entries", "binaries"]);
    target.embedded.remove("prod").unwrap();
    let findings = target.embedded.audit(migration(), &calls).await.unwrap();
    assert_eq!(wrong(&findings), ["model"]);
}

#[tokio::test]
async fn a_controller_tells_the_networks_of_its_configuration() {
    let bare = EmbeddedRig::start("dst").embedded.networks().await.unwrap();
    assert!(!bare.told);
    let subnet =
        crate::config::SubnetConfig { cidr: "10.1.0.0/24".into(), zone: "az1".into(), provider_id: "subnet-1".into() };
    let told = target(|config| {
        config.spaces = vec![crate::config::SpaceConfig { name: "internal".into(), subnets: vec![subnet] }];
    });
    let networks = told.embedded.networks().await.unwrap();
    assert!(networks.told);
    assert_eq!((&*networks.spaces[0] as &str, &*networks.subnets[0].space as &str), ("internal", "internal"));
}
