//! What a sender makes of its link: how much arrives per second, how long the way is, what is too much.
//!
//! The model is pure: it is told of what was sent, acknowledged and lost, each with its moment, and says how much may be
//! in flight and how fast to send. After BBR (draft-ietf-ccwg-bbr), for one bulk flow between two hosts. Loss alone
//! means nothing: radio and overbooked transit lose packets at random. What counts is how much arrives.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::filter::{MaxFilter, MinRtt};
use super::memory::Capacity;

/// Bytes sent before anything is known. Gains 3 to 10 % on long links.
pub(super) const INITIAL_WINDOW_BYTES: u64 = 128 << 10;
/// Packets that may be in flight however bad the link is.
const WINDOW_PACKETS_MIN: u64 = 4;
/// A start sends this much faster than what has arrived: 4 ln 2, the least that doubles it each round trip.
const STARTUP_PACE: f64 = 2.77;
/// Window of a start, in round trips' worth: what a doubling needs.
const STARTUP_WINDOW: f64 = 2.0;
/// A start is over when the rate has not grown by a quarter in so many rounds.
const STARTUP_GROWTH: f64 = 1.25;
const STARTUP_ROUNDS: u32 = 3;
/// A round trip that is so much longer than the shortest tells of a queue: the window has grown enough.
const STARTUP_QUEUE: f64 = 1.1;
/// The queue that a start has built is given twice its time to drain.
const DRAIN_PACE: f64 = 0.5;
/// One round trip of more, one of less, then some of the same: finds out whether there is more, and pays it back.
const CYCLE: [f64; 8] = [1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// Window in round trips' worth. The second is for acknowledgements that come late and losses not yet known.
const CRUISE_WINDOW: f64 = 2.0;
/// What the window has beyond one round trip's worth at least: what hosts may take to wake up.
const WINDOW_SLACK: f64 = 0.005;
/// And at least: a queue too short for all of that shows by loss.
const WINDOW_SLACK_MIN: f64 = 0.0005;
/// Share of loss that makes the slack smaller, and that lets it grow again. Where it is but noise the slack does nothing.
const SLACK_LOSS: f64 = 0.005;
const SLACK_SHRINK: f64 = 0.8;
const SLACK_GROW: f64 = 1.02;
/// How long the greatest rate is believed: ten round trips, and not less than half a second.
const RATE_ROUNDS: u32 = 10;
const RATE_MEMORY_MIN: Duration = Duration::from_millis(500);
/// How long the shortest round trip is believed.
const RTT_MEMORY: Duration = Duration::from_secs(10);
/// How long the pipe is left half empty to see the way without a queue.
const PROBE_RTT: Duration = Duration::from_millis(200);
/// Share of loss that is taken as the link's nature; above it, as a queue that is full or a policer.
const LOSS_TOLERATED: f64 = 0.06;
/// Loss is judged over at least this many packets: fewer prove nothing.
const LOSS_PACKETS_MIN: u64 = 100;
/// How much less is sent after too much loss, and how much more after each round without.
const LOSS_BACKOFF: f64 = 0.85;
const LOSS_RECOVERY: f64 = 1.08;
/// How long a peer may wait with an acknowledgement, which is no queue.
const ACK_DELAY: Duration = Duration::from_millis(5);
/// Sends that are remembered. More would be in flight on no link that this crate fills.
const FLIGHTS_MAX: usize = 1 << 16;

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

/// What was sent at one moment.
#[derive(Debug, Clone, Copy)]
struct Flight {
    at: Instant,
    /// Bytes delivered by then, and when the last of them was.
    delivered: u64,
    delivered_at: Instant,
    /// When the first packet of the sample that this closes was sent.
    first_sent: Instant,
    /// Whether there was too little to send.
    is_limited: bool,
}

/// The model.
#[derive(Debug, Clone)]
pub(super) struct Model {
    mtu: u64,
    phase: Phase,
    flights: VecDeque<Flight>,
    in_flight: u64,
    delivered: u64,
    delivered_at: Instant,
    first_sent: Instant,
    /// The newest flight that the batch of acknowledgements at hand names.
    newest: Option<Flight>,
    /// Until so much is delivered, samples tell what there was to send and not what the link carries.
    limited_until: u64,
    round_ends: u64,
    is_new_round: bool,
    rate: MaxFilter,
    /// Time in which there was something to send.
    busy: Duration,
    sampled_at: Instant,
    min_rtt: MinRtt,
    /// When the round trip was last about as short as ever.
    short_at: Instant,
    /// Window of a start: grows by what has arrived, as long as there is no queue.
    grown: u64,
    has_queue: bool,
    full_rate: f64,
    full_rounds: u32,
    cycle: usize,
    phase_at: Instant,
    judged: Judged,
    /// In seconds.
    slack: f64,
    /// What loss has shown to be too much, in bytes per second.
    ceiling: Option<f64>,
}

/// Bytes since loss was last judged.
#[derive(Debug, Clone, Copy, Default)]
struct Judged {
    lost: u64,
    delivered: u64,
    begun: Option<Instant>,
}

impl Model {
    pub(super) fn new(now: Instant, mtu: u64) -> Self {
        Self {
            mtu,
            phase: Phase::Startup,
            flights: VecDeque::new(),
            in_flight: 0,
            delivered: 0,
            delivered_at: now,
            first_sent: now,
            newest: None,
            limited_until: 0,
            round_ends: 0,
            is_new_round: false,
            rate: MaxFilter::default(),
            busy: Duration::ZERO,
            sampled_at: now,
            min_rtt: MinRtt::default(),
            short_at: now,
            grown: INITIAL_WINDOW_BYTES,
            has_queue: false,
            full_rate: 0.0,
            full_rounds: 0,
            cycle: 0,
            phase_at: now,
            judged: Judged::default(),
            slack: WINDOW_SLACK,
            ceiling: None,
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
        if self.in_flight == 0 {
            (self.first_sent, self.delivered_at) = (now, now);
        }
        if is_capped {
            self.limited_until = self.delivered + self.in_flight + bytes;
        }
        self.in_flight += bytes;
        if self.flights.back().is_some_and(|last| last.at >= now) {
            return;
        }
        if self.flights.len() == FLIGHTS_MAX {
            self.flights.pop_front();
        }
        let Self { delivered, delivered_at, first_sent, .. } = *self;
        let is_limited = self.limited_until > delivered;
        self.flights.push_back(Flight { at: now, delivered, delivered_at, first_sent, is_limited });
    }

    /// Takes note that a packet of `bytes`, sent at `sent`, has arrived.
    pub(super) fn acked(&mut self, now: Instant, sent: Instant, bytes: u64) {
        self.delivered += bytes;
        self.delivered_at = now;
        self.judged.delivered += bytes;
        if self.phase == Phase::Startup && !self.has_queue && self.limited_until <= self.delivered {
            self.grown += bytes;
        }
        let at = self.flights.partition_point(|flight| flight.at < sent);
        if let Some(flight) = self.flights.get(at).filter(|flight| flight.at == sent)
            && self.newest.is_none_or(|newest| newest.at < flight.at)
        {
            self.newest = Some(*flight);
        }
    }

    /// Takes note that a batch of acknowledgements is complete. `is_limited`: there is nothing to send.
    pub(super) fn acks_end(&mut self, now: Instant, in_flight: u64, is_limited: bool) {
        self.in_flight = in_flight;
        if is_limited {
            self.limited_until = self.delivered + in_flight.max(1);
        }
        self.is_new_round = false;
        if let Some(flight) = self.newest.take() {
            self.first_sent = flight.at;
            let rtt = now.saturating_duration_since(flight.at);
            let shortest = self.min_rtt.get();
            self.min_rtt.insert(now, RTT_MEMORY, rtt);
            if shortest.is_none_or(|shortest| rtt <= shortest.mul_f64(1.05) + Duration::from_millis(1)) {
                self.short_at = now;
            }
            let queued = rtt.saturating_sub(ACK_DELAY).max(self.rtt()).as_secs_f64();
            self.has_queue = queued > self.rtt().as_secs_f64() * STARTUP_QUEUE;
            if flight.delivered >= self.round_ends {
                self.round_ends = self.delivered;
                self.is_new_round = true;
            }
            self.sample(now, &flight);
            // Packets of earlier flights may still be acknowledged, but say nothing that this one does not.
            let done = self.flights.partition_point(|kept| kept.at < flight.at);
            self.flights.drain(..done);
        }
        if self.is_new_round {
            self.judge(now);
        }
        self.advance(now, in_flight);
    }

    /// Takes note of bytes that are lost. `is_outage`: everything was, for a long time, which tells of no queue.
    pub(super) fn lost(&mut self, bytes: u64, is_outage: bool) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
        if is_outage {
            self.judged = Judged::default();
        } else {
            self.judged.lost += bytes;
        }
    }

    fn sample(&mut self, now: Instant, flight: &Flight) {
        let acking = now.saturating_duration_since(flight.delivered_at);
        let sending = flight.at.saturating_duration_since(flight.first_sent);
        let span = acking.max(sending);
        // Less than a round trip is a burst of acknowledgements, not a rate.
        if span < self.rtt() || span.is_zero() {
            return;
        }
        let sample = (self.delivered - flight.delivered) as f64 / span.as_secs_f64();
        if flight.is_limited && self.rate.get().is_some_and(|rate| sample < rate) {
            return;
        }
        let window = (self.rtt() * RATE_ROUNDS).max(RATE_MEMORY_MIN);
        if !flight.is_limited {
            self.busy += now.saturating_duration_since(self.sampled_at).min(window / 4);
            self.sampled_at = now;
        }
        self.rate.insert(self.busy, window, sample);
        if self.phase == Phase::Startup && self.is_new_round && !flight.is_limited {
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
    }

    /// Looks at the loss of the round that is over.
    fn judge(&mut self, now: Instant) {
        let Judged { lost, delivered, begun } = self.judged;
        let begun = begun.unwrap_or(now);
        if lost + delivered < LOSS_PACKETS_MIN * self.mtu {
            self.judged.begun = Some(begun);
            return;
        }
        self.judged = Judged { begun: Some(now), ..Judged::default() };
        let share = lost as f64 / (lost + delivered) as f64;
        let factor = if share > SLACK_LOSS { SLACK_SHRINK } else { SLACK_GROW };
        self.slack = (self.slack * factor).clamp(WINDOW_SLACK_MIN, WINDOW_SLACK);
        let rate = self.rate();
        if share > LOSS_TOLERATED {
            let span = now.saturating_duration_since(begun).as_secs_f64();
            // What got through, where that can be told, is what the link carries.
            let through = if span > 0.0 { delivered as f64 / span } else { 0.0 };
            self.ceiling = Some(through.clamp(rate * LOSS_BACKOFF * LOSS_BACKOFF, rate));
            if self.phase == Phase::Startup {
                self.full_rounds = STARTUP_ROUNDS;
            }
        } else if let Some(ceiling) = self.ceiling {
            let raised = ceiling * LOSS_RECOVERY;
            self.ceiling = self.rate.get().is_some_and(|rate| raised < rate).then_some(raised);
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
                if now.saturating_duration_since(self.short_at) > RTT_MEMORY && self.limited_until <= self.delivered {
                    self.enter(Phase::ProbeRtt, now);
                }
            }
            Phase::ProbeRtt if held >= PROBE_RTT.max(self.rtt()) => {
                self.short_at = now;
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
        let rate = self.rate.get().unwrap_or(0.0);
        self.ceiling.map_or(rate, |ceiling| rate.min(ceiling))
    }

    /// Returns what the link holds without a queue, in bytes.
    fn product(&self) -> f64 {
        self.rate() * self.rtt().as_secs_f64()
    }

    /// Returns how many bytes may be in flight.
    pub(super) fn window(&self) -> u64 {
        let least = WINDOW_PACKETS_MIN * self.mtu;
        // Where hosts take longer to wake up than packets to arrive, the window is for the hosts.
        let product = self.product();
        let waking = product + self.rate() * self.slack + least as f64;
        let window = match self.phase {
            Phase::Startup => (STARTUP_WINDOW * product).max(waking).max(self.grown as f64),
            Phase::Drain | Phase::Cruise => (CRUISE_WINDOW * product).max(waking),
            Phase::ProbeRtt => 0.5 * product,
        };
        (window as u64).max(least)
    }

    /// Returns how fast to send, in bytes per second; nothing while there is nothing to go by.
    pub(super) fn pace(&self) -> Option<f64> {
        let rtt = self.min_rtt.get()?.max(Duration::from_millis(1)).as_secs_f64();
        let pace = match self.phase {
            Phase::Startup => STARTUP_PACE * self.rate().max(self.grown as f64 / rtt / 2.0),
            Phase::Drain => DRAIN_PACE * self.rate(),
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
