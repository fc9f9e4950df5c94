//! Bytes that travel ahead of a migration that may come: what they spare, and that nothing depends on them.

use std::time::Duration;

use modelferry::engine::EngineError;
use modelferry::engine::orders::Change;
use modelferry::engine::view::{Kind, MigrationView, Stand, State};
use modelferry::link::Limit;
use modelferry_protocol::ids::{MigrationId, ModelUuid};

use super::controller::{ControllerAccess, Held, MODEL};
use super::engines::{Host, pair, third};
use super::memory_controller::noise;

/// A model of other name and equal bytes: the controller of these tests exports the same for any.
const TWIN: ModelUuid = ModelUuid([9; 16]);
/// More than what is on its way at once, so that something is left to be looked at.
const BIG: usize = 12 << 20;

fn blobs() -> Vec<Vec<u8>> {
    vec![b"version: 12\n".to_vec(), noise(1, 3 << 20), noise(2, 700_000)]
}

async fn precopy_of(src: &Host, model: ModelUuid, to: &str, rate: Option<&str>) -> MigrationId {
    let rate = rate.map(|rate| rate.parse().unwrap());
    src.engine().precopy(model, to, rate, "test").await.unwrap().mid.parse().unwrap()
}

async fn precopy(src: &Host, to: &str) -> MigrationId {
    precopy_of(src, MODEL, to, None).await
}

async fn ended(src: &Host, mid: MigrationId, state: State) -> MigrationView {
    let view = src.until(mid, "the end", |view| view.ended_ms.is_some()).await;
    assert_eq!((view.state, view.kind), (state, Kind::Precopy), "{view:?}");
    view
}

