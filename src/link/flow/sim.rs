//! The model on a simulated link, with a clock that costs no time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use super::memory::Capacity;
use super::model::{Model, Phase};

const PACKET: u64 = 1452;
/// Packets after which the peer acknowledges, and how long it waits for that many.
const ACK_EVERY: usize = 10;
const ACK_DELAY: Duration = Duration::from_millis(25);

struct Link {
    /// Bytes per second.
    rate: f64,
    rtt: Duration,
    loss: f64,
    queue: f64,
    is_cut: bool,
    /// Somebody else keeps most of the queue filled.
    is_shared: bool,
    chance: u64,
    free_at: Instant,
}

impl Link {
    fn new(mbit: f64, rtt_ms: u64, loss: f64) -> Self {
        let (rate, rtt) = (mbit * 1e6 / 8.0, Duration::from_millis(rtt_ms));
        let queue = (rate * rtt.as_secs_f64()).max(64.0 * 1500.0);
        let chance = 0x9e37_79b9_7f4a_7c15;
        Self { rate, rtt, loss, queue, is_cut: false, is_shared: false, chance, free_at: Instant::now() }
    }

    /// Returns when a packet arrives, if it does; `overflow` counts those for which there was no room.
    fn carry(&mut self, now: Instant, overflow: &mut u64) -> Option<Instant> {
        if self.is_shared {
            self.free_at = self.free_at.max(now + Duration::from_secs_f64(0.8 * self.queue / self.rate));
        }
        let waiting = self.free_at.saturating_duration_since(now).as_secs_f64() * self.rate;
        if self.is_cut || waiting > self.queue {
            *overflow += PACKET;
            return None;
        }
        self.free_at = self.free_at.max(now) + Duration::from_secs_f64(PACKET as f64 / self.rate);
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        let is_lost = ((self.chance >> 11) as f64 / (1u64 << 53) as f64) < self.loss;
        (!is_lost).then(|| self.free_at + self.rtt / 2)
    }
}

/// A sender with endless data on a link.
struct Sim {
    begin: Instant,
    now: Instant,
    link: Link,
    model: Model,
    pace: Bucket,
    next_poll: Instant,
    next_number: u64,
    in_flight: u64,
    unacked: BTreeMap<u64, Instant>,
    arriving: VecDeque<(Instant, u64)>,
    arrived: Vec<u64>,
    ack_at: Option<Instant>,
    acks: VecDeque<(Instant, Vec<u64>)>,
    sent: u64,
    delivered: u64,
    overflow: u64,
}

impl Sim {
    fn new(link: Link) -> Self {
        let now = link.free_at;
        let mut model = Model::new(now, PACKET);
        // The handshake has shown the round trip.
        model.sent(now, 1200, false);
        model.acked(now + link.rtt, now, 1200);
        model.acks_end(now + link.rtt, 0, true);
        let now = now + link.rtt;
        Self {
            begin: now,
            now,
            link,
            model,
            pace: Bucket::new(now, Duration::from_millis(3)),
            next_poll: now,
            next_number: 0,
            in_flight: 0,
            unacked: BTreeMap::new(),
            arriving: VecDeque::new(),
            arrived: Vec::new(),
            ack_at: None,
            acks: VecDeque::new(),
            sent: 0,
            delivered: 0,
            overflow: 0,
        }
    }

    /// Runs until `seconds` after the begin and returns the share of the link's rate that was delivered meanwhile.
    fn until(&mut self, seconds: f64) -> f64 {
        let (from, before) = (self.now, self.delivered);
        let end = self.begin + Duration::from_secs_f64(seconds);
        while self.step(end) {}
        self.now = end;
        (self.delivered - before) as f64 / (end - from).as_secs_f64() / self.link.rate
    }

    /// Does what comes next; false if that is after `end`.
    fn step(&mut self, end: Instant) -> bool {
        let may_send = self.in_flight + PACKET < self.model.window();
        let poll = may_send.then(|| self.next_poll.max(self.now));
        let arrival = self.arriving.front().map(|(at, _)| *at);
        let ack = self.acks.front().map(|(at, _)| *at);
        let Some(next) = [poll, arrival, self.ack_at, ack].into_iter().flatten().min().filter(|next| *next <= end)
        else {
            return false;
        };
        self.now = next;
        if ack == Some(next) {
            let (_, numbers) = self.acks.pop_front().unwrap();
            self.hear(&numbers);
        } else if arrival == Some(next) {
            let (_, number) = self.arriving.pop_front().unwrap();
            self.arrived.push(number);
            self.ack_at.get_or_insert(next + ACK_DELAY);
            if self.arrived.len() == ACK_EVERY {
                self.acknowledge();
            }
        } else if self.ack_at == Some(next) {
            self.acknowledge();
        } else {
            self.send();
        }
        true
    }

