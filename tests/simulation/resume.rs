//! How soon bytes move again after an interruption, by the virtual clock, and how many of them twice.

use std::time::Duration;

use modelferry_protocol::limits::CHUNK_BYTES_MAX;
use modelferry_protocol::snapshot::BlobRef;

use super::cluster::TestCluster;
use super::host::{Host, Region};
use super::network::{Network, Weather};
use super::run::noise;
use super::trace::Trace;

const TICK_MS: u64 = 5;
const RTT_MS: u64 = 160;
/// What may pass between a link and the first new byte that is durable.
const FIRST_BYTE_MS_MAX: u64 = 3 * RTT_MS + 1_000;
/// What may pass before that until there is a link: the longest pause between two dials here, and a handshake.
const LINK_MS_MAX: u64 = 1_000 + 2 * RTT_MS;
/// After which what an agent counts can be seen.
const COUNTED_MS: u64 = 500;
/// Nothing here takes that long.
const PATIENCE_MS: u64 = 120_000;

/// A transfer of one large blob.
struct Transfer {
    region: Region,
    hosts: [Host; 2],
    blob: BlobRef,
}

impl Transfer {
    /// Begins one, and lets it run until some of it is durable.
    fn under_way() -> Self {
        let trace = Trace::default();
        let (network, estate) = (Network::new(1, trace.clone()), TestCluster::new(1, trace.clone()));
        let region = Region { network, estate, trace, juju: None };
        let mut hosts = Host::pair(&region);
        hosts.iter_mut().for_each(|host| assert!(host.start(1), "a fresh host starts"));
        let blobs = hosts[0].put(&[noise(1, 12 << 20)]);
        region.estate.inner().sites[0].charms = blobs.clone();
        let mut transfer = Self { region, hosts, blob: blobs[0] };
        transfer.set_cut(false);
        transfer.until("bytes arrive", |transfer| {
            // Until the peers have met, it is refused.
            transfer.hosts[0].migrate(Duration::from_secs(600));
            transfer.held() > 2 << 20
        });
        assert!(transfer.held() < transfer.blob.bytes, "it is over before anything can happen to it");
        transfer
    }

    fn set_cut(&self, cut: bool) {
        self.region.network.set_weather(Weather { delay_ms: RTT_MS / 2, cut: [cut; 2], ..Weather::default() });
    }

    /// Lets so much time pass.
    fn run(&mut self, ms: u64) {
        for _ in 0..ms / TICK_MS {
            self.region.trace.set_time(self.region.trace.now_ms() + TICK_MS);
            self.region.network.deliver();
            self.region.estate.land();
            self.hosts.iter_mut().for_each(|host| assert!(host.step(TICK_MS)));
        }
    }

    /// Returns how long it took until `done`.
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> u64 {
        let begun = self.region.trace.now_ms();
        while !done(self) {
            let passed = self.region.trace.now_ms() - begun;
            assert!(passed < PATIENCE_MS, "{what}: never\n{}", self.region.trace.last_lines());
            self.run(TICK_MS);
        }
        self.region.trace.now_ms() - begun
    }

    /// Returns the bytes of the blob that are durable on the target.
    fn held(&self) -> u64 {
        self.hosts[1].held(self.blob)
    }

    /// Returns how long it takes until a byte is durable that was not.
    fn until_a_new_byte(&mut self) -> u64 {
        let held = self.held();
        self.until("a new byte", |transfer| transfer.held() > held)
    }

    /// Lets the rest arrive.
    fn until_all_is_held(&mut self) {
        self.until("the whole", |transfer| transfer.held() == transfer.blob.bytes);
    }
}

#[test]
fn after_a_short_cut_bytes_move_again_within_three_round_trips_and_a_second() {
    let mut transfer = Transfer::under_way();
    transfer.set_cut(true);
    transfer.run(2_000);
    transfer.set_cut(false);
    let took = transfer.until_a_new_byte();
    assert!(took <= FIRST_BYTE_MS_MAX, "{took} ms");
}

#[test]
fn after_a_cut_that_ends_the_connection_bytes_move_again_as_soon_as_there_is_another() {
    let mut transfer = Transfer::under_way();
    transfer.set_cut(true);
    transfer.run(30_000);
    transfer.set_cut(false);
    let took = transfer.until_a_new_byte();
    assert!(took <= LINK_MS_MAX + FIRST_BYTE_MS_MAX, "{took} ms");
    transfer.until_all_is_held();
}

#[test]
fn after_a_kill_of_either_side_only_what_was_on_its_way_goes_again() {
    for victim in 0..2 {
        let mut transfer = Transfer::under_way();
        // What is on its way stays there: a window at most, since nothing more is acknowledged.
        transfer.set_cut(true);
        transfer.run(COUNTED_MS);
        let (sent, held) = (transfer.hosts[0].sent(), transfer.held());
        assert!(held < transfer.blob.bytes && held < sent, "{held} held of {sent} sent");
        transfer.hosts[victim].kill(None);
        transfer.run(1_000);
        transfer.set_cut(false);
        assert!(transfer.hosts[victim].start(2), "it starts again");
        assert_eq!(transfer.hosts[1].held(transfer.blob), held, "what was durable is still held");
        let took = transfer.until_a_new_byte();
        assert!(took <= LINK_MS_MAX + FIRST_BYTE_MS_MAX, "{took} ms after a kill of {victim}");
        transfer.until_all_is_held();
        transfer.run(COUNTED_MS);
        // A source that was killed counts from nothing.
        let sent_before = if victim == 0 { sent } else { 0 };
        let again = sent_before + transfer.hosts[0].sent() - transfer.blob.bytes;
        assert!(again <= sent - held + 2 * u64::from(CHUNK_BYTES_MAX), "{again} bytes after a kill of {victim}");
    }
}
