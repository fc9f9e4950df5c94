//! What operators allow, held against every datagram's moment: no ten seconds have more than a hundredth and a bit over
//! the cap, whatever goes on in them, and what is allowed is used.

use std::time::Duration;

use modelferry::config::{Congestion, LinkSettings, Rate, Window};
use modelferry::link::Limit;
use tokio::time::Instant;

use super::agents::{Going, NAMES, hosts, virtually};
use super::wire::{Link, Road};

const MIB: u64 = 1 << 20;
/// What is measured over: the span of the promise.
const SPAN: Duration = Duration::from_secs(10);
/// The promise, and what it must be worth.
const OVER_MAX: f64 = 1.02;
const USED_MIN: f64 = 0.95;
/// Bytes per second that a pause lets through for the connection to live.
const PAUSE_BYTES: f64 = 8_000.0;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn at_most(text: &str) -> Limit {
    Limit::AtMost(rate(text))
}

/// A road that is much wider than what is allowed on it.
fn wide(loss: f64) -> Road {
    Road::new(100.0, 50, loss)
}

/// The most and the least bytes of UDP payload in any ten seconds between two moments, a second's worth each.
fn extremes(link: &Link, from: Instant, until: Instant) -> (f64, f64) {
    assert!(from + SPAN < until, "too short to be judged: {:?}", until - from);
    let sent: Vec<(Instant, u64)> = link.sent(1).into_iter().filter(|(at, _)| (from..until).contains(at)).collect();
    let (mut most, mut least) = (0, u64::MAX);
    let (mut end, mut sum) = (0, 0);
    for (at, bytes) in &sent {
        while let Some((_, more)) = sent.get(end).filter(|(later, _)| *later < *at + SPAN) {
            sum += more;
            end += 1;
        }
        most = most.max(sum);
        if *at + SPAN < until {
            least = least.min(sum);
        }
        sum -= bytes;
    }
    let each = |sum: u64| sum as f64 / SPAN.as_secs_f64();
    (each(most), each(least.min(most)))
}

/// Claims that no ten seconds between two moments had more than `cap` bytes a second.
fn kept(link: &Link, from: Instant, until: Instant, cap: f64) {
    let (most, _) = extremes(link, from, until);
    assert!(most <= OVER_MAX * cap, "{} of what is allowed", most / cap);
}

/// Claims that, and that all ten seconds had nearly so much.
fn kept_and_used(link: &Link, from: Instant, until: Instant, cap: f64) {
    let (most, least) = extremes(link, from, until);
    assert!(most <= OVER_MAX * cap && least >= USED_MIN * cap, "{} to {} of what is allowed", least / cap, most / cap);
}

/// A moment after a change, when a transfer that it lets run does run.
fn running(changed: Instant) -> Instant {
    changed + Duration::from_secs(1)
}

/// Moves a model under a cap.
async fn one(loss: f64, congestion: Congestion) {
    let bytes = 24 * MIB;
    let link = Link::new(wide(loss), 7);
    let settings = LinkSettings { bwlimit: Some(rate("8mbit")), congestion, ..LinkSettings::default() };
    let begun = Instant::now();
    let [src, _dst] = hosts(&link, settings).await;
    let first = Instant::now();
    let mut going = Going::begin(&src, 0, bytes).await;
    let last = going.holds(bytes).await;
    kept_and_used(&link, running(first), last, 1e6);
    going.moved().await;
    kept(&link, begun, Instant::now(), 1e6);
}

#[test]
fn a_transfer_uses_its_cap_and_keeps_it() {
    virtually(one(0.0, Congestion::Ferry));
}

#[test]
fn the_other_congestion_controller_keeps_the_cap_as_well() {
    virtually(one(0.0, Congestion::Cubic));
}

#[test]
fn what_is_sent_again_counts() {
    virtually(one(0.01, Congestion::Ferry));
}

#[test]
fn the_least_cap_is_kept_as_well() {
    virtually(async {
        let link = Link::new(wide(0.0), 7);
        let settings = LinkSettings { bwlimit: Some(rate("64kbit")), ..LinkSettings::default() };
        let begun = Instant::now();
        let [src, _dst] = hosts(&link, settings).await;
        let mut going = Going::begin(&src, 0, MIB / 2).await;
        going.moved().await;
        kept(&link, begun, Instant::now(), 8_000.0);
    });
}

