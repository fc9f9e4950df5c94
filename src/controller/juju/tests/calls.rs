//! The calls of a migration, and what becomes of them when replies are lost, calls refused and agents killed.

use modelferry_protocol::snapshot::{Call, LogSegment, Name};

use super::fake::{Fault, Stand};
use super::*;
use crate::controller::juju::record::{Copy, Import, Step};
use crate::controller::port::Presence;
use crate::juju::rpc::{ErrorCode, RpcError};

fn take_over() -> [Call; 2] {
    [activate(), adopt()]
}

async fn presence(rig: &Rig) -> Presence {
    rig.juju.probe(migration(FIRST)).await.unwrap()
}

#[tokio::test]
async fn a_model_is_staged_activated_and_adopted_and_every_call_is_sent_once_however_often_it_is_made() {
    let rig = Rig::start().await;
    assert_eq!(presence(&rig).await, Presence::Absent);
    for call in rig.calls.iter().chain(&take_over()) {
        for _ in 0..2 {
            rig.perform(call).await.unwrap();
        }
        let expected = match call {
            Call::CheckMachines(_) => Presence::Staged,
            Call::Activate(_) | Call::AdoptResources(_) => Presence::Live,
            _ => Presence::Imported,
        };
        assert_eq!(presence(&rig).await, expected, "{}", call.name());
    }
    for method in ["Import", "CheckMachines", "Activate", "AdoptResources", "tools"] {
        assert_eq!(rig.fake().count(method), 1, "{method}");
    }
    assert_eq!(rig.fake().count("charms"), 2);
    assert_eq!(rig.fake().stand(MODEL), Some(Stand::Live));
    let told = rig.fake().state().params["Activate"].clone();
    assert_eq!(told["model-tag"], format!("model-{MODEL}"));
    // What lands late changes nothing, also after a restart of the agent.
    let rig = rig.restarted();
    assert!(matches!(rig.perform(&Call::Abort).await, Err(ControllerError::NotImporting)));
    assert_eq!(presence(&rig).await, Presence::Live);
}

#[tokio::test]
async fn a_failed_import_is_remembered_over_a_restart_and_nothing_is_activated_after_it() {
    let rig = Rig::start().await;
    rig.fake().fault("Import", Fault::Refuse(RpcError::plain("space with id \"2\" not found")));
    rig.fake().state().models.insert("other".to_owned(), Stand::Live);
    assert_eq!(rig.refusal(&rig.calls[0]).await, "space with id \"2\" not found");
    // Half of it is there.
    rig.fake().state().models.insert(MODEL.to_owned(), Stand::Broken);
    let rig = rig.restarted();
    for call in rig.calls.iter().chain(&[activate()]) {
        assert_eq!(rig.refusal(call).await, "space with id \"2\" not found", "{}", call.name());
    }
    assert!(rig.perform(&adopt()).await.is_err());
    assert_eq!((rig.fake().count("Import"), rig.fake().count("Activate"), rig.fake().count("charms")), (1, 0, 0));
    rig.insist(&Call::Abort).await;
    assert_eq!((rig.fake().stand(MODEL), presence(&rig).await), (None, Presence::Absent));
}

#[tokio::test]
async fn an_import_whose_reply_was_lost_is_looked_after_and_never_sent_again() {
    let rig = Rig::start().await;
    rig.fake().fault("Import", Fault::LoseReply);
    assert!(rig.import().await.unwrap_err().is_passing());
    let rig = rig.restarted();
    rig.stage().await;
    assert_eq!((rig.fake().count("Import"), presence(&rig).await), (1, Presence::Staged));
}

#[tokio::test]
async fn a_controller_of_3_6_shows_imports_that_run_so_that_one_whose_reply_was_lost_has_failed() {
    let rig = Rig::start().await;
    *rig.fake().version.lock() = "3.6.11".to_owned();
    rig.fake().fault("Import", Fault::LoseReply);
    assert!(rig.import().await.unwrap_err().is_passing());
    assert!(rig.refusal(&rig.calls[0]).await.contains("cannot tell what came of it"));
    rig.insist(&Call::Abort).await;
    assert_eq!((rig.fake().count("Import"), rig.fake().stand(MODEL)), (1, None));
}

