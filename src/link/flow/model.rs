//! What a sender makes of its link: how much arrives per second, how long the way is, what is too much.
//!
//! The model is pure: it is told of what was sent, acknowledged and lost, each with its moment, and says how much may be
//! in flight and how fast to send. After BBR (draft-ietf-ccwg-bbr), for one bulk flow between two hosts. Loss alone
//! means nothing: radio and overbooked transit lose packets at random. What counts is how much arrives.

use std::time::{Duration, Instant};

use super::filter::{MaxFilter, MinRtt};
use super::flights::{Flights, Sample};
use super::losses::Losses;
use super::memory::Capacity;
use super::queue::Queue;

/// Bytes sent before anything is known. Gains 3 to 10 % on long links.
pub(super) const INITIAL_WINDOW_BYTES: u64 = 128 << 10;
/// Packets that may be in flight however bad the link is.
const WINDOW_PACKETS_MIN: u64 = 4;
/// The first window is sent this much faster than in a round trip, so that its end finds out more than its length does.
const INITIAL_PACE: f64 = 2.77;
/// A start sends twice as fast as what is known to get through without a queue, and as much as that is in a round trip:
/// if there is no more, this fills a queue of one round trip's worth, and does not overflow it.
const STARTUP_GAIN: f64 = 2.0;
/// And three times as much while that is little: what may be lost of it costs less than another round trip.
const EARLY_GAIN: f64 = 3.0;
const EARLY_BYTES_MAX: f64 = 2e6;
/// What gets through is known after an eighth of a round trip, as long as that is not so short that it tells of hosts.
const BURST_PARTS: u32 = 8;
const BURST_MIN: Duration = Duration::from_millis(4);
/// Window and pace of a start once there is a queue.
const QUEUED_WINDOW: f64 = 1.5;
const QUEUED_PACE: f64 = 2.77;
/// On a long way more is sent at first, as this many bytes per second would be in a round trip; and at most so much.
const INITIAL_RATE: f64 = 5e6;
const INITIAL_WINDOW_BYTES_MAX: u64 = 512 << 10;
/// A start is over when the rate has not grown by a quarter in so many rounds.
const STARTUP_GROWTH: f64 = 1.25;
const STARTUP_ROUNDS: u32 = 3;
/// Or when there was a queue, and no burst has found much more than that.
const STARTUP_KNOWN: f64 = 0.9;
/// A round trip that is so much longer than the shortest tells of a queue: the window has grown enough.
const STARTUP_QUEUE: f64 = 1.1;
/// The queue that a start has built is given twice its time to drain.
const DRAIN_PACE: f64 = 0.5;
/// One round trip of more, one of less, then some of the same: finds out whether there is more, and pays it back.
const CYCLE: [f64; 8] = [1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// Window in round trips' worth. The second is for acknowledgements that come late and losses not yet known.
const CRUISE_WINDOW: f64 = 2.0;
/// Window beside somebody who keeps the queue filled, such as TCP: what is in the queue is a share of the link, and this
/// leaves them theirs. And what it has beyond the round trip of a share that is kept.
const CROWDED_WINDOW: f64 = 1.5;
const SHARE_WINDOW: f64 = 1.1;
/// How long the greatest rate is believed: ten round trips, and not less than half a second.
const RATE_ROUNDS: u32 = 10;
const RATE_MEMORY_MIN: Duration = Duration::from_millis(500);
/// How long the shortest round trip is believed.
const RTT_MEMORY: Duration = Duration::from_secs(10);
/// After how long without one as short the pipe is left half empty, while the shortest is still believed.
const RTT_UNSEEN_MAX: Duration = Duration::from_secs(5);
/// How long the pipe is left half empty to see the way without a queue.
const PROBE_RTT: Duration = Duration::from_millis(200);
/// How long a peer may take for an acknowledgement, which is no queue.
const ACK_DELAY: Duration = Duration::from_millis(5);
/// After how many packets it acknowledges: 10 cut the traffic back to a fifth, at no cost. And how long it waits for them.
/// Half of them may be less than a full packet, or lost.
pub(in crate::link) const ACK_PACKETS: u32 = 10;
const ACK_WAIT: Duration = Duration::from_millis(25);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Doubling until no more arrives.
    Startup,
    /// Emptying the queue that this has built.
    Drain,
    /// At the link's rate.
    Cruise,
    /// Half empty, to see the shortest round trip.
    ProbeRtt,
}

