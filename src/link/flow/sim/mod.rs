//! Tests of the model on a simulated link and clock.

mod alone;
mod rival;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use super::model::Model;

const PACKET: u64 = 1452;
/// Packets after which the simulated peer acknowledges, and its maximum delay.
const ACK_EVERY: usize = 10;
const ACK_DELAY: Duration = Duration::from_millis(25);

struct Link {
    /// Bytes per second.
    rate: f64,
    rtt: Duration,
    loss: f64,
    queue: f64,
    is_cut: bool,
    /// Whether another flow keeps most of the queue filled.
    is_shared: bool,
    /// Maximum random delay in each direction, in seconds. Packets keep their order.
    jitter: f64,
    chance: u64,
    free_at: Instant,
    /// Arrival time of the last packet: ours, our acknowledgements', and a rival's.
    last: [Instant; 3],
}

impl Link {
    fn new(mbit: f64, rtt_ms: u64, loss: f64) -> Self {
        let (rate, rtt) = (mbit * 1e6 / 8.0, Duration::from_millis(rtt_ms));
        let queue = (rate * rtt.as_secs_f64()).max(64.0 * 1500.0);
        let chance = 0x9e37_79b9_7f4a_7c15;
        let now = Instant::now();
        Self {
            rate,
            rtt,
            loss,
            queue,
            is_cut: false,
            is_shared: false,
            jitter: 0.0,
            chance,
            free_at: now,
            last: [now; 3],
        }
    }

    /// Returns a packet's arrival time, or `None` if it is lost. Adds packets that found the queue full to `overflow`.
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
        let is_lost = self.share() < self.loss;
        (!is_lost).then(|| self.travel(0, self.free_at))
    }

    /// Returns the arrival time of a packet sent at `from`. `way`: index into `last`.
    fn travel(&mut self, way: usize, from: Instant) -> Instant {
        let jitter = if self.jitter > 0.0 { self.jitter * self.share() } else { 0.0 };
        self.last[way] = self.last[way].max(from + self.rtt / 2 + Duration::from_secs_f64(jitter));
        self.last[way]
    }

    /// Returns a pseudo-random number from 0 to 1.
    fn share(&mut self) -> f64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A TCP flow limited by losses: one more packet each round trip, three tenths less after a loss.
struct Rival {
    window: f64,
    in_flight: f64,
    /// Time and result of each packet's delivery.
    answers: VecDeque<(Instant, bool)>,
    /// Time of the last reduction. Losses within a round trip count once.
    backed_off: Instant,
    delivered: u64,
}

impl Rival {
    fn new(now: Instant) -> Self {
        Self { window: 10.0, in_flight: 0.0, answers: VecDeque::new(), backed_off: now, delivered: 0 }
    }

    fn hear(&mut self, now: Instant, rtt: Duration) {
        let Some((_, has_arrived)) = self.answers.pop_front() else { return };
        self.in_flight -= 1.0;
        if has_arrived {
            self.delivered += PACKET;
            self.window += 0.53 / self.window;
        } else if now > self.backed_off {
            self.window = (self.window * 0.7).max(2.0);
            self.backed_off = now + rtt;
        }
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
    rival: Option<Rival>,
    /// Whether the sender pauses.
    rests: bool,
}

impl Sim {
    fn new(link: Link) -> Self {
        let now = link.free_at;
        let mut model = Model::new(now, PACKET);
        // The handshake has measured the round trip.
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
            rival: None,
            rests: false,
        }
    }

    /// Runs until `seconds` after the begin. Returns the share of the link's rate that was delivered meanwhile.
    fn until(&mut self, seconds: f64) -> f64 {
        let (from, before) = (self.now, self.delivered);
        let end = self.begin + Duration::from_secs_f64(seconds);
        while self.step(end) {}
        self.now = end;
        (self.delivered - before) as f64 / (end - from).as_secs_f64() / self.link.rate
    }

    /// Processes the next event. Returns false if it lies after `end`.
    fn step(&mut self, end: Instant) -> bool {
        let may_send = !self.rests && self.in_flight + PACKET < self.model.window();
        let poll = may_send.then(|| self.next_poll.max(self.now));
        let arrival = self.arriving.front().map(|(at, _)| *at);
        let ack = self.acks.front().map(|(at, _)| *at);
        let rival = self.rival.as_ref().and_then(|rival| {
            if rival.in_flight < rival.window { Some(self.now) } else { rival.answers.front().map(|(at, _)| *at) }
        });
        let Some(next) =
            [poll, arrival, self.ack_at, ack, rival].into_iter().flatten().min().filter(|next| *next <= end)
        else {
            return false;
        };
        self.now = next;
        if rival == Some(next) {
            self.compete();
        } else if ack == Some(next) {
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

    /// Lets the rival send or receive an acknowledgement.
    fn compete(&mut self) {
        let (now, Some(rival)) = (self.now, &mut self.rival) else { return };
        if rival.in_flight >= rival.window {
            return rival.hear(now, self.link.rtt);
        }
        let arrival = self.link.carry(now, &mut self.overflow);
        let there = arrival.unwrap_or(self.link.free_at + self.link.rtt / 2);
        rival.answers.push_back((self.link.travel(2, there), arrival.is_some()));
        rival.in_flight += 1.0;
    }

    fn acknowledge(&mut self) {
        self.ack_at = None;
        self.acks.push_back((self.link.travel(1, self.now), std::mem::take(&mut self.arrived)));
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
        let lost = std::mem::replace(&mut self.unacked, kept);
        if let Some((_, sent)) = lost.last_key_value() {
            let lost = lost.len() as u64 * PACKET;
            self.in_flight -= lost;
            // Everything in flight was lost at once: quinn calls that persistent congestion.
            self.model.lost(*sent, lost, self.link.is_cut);
        }
        self.pace.set_rate(self.now, self.model.pace());
    }

    /// Returns the mean share of the rate and the mean queue, in round trips' worth, over 20 s.
    fn looked_at(&mut self) -> [f64; 2] {
        let (begun, mut sums) = ((self.now - self.begin).as_secs_f64(), [0.0; 2]);
        for look in 1..=1000 {
            sums[0] += self.until(begun + f64::from(look) * 0.02);
            sums[1] += self.queued();
        }
        sums.map(|sum| sum / 1000.0)
    }

    /// Returns the delivered bytes of the rival.
    fn rivals(&self) -> f64 {
        self.rival.as_ref().map_or(0.0, |rival| rival.delivered as f64)
    }

    fn queued(&self) -> f64 {
        self.link.free_at.saturating_duration_since(self.now).as_secs_f64() / self.link.rtt.as_secs_f64()
    }
}
