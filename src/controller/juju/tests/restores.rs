//! Backups that are restored into the controller.

use std::sync::Arc;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::snapshot::Snapshot;
use tokio::sync::Notify;

use super::fake::{Fault, Stand};
use super::*;
use crate::controller::backup::{Kept, Manifest, Origin, Source};
use crate::controller::juju::restore::PreparedRestore;
use crate::juju::rpc::{ErrorCode, RpcError};

/// A backup of the rig's model, as a peer has kept it.
fn backup(rig: &Rig) -> Box<dyn Source + Send> {
    let calls = Bounded::new(rig.calls.clone()).unwrap();
    let (name, owner) = (Name::cut("prod"), Name::cut("admin"));
    let snapshot = Snapshot { mid: SECOND, model: model(), epoch_to: 0, name, owner, complete: true, calls };
    let origin = Origin { name: "east".to_owned(), uuid: ModelUuid([7; 16]) };
    let manifest = Manifest::of(&snapshot, origin, 1_787_048_795).unwrap();
    Box::new(Kept { peer: "east".to_owned(), manifest }.open(rig.store.clone()))
}

async fn prepared(rig: &Rig) -> PreparedRestore {
    rig.juju.prepare_restore(backup(rig)).await.unwrap()
}

/// Restores the model and returns what was said meanwhile.
async fn restored(rig: &Rig) -> Result<String, ControllerError> {
    let said = Arc::new(parking_lot::Mutex::new(String::new()));
    let heard = said.clone();
    rig.juju.restore(prepared(rig).await, &move |text| heard.lock().push_str(&text)).await?;
    let said = said.lock().clone();
    Ok(said)
}

/// Kills the agent when the restore begins to wait, and starts it again.
async fn killed_when_it_waits(rig: Rig) -> Rig {
    let waits = Arc::new(Notify::new());
    let told = waits.clone();
    let prepared = prepared(&rig).await;
    let say = move |_: String| told.notify_one();
    tokio::select! {
        restored = rig.juju.restore(prepared, &say) => panic!("it did not wait: {restored:?}"),
        () = waits.notified() => {}
    }
    rig.restarted()
}

/// Lets the agent run until something is so.
async fn runs_until(rig: &Rig, is_so: impl Fn() -> bool) {
    let seen = async {
        while !is_so() {
            tokio::time::sleep(TIMING.look).await;
        }
    };
    tokio::select! {
        never = rig.juju.clone().keep_connected() => match never {},
        () = seen => {}
    }
}

#[tokio::test]
async fn a_backup_is_restored_and_what_that_does_not_do_is_said_before_anything_is_changed() {
    let rig = Rig::start().await;
    let prepared = prepared(&rig).await;
    let notes = prepared.notes.join("\n");
    for told in ["what was changed since is lost", "still dial the old controller", "for host in ", "cacert=ca"] {
        assert!(notes.contains(told), "{told}: {notes}");
    }
    assert!(notes.contains(&format!("controller-{}", fake::CONTROLLER)) && notes.contains(&rig.running.ca_cert));
    assert_eq!((rig.fake().count("Import"), rig.fake().stand(MODEL)), (0, None));
    let imported = rig.juju.restore(prepared, &|text| panic!("{text}")).await.unwrap();
    assert_eq!((imported.model.as_str(), imported.incomplete), ("admin/prod", false));
    assert_eq!(imported.binaries as usize, rig.fake().state().uploads.len());
    for method in ["Import", "CheckMachines", "Activate", "AdoptResources"] {
        assert_eq!(rig.fake().count(method), 1, "{method}");
    }
    assert_eq!(rig.fake().stand(MODEL), Some(Stand::Live));
    // It is there, and is not restored over.
    let refused = rig.juju.prepare_restore(backup(&rig)).await.err().unwrap().to_string();
    assert!(refused.contains("already exists"), "{refused}");
}

#[tokio::test]
async fn everything_that_stands_against_a_restore_is_told_at_once_with_what_to_type() {
    let rig = Rig::start().await;
    *rig.fake().users.lock() = vec!["admin".to_owned()];
    *rig.fake().access.lock() = "login".to_owned();
    let refused = rig.juju.prepare_restore(backup(&rig)).await.err().unwrap().to_string();
    for line in ["juju grant --controller west admin superuser", "juju add-user --controller west bob"] {
        assert!(refused.contains(line), "{refused}");
    }
    assert_eq!(rig.fake().count("Import"), 0);
}

#[tokio::test]
async fn a_restore_that_is_refused_midway_leaves_nothing_and_can_be_typed_again() {
    for what in ["Import", "tools", "CheckMachines"] {
        let rig = Rig::start().await;
        rig.fake().fault(what, Fault::Refuse(RpcError::plain("instance missing")));
        let refused = restored(&rig).await.unwrap_err().to_string();
        assert!(refused.contains("instance missing"), "{refused}");
        assert_eq!((rig.fake().stand(MODEL), rig.fake().count("Activate")), (None, 0), "{what}");
        restored(&rig).await.unwrap();
        assert_eq!(rig.fake().stand(MODEL), Some(Stand::Live), "{what}");
    }
}

#[tokio::test]
async fn a_restore_waits_for_a_controller_that_is_busy_and_says_so() {
    let rig = Rig::start().await;
    for what in ["Import", "charms", "Activate"] {
        rig.fake().fault(what, Fault::Refuse(RpcError::new(ErrorCode::TryAgain, format!("{what} has to wait"))));
    }
    rig.fake().state().adopts_refused = 1;
    let said = restored(&rig).await.unwrap();
    for told in ["Import has to wait", "charms has to wait", "Activate has to wait", "the cloud refuses"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert_eq!(rig.fake().stand(MODEL), Some(Stand::Live));
}

#[tokio::test]
async fn an_agent_killed_under_a_restore_removes_what_was_staged_or_finishes_what_is_live() {
    let rig = Rig::start().await;
    rig.fake().fault("CheckMachines", Fault::Refuse(RpcError::new(ErrorCode::TryAgain, "try again")));
    let rig = killed_when_it_waits(rig).await;
    assert_eq!(rig.fake().stand(MODEL), Some(Stand::Importing));
    let told = rig.juju.doctor().await;
    assert!(told.iter().any(|finding| finding.text.contains("\"admin/prod\" is being restored")), "{told:?}");
    runs_until(&rig, || rig.fake().stand(MODEL).is_none()).await;
    assert_eq!(rig.fake().count("Activate"), 0);
    rig.juju.resume_restores().await.unwrap();
    restored(&rig).await.unwrap();
    assert!(rig.juju.doctor().await.iter().all(|finding| &*finding.check != "restore"));

    let rig = Rig::start().await;
    rig.fake().state().adopts_refused = 1;
    let rig = killed_when_it_waits(rig).await;
    runs_until(&rig, || rig.fake().count("AdoptResources") == 2).await;
    assert_eq!((rig.fake().stand(MODEL), rig.fake().count("Abort")), (Some(Stand::Live), 0));
}