/// The model.
#[derive(Debug, Clone)]
pub(super) struct Model {
    mtu: u64,
    phase: Phase,
    flights: Flights,
    losses: Losses,
    rate: MaxFilter,
    /// Time in which there was something to send.
    busy: Duration,
    sampled_at: Instant,
    min_rtt: MinRtt,
    queue: Queue,
    /// Window of a start: grows by what has arrived, as long as there is no queue.
    grown: u64,
    /// Whether the last round trip told of a queue.
    has_queue: bool,
    /// The greatest rates of bursts in a start, in bytes per second: of all, and of those that the link has spread.
    proven: f64,
    carried: f64,
    full_rate: f64,
    full_rounds: u32,
    cycle: usize,
    phase_at: Instant,
}

impl Model {
    pub(super) fn new(now: Instant, mtu: u64) -> Self {
        Self {
            mtu,
            phase: Phase::Startup,
            flights: Flights::new(now),
            losses: Losses::new(),
            rate: MaxFilter::default(),
            busy: Duration::ZERO,
            sampled_at: now,
            min_rtt: MinRtt::default(),
            queue: Queue::new(now),
            grown: INITIAL_WINDOW_BYTES,
            has_queue: false,
            carried: 0.0,
            proven: 0.0,
            full_rate: 0.0,
            full_rounds: 0,
            cycle: 0,
            phase_at: now,
        }
    }

    /// Begins with what was known of this link before, if nothing better is known by now.
    pub(super) fn remember(&mut self, now: Instant, known: Capacity) {
        if self.phase != Phase::Startup || self.rate.get().is_some_and(|rate| rate >= known.rate) {
            return;
        }
        self.rate.reset(self.busy, known.rate);
        if self.min_rtt.get().is_none() {
            self.min_rtt.insert(now, RTT_MEMORY, known.rtt);
        }
        // Not the phase that asks for more: what is remembered is tried as it is first.
        self.enter(Phase::Cruise, now);
        self.cycle = 2;
    }

    pub(super) fn set_mtu(&mut self, mtu: u64) {
        self.mtu = mtu;
    }

    /// Takes note of bytes sent. `is_capped`: something else than this model holds the connection back.
    pub(super) fn sent(&mut self, now: Instant, bytes: u64, is_capped: bool) {
        self.flights.sent(now, bytes, self.window(), is_capped);
    }

    /// Takes note that a packet of `bytes`, sent at `sent`, has arrived.
    pub(super) fn acked(&mut self, now: Instant, sent: Instant, bytes: u64) {
        self.flights.acked(now, sent, bytes);
        self.losses.acked(bytes);
        if self.phase == Phase::Startup && !self.has_queue && self.flights.filled_window() {
            self.grown = (self.grown.max(self.initial()) + bytes).min(2 * self.initial());
        }
    }

    /// Takes note that a batch of acknowledgements is complete. `is_limited`: there is nothing to send.
    pub(super) fn acks_end(&mut self, now: Instant, in_flight: u64, is_limited: bool) {
        let burst = (self.phase == Phase::Startup).then(|| (self.rtt() / BURST_PARTS).max(BURST_MIN));
        if let Some(sample) = self.flights.acks_end(now, in_flight, is_limited, burst) {
            self.min_rtt.insert(now, RTT_MEMORY, sample.rtt);
            let waited = if sample.acked < self.ack_bytes() / 2 { ACK_WAIT } else { Duration::ZERO };
            let rtt = sample.rtt.saturating_sub(waited).max(self.rtt());
            self.has_queue = rtt.saturating_sub(ACK_DELAY) > self.rtt().mul_f64(STARTUP_QUEUE);
            // Where most acknowledgements wait for nothing, those that did tell of no round trip.
            let is_thin = self.acking() > ACK_WAIT;
            self.queue.heard(now, if is_thin { rtt } else { sample.rtt }, self.rtt(), self.acking());
            // On a shorter way a burst is several round trips, and tells of hosts.
            if let Some(burst) = sample.burst.filter(|_| self.rtt() >= BURST_MIN) {
                self.proven = self.proven.max(burst.rate);
                if burst.is_spread && self.has_queue && burst.bytes > self.ack_bytes() / 2 {
                    self.carried = self.carried.max(burst.rate);
                }
            }
            self.sample(now, &sample);
            if sample.is_new_round {
                self.round(now);
            }
        }
        self.advance(now, in_flight);
    }

