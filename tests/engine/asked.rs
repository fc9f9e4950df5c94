//! Questions to a peer: while it is being dialled, and while one connection gives way to another.

use std::sync::Arc;
use std::time::Duration;

use modelferry::engine::view::Stand;
use modelferry::engine::{EngineError, PEER_WITHIN};
use modelferry::link::CloseCode;
use tokio::sync::Notify;

use super::controller::MODEL;
use super::engines::{Host, connected, pair};

/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A demo on a fast host asked before the link was up, and was refused: "not connected yet".
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_being_dialled_is_waited_for() {
    let (src, dst) = (Host::start("src").await, Host::start("dst").await);
    let (code, _) = src.link().offer(Some("dst".into())).await.unwrap();
    dst.link().accept(code, &src.link().local_addr().to_string(), Some("src".into())).await.unwrap();
    src.controller.hold(&[b"charm".to_vec()]);
    assert!(src.engine().plan(MODEL, "dst").await.unwrap().ok);
    assert_eq!(src.engine().away("dst"), None);
    dst.engine().query("src", "{}").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_stays_away_is_waited_for_no_longer_than_that() {
    let (src, dst) = pair(&[]).await;
    dst.link().shutdown().await;
    let asked = src.engine().query("dst", "{}");
    let refused = tokio::time::timeout(PEER_WITHIN + PATIENCE, asked).await.expect("it ends").unwrap_err();
    let told = matches!(refused, EngineError::PeerDown { .. } | EngineError::Unanswered(_));
    assert!(told, "{refused}");
}

/// Two agents that dial each other at once have two connections, of which one gives way; what was asked over that one
/// was refused: "the connection to the peer ended before it answered".
#[tokio::test(flavor = "multi_thread")]
async fn a_question_on_a_connection_that_gives_way_is_asked_again_over_the_other() {
    let (src, dst) = pair(&[]).await;
    dst.queries.hold();
    let asked_before = dst.queries.asked();
    let engine = src.engine().clone();
    let asking = tokio::spawn(async move { engine.query("dst", "{}").await });
    let heard = async |times: u64| {
        while dst.queries.asked() < asked_before + times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let given_way = async {
        for times in 1..=2 {
            heard(times).await;
            let state = src.link().watch(dst.link().pin());
            let session = state.borrow().session().cloned();
            session.expect("connected, as the question was heard").close(CloseCode::Replaced, "");
        }
        heard(3).await;
    };
    tokio::time::timeout(PATIENCE, given_way).await.expect("it is asked again each time");
    dst.queries.answer();
    assert_eq!(asking.await.unwrap().unwrap(), "{\"heard\":{}}");
}

/// Two agents dialled each other at once. What the first connection had reported was still being compared when the second one
/// took its place, and the agent then held the peer for gone as long as the second one lasted.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_report_is_looked_at_late_takes_the_place_of_no_newer_one() {
    let (src, dst) = pair(&[b"charm".to_vec()]).await;
    // A model that dst serves: src compares it with its own.
    let mid = src.migrate("dst").await;
    src.ends(mid, Stand::Moved).await;
    dst.ends(mid, Stand::Moved).await;
    let go_on = Arc::new(Notify::new());
    // The first list is for the report that src makes, the second for the comparison with that of dst.
    src.controller.inner().trouble.stall_list = Some((1, go_on.clone()));
    let cut = || {
        let state = src.link().watch(dst.link().pin());
        let session = state.borrow().session().cloned();
        session.inspect(|session| session.close(CloseCode::Replaced, "")).is_some()
    };
    let soon = async |seen: &dyn Fn() -> bool| {
        let seen = async {
            while !seen() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("it comes to that");
    };
    soon(&cut).await;
    soon(&|| src.controller.inner().trouble.stall_list.is_none()).await;
    soon(&cut).await;
    connected(&src, &dst).await;
    go_on.notify_one();
    // As often as it takes for the older connection to end.
    for _ in 0..100 {
        src.engine().query("dst", "{}").await.expect("the newer connection stands");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
