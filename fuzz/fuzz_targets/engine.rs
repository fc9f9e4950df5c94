//! One paired peer's messages, in any sequence, against an engine: over real QUIC in memory, by a virtual clock.
//!
//! It never panics and never halts; the model that is live here and that nobody has handed over stays live; what the journal grows by is
//! bounded by what was accepted; and the agent still answers.
#![no_main]

#[path = "../../tests/controller/mod.rs"]
#[allow(dead_code, reason = "the tests of the engine use the rest")]
mod controller;
#[path = "../../tests/datagrams/mod.rs"]
#[allow(dead_code, reason = "the tests of the engine use the rest")]
mod datagrams;
#[path = "engine/host.rs"]
mod host;
#[path = "../../tests/engine/memory_controller.rs"]
#[allow(dead_code, reason = "the tests of the engine use the rest")]
mod memory_controller;
#[path = "engine/peer.rs"]
mod peer;
#[path = "../../tests/goodput/wire.rs"]
#[allow(dead_code, reason = "the tests of throughput use the rest")]
mod wire;

use libfuzzer_sys::fuzz_target;
use modelferry_protocol::limits::{ALARMS_BURST, OFFERS_BURST};

use self::controller::Held;
use self::host::Host;
use self::peer::Peer;
use self::wire::{Link, Road};

/// Records of a migration that came in, at most.
const RECORDS_EACH: u64 = 16;
/// Offers that a sequence can make, and no more.
const OFFERS_MAX: u64 = 4;

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        // The first byte says whether a model is in service here that the peer must not touch.
        let Some((first, bytes)) = bytes.split_first() else { return };
        let is_served = first % 2 == 0;
        let link = Link::new(Road::new(1000.0, 2, 0.0), 1);
        let (host, peer) = Host::beside_peer(&link, is_served).await;
        let before = host.records().await;
        let mut peer = Peer::meet(&link, peer).await;
        peer.say_all(bytes).await;
        assert!(host.engine.alarms().iter().all(|alarm| alarm.kind != "halted"), "nothing that it says stops this side");
        if is_served {
            assert_eq!(host.controller.inner().site.held, Held::Live(None), "a peer's word touches no model here");
        }
        let records = host.records().await - before;
        assert!(records <= RECORDS_EACH * OFFERS_MAX + u64::from(ALARMS_BURST) * 8, "{records} records");
        assert!(host.engine.migrations().len() as u64 <= OFFERS_MAX && OFFERS_MAX < u64::from(OFFERS_BURST));
    });
});