    /// Takes note that everything which was on its way at the last round's end has arrived.
    fn round(&mut self, now: Instant) {
        self.queue.round(self.rtt(), self.acking(), self.rate.get().unwrap_or(0.0));
        // What a start believes is not worth much yet.
        let believed = if self.phase == Phase::Startup { None } else { self.rate.get() };
        if self.losses.judge(now, believed, self.mtu) {
            self.queue.overflowed();
            self.full_rounds += 2;
        }
    }

    /// Takes note of bytes that are lost, of which the last were sent at `sent`. `is_outage`: everything was, for a long
    /// time, which tells of no queue.
    pub(super) fn lost(&mut self, sent: Instant, bytes: u64, is_outage: bool) {
        self.flights.lost(bytes);
        self.losses.lost(sent, bytes, is_outage);
    }

    fn sample(&mut self, now: Instant, sample: &Sample) {
        // Less than a round trip is a burst of acknowledgements, not a rate.
        if sample.span < self.rtt() || sample.span.is_zero() {
            return;
        }
        let rate = sample.bytes as f64 / sample.span.as_secs_f64();
        if sample.is_limited && self.rate.get().is_some_and(|known| rate < known) {
            return;
        }
        let window = (self.rtt() * RATE_ROUNDS).max(RATE_MEMORY_MIN);
        if !sample.is_limited {
            self.busy += now.saturating_duration_since(self.sampled_at).min(window / 4);
            self.sampled_at = now;
        }
        self.rate.insert(self.busy, window, rate);
        // Whoever has too little to send builds no queue: where there is one, the link is full all the same.
        if self.phase == Phase::Startup && sample.is_new_round && (!sample.is_limited || self.is_filled()) {
            self.is_full();
        }
    }

    /// Notes whether a start still finds more.
    fn is_full(&mut self) {
        let rate = self.rate.get().unwrap_or(0.0);
        if rate >= self.full_rate * STARTUP_GROWTH {
            (self.full_rate, self.full_rounds) = (rate, 0);
        } else {
            // With a queue there is no doubt where the bottleneck is.
            self.full_rounds += if self.has_queue { 2 } else { 1 };
        }
        if self.carried > 0.0 && rate > STARTUP_KNOWN * self.carried {
            self.full_rounds = STARTUP_ROUNDS;
        }
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.phase_at = now;
        self.cycle = 0;
    }

    fn advance(&mut self, now: Instant, in_flight: u64) {
        let held = now.saturating_duration_since(self.phase_at);
        match self.phase {
            Phase::Startup if self.full_rounds >= STARTUP_ROUNDS => self.enter(Phase::Drain, now),
            Phase::Drain if in_flight as f64 <= self.product() => {
                self.enter(Phase::Cruise, now);
                self.cycle = 2;
            }
            Phase::Cruise => {
                let gain = CYCLE[self.cycle];
                let is_over = match gain {
                    // The queue that asking for more has built may be gone sooner than it came.
                    gain if gain < 1.0 => held >= self.rtt() || in_flight as f64 <= self.product(),
                    gain if gain > 1.0 => {
                        held >= self.rtt() && (in_flight as f64 >= gain * self.product() || held >= 2 * self.rtt())
                    }
                    _ => held >= self.rtt(),
                };
                if is_over {
                    let next = (self.cycle + 1) % CYCLE.len();
                    self.phase_at = now;
                    self.cycle = next;
                }
                if self.queue.unseen(now) > RTT_UNSEEN_MAX && !self.flights.is_limited() {
                    self.enter(Phase::ProbeRtt, now);
                }
            }
            Phase::ProbeRtt if held >= PROBE_RTT.max(self.rtt()) => {
                self.queue.looked(now);
                self.enter(Phase::Cruise, now);
                self.cycle = 2;
            }
            Phase::Startup | Phase::Drain | Phase::ProbeRtt => {}
        }
    }

    fn rtt(&self) -> Duration {
        self.min_rtt.get().unwrap_or(Duration::ZERO)
    }

