//! A thin link between two agents on one host: a UDP relay with a rate, a delay, loss and a queue.
//!
//! Every packet is given the moment at which it would have left a link of that rate, and is delivered half a round
//! trip later. A timer that fires late delivers all that is due at once, so rate and order stay right whatever the
//! timer's grain is.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::cli::link_spec::LinkSpec;
use crate::sample::seed::Seed;

/// IPv4 and UDP headers, which travel as well.
const HEADER_BYTES: u64 = 28;
/// A datagram is never larger.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Datagrams taken in before those that are due are let out.
const BATCH_MAX: usize = 64;
/// What the kernel is to hold for us: about 20 ms of 1 Gbit/s.
const SOCKET_BYTES: usize = 4 << 20;

/// Traffic in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets that went over the link.
    pub packets: u64,
    /// Bytes that went over the link, headers included.
    pub bytes: u64,
    /// Packets that were lost: by chance, by a full queue, or because the link was cut.
    pub lost: u64,
}

#[derive(Default)]
struct Counters {
    packets: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
}

impl Counters {
    fn read(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic { packets: read(&self.packets), bytes: read(&self.bytes), lost: read(&self.lost) }
    }
}

/// A running relay between `a` and `b`; it ends when dropped.
pub struct DatagramRelay {
    /// Where `a` finds `b`.
    pub for_a: SocketAddr,
    /// Where `b` finds `a`.
    pub for_b: SocketAddr,
    /// From `a`, and from `b`.
    cut: [Arc<AtomicBool>; 2],
    from_a: Arc<Counters>,
    from_b: Arc<Counters>,
    tasks: [JoinHandle<()>; 2],
}

impl DatagramRelay {
    /// Lays a link between the agents that listen at `a` and `b`.
    ///
    /// `seed`: decides which packets are lost.
    /// Errors: no socket to be had.
    pub async fn start(spec: LinkSpec, a: SocketAddr, b: SocketAddr, seed: u64) -> io::Result<Self> {
        let (at_a, at_b) = (Arc::new(socket().await?), Arc::new(socket().await?));
        let cut = [Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false))];
        let (from_a, from_b) = (Arc::new(Counters::default()), Arc::new(Counters::default()));
        let direction = |from: &Arc<UdpSocket>,
                         to: &Arc<UdpSocket>,
                         address,
                         counters: &Arc<Counters>,
                         cut: &Arc<AtomicBool>,
                         purpose| Direction {
            spec,
            from: from.clone(),
            to: to.clone(),
            address,
            cut: cut.clone(),
            counters: counters.clone(),
            chance: Seed::new(seed, purpose),
            free_at: Instant::now(),
            queue: VecDeque::new(),
        };
        let there = direction(&at_a, &at_b, b, &from_a, &cut[0], "lost on the way there");
        let back = direction(&at_b, &at_a, a, &from_b, &cut[1], "lost on the way back");
        Ok(Self {
            for_a: at_a.local_addr()?,
            for_b: at_b.local_addr()?,
            tasks: [tokio::spawn(there.run()), tokio::spawn(back.run())],
            cut,
            from_a,
            from_b,
        })
    }

    /// Cuts the link: whatever is on it, or is given to it from now on, is lost.
    pub fn cut(&self) {
        self.cut.iter().for_each(|cut| cut.store(true, Ordering::Relaxed));
    }

    /// Cuts it one way: from `a` to `b`, or else from `b` to `a`.
    pub fn cut_to(&self, from_a: bool) {
        self.cut[usize::from(!from_a)].store(true, Ordering::Relaxed);
    }

    /// Mends a link that was cut.
    pub fn restore(&self) {
        self.cut.iter().for_each(|cut| cut.store(false, Ordering::Relaxed));
    }

    /// Returns what `a` has sent.
    pub fn from_a(&self) -> Traffic {
        self.from_a.read()
    }

    /// Returns what `b` has sent.
    pub fn from_b(&self) -> Traffic {
        self.from_b.read()
    }
}

impl Drop for DatagramRelay {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    // A kernel buffer that overflows would be loss nobody asked for. Forcing it needs privileges; without them the
    // kernel's limit has to do.
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, SOCKET_BYTES).is_err() {
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BYTES)?;
    }
    Ok(socket)
}

/// One direction of the link.
struct Direction {
    spec: LinkSpec,
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    address: SocketAddr,
    cut: Arc<AtomicBool>,
    counters: Arc<Counters>,
    chance: Seed,
    /// When the last packet accepted so far has left the link's beginning.
    free_at: Instant,
    /// Packets on their way, with the moment of their arrival.
    queue: VecDeque<(Instant, Box<[u8]>)>,
}

