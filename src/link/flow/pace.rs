//! A UDP socket that lets a connection send only when its [`SendSchedule`] is due.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::Sleep;

use super::send_schedule::SendSchedule;
use crate::link::mtu::DATAGRAM_BYTES_MAX;

/// A send time this close counts as due: a timer would wake later.
const SLACK: Duration = Duration::from_micros(500);
/// Datagrams per send call without a cap, as many as quinn ever sends.
const SEGMENTS_MAX: usize = 10;
// The maximum for UDP over IPv4; IPv6 allows more.
const _: () = assert!(SEGMENTS_MAX * DATAGRAM_BYTES_MAX as usize <= 65_507);

/// The schedule of the connection that quinn is creating.
///
/// quinn creates a connection's controller and then its poller, under one lock of the endpoint. The controller puts its
/// schedule here, and the poller takes it.
pub(in crate::link) type PendingSchedule = Arc<Mutex<Option<Arc<SendSchedule>>>>;

/// A UDP socket with paced sends.
#[derive(Debug)]
pub(in crate::link) struct PacedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    pending: PendingSchedule,
    segments: Arc<AtomicUsize>,
}

impl PacedSocket {
    /// Wraps `inner`. `segments`: the maximum number of datagrams per send call, which a low cap reduces.
    pub(in crate::link) fn new(
        inner: Arc<dyn AsyncUdpSocket>,
        pending: PendingSchedule,
        segments: Arc<AtomicUsize>,
    ) -> Arc<Self> {
        Arc::new(Self { inner, pending, segments })
    }
}

impl AsyncUdpSocket for PacedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        let schedule = self.pending.lock().take();
        Box::pin(PacedPoller { inner: self.inner.clone().create_io_poller(), schedule, timer: None })
    }

    fn try_send(&self, transmit: &Transmit) -> io::Result<()> {
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context,
        buffers: &mut [io::IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(cx, buffers, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments().min(self.segments.load(Ordering::Relaxed))
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

/// Returns the maximum number of datagrams per send call under a cap in bytes per second: a twentieth of a second's
/// worth.
pub(super) fn segments_under(cap: Option<u64>) -> usize {
    cap.map_or(SEGMENTS_MAX, |cap| ((cap / 20 / u64::from(DATAGRAM_BYTES_MAX)) as usize).clamp(1, SEGMENTS_MAX))
}

struct PacedPoller {
    inner: Pin<Box<dyn UdpPoller>>,
    schedule: Option<Arc<SendSchedule>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl std::fmt::Debug for PacedPoller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacedPoller").field("schedule", &self.schedule).finish_non_exhaustive()
    }
}

impl UdpPoller for PacedPoller {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while let Some(release) = this.schedule.as_ref().map(|schedule| schedule.release()) {
            if release <= super::clock::now() + SLACK {
                break;
            }
            let at = tokio::time::Instant::from_std(release);
            let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if timer.deadline() != at {
                timer.as_mut().reset(at);
            }
            // Do not poll a timer again after it has fired: the next send has another time, or is due now.
            ready!(timer.as_mut().poll(cx));
        }
        this.inner.as_mut().poll_writable(cx)
    }
}