    /// Returns the rate that is believed, in bytes per second.
    fn rate(&self) -> f64 {
        self.losses.bounded(self.rate.get().unwrap_or(0.0).max(self.queue.share()))
    }

    /// Reports whether there is a queue and the link, not what there was to send, has made it: acknowledgements that wait
    /// in a queue of the other direction look like one.
    fn is_filled(&self) -> bool {
        self.has_queue && self.carried > 0.0
    }

    /// Returns how fast a start sends next, in bytes per second, after what is known to get through.
    fn reach(&self) -> f64 {
        let known = self.losses.bounded(self.proven).max(self.rate());
        let is_little = EARLY_GAIN * known * self.rtt().as_secs_f64() < EARLY_BYTES_MAX;
        known * if is_little { EARLY_GAIN } else { STARTUP_GAIN }
    }

    /// Returns the bytes of packets that are acknowledged together.
    fn ack_bytes(&self) -> u64 {
        u64::from(ACK_PACKETS) * self.mtu
    }

    /// Returns for how long packets arrive until they are acknowledged together.
    fn acking(&self) -> Duration {
        let bytes = self.ack_bytes() as f64;
        Duration::from_secs_f64(bytes / self.rate().max(bytes))
    }

    /// Returns what the link holds without a queue, in bytes.
    fn product(&self) -> f64 {
        self.rate() * self.rtt().as_secs_f64()
    }

    /// Returns how many bytes may be in flight before anything is known but the round trip.
    fn initial(&self) -> u64 {
        let in_round = INITIAL_RATE * self.rtt().as_secs_f64();
        (in_round as u64).clamp(INITIAL_WINDOW_BYTES, INITIAL_WINDOW_BYTES_MAX)
    }

    /// Returns how many bytes may be in flight.
    pub(super) fn window(&self) -> u64 {
        let least = WINDOW_PACKETS_MIN * self.mtu;
        // Where hosts take longer to wake up than packets to arrive, the window is for the hosts.
        let product = self.product();
        let waking = product + self.rate() * self.losses.slack() + least as f64;
        let window = match self.phase {
            Phase::Startup => {
                let known = self.reach() * self.rtt().as_secs_f64();
                let grown = self.grown.max(self.initial()) as f64;
                // What began with too much for this link stops when that shows.
                let start =
                    if self.is_filled() { (QUEUED_WINDOW * product).max(known.min(grown)) } else { known.max(grown) };
                start.max(waking)
            }
            Phase::Cruise if self.queue.is_crowded() => {
                let share = self.queue.share().min(self.rate()) * self.queue.round_trip().as_secs_f64();
                (CROWDED_WINDOW * product).max(SHARE_WINDOW * share).max(waking)
            }
            Phase::Drain | Phase::Cruise => (CRUISE_WINDOW * product).max(waking),
            Phase::ProbeRtt => 0.5 * product,
        };
        (window as u64).max(least)
    }

    /// Returns how fast to send, in bytes per second; nothing while there is nothing to go by.
    pub(super) fn pace(&self) -> Option<f64> {
        let rtt = self.min_rtt.get()?.max(Duration::from_millis(1)).as_secs_f64();
        let pace = match self.phase {
            Phase::Startup if self.is_filled() => QUEUED_PACE * self.rate(),
            Phase::Startup => {
                let grown = self.reach().max(STARTUP_GAIN * self.grown as f64 / rtt);
                grown.max(INITIAL_PACE * self.initial() as f64 / rtt)
            }
            Phase::Drain => DRAIN_PACE * self.rate(),
            Phase::Cruise if CYCLE[self.cycle] == 1.0 => self.queue.ease() * self.rate(),
            Phase::Cruise => CYCLE[self.cycle] * self.rate(),
            Phase::ProbeRtt => self.rate(),
        };
        Some(pace.max(WINDOW_PACKETS_MIN as f64 * self.mtu as f64 / rtt.max(0.1)))
    }

    /// Returns what is worth remembering of the link, once that is something.
    pub(super) fn measured(&self) -> Option<Capacity> {
        let is_sure = matches!(self.phase, Phase::Cruise | Phase::ProbeRtt);
        is_sure.then(|| Some(Capacity { rate: self.rate(), rtt: self.min_rtt.get()? })).flatten()
    }

    #[cfg(test)]
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }
}
