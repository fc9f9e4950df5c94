//! A migration from end to end, and what can come in between.

use std::time::Duration;

use modelferry::engine::orders::Change;
use modelferry::engine::view::{Stand, State};
use modelferry::engine::{EngineError, ErrorKind, MigrateOptions};

use modelferry_protocol::ids::Hash;

use super::controller::{Effect, Held, MODEL};
use super::engines::{Host, pair};
use super::memory_controller::noise;

fn blobs() -> Vec<Vec<u8>> {
    vec![b"version: 12\n".to_vec(), noise(1, 3 << 20), Vec::new(), b"x".to_vec(), noise(2, 700_000), noise(1, 3 << 20)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_moves_and_every_blob_arrives() {
    let (src, dst) = pair(&blobs()).await;
    let mid = src.migrate("dst").await;
    let view = src.ends(mid, Stand::Moved).await;
    dst.ends(mid, Stand::Moved).await;
    assert_eq!(src.held(), Held::Absent);
    assert_eq!(dst.held(), Held::Live(Some(mid)));
    assert_eq!(src.controller.inner().site.charms, dst.controller.inner().site.charms);
    assert_eq!(view.bytes.held, view.bytes.total);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_trip_sends_no_chunk_again() {
    let (src, dst) = pair(&blobs()).await;
    let mid = src.migrate("dst").await;
    src.ends(mid, Stand::Moved).await;
    dst.ends(mid, Stand::Moved).await;
    let back = dst.migrate("src").await;
    let view = dst.ends(back, Stand::Moved).await;
    // The description alone, which is secret and was wiped when the model had left.
    assert!(view.bytes.sent <= "writes: 0\n".len() as u64, "{view:?}");
    assert_eq!(src.held(), Held::Live(Some(back)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_target_s_prechecks_changes_nothing() {
    let (src, dst) = pair(&blobs()).await;
    dst.controller.inner().trouble.refuse_precheck = Some("model named \"shelf\" already exists".into());
    let options = MigrateOptions::new(Duration::from_secs(9));
    let refused = src.engine().migrate(MODEL, "dst", options, "test").await.unwrap_err();
    assert_eq!(refused.to_string(), "target prechecks failed: model named \"shelf\" already exists");
    assert_eq!(refused.kind(), ErrorKind::Refused);
    assert!(src.engine().migrations().is_empty() && dst.engine().migrations().is_empty());
    assert_eq!(src.held(), Held::Live(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_that_is_refused_leaves_the_model_live() {
    let (src, dst) = pair(&blobs()).await;
    src.controller.inner().trouble.refuse_freeze = true;
    let mid = src.migrate("dst").await;
    let view = src.ends(mid, Stand::Reverted).await;
    assert!(view.cause.unwrap().contains("model is dying"));
    assert_eq!(src.held(), Held::Live(None));
    dst.ends(mid, Stand::Reverted).await;
    assert_eq!(dst.held(), Held::Absent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_refused_reverts_with_the_target_s_words() {
    let (src, dst) = pair(&blobs()).await;
    dst.controller.inner().trouble.refuse_stage = Some("cannot get secret backend".into());
    let mid = src.migrate("dst").await;
    let view = src.ends(mid, Stand::Reverted).await;
    assert!(view.cause.as_ref().unwrap().contains("cannot get secret backend"), "{view:?}");
    assert_eq!(src.held(), Held::Live(None));
    dst.ends(mid, Stand::Reverted).await;
    // And when the trouble is over, the model moves under a new migration.
    dst.controller.inner().trouble.refuse_stage = None;
    let again = src.migrate("dst").await;
    src.ends(again, Stand::Moved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_asks_for_a_long_wait_does_not_hold_a_model_frozen_for_longer_than_was_allowed() {
    let (src, dst) = pair(&blobs()).await;
    dst.controller.inner().trouble.put_off = Some(Duration::from_secs(3600));
    let options = MigrateOptions::new(Duration::from_secs(1));
    let mid = src.migrate_with("dst", options).await;
    let waits = dst.until(mid, "the wait", |view| view.waiting.is_some()).await;
    assert!(waits.waiting.as_ref().unwrap().contains("too much to do"), "{waits:?}");
    src.ends(mid, Stand::Reverted).await;
    dst.ends(mid, Stand::Reverted).await;
    assert_eq!((src.held(), dst.held()), (Held::Live(None), Held::Absent));
    // The wait is over, and the model moves under a new migration.
    dst.controller.inner().trouble.put_off = None;
    let again = src.migrate("dst").await;
    src.ends(again, Stand::Moved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_that_fails_is_repeated_until_it_succeeds() {
    let (src, dst) = pair(&blobs()).await;
    dst.controller.inner().trouble.failing_activations = 2;
    let mid = src.migrate("dst").await;
    src.ends(mid, Stand::Moved).await;
    assert_eq!(dst.held(), Held::Live(Some(mid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thaw_that_fails_is_repeated_until_the_model_is_live() {
    let (src, dst) = pair(&blobs()).await;
    dst.controller.inner().trouble.refuse_stage = Some("no".into());
    src.controller.inner().trouble.failing_thaws = 1;
    let mid = src.migrate("dst").await;
    src.ends(mid, Stand::Reverted).await;
    assert_eq!(src.held(), Held::Live(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_for_one_model_exactly_one_begins() {
    let (src, _dst) = pair(&blobs()).await;
    let options = MigrateOptions::new(Duration::from_secs(60));
    let race = (0..100).map(|_| {
        let engine = src.engine().clone();
        tokio::spawn(async move { engine.migrate(MODEL, "dst", options, "test").await })
    });
    let mut begun = Vec::new();
    for run in race.collect::<Vec<_>>() {
        match run.await.unwrap() {
            Ok(view) => begun.push(view),
            Err(EngineError::Busy { id, .. }) => assert!(id.starts_with(&MODEL.to_string()), "{id}"),
            // Those who come after it has moved find no model to examine, or a frozen one.
            Err(other) => assert!(!begun.is_empty() || src.engine().migrations().len() == 1, "{other}"),
        }
    }
    assert_eq!(begun.len(), 1);
    assert_eq!(src.engine().migrations().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_after_the_end_says_that_it_has_ended() {
    let (src, _dst) = pair(&blobs()).await;
    let mid = src.migrate("dst").await;
    src.ends(mid, Stand::Moved).await;
    assert!(matches!(src.engine().abort(mid, "test").await, Err(EngineError::Ended { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_source_takes_orders() {
    let (src, dst) = pair(&[b"version: 12\n".to_vec(), noise(5, 20 << 20)]).await;
    let mid = src.migrate("dst").await;
    dst.until(mid, "the offer arrives", |_| true).await;
    let told = dst.engine().order(mid, Change::Pause, "test").await.unwrap_err();
    assert!(matches!(told, EngineError::NotSource(_) | EngineError::Ended { .. }), "{told}");
    src.ends(mid, Stand::Moved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_not_known_is_refused_with_the_command_to_pair() {
    let src = Host::start("src").await;
    src.controller.hold(&blobs());
    let told = src.engine().plan(MODEL, "nowhere").await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::NotFound);
    assert!(told.to_string().contains("modelferry pair accept"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_frozen_can_be_aborted_and_not_paused() {
    let (src, dst) = pair(&blobs()).await;
    dst.controller.inner().trouble.stall_stage = true;
    let mid = src.migrate("dst").await;
    src.until(mid, "the freeze", |view| view.state == State::Frozen).await;
    for change in [Change::Pause, Change::Resume, Change::Cutover { until_ms: None }] {
        let refused = src.engine().order(mid, change, "test").await.unwrap_err();
        assert!(matches!(refused, EngineError::Frozen { .. }), "{refused}");
        let text = refused.to_string();
        assert!(text.contains("is frozen: it cannot") && text.contains("`modelferry abort"), "{text}");
        assert!(matches!(dst.engine().order(mid, change, "test").await, Err(EngineError::NotSource(_))));
    }
    assert!(src.engine().migration(mid).unwrap().orders.is_none());
    dst.controller.inner().trouble.stall_stage = false;
    src.ends(mid, Stand::Moved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_cannot_be_paused() {
    let (src, dst) = pair(&blobs()).await;
    dst.controller.inner().trouble.failing_activations = u32::MAX;
    let mid = src.migrate("dst").await;
    src.until(mid, "the commit", |view| view.state == State::Committed).await;
    let refused = src.engine().order(mid, Change::Pause, "test").await.unwrap_err();
    assert!(matches!(refused, EngineError::TooLate(_)), "{refused}");
    dst.controller.inner().trouble.failing_activations = 0;
    src.ends(mid, Stand::Moved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binaries_are_tried_by_the_target_before_the_freeze() {
    let (src, dst) = pair(&blobs()).await;
    dst.controller.inner().trouble.refuse_dry_run = Some("charm-0 is none".into());
    let mid = src.migrate("dst").await;
    let view = src.ends(mid, Stand::Reverted).await;
    assert!(view.cause.as_ref().unwrap().contains("charm-0 is none"), "{view:?}");
    assert!(!src.controller.inner().asked.contains(&Effect::Freeze), "{:?}", src.controller.inner().asked);
}

/// It stayed in the source's store for fourteen days, with the credential for the cloud.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_wipes_the_description_once_its_model_has_moved_and_keeps_the_binaries() {
    let (src, dst) = pair(&blobs()).await;
    let file = |host: &Host, content: &[u8]| host.dir.path().join("blobs").join(Hash::of(content).to_string());
    // The description of a model without writes.
    let (description, binary) = (b"writes: 0\n".to_vec(), blobs()[1].clone());
    let mid = src.migrate("dst").await;
    src.ends(mid, Stand::Moved).await;
    dst.ends(mid, Stand::Moved).await;
    let wiped = async {
        while file(&src, &description).exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wiped).await.expect("the source wipes it");
    assert!(file(&src, &binary).exists(), "what makes the next transfer small stays");
    assert!(file(&dst, &description).exists(), "the model that arrived needs it");
    // The checklist does without it.
    src.engine().handed_over(mid).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_stays_keeps_its_description() {
    let (src, dst) = pair(&blobs()).await;
    dst.controller.inner().trouble.refuse_stage = Some("no".to_owned());
    let mid = src.migrate("dst").await;
    src.ends(mid, Stand::Reverted).await;
    // Whatever a record sets off has been done by then.
    src.engine().prune(None, false).await.unwrap();
    let description = src.dir.path().join("blobs").join(Hash::of(b"writes: 0\n").to_string());
    assert!(description.exists());
}
