//! A link between two hosts, with a rate, a delay, a queue and losses, by the clock that the test moves.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use modelferry::link::Wire;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::{Instant, Sleep};

use super::datagrams::{AlwaysWritable, address, hand_over};

/// Bytes that IPv4 and UDP add to a datagram.
const HEADER_BYTES: u64 = 28;
/// Bytes that the queue holds at least: 64 full packets, as the smallest of real devices.
const QUEUE_BYTES_MIN: u64 = 64 * 1500;
/// Datagrams that a socket takes at once, as the kernel's does.
const SEGMENTS: usize = 64;

/// What the link is like.
#[derive(Debug, Clone, Copy)]
pub struct Road {
    pub mbit: f64,
    pub rtt: Duration,
    /// Share of packets lost.
    pub loss: f64,
    /// Packets lost together.
    pub burst: u32,
    /// When nothing gets through, from and until, counted from the moment that the test says.
    pub cut: Option<(Duration, Duration)>,
    /// From when packets of more than so many bytes are lost without a word, counted from the same moment.
    pub hole: Option<(Duration, u64)>,
}

impl Road {
    pub fn new(mbit: f64, rtt_ms: u64, loss: f64) -> Self {
        Self { mbit, rtt: Duration::from_millis(rtt_ms), loss, burst: 1, cut: None, hole: None }
    }

    fn bytes_per_second(&self) -> f64 {
        self.mbit * 1e6 / 8.0
    }
}

/// What went over one direction.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carried {
    pub packets: u64,
    pub bytes: u64,
    /// Lost by chance, or cut off.
    pub lost: u64,
    /// Lost for want of room in the queue.
    pub overflowed: u64,
}

struct Direction {
    chance: fastrand::Rng,
    losing: u32,
    free_at: Instant,
    on_way: VecDeque<(Instant, Vec<u8>)>,
    carried: Carried,
    /// Every datagram that was sent, with its moment and the bytes of its payload.
    sent: Vec<(Instant, u64)>,
    reader: Option<Waker>,
}

struct Inner {
    road: Road,
    cut_from: Option<Instant>,
    /// To each host.
    to: [Direction; 2],
}

/// Both directions of a link.
#[derive(Clone)]
pub struct Link(Arc<Mutex<Inner>>);

impl Link {
    pub fn new(road: Road, seed: u64) -> Self {
        let direction = |number| Direction {
            chance: fastrand::Rng::with_seed(seed * 2 + number),
            losing: 0,
            free_at: Instant::now(),
            on_way: VecDeque::new(),
            carried: Carried::default(),
            sent: Vec::new(),
            reader: None,
        };
        Self(Arc::new(Mutex::new(Inner { road, cut_from: None, to: [direction(0), direction(1)] })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// From now on the time counts at which the link is cut.
    pub fn begin(&self) {
        self.inner().cut_from = Some(Instant::now());
    }

    pub fn carried(&self, to: usize) -> Carried {
        self.inner().to[to].carried
    }

    /// Returns every datagram that was sent to a host, lost ones included: when, and the bytes of its payload.
    pub fn sent(&self, to: usize) -> Vec<(Instant, u64)> {
        self.inner().to[to].sent.clone()
    }

    /// One end of it.
    pub fn wire(&self, host: usize) -> Wire {
        let socket = Arc::new(Socket { link: self.clone(), host, timer: Mutex::default() });
        Wire { socket, seed: Some([host as u8 + 1; 32]) }
    }
}

impl Inner {
    fn is_cut(&self, now: Instant) -> bool {
        let Some((from, until)) = self.road.cut else { return false };
        self.cut_from.is_some_and(|begun| (begun + from..begun + until).contains(&now))
    }

    fn is_swallowed(&self, now: Instant, bytes: u64) -> bool {
        let Some((from, bytes_max)) = self.road.hole else { return false };
        bytes > bytes_max && self.cut_from.is_some_and(|begun| now >= begun + from)
    }

    fn admit(&mut self, to: usize, datagram: &[u8]) {
        let (now, road) = (Instant::now(), self.road);
        let bytes = datagram.len() as u64 + HEADER_BYTES;
        let is_cut = self.is_cut(now) || self.is_swallowed(now, bytes);
        let direction = &mut self.to[to];
        direction.carried.packets += 1;
        direction.carried.bytes += bytes;
        direction.sent.push((now, datagram.len() as u64));
        let seconds = |bytes: f64| Duration::from_secs_f64(bytes / road.bytes_per_second());
        let queue = (road.bytes_per_second() * road.rtt.as_secs_f64()).max(QUEUE_BYTES_MIN as f64);
        if is_cut {
            direction.carried.lost += 1;
            return;
        }
        if direction.free_at.saturating_duration_since(now) > seconds(queue) {
            direction.carried.overflowed += 1;
            return;
        }
        direction.free_at = direction.free_at.max(now) + seconds(bytes as f64);
        if direction.losing == 0 && direction.chance.f64() < road.loss / f64::from(road.burst) {
            direction.losing = road.burst;
        }
        if direction.losing > 0 {
            direction.losing -= 1;
            direction.carried.lost += 1;
            return;
        }
        direction.on_way.push_back((direction.free_at + road.rtt / 2, datagram.to_vec()));
        direction.reader.take().into_iter().for_each(Waker::wake);
    }
}

struct Socket {
    link: Link,
    host: usize,
    timer: Mutex<Option<Pin<Box<Sleep>>>>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Socket({})", self.host)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit) -> io::Result<()> {
        let to = 1 - self.host;
        if transmit.destination == address(to) {
            let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
            let mut inner = self.link.inner();
            transmit.contents.chunks(size).for_each(|datagram| inner.admit(to, datagram));
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut timer = self.timer.lock().unwrap();
        loop {
            let due = {
                let mut inner = self.link.inner();
                let now = Instant::now();
                let is_cut = inner.is_cut(now);
                let direction = &mut inner.to[self.host];
                if is_cut {
                    direction.carried.lost += direction.on_way.len() as u64;
                    direction.on_way.clear();
                }
                let on_way = &mut direction.on_way;
                let from = address(1 - self.host);
                let count = hand_over(bufs, meta, || {
                    on_way.front().filter(|(due, _)| *due <= now)?;
                    on_way.pop_front().map(|(_, bytes)| (from, bytes))
                });
                if count > 0 {
                    return Poll::Ready(Ok(count));
                }
                direction.reader = Some(cx.waker().clone());
                direction.on_way.front().map(|(due, _)| *due)
            };
            let Some(due) = due else { return Poll::Pending };
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(address(self.host))
    }

    fn max_transmit_segments(&self) -> usize {
        SEGMENTS
    }

    fn may_fragment(&self) -> bool {
        false
    }
}
