//! What a transfer gets out of a link, by a virtual clock: both agents' engines with real QUIC, on a link that has a rate,
//! a delay, losses and a queue of one round trip. No processor and no disk takes time here, so that what is missing of the
//! link's rate is what waiting costs: round trips before the first byte, the start, what the steady state leaves, the end.
//!
//! `GOODPUT_LOG=modelferry=debug cargo test --test goodput NAME -- --nocapture` prints what was said, and when.

mod agents;
mod caps;
mod compared;
mod control;
#[path = "../controller/mod.rs"]
mod controller;
mod cut;
#[path = "../datagrams/mod.rs"]
mod datagrams;
mod freeze;
mod log;
#[path = "../engine/memory_controller.rs"]
mod memory_controller;
mod two_models;
mod wire;

use std::time::Duration;

use agents::{Ran, beside_precopy, transfers};
use wire::Road;

const MIB: u64 = 1 << 20;
/// Bytes on the wire for each of payload, and of what the link lost by itself; headers alone make 1.045.
const WIRE_MAX: f64 = 1.06;

/// Moves two models of 64 MiB, and claims what share of the link's rate each gets at least.
///
/// The clock is virtual, but disk work runs in threads of its own, so that a share differs by up to 0.01 between runs of one
/// seed. Each bar is at least 0.015 below the least share that was seen.
fn gets(road: Road, first: f64, second: f64) {
    let ran: [Ran; 2] = transfers(road, 64 * MIB);
    println!("shares: {:.4} (at least {first}), {:.4} (at least {second})", ran[0].share, ran[1].share);
    for (ran, share) in ran.iter().zip([first, second]) {
        assert!(ran.share >= share, "{} of the rate and not {share}: {ran:#?}", ran.share);
        assert!(ran.wire(64 * MIB) <= WIRE_MAX, "{} on the wire: {ran:#?}", ran.wire(64 * MIB));
    }
}

#[test]
fn a_short_link_is_full() {
    gets(Road::new(100.0, 20, 0.0), 0.90, 0.93);
}

#[test]
fn a_long_link_is_full_and_the_second_transfer_starts_at_once() {
    gets(Road::new(100.0, 150, 0.001), 0.84, 0.85);
}

#[test]
fn a_lossy_link_is_full() {
    gets(Road::new(20.0, 200, 0.01), 0.88, 0.88);
}

#[test]
fn a_long_fast_link_is_full_soon() {
    gets(Road::new(500.0, 100, 0.0), 0.62, 0.68);
}

#[test]
fn losses_that_come_together_cost_no_more() {
    gets(Road { burst: 20, ..Road::new(100.0, 80, 0.01) }, 0.84, 0.86);
}

#[test]
fn a_cut_costs_little_more_than_its_time() {
    let cut = Some((Duration::from_secs(2), Duration::from_secs(7)));
    let [ran] = transfers(Road { cut, ..Road::new(100.0, 50, 0.0) }, 64 * MIB);
    // Headers, the cut and one round trip: nobody is faster than 10.8 s.
    assert!(ran.took <= Duration::from_millis(11_400), "{ran:#?}");
    assert!(ran.wire(64 * MIB) <= WIRE_MAX, "{} on the wire: {ran:#?}", ran.wire(64 * MIB));
}

#[test]
fn a_path_that_swallows_large_packets_is_found_out() {
    // An MTU black hole: 1,300 bytes get through from now on, and nobody says so.
    let hole = Some((Duration::from_secs(2), 1300));
    let [ran] = transfers(Road { hole, ..Road::new(100.0, 50, 0.0) }, 24 * MIB);
    // 2.2 s without it.
    assert!(ran.took <= Duration::from_secs(5), "{ran:#?}");
}

#[test]
fn a_thin_link_carries_what_it_can() {
    let [ran] = transfers(Road::new(1.0, 600, 0.02), 4 * MIB);
    assert!(ran.share >= 0.75, "{ran:#?}");
}

#[test]
fn a_small_model_is_durable_there_after_three_round_trips() {
    let rtt = Duration::from_millis(400);
    let [ran] = transfers(Road::new(100.0, 400, 0.0), MIB / 16);
    // Questions and answers, offer and needs, chunks and what is held; acknowledging and syncing take their pauses.
    assert!(ran.took < 3 * rtt + rtt / 2, "{ran:#?}");
}

#[test]
fn a_migration_beside_a_precopy_goes_first() {
    let road = Road::new(100.0, 50, 0.0);
    let [alone] = transfers(road, 24 * MIB);
    let beside = beside_precopy(road, 24 * MIB);
    // What the pre-copy has on its way has to arrive first: a round trip's worth.
    assert!(beside.took <= alone.took + road.rtt * 2, "{alone:#?} {beside:#?}");
}
