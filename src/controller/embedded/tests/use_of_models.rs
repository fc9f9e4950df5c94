//! What its users see of the controller: models, entries, users, redirects.

use modelferry_protocol::ids::MigrationId;

use super::super::view::ModelState;
use super::*;
use crate::controller::files::OwnFiles;
use crate::controller::port::{Arrival, Departure, MigrationRef, ModelReader};

fn started() -> EmbeddedRig {
    let rig = EmbeddedRig::start("src");
    rig.with_model();
    rig
}

#[test]
fn uuid_and_ca_are_made_once() {
    let rig = EmbeddedRig::start("src");
    let before = rig.embedded.view().unwrap();
    let after = rig.restarted().embedded.view().unwrap();
    assert_eq!(before, after);
    assert!(before.ca_cert.starts_with("-----BEGIN CERTIFICATE-----"));
    let groups: Vec<&str> = before.ca_fingerprint.split(':').collect();
    assert!(groups.len() == 32 && groups.iter().all(|group| group.len() == 2), "{}", before.ca_fingerprint);
    assert_ne!(EmbeddedRig::start("dst").embedded.view().unwrap().uuid, before.uuid);
    assert!(before.note.contains("runs no machines"));
}

#[test]
fn two_processes_never_have_the_same_controller_open() {
    let rig = EmbeddedRig::start("src");
    let second = Embedded::open(rig.dir.path(), config("src"), rig.store.clone(), Disk::real());
    assert!(matches!(second.map(drop), Err(ControllerError::Storage(_))));
}

#[test]
fn entries_are_numbered_and_survive_a_restart() {
    let rig = started();
    assert_eq!(rig.embedded.set("admin/prod", "colour", "blue").unwrap(), 4);
    let before = rig.embedded.get("prod").unwrap();
    assert_eq!((before[3].number, before[3].key.as_str(), before[3].value.as_str()), (4, "colour", "blue"));
    assert_eq!(rig.restarted().embedded.get("prod").unwrap(), before);
}

#[test]
fn an_entry_beyond_its_bounds_is_refused() {
    let rig = started();
    for (key, value) in [("", "x"), ("a=b", "x"), ("a\nb", "x"), (&*"k".repeat(257), "x"), ("k", &*"v".repeat(16385))] {
        assert!(matches!(rig.embedded.set("prod", key, value), Err(ControllerError::Refused(_))));
    }
    assert_eq!(rig.embedded.get("prod").unwrap().len(), 3);
}

#[test]
fn a_model_is_found_by_name_path_and_uuid() {
    let rig = started();
    let uuid = Sample::default().uuid;
    for named in ["prod", "admin/prod", "9372c470-eead-45ec-89c3-c74c2b3cb633"] {
        assert_eq!(rig.embedded.find(named).unwrap(), uuid);
    }
    for named in ["prd", "bob/prod", "admin/", "", "/", "00000000-0000-0000-0000-000000000000"] {
        assert!(matches!(rig.embedded.find(named), Err(ControllerError::ModelNotFound(_))), "{named}");
    }
}

#[test]
fn a_name_of_several_owners_means_the_administrators() {
    let rig = EmbeddedRig::start("src");
    let of = |owner: &str, byte| Sample { owner: owner.to_owned(), uuid: ModelUuid([byte; 16]), ..Sample::default() };
    rig.import(&of("bob", 1));
    rig.import(&of("eve", 2));
    let error = rig.embedded.find("prod").unwrap_err().to_string();
    assert!(error.contains("bob/prod") && error.contains("eve/prod"), "{error}");
    rig.import(&of("admin", 3));
    assert_eq!(rig.embedded.find("prod").unwrap(), ModelUuid([3; 16]));
}

#[test]
fn a_list_counts_machines_and_units() {
    let rig = started();
    let rows = rig.embedded.models().unwrap();
    assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["controller", "prod"]);
    let row = &rows[1];
    assert_eq!((row.machines, row.units, row.state, row.incomplete), (2, 2, ModelState::Live, false));
    assert_eq!(
        (row.cloud.as_str(), row.region.as_str(), row.cloud_type.as_str()),
        ("openstack-eu", "RegionOne", "openstack")
    );
    assert!(rows[0].is_controller);
}

#[test]
fn details_name_the_description_by_its_hash() {
    let details = started().embedded.model("prod").unwrap();
    let yaml = Sample::default().yaml();
    assert_eq!(details.description_hash, blake3::hash(yaml.as_bytes()).to_hex().to_string());
    assert_eq!(details.description_bytes, yaml.len() as u64);
    assert_eq!((details.binaries, details.binaries_held, details.entries), (5, 5, 3));
    assert!(details.counts.contains(&("containers".to_owned(), 1)), "{:?}", details.counts);
}

#[tokio::test]
async fn a_controller_model_stays() {
    let rig = started();
    let error = rig.embedded.remove("controller").unwrap_err();
    assert_eq!(error.to_string(), "a controller model cannot be removed");
    let model = rig.embedded.find("controller").unwrap();
    let frozen = rig.embedded.freeze(MigrationRef { mid: MigrationId([1; 16]), model }).await;
    assert_eq!(frozen.unwrap_err().to_string(), "controllers can't be migrated");
    let examined = rig.embedded.examine(model, None).await.unwrap();
    assert_eq!(&*examined.findings[0].text, "controllers can't be migrated");
}