#[tokio::test]
async fn an_import_that_never_arrived_has_failed_once_that_is_certain() {
    let rig = Rig::start().await;
    rig.fake().fault("Import", Fault::Cut);
    assert!(rig.import().await.unwrap_err().is_passing());
    let cause = rig.refusal(&rig.calls[0]).await;
    assert_eq!(cause, "the reply to Import was lost, and the controller does not have the whole model");
    assert!(rig.refusal(&activate()).await.contains("the reply to Import was lost"));
    assert_eq!(rig.fake().count("Import"), 1);
    rig.insist(&Call::Abort).await;
}

/// Seen with Juju 4.1-beta2 and an agent that was killed under an import: every abort was refused, for ever.
#[tokio::test]
async fn half_an_import_that_the_controller_cannot_abort_is_let_go_once_it_can_run_no_more() {
    let rig = Rig::start().await;
    rig.fake().fault("Import", Fault::Cut);
    assert!(rig.import().await.unwrap_err().is_passing());
    rig.fake().state().models.insert(MODEL.to_owned(), Stand::Halved);
    let rig = rig.restarted();
    assert!(rig.perform(&Call::Abort).await.is_err(), "the import could still be running");
    while rig.perform(&Call::Abort).await.is_err() {
        tokio::time::sleep(TIMING.look).await;
    }
    assert_eq!((rig.fake().stand(MODEL), presence(&rig).await), (Some(Stand::Halved), Presence::Absent));
    assert!(rig.perform(&rig.calls[0]).await.is_err() && rig.perform(&activate()).await.is_err());
    assert_eq!((rig.fake().count("Import"), rig.fake().count("Activate")), (1, 0));
    // Another migration finds what is left, and does not import over it.
    assert!(rig.juju.perform(migration(SECOND), &rig.calls[0]).await.is_err());
}

/// From 8 on a staged model is invisible, and a second import followed by an abort would delete a model that is live.
#[tokio::test]
async fn by_version_8_a_lost_reply_to_import_is_a_failure_without_a_look_or_a_second_import() {
    let rig = Rig::start().await;
    let Call::Import(description) = rig.calls[0] else { panic!("no import first") };
    let copy = Copy::new(model(), description.hash, 8, Import::Sent { at_ms: u64::MAX });
    rig.juju.inner.records.put_copy(FIRST, &copy).unwrap();
    // It looks whole, and is not known to be.
    rig.fake().state().models.insert(MODEL.to_owned(), Stand::Importing);
    assert!(rig.refusal(&rig.calls[0]).await.contains("cannot tell what came of it"));
    assert!(rig.perform(&activate()).await.is_err());
    assert_eq!((rig.fake().count("Import"), rig.fake().count("Activate"), rig.fake().count("ModelInfo")), (0, 0, 0));
}

#[tokio::test]
async fn a_live_model_is_neither_imported_over_nor_aborted() {
    let rig = Rig::start().await;
    rig.fake().state().models.insert(MODEL.to_owned(), Stand::Live);
    assert_eq!(presence(&rig).await, Presence::Other);
    assert!(rig.refusal(&rig.calls[0]).await.contains("model with same UUID already exists"));
    rig.perform(&Call::Abort).await.unwrap();
    assert_eq!((rig.fake().count("Import"), rig.fake().count("Abort")), (0, 0));
    assert_eq!(rig.fake().stand(MODEL), Some(Stand::Live));
}

#[tokio::test]
async fn an_activation_whose_reply_was_lost_is_not_taken_back() {
    for fault in [Fault::LoseReply, Fault::Cut] {
        let rig = Rig::start().await;
        rig.stage().await;
        rig.fake().fault("Activate", fault.clone());
        assert!(rig.perform(&activate()).await.unwrap_err().is_passing());
        let rig = rig.restarted();
        if matches!(fault, Fault::LoseReply) {
            assert!(matches!(rig.perform(&Call::Abort).await, Err(ControllerError::NotImporting)));
        }
        for call in &take_over() {
            rig.insist(call).await;
        }
        assert_eq!(presence(&rig).await, Presence::Live);
    }
}

