//! A model of the link: its delivery rate, its round trip, and the loss that is too much.
//!
//! The model is pure. Its inputs are the bytes sent, acknowledged and lost, each with its time. Its outputs are the
//! maximum bytes in flight and the pace. It follows BBR (draft-ietf-ccwg-bbr), for one bulk flow between two hosts. Loss
//! alone does not slow it down, because radio links and overbooked transit lose packets at random. A falling delivery
//! rate does.

use std::time::{Duration, Instant};

use super::measures::filter::{MaxFilter, MinRtt};
use super::measures::flights::{Flights, Sample};
use super::measures::losses::Losses;
use super::measures::queue::Queue;
use super::memory::Capacity;

/// Initial window, bytes, before anything is known. Gains 3 to 10 % on long links.
pub(super) const INITIAL_WINDOW_BYTES: u64 = 128 << 10;
/// Minimum window, in packets.
const WINDOW_PACKETS_MIN: u64 = 4;
/// Pace of the initial window, relative to one window per round trip. Packets close together reveal the link's rate at
/// the end of the window.
const INITIAL_PACE: f64 = 2.77;
/// Factor of startup on the rate that is known to pass without a queue, for pace and window. If the link carries no
/// more, this fills a queue of one round trip's worth without overflowing it.
const STARTUP_GAIN: f64 = 2.0;
/// Factor of startup while it yields less than this many bytes per round trip: their loss costs less than another round
/// trip.
const EARLY_GAIN: f64 = 3.0;
const EARLY_BYTES_MAX: f64 = 2e6;
/// Startup measures bursts over an eighth of a round trip, but not below 4 ms, where delays of the hosts dominate.
const BURST_PARTS: u32 = 8;
const BURST_MIN: Duration = Duration::from_millis(4);
/// Window and pace factors of startup once a queue exists.
const QUEUED_WINDOW: f64 = 1.5;
const QUEUED_PACE: f64 = 2.77;
/// On a long path the initial window is this rate times the round trip, up to a maximum.
const INITIAL_RATE: f64 = 5e6;
const INITIAL_WINDOW_BYTES_MAX: u64 = 512 << 10;
/// Startup ends if the rate grows by less than a quarter for this many rounds.
const STARTUP_GROWTH: f64 = 1.25;
const STARTUP_ROUNDS: u32 = 3;
/// Startup also ends when the rate reaches this share of the fastest burst that the link spread while a queue existed.
const STARTUP_KNOWN: f64 = 0.9;
/// A round trip longer than the shortest by this factor means a queue, and the window stops growing.
const STARTUP_QUEUE: f64 = 1.1;
/// Pace factor that drains the queue of startup. A queue of one round trip's worth takes two round trips.
const DRAIN_PACE: f64 = 0.5;
/// Pace factors, one round trip each: one asks whether the link carries more, one drains the resulting queue, six hold.
const CYCLE: [f64; 8] = [1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// Window in round trips' worth. The second covers delayed acknowledgements and losses not yet detected.
const CRUISE_WINDOW: f64 = 2.0;
/// Window factor next to a flow that keeps the queue filled, such as TCP: occupying less of the queue leaves that flow
/// its share. And the factor on a kept share's window.
const CROWDED_WINDOW: f64 = 1.5;
const SHARE_WINDOW: f64 = 1.1;
/// How long the maximum rate is remembered: ten round trips, but at least half a second.
const RATE_ROUNDS: u32 = 10;
const RATE_MEMORY_MIN: Duration = Duration::from_millis(500);
/// How long the minimum round trip is remembered.
const RTT_MEMORY: Duration = Duration::from_secs(10);
/// Time without a round trip free of queueing after which the model measures one with a half empty pipe. Shorter than
/// [`RTT_MEMORY`], so that the minimum is still known.
const RTT_UNSEEN_MAX: Duration = Duration::from_secs(5);
/// Duration of that measurement.
const PROBE_RTT: Duration = Duration::from_millis(200);
/// Delay of acknowledgements by the peer that does not count as queueing.
const ACK_DELAY: Duration = Duration::from_millis(5);
/// Packets per acknowledgement, and the peer's maximum delay for them. 10 reduce the acknowledgement traffic to a fifth
/// without a cost. A batch below half of that may contain a short or lost packet.
pub(in crate::link) const ACK_PACKETS: u32 = 10;
const ACK_WAIT: Duration = Duration::from_millis(25);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Doubles the rate until no more arrives.
    Startup,
    /// Drains the queue built by startup.
    Drain,
    /// Sends at the link's rate.
    Cruise,
    /// Keeps the pipe half empty to measure the shortest round trip.
    ProbeRtt,
}

