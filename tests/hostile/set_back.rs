//! A word about this side's journal counts only with this side's own signature.

use std::fs;
use std::time::Duration;

use modelferry::engine::view::{Stand, State};
use modelferry::engine::{EngineError, MigrateOptions};
use modelferry::link::CloseCode;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::message::SignedHead;

use super::controller::{Held, MODEL};
use super::engines::{Host, third};
use super::liar::{Liar, mid};
use super::memory_controller::noise;
use super::raw::Raw;

/// Offers of the liar that the host has forgotten when its journal is set back.
const OFFERS: u64 = 20;
const JOURNAL: [&str; 2] = ["journal.0", "journal.1"];

fn alarms(host: &Host, kind: &str) -> usize {
    host.engine().alarms().iter().filter(|alarm| alarm.kind == kind).count()
}

/// One such message halted the agent for all its peers, again after every restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_the_future_without_this_agent_s_signature_costs_its_peer_the_link_and_nobody_else_anything() {
    let mut host = Host::start_apart("src", None).await;
    let mut liar = Liar::beside(&mut host).await;
    let honest = third(&host, "dst").await;
    let known = liar.head(0).await;
    let mut made_up =
        vec![SignedHead { sequence: 1 << 60, ..known }, SignedHead { sequence: 1 << 60, signature: [0; 64], ..known }];
    made_up.push(SignedHead::new(known.journal, 1 << 60, |bytes| liar.raw.sign(bytes)));
    for head in made_up {
        liar.say(liar.report_of(Some(head), Vec::new())).await;
        assert_eq!(liar.closed().await.0, CloseCode::Violation as u64);
        assert_eq!((alarms(&host, "unproven"), alarms(&host, "halted")), (1, 0));
        liar = Liar::meet(liar.raw, &host).await;
    }
    host.controller.hold(&[noise(1, 10_000)]);
    let moved = host.migrate("dst").await;
    host.ends(moved, Stand::Moved).await;
    assert_eq!(honest.held(), Held::Live(Some(moved)));
    host.restart().await;
    assert_eq!((alarms(&host, "unproven"), alarms(&host, "halted")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_shows_a_head_of_its_own_that_it_has_not_signed_is_heard_no_further() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    let known = liar.head(0).await;
    liar.say(liar.report_with(known, None, Vec::new())).await;
    assert_eq!(liar.closed().await.0, CloseCode::Violation as u64);
    assert_eq!(alarms(&host, "unproven"), 1);
}

/// Has a host go back to a journal from before an offer of the liar, and returns the head that it had signed by then. The liar has
/// yet to connect again.
async fn set_back(host: &mut Host, mut liar: Liar) -> (Raw, SignedHead) {
    host.stop();
    let before = JOURNAL.map(|name| fs::read(host.dir.path().join(name)).unwrap());
    host.restart().await;
    liar = Liar::meet(liar.leave().await, host).await;
    let known = liar.head(0).await;
    // More records than what begins after the journal was set back.
    for number in 0..OFFERS {
        liar.say(liar.offer(mid(number), MODEL)).await;
        liar.say(liar.abort(mid(number))).await;
        host.ends(mid(number), Stand::Reverted).await;
    }
    let head = liar.head(known.sequence + 4 * OFFERS).await;
    host.stop();
    for (name, bytes) in JOURNAL.iter().zip(before) {
        fs::write(host.dir.path().join(name), bytes).unwrap();
    }
    host.restart().await;
    (liar.leave().await, head)
}

/// A host that was set back, has begun to move its model to an honest peer, and is told by the liar what it had signed.
async fn halted(options: MigrateOptions) -> (Host, Host, MigrationId) {
    let mut host = Host::start_apart("src", None).await;
    let liar = Liar::beside(&mut host).await;
    let (raw, head) = set_back(&mut host, liar).await;
    let honest = third(&host, "dst").await;
    honest.controller.inner().trouble.stall_stage = true;
    host.controller.hold(&[noise(1, 10_000)]);
    let moving = host.migrate_with("dst", options).await;
    host.until(moving, "the model is frozen", |view| view.state == State::Frozen).await;
    let mut liar = Liar::meet(raw, &host).await;
    liar.say(liar.report_of(Some(head), Vec::new())).await;
    while alarms(&host, "halted") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(alarms(&host, "unproven"), 0);
    (host, honest, moving)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_this_agent_has_signed_halts_it_and_what_it_began_since_its_start_is_aborted_all_the_same() {
    let (mut host, _honest, moving) = halted(Host::options()).await;
    host.engine().abort(moving, "test").await.unwrap();
    host.ends(moving, Stand::Reverted).await;
    assert_eq!(host.held(), Held::Live(None));
    let refused = host.engine().migrate(MODEL, "dst", Host::options(), "test").await;
    assert!(matches!(refused, Err(EngineError::Halted(_))), "{refused:?}");
    host.restart().await;
    assert_eq!(alarms(&host, "halted"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_that_a_model_may_be_frozen_runs_out_while_the_agent_is_halted() {
    let (host, _honest, moving) = halted(MigrateOptions::new(Duration::from_secs(5))).await;
    let cause = host.ends(moving, Stand::Reverted).await.cause.unwrap();
    assert!(cause.contains("--max-freeze"), "{cause}");
    assert_eq!(host.held(), Held::Live(None));
}