/// Waits until the target waits for nothing any more, and so holds nothing beyond its store's retention.
async fn nothing_wanted(dst: &Host) {
    let released = async {
        while !dst.controller.store().wanted().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), released).await.expect("it is told that nothing more comes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_sends_only_what_has_changed_since_the_precopy() {
    let (src, dst) = pair(&blobs()).await;
    let first = ended(&src, precopy(&src, "dst").await, State::Copied).await;
    assert_eq!((first.id, first.stand), (format!("{MODEL}:p0"), Stand::Copied));
    assert!(first.bytes.sent >= 3_700_000 && first.bytes.held == first.bytes.total, "{:?}", first.bytes);
    // Nothing of it is anybody's over there, and here the model is live.
    assert!(dst.engine().migrations().is_empty());
    assert_eq!((src.held(), dst.held()), (Held::Live(None), Held::Absent));

    let again = ended(&src, precopy(&src, "dst").await, State::Copied).await;
    assert_eq!((again.id, again.bytes.sent), (format!("{MODEL}:p1"), 0), "{:?}", again.bytes);

    let added = noise(3, 200_000);
    src.controller.hold(&[blobs(), vec![added.clone()]].concat());
    let third = ended(&src, precopy(&src, "dst").await, State::Copied).await;
    assert_eq!(third.bytes.sent, added.len() as u64, "{:?}", third.bytes);

    let mid = src.migrate("dst").await;
    let moved = src.ends(mid, Stand::Moved).await;
    assert_eq!(moved.id, format!("{MODEL}:0"), "a pre-copy is no attempt to migrate");
    assert_eq!(moved.bytes.sent, 0, "{:?}", moved.bytes);
    assert_eq!(dst.held(), Held::Live(Some(mid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_to_the_same_peer_adopts_a_precopy_that_runs() {
    let (src, dst) = pair(&[noise(4, BIG)]).await;
    let precopy = precopy_of(&src, MODEL, "dst", Some("40mbit")).await;
    src.until(precopy, "some bytes are held", |view| view.bytes.held >= 4 << 20).await;
    let told = src.engine().precopy(MODEL, "dst", None, "test").await.unwrap_err();
    assert!(matches!(told, EngineError::Copying { .. }), "{told}");

    let mid = src.migrate("dst").await;
    let adopted = ended(&src, precopy, State::Adopted).await;
    assert_eq!(adopted.note, format!("adopted by migration {MODEL}:0"));
    let moved = src.ends(mid, Stand::Moved).await;
    dst.ends(mid, Stand::Moved).await;
    assert!(moved.bytes.reused >= 4 << 20, "{:?}", moved.bytes);
    // What was on its way just then goes again, and no more: 40 Mbit/s keep the window at its smallest.
    assert!(adopted.bytes.sent + moved.bytes.sent <= BIG as u64 + (4 << 20), "{:?} {:?}", adopted.bytes, moved.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precopy_reserves_nothing_and_its_model_moves_elsewhere_meanwhile() {
    let (src, dst) = pair(&[noise(5, BIG)]).await;
    let west = third(&src, "west").await;
    let precopy = precopy_of(&src, MODEL, "dst", Some("8mbit")).await;
    src.until(precopy, "some bytes are held", |view| view.bytes.held > 0).await;
    assert!(dst.engine().migrations().is_empty());
    let mid = src.migrate("west").await;
    src.ends(mid, Stand::Moved).await;
    assert_eq!((west.held(), dst.held()), (Held::Live(Some(mid)), Held::Absent));
    let over = ended(&src, precopy, State::Failed).await;
    assert_eq!(over.cause.as_deref(), Some("the model has moved to west"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precopy_is_paused_resumed_and_given_up() {
    let (src, dst) = pair(&[noise(6, BIG)]).await;
    let mid = precopy_of(&src, MODEL, "dst", Some("16mbit")).await;
    src.until(mid, "some bytes are held", |view| view.bytes.held >= 1 << 20).await;
    assert!(!dst.controller.store().wanted().is_empty(), "what comes in is held while it does");
    src.engine().order(mid, Change::Pause, "test").await.unwrap();
    nothing_wanted(&dst).await;
    let told = src.engine().order(mid, Change::Cutover { until_ms: None }, "test").await.unwrap_err();
    assert!(matches!(told, EngineError::IsPrecopy(_)), "{told}");
    let paused = src.until(mid, "the pause", |view| view.note.contains("paused by operator (test)")).await;
    assert_eq!(paused.orders.unwrap().bwlimit.as_deref(), Some("16mbit"));
    src.engine().order(mid, Change::Resume, "test").await.unwrap();
    src.until(mid, "it goes on", |view| view.bytes.sent > 0).await;
    src.engine().abort(mid, "test").await.unwrap();
    let over = ended(&src, mid, State::Aborted).await;
    assert_eq!((over.stand, over.cause.as_deref()), (Stand::Reverted, Some("aborted by operator (test)")));
    assert!(matches!(src.engine().abort(mid, "test").await, Err(EngineError::Ended { .. })));
    nothing_wanted(&dst).await;
    // What has arrived is not lost by it.
    src.link().limit(None, Limit::AtMost("200mbit".parse().unwrap())).await.unwrap();
    let again = ended(&src, precopy(&src, "dst").await, State::Copied).await;
    assert!(again.bytes.reused >= 1 << 20 && again.bytes.sent <= (BIG - (1 << 20)) as u64, "{:?}", again.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_precopy_to_a_peer_goes_at_a_time_and_the_others_wait_in_order() {
    let (src, _dst) = pair(&[noise(7, BIG)]).await;
    let first = precopy_of(&src, TWIN, "dst", Some("8mbit")).await;
    src.until(first, "some bytes are held", |view| view.bytes.held > 0).await;
    let second = precopy(&src, "dst").await;
    src.until(second, "it waits", |view| view.note == "queued (1 ahead)").await;
    src.engine().abort(first, "test").await.unwrap();
    ended(&src, second, State::Copied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_takes_equal_blobs_over_from_a_precopy_that_is_slow() {
    let (src, _dst) = pair(&[noise(8, BIG)]).await;
    // A tenth of a megabit per second: it would take a quarter of an hour.
    let precopy = precopy_of(&src, TWIN, "dst", Some("100kbit")).await;
    src.until(precopy, "it has begun", |view| view.bytes.sent > 0).await;
    let mid = src.migrate("dst").await;
    src.ends(mid, Stand::Moved).await;
    // And what it has brought, the pre-copy need not bring.
    let copied = ended(&src, precopy, State::Copied).await;
    assert!(copied.bytes.sent < 2 << 20 && copied.bytes.held == copied.bytes.total, "{:?}", copied.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_migrates_can_be_resolved_proved_or_cut_over() {
    let (src, _dst) = pair(&blobs()).await;
    let view = ended(&src, precopy(&src, "dst").await, State::Copied).await;
    assert_eq!(src.engine().find("shelf").unwrap().to_string(), view.mid);
    assert!(matches!(src.engine().find_migration(&view.id), Err(EngineError::IsPrecopy(_))));
    let mid = src.migrate("dst").await;
    assert_eq!(src.engine().find_migration("shelf").unwrap(), mid);
    src.ends(mid, Stand::Moved).await;
}
