//! A controller that is busy, or denies the agent's user something: the migration waits, says what to type, and goes on.

use modelferry_protocol::snapshot::Call;

use super::fake::{Fault, Stand};
use super::*;
use crate::controller::port::Presence;
use crate::juju::rpc::{ErrorCode, RpcError};

fn replace_password(rig: &Rig, password: &str) {
    fs::write(rig.dir.path().join("password"), format!("{password}\n")).unwrap();
}

/// Makes a call that waits, and returns what it waits for.
async fn waits(rig: &Rig, call: &Call) -> String {
    let error = rig.perform(call).await.unwrap_err();
    assert!(error.is_passing(), "{}: {error}", call.name());
    error.to_string()
}

#[tokio::test]
async fn a_password_that_is_refused_during_a_migration_is_waited_for_and_the_new_one_counts_at_the_next_call() {
    let rig = Rig::start().await;
    rig.import().await.unwrap();
    *rig.fake().password.lock() = "changed".to_owned();
    let charm = &rig.calls[1];
    let path = rig.dir.path().join("password").display().to_string();
    // The connection is logged in still: the upload is refused, and then the login.
    assert!(waits(&rig, charm).await.contains("denies it to the agent's user"));
    let text = waits(&rig, charm).await;
    assert!(text.contains("refuses the login") && text.contains(&format!("write the password into {path}")), "{text}");
    replace_password(&rig, "changed");
    rig.stage().await;
    for call in [activate(), adopt()] {
        rig.insist(&call).await;
    }
    assert_eq!((rig.fake().count("Import"), rig.fake().stand(MODEL)), (1, Some(Stand::Live)));
}

#[tokio::test]
async fn a_right_that_the_user_has_lost_is_waited_for_at_every_call_and_the_import_is_carried_out_once() {
    let rig = Rig::start().await;
    let deny = |denied: bool| *rig.fake().access.lock() = if denied { "login" } else { "superuser" }.to_owned();
    for call in rig.calls.iter().chain(&[activate(), adopt()]) {
        deny(true);
        for _ in 0..2 {
            let text = waits(&rig, call).await;
            assert!(text.contains("`juju grant --controller west admin superuser`"), "{}: {text}", call.name());
        }
        deny(false);
        rig.insist(call).await;
    }
    assert_eq!(rig.fake().stand(MODEL), Some(Stand::Live));
}

/// To whom the controller shows no model, a staged one seemed to be gone.
#[tokio::test]
async fn a_copy_is_not_taken_for_removed_because_the_user_may_not_see_it() {
    let rig = Rig::start().await;
    rig.stage().await;
    *rig.fake().access.lock() = "login".to_owned();
    waits(&rig, &Call::Abort).await;
    assert!(rig.juju.probe(migration(FIRST)).await.unwrap() != Presence::Absent);
    *rig.fake().access.lock() = "superuser".to_owned();
    rig.insist(&Call::Abort).await;
    assert_eq!(rig.fake().stand(MODEL), None);
}

#[tokio::test]
async fn a_controller_that_is_busy_is_asked_again_at_every_call_and_login() {
    for code in
        [ErrorCode::TryAgain, ErrorCode::UpgradeInProgress, ErrorCode::NotYetAvailable, ErrorCode::QuotaLimitExceeded]
    {
        let rig = Rig::start().await;
        let busy = Fault::Refuse(RpcError::new(code, "too much to do"));
        for what in [
            "Login",
            "ModelInfo",
            "Import",
            "charms",
            "tools",
            "resources",
            "CheckMachines",
            "Activate",
            "AdoptResources",
        ] {
            rig.fake().fault(what, busy.clone());
            rig.fake().fault(what, busy.clone());
        }
        rig.stage().await;
        for call in [activate(), adopt()] {
            rig.insist(&call).await;
        }
        assert_eq!((rig.fake().count("Import"), rig.fake().stand(MODEL)), (3, Some(Stand::Live)));
        assert!(rig.fake().state().faults.values().all(|left| left.is_empty()), "not every call was put off");
    }
}

#[tokio::test]
async fn an_import_that_was_put_off_survives_a_restart_and_one_that_is_there_all_the_same_has_failed() {
    let busy = Fault::Refuse(RpcError::new(ErrorCode::TryAgain, "try again"));
    let rig = Rig::start().await;
    rig.fake().fault("Import", busy.clone());
    waits(&rig, &rig.calls[0]).await;
    let rig = rig.restarted();
    assert!(rig.perform(&check()).await.is_err(), "nothing was imported");
    rig.stage().await;
    let rig = Rig::start().await;
    rig.fake().fault("Import", busy);
    waits(&rig, &rig.calls[0]).await;
    rig.fake().state().models.insert(MODEL.to_owned(), Stand::Importing);
    assert!(rig.refusal(&rig.calls[0]).await.contains("has put the import off, and has something of the model"));
    assert!(rig.perform(&activate()).await.is_err());
}