#[tokio::test]
async fn a_live_model_whose_adoption_fails_stays_live_until_it_succeeds() {
    let rig = Rig::start().await;
    rig.stage().await;
    rig.fake().state().adopts_refused = 2;
    rig.perform(&activate()).await.unwrap();
    for _ in 0..2 {
        assert!(rig.perform(&adopt()).await.unwrap_err().to_string().contains("the cloud refuses"));
        assert_eq!(presence(&rig).await, Presence::Live);
    }
    rig.perform(&adopt()).await.unwrap();
    assert_eq!((rig.fake().count("AdoptResources"), rig.fake().count("Activate")), (3, 1));
}

#[tokio::test]
async fn an_abort_ends_when_the_model_is_gone_and_an_import_that_lands_late_is_refused() {
    let rig = Rig::start().await;
    rig.stage().await;
    rig.fake().fault("Abort", Fault::LoseReply);
    rig.insist(&Call::Abort).await;
    assert_eq!(rig.fake().stand(MODEL), None, "it was said to be gone while the controller had it");
    let rig = rig.restarted();
    rig.perform(&Call::Abort).await.unwrap();
    for call in [&rig.calls[0], &check(), &activate()] {
        assert!(rig.perform(call).await.is_err(), "{}", call.name());
    }
    assert_eq!((rig.fake().count("Import"), rig.fake().count("Activate")), (1, 0));
    // The next migration of the same model is another one.
    rig.juju.perform(migration(SECOND), &rig.calls[0]).await.unwrap();
    assert_eq!(rig.fake().count("Import"), 2);
}

#[tokio::test]
async fn an_abort_before_the_import_keeps_it_away_for_ever() {
    let rig = Rig::start().await;
    rig.perform(&Call::Abort).await.unwrap();
    assert!(rig.refusal(&rig.calls[0]).await.contains("has ended here"));
    assert_eq!((rig.fake().count("Abort"), rig.fake().count("Import")), (0, 0));
}

#[tokio::test]
async fn a_copy_belongs_to_its_migration() {
    let rig = Rig::start().await;
    rig.stage().await;
    let other = migration(SECOND);
    for call in rig.calls.iter().chain(&take_over()) {
        let outcome = rig.juju.perform(other, call).await;
        let of_another = matches!(outcome, Err(ControllerError::OtherMigration { actual: FIRST, .. }));
        assert!(of_another, "{}: {outcome:?}", call.name());
    }
    rig.juju.perform(other, &Call::Abort).await.unwrap();
    assert_eq!(presence(&rig).await, Presence::Staged);
    assert_eq!(rig.fake().stand(MODEL), Some(Stand::Importing));
}

#[tokio::test]
async fn an_upload_whose_reply_was_lost_is_there_once_and_other_bytes_are_refused_with_both_hashes() {
    let rig = Rig::start().await;
    for kind in ["charms", "tools", "resources"] {
        rig.fake().fault(kind, Fault::LoseReply);
    }
    rig.stage().await;
    let uploads = rig.calls.iter().filter(|call| call.blob().is_some()).count() - 1;
    assert_eq!(rig.fake().state().uploads.len(), uploads);
    let charm = rig.calls.iter().find_map(|call| if let Call::UploadCharm(charm) = call { Some(charm) } else { None });
    let mut charm = charm.unwrap().clone();
    let ours = charm.blob.hash;
    charm.blob = rig.store.put_bytes(b"other bytes").unwrap();
    let refused = rig.refusal(&Call::UploadCharm(charm.clone())).await;
    assert!(refused.contains(&ours.to_string()) && refused.contains(&charm.blob.hash.to_string()), "{refused}");
}

