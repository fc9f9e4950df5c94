//! How long a model is frozen: as long as its description takes, and some round trips, however large its binaries are.

use std::time::Duration;

use modelferry::config::LinkSettings;
use modelferry::engine::view::State;
use modelferry::sample::Sample;
use tokio::time::Instant;

use super::agents::{Going, hosts, virtually};
use super::two_models::Described;
use super::wire::{Link, Road};

const MIB: u64 = 1 << 20;
const RTT: Duration = Duration::from_millis(100);
/// What a freeze may take on that link.
const FROZEN_MAX: Duration = Duration::from_millis(10 * 100 + 1_000);

/// The description of a model of a thousand machines. Another seed changes whatever looks random in it: more than ever
/// happens to a model between its copy and its freeze.
fn description(seed: u64) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let files = Sample { machines: 1_000, seed, ..Sample::default() }.write(dir.path()).unwrap();
    std::fs::read(files.description).unwrap()
}

/// Moves a model with such binaries, and returns for how long it was frozen, by the source's record.
fn frozen(described: &Described, binaries: u64) -> Duration {
    let described = described.clone();
    virtually(async move {
        let link = Link::new(Road::new(20.0, RTT.as_millis() as u64, 0.0), 7);
        let [src, _dst] = hosts(&link, LinkSettings::default()).await;
        src.ports.describe(described);
        let mut going = Going::begin(&src, 0, binaries).await;
        going.0.wait_for(|view| matches!(view.state, State::Freezing | State::Frozen)).await.unwrap();
        let begun = Instant::now();
        going
            .0
            .wait_for(|view| !matches!(view.state, State::Freezing | State::Frozen | State::Committed))
            .await
            .unwrap();
        let frozen = begun.elapsed();
        going.moved().await;
        frozen
    })
}

#[test]
fn a_freeze_lasts_as_long_as_the_description_takes_whatever_the_binaries_have() {
    let described = Described { live: description(1), frozen: description(2) };
    assert!(described.frozen.len() >= 7_900_000, "{} bytes", described.frozen.len());
    let few = frozen(&described, 8 * MIB);
    let many = frozen(&described, 64 * MIB);
    assert!(few.abs_diff(many) <= RTT, "{few:?} with 8 MiB, {many:?} with 64 MiB");
    assert!(many <= FROZEN_MAX, "{many:?}");
}
