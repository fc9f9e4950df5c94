//! Tracks bytes in flight, and measures the rate at which earlier bytes were delivered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Maximum number of remembered sends. No link that this crate can fill has more in flight.
const FLIGHTS_MAX: usize = 1 << 16;

/// A burst that takes this many times longer to arrive than to be sent was spread by the link.
const SPREAD: f64 = 1.1;

/// The delivery state at a moment.
#[derive(Debug, Clone, Copy)]
struct Mark {
    delivered: u64,
    /// Time of the last delivery.
    delivered_at: Instant,
    /// Send time of the first packet of the current sample.
    first_sent: Instant,
}

/// The delivery state when an acknowledgement arrived.
#[derive(Debug, Clone, Copy)]
struct Acknowledgement {
    at: Instant,
    /// Send time of its newest packet.
    sent: Instant,
    delivered: u64,
}

/// Bytes sent at one moment.
#[derive(Debug, Clone, Copy)]
struct Flight {
    at: Instant,
    mark: Mark,
    /// Whether a lack of data, or a cap, limited the sender.
    is_limited: bool,
}

/// The measurement from one batch of acknowledgements.
#[derive(Debug, Clone, Copy)]
pub(in crate::link::flow) struct Sample {
    /// Round trip of the newest acknowledged packet.
    pub rtt: Duration,
    /// Bytes acknowledged by the batch.
    pub acked: u64,
    /// Bytes delivered since that packet was sent, and the time that took.
    pub bytes: u64,
    pub span: Duration,
    /// Deliveries in the last part of a round trip; `None` until that much time has passed.
    pub burst: Option<Burst>,
    /// Whether a lack of data, or a cap, limited the sender. The link may then carry more than measured.
    pub is_limited: bool,
    /// Whether everything in flight at the end of the last round has been delivered.
    pub is_new_round: bool,
}

/// Deliveries in a part of a round trip.
#[derive(Debug, Clone, Copy)]
pub(in crate::link::flow) struct Burst {
    pub bytes: u64,
    /// Bytes per second.
    pub rate: f64,
    /// Whether it was sent faster than `rate`, so that `rate` is the capacity of the link.
    pub is_spread: bool,
}

/// All bytes in flight.
#[derive(Debug, Clone)]
pub(in crate::link::flow) struct Flights {
    flights: VecDeque<Flight>,
    in_flight: u64,
    mark: Mark,
    /// The current batch of acknowledgements: bytes delivered before it, and its newest flight.
    before: u64,
    newest: Option<Flight>,
    /// Until this many bytes are delivered, samples measure the lack of data or the cap, not the link.
    limited_until: u64,
    /// Until this many bytes are delivered, acknowledgements belong to a full window.
    filled_until: u64,
    round_ends: u64,
    /// Acknowledgements of the last burst period.
    arrivals: VecDeque<Acknowledgement>,
}

impl Flights {
    pub(in crate::link::flow) fn new(now: Instant) -> Self {
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

    /// Records sent bytes. `window`: the congestion window. `is_capped`: a cap, and not the link, limits sending.
    pub(in crate::link::flow) fn sent(&mut self, now: Instant, bytes: u64, window: u64, is_capped: bool) {
        if self.in_flight == 0 {
            (self.mark.first_sent, self.mark.delivered_at) = (now, now);
        }
        if is_capped {
            self.limited_until = self.mark.delivered + self.in_flight + bytes;
        }
        self.in_flight += bytes;
        // Half a window counts as full, because pacing keeps a growing window from filling.
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

    /// Records the delivery of a packet of `bytes` that was sent at `sent`.
    pub(in crate::link::flow) fn acked(&mut self, now: Instant, sent: Instant, bytes: u64) {
        self.mark.delivered += bytes;
        self.mark.delivered_at = now;
        let at = self.flights.partition_point(|flight| flight.at < sent);
        if let Some(flight) = self.flights.get(at).filter(|flight| flight.at == sent)
            && self.newest.is_none_or(|newest| newest.at < flight.at)
        {
            self.newest = Some(*flight);
        }
    }

    /// Ends a batch of acknowledgements and returns its measurement. `is_idle`: there is nothing to send. `burst`: the
    /// period over which to measure a burst, if wanted.
    pub(in crate::link::flow) fn acks_end(
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
        // Packets of earlier flights may still be acknowledged, but add no information.
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
                self.burst(Acknowledgement { at: now, sent: flight.at, delivered: self.mark.delivered }, span)
            }),
            is_limited: flight.is_limited,
            is_new_round,
        })
    }

    /// Returns the rate at which the bytes of the last `span` arrived, but not more than the rate at which they were
    /// sent.
    fn burst(&mut self, last: Acknowledgement, span: Duration) -> Option<Burst> {
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

    /// Records lost bytes.
    pub(in crate::link::flow) fn lost(&mut self, bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }

    /// Reports whether a lack of data, or a cap, limits the sender or did so recently.
    pub(in crate::link::flow) fn is_limited(&self) -> bool {
        self.limited_until > self.mark.delivered
    }

    /// Reports whether the bytes arriving now filled the window when they were sent.
    pub(in crate::link::flow) fn filled_window(&self) -> bool {
        self.mark.delivered <= self.filled_until
    }
}