#[tokio::test]
async fn a_charm_that_somebody_else_has_put_there_is_refused() {
    let rig = Rig::start().await;
    rig.import().await.unwrap();
    rig.fake().fault("charms", Fault::Refuse(RpcError::new(ErrorCode::AlreadyExists, "charm already exists")));
    let charm = rig.calls.iter().find(|call| matches!(call, Call::UploadCharm(_))).unwrap();
    assert!(rig.refusal(charm).await.contains("that this migration did not put there"));
}

#[tokio::test]
async fn a_controller_that_is_busy_or_away_is_waited_for() {
    let rig = Rig::start().await;
    for what in ["charms", "CheckMachines", "Activate"] {
        rig.fake().fault(what, Fault::Refuse(RpcError::new(ErrorCode::TryAgain, "try again")));
    }
    rig.import().await.unwrap();
    rig.fake().set_down(true);
    let charm = rig.calls.iter().find(|call| matches!(call, Call::UploadCharm(_))).unwrap();
    assert!(rig.perform(charm).await.unwrap_err().is_passing());
    rig.fake().set_down(false);
    rig.stage().await;
    rig.insist(&activate()).await;
    assert_eq!(rig.fake().stand(MODEL), Some(Stand::Live));
}

#[tokio::test]
async fn half_a_copy_is_not_staged() {
    let rig = Rig::start().await;
    rig.import().await.unwrap();
    rig.perform(&rig.calls[1]).await.unwrap();
    assert!(rig.refusal(&check()).await.contains("binaries are missing: "));
    assert!(rig.refusal(&activate()).await.contains("not staged as a whole"));
    assert_eq!(rig.fake().count("Activate"), 0);
}

#[tokio::test]
async fn leases_and_permissions_that_a_failed_import_left_are_explained() {
    for (told, because) in
        [("lease already held", "within a minute"), ("permission already exists", "juju remove-offer")]
    {
        let rig = Rig::start().await;
        rig.fake().fault("Import", Fault::Refuse(RpcError::plain(format!("import: {told}"))));
        let refused = rig.refusal(&rig.calls[0]).await;
        assert!(refused.contains(told) && refused.contains(because), "{refused}");
    }
}

#[tokio::test]
async fn a_piece_of_the_log_is_sent_once_and_one_that_broke_off_is_sent_again_as_a_whole() {
    let rig = Rig::start().await;
    rig.stage().await;
    let text = b"2026-08-18T10:13:14.5Z INFO machine-0 juju.worker: one\n2026-08-18T10:13:15Z INFO machine-0 juju.worker: two\n";
    let blob = rig.store.put_bytes(text).unwrap();
    let segment = LogSegment { name: Name::cut("1-a.log"), until_ms: 1_787_048_795_000, lines: 2, blob };
    let take = async || rig.juju.take_log(migration(FIRST), &segment).await;
    assert!(matches!(take().await, Err(ControllerError::ModelNotFound(_))), "the model is not live");
    rig.perform(&activate()).await.unwrap();
    assert_eq!(rig.juju.latest_log_time(migration(FIRST)).await.unwrap(), 0);
    rig.fake().fault("logtransfer", Fault::Cut);
    assert!(take().await.unwrap_err().is_passing());
    for _ in 0..2 {
        assert_eq!(take().await.unwrap(), segment.until_ms);
    }
    let texts: Vec<String> = rig.fake().state().lines.iter().map(|line| line.message.clone()).collect();
    assert_eq!(texts, ["one", "two"]);
    let rig = rig.restarted();
    assert_eq!(rig.juju.latest_log_time(migration(FIRST)).await.unwrap(), segment.until_ms);
    assert_eq!(rig.juju.inner.records.copy(FIRST).unwrap().unwrap().activation, Some(Step::Done));
}

#[tokio::test]
async fn a_description_that_the_prechecks_have_parsed_is_not_parsed_again_while_the_model_is_frozen() {
    let rig = Rig::start().await;
    let parsed = || rig.juju.inner.parsed.lock().clone().unwrap().1;
    rig.juju.dry_run_stage(migration(FIRST), &rig.calls).await.unwrap();
    let before = parsed();
    rig.stage().await;
    assert!(std::sync::Arc::ptr_eq(&before, &parsed()));
}
