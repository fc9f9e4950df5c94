//! After the switchover: the log follows, the source's copy is held, and goes.

use std::time::Duration;

use modelferry::engine::view::{Stand, State};
use modelferry::engine::{EngineError, MigrateOptions};

use super::controller::Held;
use super::engines::{Host, pair};
use super::memory_controller::noise;

fn blobs() -> Vec<Vec<u8>> {
    vec![noise(1, 100_000), b"x".to_vec()]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_follows_the_model_before_the_source_s_copy_is_deleted() {
    let (src, dst) = pair(&blobs()).await;
    src.log(5);
    let log = src.controller.inner().site.log.clone();
    let mid = src.migrate("dst").await;
    let view = src.ends(mid, Stand::Moved).await;
    assert_eq!(dst.controller.inner().site.log, log);
    assert_eq!(src.held(), Held::Absent);
    assert_eq!(view.bytes.total, view.bytes.held, "the log is not counted among the model's bytes: {view:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_breaks_off_goes_on_where_it_was() {
    let (src, dst) = pair(&blobs()).await;
    src.log(6);
    let log = src.controller.inner().site.log.clone();
    // The second piece is refused, and everything is begun anew.
    dst.controller.inner().trouble.failing_logs = vec![2];
    let mid = src.migrate("dst").await;
    src.until(mid, "the log is refused", |view| view.waiting.as_ref().is_some_and(|why| why.contains("the target:")))
        .await;
    src.ends(mid, Stand::Moved).await;
    assert_eq!(dst.controller.inner().site.log, log);
    assert_eq!(
        dst.controller.inner().logs_taken,
        [1, 1, 2, 3, 4, 5, 6],
        "of what was there only the last is taken again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_skipped_stays_behind() {
    let (src, dst) = pair(&blobs()).await;
    src.log(5);
    let mid = src.migrate_with("dst", MigrateOptions { skip_log: true, ..Host::options() }).await;
    src.ends(mid, Stand::Moved).await;
    assert!(dst.controller.inner().site.log.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_follow_is_given_up_at_the_operator_s_wish_alone() {
    let (src, dst) = pair(&blobs()).await;
    src.log(3);
    dst.controller.inner().trouble.failing_logs = vec![1; 1000];
    let mid = src.migrate("dst").await;
    src.until(mid, "the log is refused", |view| view.waiting.is_some() && view.state == State::Handed).await;
    let refused = src.engine().reap(mid, false, "uid 7").await.unwrap_err();
    assert!(refused.to_string().contains("--skip-logs"), "{refused}");
    assert_eq!(src.held(), Held::Frozen(mid));
    src.engine().reap(mid, true, "uid 7").await.unwrap();
    src.ends(mid, Stand::Moved).await;
    let events = src.engine().events(mid).await.unwrap();
    let given_up = events.iter().find(|event| event.text.contains("given up")).unwrap();
    assert_eq!(given_up.actor, "uid 7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_copy_stays_dead_until_the_operator_ends_the_hold() {
    let (src, dst) = pair(&blobs()).await;
    src.log(1);
    let hold = Duration::from_secs(3600);
    let mid = src.migrate_with("dst", MigrateOptions { reap_hold: hold, ..Host::options() }).await;
    let held = src.until(mid, "the hold", |view| view.reap_due_ms.is_some()).await;
    assert!(held.note.starts_with("successful, reap due at 2"), "{held:?}");
    assert_eq!(src.held(), Held::Frozen(mid));
    assert!(dst.controller.inner().site.is_live());
    assert!(matches!(src.engine().abort(mid, "test").await, Err(EngineError::TooLate(_))), "the copy is dead");
    assert_eq!(src.engine().reap(mid, false, "uid 7").await.unwrap().stand, Stand::Moved);
    assert_eq!(src.held(), Held::Absent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_ends_by_itself() {
    let (src, _dst) = pair(&blobs()).await;
    let hold = Duration::from_millis(300);
    let mid = src.migrate_with("dst", MigrateOptions { reap_hold: hold, ..Host::options() }).await;
    src.ends(mid, Stand::Moved).await;
    let events = src.engine().events(mid).await.unwrap();
    let time = |state: &str| events.iter().find(|event| event.text == state).unwrap().time_ms;
    assert!(time("Reaping") >= time("Handed") + 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reap_that_fails_is_shown_and_repeated_until_it_is_done() {
    let (src, _dst) = pair(&blobs()).await;
    src.controller.inner().trouble.failing_reaps = 1;
    let mid = src.migrate("dst").await;
    let failing = src.until(mid, "the reap fails", |view| view.is_reap_failing()).await;
    assert!(failing.waiting.unwrap().starts_with("moved, reap failing: "));
    src.engine().reap(mid, false, "uid 7").await.unwrap();
    src.ends(mid, Stand::Moved).await;
    assert_eq!(src.held(), Held::Absent);
}