#[test]
fn two_migrations_at_once_share_a_cap() {
    virtually(async {
        let link = Link::new(wide(0.0), 7);
        let begun = Instant::now();
        let [src, _dst] = hosts(&link, LinkSettings::default()).await;
        src.link.limit(Some(NAMES[1]), at_most("8mbit")).await.unwrap();
        let first = Instant::now();
        let mut one = Going::begin(&src, 0, 16 * MIB).await;
        let mut other = Going::begin(&src, 1, 16 * MIB).await;
        other.holds(4 * MIB).await;
        assert!(one.0.borrow().bytes.held < 12 * MIB, "they go side by side");
        let last = one.holds(16 * MIB).await.max(other.holds(16 * MIB).await);
        // Their ends, when one waits for the last word of the target, are not judged.
        kept_and_used(&link, running(first), last - Duration::from_secs(1), 1e6);
        one.moved().await;
        other.moved().await;
        kept(&link, begun + Duration::from_millis(200), Instant::now(), 1e6);
    });
}

#[test]
fn a_cap_holds_across_a_cut_and_the_handshake_after_it() {
    // Longer than QUIC waits: the connection is lost, and another one made.
    let cut = (Duration::from_secs(12), Duration::from_secs(55));
    virtually(async move {
        let link = Link::new(Road { cut: Some(cut), ..wide(0.0) }, 7);
        let [src, _dst] = hosts(&link, LinkSettings::default()).await;
        src.link.limit(Some(NAMES[1]), at_most("8mbit")).await.unwrap();
        link.begin();
        let first = Instant::now();
        let mut going = Going::begin(&src, 0, 32 * MIB).await;
        going.waits("waiting for the agent of dst").await;
        let lost = Instant::now();
        assert!(lost > first + cut.0 + Duration::from_secs(20), "the connection is lost after {:?}", lost - first);
        kept_and_used(&link, running(first), first + cut.0, 1e6);
        going.0.wait_for(|view| view.waiting.is_none()).await.unwrap();
        let again = Instant::now();
        let last = going.holds(32 * MIB).await;
        kept_and_used(&link, running(again), last, 1e6);
        going.moved().await;
        kept(&link, first, Instant::now(), 1e6);
    });
}

#[test]
fn a_cap_that_is_lowered_holds_from_then_on() {
    virtually(async {
        let link = Link::new(wide(0.0), 7);
        let [src, _dst] = hosts(&link, LinkSettings::default()).await;
        let mut going = Going::begin(&src, 0, 64 * MIB).await;
        going.holds(8 * MIB).await;
        let mut changed = Instant::now();
        for (limit, cap) in [("16mbit", 2e6), ("4mbit", 5e5), ("8mbit", 1e6)] {
            src.link.limit(None, at_most(limit)).await.unwrap();
            tokio::time::sleep(Duration::from_secs(15)).await;
            kept(&link, changed, Instant::now(), cap);
            kept_and_used(&link, running(changed), Instant::now(), cap);
            changed = Instant::now();
        }
        src.link.limit(None, Limit::Any).await.unwrap();
        going.moved().await;
        assert!(changed.elapsed() < Duration::from_secs(4), "none again: {:?}", changed.elapsed());
    });
}

#[test]
fn a_window_of_the_week_begins_and_ends_while_bytes_move() {
    let window = |from: u16, bwlimit| Window {
        days: [true, false, false, false, false, false, false],
        from,
        to: from + 1,
        bwlimit: rate(bwlimit),
        peer: None,
    };
    // The clock of these agents begins on a Monday, half a minute before eight.
    let settings = LinkSettings {
        bwlimit: Some(rate("8mbit")),
        windows: vec![window(8 * 60, "0"), window(8 * 60 + 1, "4mbit")],
        ..LinkSettings::default()
    };
    virtually(async move {
        let link = Link::new(wide(0.0), 7);
        let begun = Instant::now();
        let minute = |number: u32| begun + Duration::from_secs(30) + Duration::from_secs(60) * number;
        let [src, _dst] = hosts(&link, settings).await;
        let first = Instant::now();
        let mut going = Going::begin(&src, 0, 96 * MIB).await;
        tokio::time::sleep_until(minute(0)).await;
        kept_and_used(&link, running(first), minute(0), 1e6);

        tokio::time::sleep_until(minute(1)).await;
        // A window opens within a second of its minute.
        let (opened, closed) = (minute(0) + Duration::from_secs(1), minute(1));
        kept(&link, opened, closed, PAUSE_BYTES);

        tokio::time::sleep_until(minute(2)).await;
        let (opened, closed) = (minute(1) + Duration::from_secs(1), minute(2));
        kept(&link, opened, closed, 5e5);
        kept_and_used(&link, running(opened), closed, 5e5);

        let last = going.holds(96 * MIB).await;
        kept_and_used(&link, minute(2) + Duration::from_secs(2), last, 1e6);
        going.moved().await;
    });
}
