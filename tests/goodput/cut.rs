//! What is shown of a transfer whose link is cut.

use std::time::Duration;

use modelferry::config::LinkSettings;
use modelferry::engine::view::State;
use tokio::time::Instant;

use super::agents::{Going, hosts, virtually};
use super::memory_controller::noise;
use super::wire::{Link, Road};

const MIB: u64 = 1 << 20;

/// Begins a transfer over a link that is cut after two seconds, for so long.
async fn cut(seconds: u64, shown: impl AsyncFnOnce(&mut Going, Instant)) {
    let from = Duration::from_secs(2);
    let until = from + Duration::from_secs(seconds);
    let link = Link::new(Road { cut: Some((from, until)), ..Road::new(20.0, 50, 0.0) }, 7);
    let [src, _dst] = hosts(&link, LinkSettings::default()).await;
    link.begin();
    let cut_at = Instant::now() + from;
    let mut going = Going::begin(&src, 0, 32 * MIB).await;
    shown(&mut going, cut_at).await;
    going.moved().await;
}

#[test]
fn a_peer_that_does_not_answer_is_told_of_before_the_connection_is_given_up() {
    virtually(cut(20, async |going, cut_at| {
        for (seconds, at_most) in [(5, 7), (10, 12), (15, 17)] {
            going.waits(&format!("dst has not answered for {seconds} s")).await;
            assert!(cut_at.elapsed() <= Duration::from_secs(at_most), "{seconds} s are told {:?}", cut_at.elapsed());
        }
        going.0.wait_for(|view| view.waiting.is_none()).await.unwrap();
        assert!(cut_at.elapsed() <= Duration::from_secs(23), "the silence is over {:?}", cut_at.elapsed());
    }));
}

#[test]
fn what_the_target_held_is_shown_all_the_time_after_a_cut() {
    virtually(cut(60, async |going, _| {
        let before = going.waits("waiting for the agent of dst").await.bytes.held;
        assert!(before >= 2 * MIB, "{before}");
        let least = loop {
            going.0.changed().await.unwrap();
            let view = going.0.borrow_and_update().clone();
            if view.bytes.held < before || view.bytes.held >= 24 * MIB {
                break view.bytes.held;
            }
        };
        assert!(least >= before, "{least} are shown where {before} were");
    }));
}

#[test]
fn a_log_that_waits_for_a_silent_peer_says_so_long_before_the_connection_is_given_up() {
    virtually(async {
        let (from, until) = (Duration::from_secs(4), Duration::from_secs(19));
        let link = Link::new(Road { cut: Some((from, until)), ..Road::new(20.0, 50, 0.0) }, 7);
        let [src, _dst] = hosts(&link, LinkSettings::default()).await;
        link.begin();
        let cut_at = Instant::now() + from;
        let mut going = Going::begin(&src, 0, MIB).await;
        src.controllers[0].log([1, 2, 3, 4].map(|piece| (piece, noise(3 + piece, 4 * MIB as usize))));

        let view = going.waits("the agent of dst gives no sign of life").await;
        assert_eq!(view.state, State::Handed);
        assert!(cut_at.elapsed() <= Duration::from_secs(4), "told {:?} after the cut", cut_at.elapsed());
        going.0.wait_for(|view| view.waiting.is_none()).await.unwrap();
        assert!(cut_at.elapsed() <= Duration::from_secs(18), "the silence is over {:?}", cut_at.elapsed());
        going.moved().await;
    });
}
