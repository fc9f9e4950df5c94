//! The network between the two agents: real QUIC's datagrams, over nothing.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use super::datagrams::{AlwaysWritable, address, hand_over};
use super::process::Process;
use super::trace::Trace;

/// What the network does to datagrams.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    pub lost_per_mille: u32,
    pub doubled_per_mille: u32,
    pub delay_ms: u64,
    /// More for some, so that they are overtaken.
    pub jitter_ms: u64,
    /// Whether nothing gets through from each of the two.
    pub cut: [bool; 2],
}

/// When it arrives, its number, where, and what it carries; the earliest first.
type Flight = (u64, u64, usize, Vec<u8>);

struct Inner {
    rng: fastrand::Rng,
    weather: Weather,
    /// Due time, number, receiver, bytes.
    flights: BinaryHeap<Reverse<Flight>>,
    sent: u64,
    sockets: [Option<Arc<Socket>>; 2],
}

#[derive(Clone)]
pub struct Network {
    inner: Arc<Mutex<Inner>>,
    trace: Trace,
}

impl Network {
    pub fn new(seed: u64, trace: Trace) -> Self {
        let inner = Inner {
            rng: fastrand::Rng::with_seed(seed),
            weather: Weather::default(),
            flights: BinaryHeap::new(),
            sent: 0,
            sockets: [None, None],
        };
        Self { inner: Arc::new(Mutex::new(inner)), trace }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn set_weather(&self, weather: Weather) {
        self.inner().weather = weather;
    }

    /// Gives `host` a socket, in the place of its last one.
    pub fn socket(&self, host: usize, process: &Arc<Process>) -> Arc<Socket> {
        let socket =
            Arc::new(Socket { network: self.clone(), host, process: process.clone(), inbox: Mutex::default() });
        self.inner().sockets[host] = Some(socket.clone());
        socket
    }

    pub fn unplug(&self, host: usize) {
        self.inner().sockets[host] = None;
    }

    /// Delivers what is due.
    pub fn deliver(&self) {
        let now_ms = self.trace.now_ms();
        loop {
            let (socket, from, bytes) = {
                let mut inner = self.inner();
                match inner.flights.peek() {
                    Some(Reverse((due, ..))) if *due <= now_ms => {}
                    _ => return,
                }
                let Some(Reverse((_, _, to, bytes))) = inner.flights.pop() else { return };
                (inner.sockets[to].clone(), 1 - to, bytes)
            };
            if let Some(socket) = socket {
                socket.arrive(address(from), bytes);
            }
        }
    }

    fn send(&self, from: usize, bytes: &[u8]) {
        let now_ms = self.trace.now_ms();
        self.trace.datagram(from, bytes.len());
        let mut inner = self.inner();
        let weather = inner.weather;
        if weather.cut[from] || inner.rng.u32(0..1000) < weather.lost_per_mille {
            return;
        }
        let copies = if inner.rng.u32(0..1000) < weather.doubled_per_mille { 2 } else { 1 };
        for _ in 0..copies {
            // Most arrive in order; a tenth is late.
            let jitter = if inner.rng.u32(0..10) == 0 { inner.rng.u64(0..=weather.jitter_ms) } else { 0 };
            inner.sent += 1;
            let flight = (now_ms + weather.delay_ms + jitter, inner.sent, 1 - from, bytes.to_vec());
            inner.flights.push(Reverse(flight));
        }
    }
}

/// One end.
pub struct Socket {
    network: Network,
    host: usize,
    process: Arc<Process>,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    datagrams: VecDeque<(SocketAddr, Vec<u8>)>,
    reader: Option<Waker>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Socket({})", self.host)
    }
}

impl Socket {
    fn arrive(&self, from: SocketAddr, bytes: Vec<u8>) {
        let reader = {
            let mut inbox = self.inbox.lock().unwrap();
            inbox.datagrams.push_back((from, bytes));
            inbox.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit) -> io::Result<()> {
        if !self.process.is_dead() && transmit.destination == address(1 - self.host) {
            self.network.send(self.host, transmit.contents);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut inbox = self.inbox.lock().unwrap();
        let count = hand_over(bufs, meta, || inbox.datagrams.pop_front());
        if count > 0 {
            return Poll::Ready(Ok(count));
        }
        inbox.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(address(self.host))
    }

    fn may_fragment(&self) -> bool {
        false
    }
}