#[derive(Debug, Clone)]
pub(super) struct Model {
    mtu: u64,
    phase: Phase,
    flights: Flights,
    losses: Losses,
    rate: MaxFilter,
    /// Total time with data to send.
    busy: Duration,
    sampled_at: Instant,
    min_rtt: MinRtt,
    queue: Queue,
    /// Startup window. It grows with deliveries while there is no queue.
    grown: u64,
    /// Whether the last round trip indicated a queue.
    has_queue: bool,
    /// Greatest burst rates of startup, in bytes per second: of all bursts, and of those that the link spread.
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

    /// Starts from an earlier measurement of this link, unless a higher rate is already known.
    pub(super) fn remember(&mut self, now: Instant, known: Capacity) {
        if self.phase != Phase::Startup || self.rate.get().is_some_and(|rate| rate >= known.rate) {
            return;
        }
        self.rate.reset(self.busy, known.rate);
        if self.min_rtt.get().is_none() {
            self.min_rtt.insert(now, RTT_MEMORY, known.rtt);
        }
        // Skip the phase that asks for more, to try the remembered rate as it is first.
        self.enter(Phase::Cruise, now);
        self.cycle = 2;
    }

    pub(super) fn set_mtu(&mut self, mtu: u64) {
        self.mtu = mtu;
    }

    /// Records sent bytes. `is_capped`: a cap, and not this model, limits the connection.
    pub(super) fn sent(&mut self, now: Instant, bytes: u64, is_capped: bool) {
        self.flights.sent(now, bytes, self.window(), is_capped);
    }

    /// Records the delivery of a packet of `bytes` that was sent at `sent`.
    pub(super) fn acked(&mut self, now: Instant, sent: Instant, bytes: u64) {
        self.flights.acked(now, sent, bytes);
        self.losses.acked(bytes);
        if self.phase == Phase::Startup && !self.has_queue && self.flights.filled_window() {
            self.grown = (self.grown.max(self.initial()) + bytes).min(2 * self.initial());
        }
    }

