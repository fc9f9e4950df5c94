//! Connects the link model to quinn's congestion control, and adds rate accounting to quinn's own controller.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quinn::congestion::{BbrConfig, Controller, ControllerFactory, CubicConfig};
use quinn_proto::RttEstimator;

use super::model::{INITIAL_WINDOW_BYTES, Model};
use super::pace::PendingSchedule;
use super::send_schedule::SendSchedule;
use crate::config::Congestion;

/// Interval of packets that are sent after acknowledgements have stopped. Without them, a sender with a full window
/// would learn only from quinn's probes, whose intervals double, that a cut link has been repaired.
pub(in crate::link) const SIGN_OF_LIFE: Duration = Duration::from_millis(250);

/// Builds the controller of one connection, and passes its [`SendSchedule`] to the socket.
pub(in crate::link) struct Flow {
    congestion: Congestion,
    schedule: Arc<SendSchedule>,
    pending: PendingSchedule,
    is_passed_on: AtomicBool,
}

impl Flow {
    pub(in crate::link) fn new(congestion: Congestion, schedule: Arc<SendSchedule>, pending: PendingSchedule) -> Self {
        Self { congestion, schedule, pending, is_passed_on: AtomicBool::new(false) }
    }
}

impl ControllerFactory for Flow {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        // Only once: a connection that migrates to another address gets another controller, but keeps its poller.
        if !self.is_passed_on.swap(true, Ordering::Relaxed) {
            *self.pending.lock() = Some(self.schedule.clone());
        }
        match self.congestion {
            Congestion::Ferry => {
                let (model, schedule) = (Model::new(now, mtu.into()), self.schedule.clone());
                let mut ferry = Ferry { model, schedule, heard: now, in_flight: 0, packet: 0 };
                ferry.set_packet(mtu);
                Box::new(ferry)
            }
            Congestion::Cubic => {
                let mut cubic = CubicConfig::default();
                cubic.initial_window(INITIAL_WINDOW_BYTES);
                Box::new(Accounted { inner: Arc::new(cubic).build(now, mtu), schedule: self.schedule.clone() })
            }
            Congestion::Bbr => {
                let mut bbr = BbrConfig::default();
                bbr.initial_window(INITIAL_WINDOW_BYTES);
                Box::new(Accounted { inner: Arc::new(bbr).build(now, mtu), schedule: self.schedule.clone() })
            }
        }
    }
}

/// The controller that runs our link model.
#[derive(Clone)]
struct Ferry {
    model: Model,
    schedule: Arc<SendSchedule>,
    /// Time of the last acknowledgement.
    heard: Instant,
    in_flight: u64,
    /// One packet of window, plus a margin.
    packet: u64,
}

impl Ferry {
    fn set_packet(&mut self, mtu: u16) {
        self.packet = (u64::from(mtu) + 596).max(2048);
    }
}

impl Controller for Ferry {
    fn on_sent(&mut self, now: Instant, bytes: u64, _last_packet_number: u64) {
        if let Some(known) = self.schedule.take_remembered() {
            self.model.remember(now, known);
            self.schedule.set_pace(now, self.model.pace());
        }
        if self.in_flight == 0 {
            self.heard = now;
        }
        self.in_flight += bytes;
        let is_capped = self.schedule.reserve(now, bytes);
        self.model.sent(now, bytes, is_capped);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _app_limited: bool, _rtt: &RttEstimator) {
        self.model.acked(now, sent, bytes);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, _largest: Option<u64>) {
        (self.heard, self.in_flight) = (now, in_flight);
        self.model.acks_end(now, in_flight, app_limited);
        self.schedule.set_pace(now, self.model.pace());
        if let Some(measured) = self.model.measured() {
            self.schedule.set_measured(measured);
        }
    }

    fn on_congestion_event(&mut self, _now: Instant, sent: Instant, is_persistent: bool, lost_bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(lost_bytes);
        self.model.lost(sent, lost_bytes, is_persistent);
    }

    fn on_mtu_update(&mut self, mtu: u16) {
        self.schedule.set_mtu(mtu.into());
        self.set_packet(mtu);
        self.model.set_mtu(mtu.into());
    }

    fn window(&self) -> u64 {
        let window = self.model.window();
        // quinn calls this before every packet, and reading the clock would double its cost.
        if self.in_flight + self.packet < window {
            return window;
        }
        let silent = super::clock::now().saturating_duration_since(self.heard);
        if silent <= 2 * SIGN_OF_LIFE {
            return window;
        }
        // Allow one packet for each quarter second of silence, beyond those in flight.
        let signs = silent.as_millis() / SIGN_OF_LIFE.as_millis();
        window + self.packet * signs as u64
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        INITIAL_WINDOW_BYTES
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// One of quinn's controllers, with our accounting of sent bytes.
struct Accounted {
    inner: Box<dyn Controller>,
    schedule: Arc<SendSchedule>,
}

impl Controller for Accounted {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.schedule.reserve(now, bytes);
        self.inner.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        self.inner.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest: Option<u64>) {
        self.inner.on_end_acks(now, in_flight, app_limited, largest);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent: bool, lost_bytes: u64) {
        self.inner.on_congestion_event(now, sent, is_persistent, lost_bytes);
    }

    fn on_mtu_update(&mut self, mtu: u16) {
        self.schedule.set_mtu(mtu.into());
        self.inner.on_mtu_update(mtu);
    }

    fn window(&self) -> u64 {
        self.inner.window()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { inner: self.inner.clone_box(), schedule: self.schedule.clone() })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