#[tokio::test]
async fn only_a_live_model_is_removed() {
    let rig = started();
    let migration = MigrationRef { mid: MigrationId([1; 16]), model: Sample::default().uuid };
    rig.embedded.freeze(migration).await.unwrap();
    assert!(matches!(rig.embedded.remove("prod"), Err(ControllerError::MigrationInProgress)));
    assert_eq!(rig.embedded.model("prod").unwrap().row.status, "busy");
    rig.embedded.thaw(migration).await.unwrap();
    rig.embedded.remove("prod").unwrap();
    assert!(matches!(rig.embedded.model("prod"), Err(ControllerError::ModelNotFound(_))));
    // And the name is free again, with numbers that begin anew.
    rig.with_model();
}

#[test]
fn users_are_added_listed_and_removed() {
    let rig = EmbeddedRig::start("src");
    assert_eq!(rig.embedded.users().unwrap().len(), 2);
    rig.embedded.add_user("carol@external", Access::AddModel, None).unwrap();
    let names: Vec<String> = rig.embedded.users().unwrap().into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["admin", "bob", "carol@external"]);
    rig.embedded.remove_user("bob").unwrap();
    assert_eq!(rig.embedded.remove_user("bob").unwrap_err().to_string(), "user \"bob\" not found");
    for name in ["", "-bob", "bob-", "b ob", "bob@", "@x", "a@b@c", "bób", "bob\n"] {
        assert!(rig.embedded.add_user(name, Access::Login, None).is_err(), "{name:?}");
    }
    assert!(rig.embedded.remove_user("admin").is_err());
    assert!(rig.embedded.add_user("admin", Access::Login, None).is_err());
}

#[tokio::test]
async fn a_model_that_left_answers_with_where_it_went() {
    let rig = started();
    let migration = MigrationRef { mid: MigrationId([1; 16]), model: Sample::default().uuid };
    let target = EmbeddedRig::start("dst");
    rig.embedded.freeze(migration).await.unwrap();
    assert!(rig.embedded.redirects().unwrap().is_empty());
    rig.embedded.redirect(migration, &target.embedded.card().await.unwrap()).await.unwrap();
    rig.embedded.reap(migration).await.unwrap();
    let [redirect] = rig.embedded.redirects().unwrap().try_into().unwrap();
    let view = target.embedded.view().unwrap();
    assert_eq!((redirect.model.as_str(), redirect.controller.as_str()), ("admin/prod", "dst"));
    assert_eq!((&redirect.controller_uuid, &redirect.ca_fingerprint), (&view.uuid, &view.ca_fingerprint));
    assert_eq!(redirect.addresses, view.addresses);
    for outcome in [
        rig.embedded.get("prod").map(drop),
        rig.embedded.set("prod", "a", "b").map(drop),
        rig.embedded.model("prod").map(drop),
        rig.embedded.remove("prod").map(drop),
        rig.embedded.export("prod", &rig.dir.path().join("out"), &mut OwnFiles).map(drop),
        // It would be a second owner.
        rig.embedded
            .import(&rig.files(&Sample::default()).join("model.yaml"), &Blobs::Without, &mut OwnFiles)
            .map(drop),
    ] {
        assert!(matches!(outcome, Err(ControllerError::Moved { .. })), "{outcome:?}");
    }
    assert_eq!(rig.embedded.models().unwrap().len(), 1);
    assert!(rig.embedded.holdings().await.unwrap().iter().all(|holding| holding.blobs.is_empty()));
    // Another model may take the name.
    rig.import(&Sample { uuid: ModelUuid([9; 16]), ..Sample::default() });
    assert_eq!(rig.embedded.find("prod").unwrap(), ModelUuid([9; 16]));
}

#[tokio::test]
async fn the_blobs_in_use_are_known_to_whoever_prunes() {
    let rig = started();
    let holdings = rig.embedded.holdings().await.unwrap();
    let holding = holdings.iter().find(|holding| holding.model == "admin/prod").unwrap();
    assert_eq!(holding.blobs.len(), 6);
    for hash in holding.blobs.clone() {
        assert!(rig.store.size(hash).unwrap().is_some());
    }
}

#[tokio::test]
async fn a_model_without_its_binaries_moves_and_stays_incomplete() {
    let (source, target) = (EmbeddedRig::start("src"), EmbeddedRig::start("dst"));
    let sample = Sample::default();
    source.embedded.import(&source.files(&sample).join("model.yaml"), &Blobs::Without, &mut OwnFiles).unwrap();
    let migration = MigrationRef { mid: MigrationId([1; 16]), model: sample.uuid };
    source.embedded.freeze(migration).await.unwrap();
    let export = Departure::export(&source.embedded, migration).await.unwrap();
    assert!(!export.complete);
    for call in &export.calls {
        if let Some(blob) = call.blob() {
            target.store.put(&mut source.store.open_blob(blob.hash).unwrap()).unwrap();
        }
        target.embedded.perform(migration, call).await.unwrap();
    }
    target
        .embedded
        .perform(migration, &modelferry_protocol::snapshot::Call::Activate(Default::default()))
        .await
        .unwrap();
    assert!(target.embedded.model("prod").unwrap().row.incomplete);
}