    /// Ends a batch of acknowledgements. `is_limited`: there is nothing to send.
    pub(super) fn acks_end(&mut self, now: Instant, in_flight: u64, is_limited: bool) {
        let burst = (self.phase == Phase::Startup).then(|| (self.rtt() / BURST_PARTS).max(BURST_MIN));
        if let Some(sample) = self.flights.acks_end(now, in_flight, is_limited, burst) {
            self.min_rtt.insert(now, RTT_MEMORY, sample.rtt);
            let waited = if sample.acked < self.ack_bytes() / 2 { ACK_WAIT } else { Duration::ZERO };
            let rtt = sample.rtt.saturating_sub(waited).max(self.rtt());
            self.has_queue = rtt.saturating_sub(ACK_DELAY) > self.rtt().mul_f64(STARTUP_QUEUE);
            // If most acknowledgements are sent without delay, a delayed one does not measure the round trip.
            let is_thin = self.acking() > ACK_WAIT;
            self.queue.heard(now, if is_thin { rtt } else { sample.rtt }, self.rtt(), self.acking());
            // On a shorter path a burst spans several round trips, and delays of the hosts dominate it.
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

    /// Ends a round: everything in flight at the end of the last round has been delivered.
    fn round(&mut self, now: Instant) {
        self.queue.round(self.rtt(), self.acking(), self.rate.get().unwrap_or(0.0));
        // The estimate of startup is still too rough to judge loss by.
        let believed = if self.phase == Phase::Startup { None } else { self.rate.get() };
        if self.losses.judge(now, believed, self.mtu) {
            self.queue.overflowed();
            self.full_rounds += 2;
        }
    }

    /// Records lost bytes, the last of which were sent at `sent`. `is_outage`: everything was lost for a long time,
    /// which does not indicate a full queue.
    pub(super) fn lost(&mut self, sent: Instant, bytes: u64, is_outage: bool) {
        self.flights.lost(bytes);
        self.losses.lost(sent, bytes, is_outage);
    }

    fn sample(&mut self, now: Instant, sample: &Sample) {
        // A shorter span measures a burst of acknowledgements, not a rate.
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
        // A sender that lacks data builds no queue. A queue means that the link is full even then.
        if self.phase == Phase::Startup && sample.is_new_round && (!sample.is_limited || self.is_filled()) {
            self.is_full();
        }
    }

    /// Counts the rounds in which startup found no higher rate.
    fn is_full(&mut self) {
        let rate = self.rate.get().unwrap_or(0.0);
        if rate >= self.full_rate * STARTUP_GROWTH {
            (self.full_rate, self.full_rounds) = (rate, 0);
        } else {
            // A queue leaves no doubt that the link is the bottleneck.
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
                    // The queue built by asking for more may drain sooner than it grew.
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

    /// Returns the estimated rate, in bytes per second.
    fn rate(&self) -> f64 {
        self.losses.bounded(self.rate.get().unwrap_or(0.0).max(self.queue.share()))
    }

    /// Reports whether the link has built a queue. Requires a burst that the link spread, because acknowledgements
    /// delayed in a queue of the other direction look the same.
    fn is_filled(&self) -> bool {
        self.has_queue && self.carried > 0.0
    }

    /// Returns the sending rate of startup, in bytes per second: a multiple of the rate that is known to pass.
    fn reach(&self) -> f64 {
        let known = self.losses.bounded(self.proven).max(self.rate());
        let is_little = EARLY_GAIN * known * self.rtt().as_secs_f64() < EARLY_BYTES_MAX;
        known * if is_little { EARLY_GAIN } else { STARTUP_GAIN }
    }

    /// Returns the bytes of a batch of packets that are acknowledged together.
    fn ack_bytes(&self) -> u64 {
        u64::from(ACK_PACKETS) * self.mtu
    }

    /// Returns the time in which such a batch arrives.
    fn acking(&self) -> Duration {
        let bytes = self.ack_bytes() as f64;
        Duration::from_secs_f64(bytes / self.rate().max(bytes))
    }

    /// Returns the bandwidth-delay product in bytes: what the link holds without a queue.
    fn product(&self) -> f64 {
        self.rate() * self.rtt().as_secs_f64()
    }

    /// Returns the initial window in bytes, for when only the round trip is known.
    fn initial(&self) -> u64 {
        let in_round = INITIAL_RATE * self.rtt().as_secs_f64();
        (in_round as u64).clamp(INITIAL_WINDOW_BYTES, INITIAL_WINDOW_BYTES_MAX)
    }

    /// Returns the maximum bytes in flight.
    pub(super) fn window(&self) -> u64 {
        let least = WINDOW_PACKETS_MIN * self.mtu;
        // Where hosts wake up more slowly than packets arrive, the window must cover the hosts' delay.
        let product = self.product();
        let waking = product + self.rate() * self.losses.slack() + least as f64;
        let window = match self.phase {
            Phase::Startup => {
                let known = self.reach() * self.rtt().as_secs_f64();
                let grown = self.grown.max(self.initial()) as f64;
                // A startup window that is too large for this link shrinks as soon as a queue shows.
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

    /// Returns the pace in bytes per second; `None` before the first round trip is measured.
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

    /// Returns the measured capacity; `None` while startup or drain makes it unreliable.
    pub(super) fn measured(&self) -> Option<Capacity> {
        let is_sure = matches!(self.phase, Phase::Cruise | Phase::ProbeRtt);
        is_sure.then(|| Some(Capacity { rate: self.rate(), rtt: self.min_rtt.get()? })).flatten()
    }

    #[cfg(test)]
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }
}