    fn acknowledge(&mut self) {
        self.ack_at = None;
        self.acks.push_back((self.now + self.link.rtt / 2, std::mem::take(&mut self.arrived)));
    }

    fn send(&mut self) {
        self.model.sent(self.now, PACKET, false);
        let release = self.pace.reserve(self.now, PACKET).max(self.now);
        self.next_poll = release;
        self.unacked.insert(self.next_number, self.now);
        if let Some(at) = self.link.carry(release, &mut self.overflow) {
            self.arriving.push_back((at, self.next_number));
        }
        self.next_number += 1;
        self.in_flight += PACKET;
        self.sent += PACKET;
    }

    fn hear(&mut self, numbers: &[u64]) {
        for number in numbers {
            if let Some(sent) = self.unacked.remove(number) {
                self.model.acked(self.now, sent, PACKET);
                self.in_flight -= PACKET;
                self.delivered += PACKET;
            }
        }
        self.model.acks_end(self.now, self.in_flight, false);
        let newest = numbers.iter().max().copied().unwrap_or(0);
        let kept = self.unacked.split_off(&newest.saturating_sub(2));
        let lost = std::mem::replace(&mut self.unacked, kept).len() as u64 * PACKET;
        if lost > 0 {
            self.in_flight -= lost;
            // Everything in flight at once: quinn calls that persistent congestion.
            self.model.lost(lost, self.link.is_cut);
        }
        self.pace.set_rate(self.now, self.model.pace());
    }

    fn queued(&self) -> f64 {
        self.link.free_at.saturating_duration_since(self.now).as_secs_f64() / self.link.rtt.as_secs_f64()
    }
}

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
fn a_start_fills_the_link_in_ten_round_trips() {
    for (mbit, rtt_ms) in [(100.0, 20), (100.0, 150), (20.0, 200)] {
        let mut sim = Sim::new(Link::new(mbit, rtt_ms, 0.0));
        let rtt = rtt_ms as f64 / 1e3;
        sim.until(10.0 * rtt);
        let share = sim.until(20.0 * rtt);
        assert!(share > 0.9, "{mbit} Mbit/s, {rtt_ms} ms: {share}");
    }
}

#[test]
fn a_queue_of_one_round_trip_overflows_at_the_start_alone() {
    for (mbit, rtt_ms) in [(100.0, 20), (100.0, 150), (20.0, 200)] {
        let mut sim = Sim::new(Link::new(mbit, rtt_ms, 0.0));
        sim.until(30.0 * rtt_ms as f64 / 1e3);
        let at_start = sim.overflow;
        assert!((at_start as f64) < 1.5 * sim.link.queue, "{mbit} Mbit/s, {rtt_ms} ms: {at_start}");
        sim.until(60.0);
        assert_eq!(sim.overflow, at_start, "{mbit} Mbit/s, {rtt_ms} ms");
    }
}

#[test]
fn the_queue_is_short_in_the_long_run() {
    let mut sim = Sim::new(Link::new(100.0, 50, 0.0));
    sim.until(3.0);
    let looks = (0..1000).map(|look| {
        sim.until(3.0 + f64::from(look) * 0.02);
        sim.queued()
    });
    let mean = looks.sum::<f64>() / 1000.0;
    assert!(mean < 0.2, "{mean} round trips");
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
    // The first acknowledgement of a second takes a round trip, and a half more for the acks of the last.
    assert!(warm > 0.75 && warm > cold + 0.2, "{cold} cold, {warm} warm");
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
fn whoever_keeps_the_queue_filled_gets_a_share_of_the_link_and_leaves_all_of_it_behind() {
    let mut sim = Sim::new(Link::new(100.0, 50, 0.0));
    let alone = sim.until(5.0);
    sim.link.is_shared = true;
    sim.until(7.0);
    let shared = sim.until(12.0);
    sim.link.is_shared = false;
    sim.until(17.0);
    let again = sim.until(22.0);
    assert!(alone > 0.85 && shared < 0.7 && again > 0.85, "{alone}, {shared}, {again}");
}

#[test]
fn a_cut_costs_the_time_of_the_cut() {
    let mut sim = Sim::new(Link::new(100.0, 50, 0.0));
    sim.until(5.0);
    sim.link.is_cut = true;
    sim.arriving.clear();
    sim.until(10.0);
    sim.link.is_cut = false;
    // A sign of life, as quinn would send it whatever the window says.
    sim.send();
    sim.until(10.2);
    let share = sim.until(11.2);
    assert!(share > 0.9, "{share}");
    assert_eq!(sim.model.phase(), Phase::Cruise);
}