impl Direction {
    async fn run(mut self) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let next = self.queue.front().map(|(due, _)| *due);
            tokio::select! {
                biased;
                _ = self.from.readable() => self.take_in(&mut buffer),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
            self.let_out().await;
        }
    }

    fn take_in(&mut self, buffer: &mut [u8]) {
        let now = Instant::now();
        for _ in 0..BATCH_MAX {
            // An error here is the answer to a packet for an agent that is not there: that packet is lost, no more.
            let Ok((length, _)) = self.from.try_recv_from(buffer) else { return };
            match self.admit(now, length as u64) {
                Some(due) => self.queue.push_back((due, buffer[..length].into())),
                None => _ = self.counters.lost.fetch_add(1, Ordering::Relaxed),
            }
        }
    }

    /// Returns when a packet of `length` bytes arrives at the other end, if it does.
    fn admit(&mut self, now: Instant, length: u64) -> Option<Instant> {
        let bytes = length + HEADER_BYTES;
        let waiting = self.free_at.saturating_duration_since(now);
        let full = self.spec.bits_per_second.is_some() && waiting > self.spec.occupied_by(self.spec.queue_bytes());
        if full || self.cut.load(Ordering::Relaxed) {
            return None;
        }
        self.free_at = self.free_at.max(now) + self.spec.occupied_by(bytes);
        self.counters.packets.fetch_add(1, Ordering::Relaxed);
        self.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        // Lost on the way: it has taken its place on the link all the same.
        let lost = self.spec.loss > 0.0 && f64::from(self.chance.below(1_000_000)) < self.spec.loss * 1e6;
        (!lost).then(|| self.free_at + self.half_way())
    }

    fn half_way(&self) -> Duration {
        self.spec.rtt / 2
    }

    async fn let_out(&mut self) {
        let now = Instant::now();
        while self.queue.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, packet)) = self.queue.pop_front() else { return };
            let cut = self.cut.load(Ordering::Relaxed);
            if cut || self.to.send_to(&packet, self.address).await.is_err() {
                self.counters.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ends {
        a: UdpSocket,
        b: UdpSocket,
        relay: DatagramRelay,
    }

    async fn ends(spec: &str) -> Ends {
        let a = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let b = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (at_a, at_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
        let relay = DatagramRelay::start(spec.parse().unwrap(), at_a, at_b, 7).await.unwrap();
        Ends { a, b, relay }
    }

    async fn received(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 2048];
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        (buffer[..length].to_vec(), from)
    }

    #[tokio::test]
    async fn each_side_sees_one_address_for_the_other() {
        let Ends { a, b, relay } = ends("none").await;
        a.send_to(b"there", relay.for_a).await.unwrap();
        assert_eq!(received(&b).await, (b"there".to_vec(), relay.for_b));
        b.send_to(b"back", relay.for_b).await.unwrap();
        assert_eq!(received(&a).await, (b"back".to_vec(), relay.for_a));
        assert_eq!(relay.from_a(), Traffic { packets: 1, bytes: 5 + HEADER_BYTES, lost: 0 });
        assert_eq!(relay.from_b(), Traffic { packets: 1, bytes: 4 + HEADER_BYTES, lost: 0 });
    }

    #[tokio::test]
    async fn a_packet_takes_half_a_round_trip_and_its_time_on_the_link() {
        let Ends { a, b, relay } = ends("1mbit,60ms").await;
        let sent_at = Instant::now();
        for number in 0..5u8 {
            a.send_to(&[number; 1222], relay.for_a).await.unwrap();
        }
        for number in 0..5u8 {
            assert_eq!(received(&b).await.0[0], number, "the order of arrival");
        }
        // Five times 10 ms on the link and 30 ms on the way; never sooner.
        assert!(sent_at.elapsed() >= Duration::from_millis(80));
    }

    #[tokio::test]
    async fn a_cut_link_carries_nothing_until_it_is_mended() {
        let Ends { a, b, relay } = ends("none").await;
        relay.cut();
        a.send_to(b"lost", relay.for_a).await.unwrap();
        while relay.from_a().lost == 0 {
            tokio::task::yield_now().await;
        }
        relay.restore();
        a.send_to(b"kept", relay.for_a).await.unwrap();
        assert_eq!(received(&b).await.0, b"kept");
    }

    fn direction(spec: &str, socket: &Arc<UdpSocket>) -> Direction {
        Direction {
            spec: spec.parse().unwrap(),
            from: socket.clone(),
            to: socket.clone(),
            address: socket.local_addr().unwrap(),
            cut: Arc::default(),
            counters: Arc::default(),
            chance: Seed::new(7, "test"),
            free_at: Instant::now(),
            queue: VecDeque::new(),
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_what_comes() {
        let socket = Arc::new(socket().await.unwrap());
        let mut link = direction("100mbit,80ms", &socket);
        let now = link.free_at;
        let admitted = (0..2000).filter(|_| link.admit(now, 1472).is_some()).count();
        assert_eq!(admitted, 1_000_000 / 1500 + 1, "one round trip's worth, and the packet that fills it");
        let later = now + Duration::from_millis(80);
        assert!(link.admit(later, 1472).is_some(), "what has left the queue makes room");
    }

    #[tokio::test]
    async fn the_same_seed_loses_the_same_share() {
        let socket = Arc::new(socket().await.unwrap());
        let fates = |spec: &str| {
            let mut link = direction(spec, &socket);
            let now = link.free_at;
            (0..20_000).map(|_| link.admit(now, 100).is_none()).collect::<Vec<_>>()
        };
        let lost = fates("10gbit,100ms,1%");
        assert_eq!(lost, fates("10gbit,100ms,1%"));
        let share = lost.iter().filter(|lost| **lost).count();
        assert!((150..=250).contains(&share), "{share} of 20000");
    }
}
