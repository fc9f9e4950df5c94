//! What is on its way, and how fast that which was before it arrived.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Sends that are remembered. More would be in flight on no link that this crate fills.
const FLIGHTS_MAX: usize = 1 << 16;

/// How much longer than being sent a burst takes to arrive where the link is what makes it last.
const SPREAD: f64 = 1.1;

/// How much had been delivered at some moment.
#[derive(Debug, Clone, Copy)]
struct Mark {
    delivered: u64,
    /// When the last of it was.
    delivered_at: Instant,
    /// When the first packet of the sample that this closes was sent.
    first_sent: Instant,
}

/// What had been delivered when an acknowledgement came.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    at: Instant,
    /// When the newest packet of it was sent.
    sent: Instant,
    delivered: u64,
}

/// What was sent at one moment.
#[derive(Debug, Clone, Copy)]
struct Flight {
    at: Instant,
    mark: Mark,
    /// Whether there was too little to send.
    is_limited: bool,
}

/// What a batch of acknowledgements tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Of the newest packet in it.
    pub rtt: Duration,
    /// Bytes in it.
    pub acked: u64,
    /// Bytes that were delivered since that packet was sent, and in how long.
    pub bytes: u64,
    pub span: Duration,
    /// What arrived in the last part of a round trip; nothing before there was so much time.
    pub burst: Option<Burst>,
    /// Whether there was too little to send: the link may carry more than this.
    pub is_limited: bool,
    /// Whether everything that was on its way at the last round's end has arrived.
    pub is_new_round: bool,
}

/// What arrived in a part of a round trip.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burst {
    pub bytes: u64,
    /// Bytes per second.
    pub rate: f64,
    /// Whether it was sent faster than that: this is what the link carries.
    pub is_spread: bool,
}

/// Everything that is on its way.
#[derive(Debug, Clone)]
pub(super) struct Flights {
    flights: VecDeque<Flight>,
    in_flight: u64,
    mark: Mark,
    /// The batch of acknowledgements at hand: how much had been delivered before it, and the newest flight that it names.
    before: u64,
    newest: Option<Flight>,
    /// Until so much is delivered, samples tell what there was to send and not what the link carries.
    limited_until: u64,
    /// Until so much is delivered, acknowledgements are of what filled the window.
    filled_until: u64,
    round_ends: u64,
    /// The acknowledgements of as long as a burst takes.
    arrivals: VecDeque<Arrival>,
}

impl Flights {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            flights: VecDeque::new(),
            in_flight: 0,
            mark: Mark { delivered: 0, delivered_at: now, first_sent: now },
            before: 0,
            newest: None,
            limited_until: 0,
            filled_until: 0,
            round_ends: 0,
            arrivals: VecDeque::new(),
        }
    }

    /// Takes note of bytes sent, of a window of so many. `is_capped`: something else than the link holds them back.
    pub(super) fn sent(&mut self, now: Instant, bytes: u64, window: u64, is_capped: bool) {
        if self.in_flight == 0 {
            (self.mark.first_sent, self.mark.delivered_at) = (now, now);
        }
        if is_capped {
            self.limited_until = self.mark.delivered + self.in_flight + bytes;
        }
        self.in_flight += bytes;
        // Half is enough: a pace keeps a window that grows from being full.
        if 2 * self.in_flight > window {
            self.filled_until = self.mark.delivered + self.in_flight;
        }
        if self.flights.back().is_some_and(|last| last.at >= now) {
            return;
        }
        if self.flights.len() == FLIGHTS_MAX {
            self.flights.pop_front();
        }
        self.flights.push_back(Flight { at: now, mark: self.mark, is_limited: self.is_limited() });
    }

    /// Takes note that a packet of `bytes`, sent at `sent`, has arrived.
    pub(super) fn acked(&mut self, now: Instant, sent: Instant, bytes: u64) {
        self.mark.delivered += bytes;
        self.mark.delivered_at = now;
        let at = self.flights.partition_point(|flight| flight.at < sent);
        if let Some(flight) = self.flights.get(at).filter(|flight| flight.at == sent)
            && self.newest.is_none_or(|newest| newest.at < flight.at)
        {
            self.newest = Some(*flight);
        }
    }

    /// Takes note that a batch of acknowledgements is complete, and tells what it shows. `is_idle`: there is nothing to
    /// send. `burst`: how long what counts as one takes, while that is of interest.
    pub(super) fn acks_end(
        &mut self,
        now: Instant,
        in_flight: u64,
        is_idle: bool,
        burst: Option<Duration>,
    ) -> Option<Sample> {
        self.in_flight = in_flight;
        if is_idle {
            self.limited_until = self.mark.delivered + in_flight.max(1);
        }
        let acked = self.mark.delivered - std::mem::replace(&mut self.before, self.mark.delivered);
        let flight = self.newest.take()?;
        self.mark.first_sent = flight.at;
        let is_new_round = flight.mark.delivered >= self.round_ends;
        if is_new_round {
            self.round_ends = self.mark.delivered;
        }
        // Packets of earlier flights may still be acknowledged, but say nothing that this one does not.
        let done = self.flights.partition_point(|kept| kept.at < flight.at);
        self.flights.drain(..done);
        let acking = now.saturating_duration_since(flight.mark.delivered_at);
        let sending = flight.at.saturating_duration_since(flight.mark.first_sent);
        Some(Sample {
            rtt: now.saturating_duration_since(flight.at),
            acked,
            bytes: self.mark.delivered - flight.mark.delivered,
            span: acking.max(sending),
            burst: burst.and_then(|span| {
                self.burst(Arrival { at: now, sent: flight.at, delivered: self.mark.delivered }, span)
            }),
            is_limited: flight.is_limited,
            is_new_round,
        })
    }

    /// Returns how fast the bytes of the last `span` have arrived, and no faster than they were sent.
    fn burst(&mut self, last: Arrival, span: Duration) -> Option<Burst> {
        let old = self.arrivals.partition_point(|arrival| last.at.saturating_duration_since(arrival.at) >= span);
        self.arrivals.drain(..old.saturating_sub(1));
        self.arrivals.push_back(last);
        let first = self.arrivals.front().filter(|_| old > 0)?;
        let acking = last.at.saturating_duration_since(first.at);
        let sending = last.sent.saturating_duration_since(first.sent);
        let bytes = last.delivered - first.delivered;
        let rate = bytes as f64 / acking.max(sending).as_secs_f64();
        Some(Burst { bytes, rate, is_spread: acking > sending.mul_f64(SPREAD) })
    }

    /// Takes note of bytes that are lost.
    pub(super) fn lost(&mut self, bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }

    /// Reports whether there is, or was until lately, too little to send.
    pub(super) fn is_limited(&self) -> bool {
        self.limited_until > self.mark.delivered
    }

    /// Reports whether what arrives now filled the window when it was sent.
    pub(super) fn filled_window(&self) -> bool {
        self.mark.delivered <= self.filled_until
    }
}
