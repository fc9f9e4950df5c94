//! Tests of the model alone on a link.

use std::time::Duration;

use super::super::memory::Capacity;
use super::super::model::Phase;
use super::{Link, Sim};

#[test]
fn random_loss_of_one_percent_keeps_nine_tenths_of_the_rate() {
    for (mbit, rtt_ms, loss) in [(100.0, 150, 0.001), (20.0, 200, 0.01), (100.0, 80, 0.02), (500.0, 100, 0.01)] {
        let mut sim = Sim::new(Link::new(mbit, rtt_ms, loss));
        sim.until(5.0);
        let share = sim.until(30.0);
        assert!(share > 0.9, "{mbit} Mbit/s, {rtt_ms} ms, {loss}: {share}");
    }
}

#[test]
fn a_start_fills_the_link_in_five_round_trips() {
    for (mbit, rtt_ms) in [(100.0, 20), (100.0, 150), (20.0, 200), (500.0, 100), (1000.0, 100)] {
        let mut sim = Sim::new(Link::new(mbit, rtt_ms, 0.0));
        let rtt = rtt_ms as f64 / 1e3;
        sim.until(5.0 * rtt);
        let share = sim.until(15.0 * rtt);
        assert!(share > 0.9, "{mbit} Mbit/s, {rtt_ms} ms: {share}");
    }
}

#[test]
fn a_queue_of_one_round_trip_overflows_little_at_the_start_and_not_again() {
    for (mbit, rtt_ms) in [(100.0, 20), (100.0, 150), (20.0, 200), (500.0, 100)] {
        let mut sim = Sim::new(Link::new(mbit, rtt_ms, 0.0));
        sim.until(30.0 * rtt_ms as f64 / 1e3);
        let at_start = sim.overflow;
        assert!((at_start as f64) < 0.3 * sim.link.queue + 3e5, "{mbit} Mbit/s, {rtt_ms} ms: {at_start}");
        sim.until(60.0);
        assert_eq!(sim.overflow, at_start, "{mbit} Mbit/s, {rtt_ms} ms");
    }
}

#[test]
fn the_queue_is_short_in_the_long_run() {
    let mut sim = Sim::new(Link::new(100.0, 50, 0.0));
    sim.until(3.0);
    let [_, mean] = sim.looked_at();
    assert!(mean < 0.2, "{mean} round trips");
}

#[test]
fn jitter_does_not_pass_for_rate_and_fills_no_queue() {
    let mut sim = Sim::new(Link { jitter: 0.010, ..Link::new(100.0, 50, 0.001) });
    sim.until(3.0);
    let overflow = sim.overflow;
    let [share, queued] = sim.looked_at();
    assert!(share > 0.95 && queued < 0.25, "{share} of the rate, {queued} round trips in the queue");
    assert_eq!(sim.overflow, overflow);
}

#[test]
fn what_is_remembered_of_a_link_is_used_at_once() {
    let share = |known: Option<Capacity>| {
        let mut sim = Sim::new(Link::new(100.0, 150, 0.0));
        if let Some(known) = known {
            sim.model.remember(sim.now, known);
            sim.pace.set_rate(sim.now, sim.model.pace());
        }
        sim.until(1.0)
    };
    let known = Capacity { rate: 12_000_000.0, rtt: Duration::from_millis(150) };
    let (cold, warm) = (share(None), share(Some(known)));
    // Of the first second, the first acknowledgement costs one round trip, and the acknowledgements of the last packets
    // half a round trip.
    assert!(warm > 0.75 && warm > cold + 0.1, "{cold} cold, {warm} warm");
}

#[test]
fn a_memory_of_a_faster_link_does_little_harm() {
    let mut sim = Sim::new(Link::new(20.0, 150, 0.0));
    sim.model.remember(sim.now, Capacity { rate: 12_500_000.0, rtt: Duration::from_millis(150) });
    sim.pace.set_rate(sim.now, sim.model.pace());
    sim.until(3.0);
    let (sent, overflow) = (sim.sent, sim.overflow);
    let share = sim.until(10.0);
    let lost = (sim.overflow - overflow) as f64 / (sim.sent - sent) as f64;
    assert!(share > 0.85 && lost < 0.02, "{share} delivered, {lost} lost");
}

#[test]
fn a_link_that_becomes_slower_is_followed() {
    let mut sim = Sim::new(Link::new(100.0, 50, 0.001));
    sim.until(5.0);
    sim.link.rate *= 0.3;
    sim.until(7.0);
    let (sent, overflow) = (sim.sent, sim.overflow);
    let share = sim.until(15.0);
    let lost = (sim.overflow - overflow) as f64 / (sim.sent - sent) as f64;
    assert!(share > 0.85 && lost < 0.03, "{share} delivered, {lost} lost");
}

#[test]
fn a_link_that_becomes_faster_is_followed() {
    let mut sim = Sim::new(Link::new(30.0, 50, 0.001));
    sim.until(5.0);
    sim.link.rate /= 0.3;
    sim.link.queue /= 0.3;
    sim.until(10.0);
    let share = sim.until(15.0);
    assert!(share > 0.85, "{share}");
}

#[test]
fn loss_that_stays_beyond_a_tenth_slows_the_sender_down() {
    let mut sim = Sim::new(Link::new(100.0, 50, 0.15));
    sim.until(10.0);
    let before = sim.sent;
    sim.until(20.0);
    let share = (sim.sent - before) as f64 / 10.0 / sim.link.rate;
    assert!(share < 0.5, "still sends {share} of the rate");
}

#[test]
fn a_cut_costs_the_time_of_the_cut() {
    let mut sim = Sim::new(Link::new(100.0, 50, 0.0));
    sim.until(5.0);
    sim.link.is_cut = true;
    sim.arriving.clear();
    sim.until(10.0);
    sim.link.is_cut = false;
    // One probe packet, which quinn sends regardless of the window.
    sim.send();
    sim.until(10.2);
    let share = sim.until(11.2);
    assert!(share > 0.9, "{share}");
    assert_eq!(sim.model.phase(), Phase::Cruise);
}
