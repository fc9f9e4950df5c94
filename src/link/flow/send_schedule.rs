//! The state that a connection's congestion controller and its socket share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use super::memory::Capacity;
use parking_lot::Mutex;

/// Burst that the pace allows, so that a timer that fires late loses no rate. A timer tick is 1 ms.
const PACE_CREDIT: Duration = Duration::from_millis(3);
/// Burst that a cap allows. 20 ms of extra data are invisible in a measurement over 10 s.
const CAP_CREDIT: Duration = Duration::from_millis(20);

/// UDP payload with which QUIC begins every connection.
const MTU_BYTES_MIN: u64 = 1200;

/// A rate cap that several connections share: the agent's or a peer's. It begins unlimited.
#[derive(Debug, Clone)]
pub(in crate::link) struct SharedBucket(Arc<Mutex<Bucket>>);

impl SharedBucket {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Bucket::new(super::clock::now(), CAP_CREDIT))))
    }

    pub(super) fn set_rate(&self, bytes_per_second: Option<u64>) {
        self.0.lock().set_rate(super::clock::now(), bytes_per_second.map(|rate| rate as f64));
    }

    fn reserve(&self, now: Instant, bytes: u64) -> Instant {
        self.0.lock().reserve(now, bytes)
    }
}

#[derive(Debug)]
struct State {
    pace: Bucket,
    peer: Option<SharedBucket>,
    /// Bytes sent before the peer was known. They count towards the peer's cap later.
    unclaimed_bytes: u64,
    /// Largest datagram that is known to reach the peer, bytes.
    mtu: u64,
    /// Send time of the last reservation.
    release: Instant,
    /// Whether a cap, and not the link, limits this connection.
    is_capped: bool,
    /// Earlier measurement of the link, until the controller takes it.
    remembered: Option<Capacity>,
    /// The controller's latest measurement of the link.
    measured: Option<Capacity>,
}

impl State {
    /// Reserves bytes in the peer's cap and returns their send time. Before the peer is known it counts them and returns `now`.
    fn count(&mut self, now: Instant, bytes: u64) -> Instant {
        match &self.peer {
            Some(peer) => peer.reserve(now, bytes),
            None => {
                self.unclaimed_bytes += bytes;
                now
            }
        }
    }
}

/// The pace of one connection and the caps that apply to it.
#[derive(Debug)]
pub(in crate::link) struct SendSchedule {
    agent: SharedBucket,
    state: Mutex<State>,
}

impl SendSchedule {
    pub(super) fn new(agent: SharedBucket) -> Arc<Self> {
        let now = super::clock::now();
        let (pace, release) = (Bucket::new(now, PACE_CREDIT), now);
        let state = State {
            pace,
            peer: None,
            unclaimed_bytes: 0,
            mtu: MTU_BYTES_MIN,
            release,
            is_capped: false,
            remembered: None,
            measured: None,
        };
        Arc::new(Self { agent, state: Mutex::new(state) })
    }

    /// Sets the connection's peer: its cap, and an earlier measurement of the link. Only the first call has an effect.
    pub(in crate::link) fn claim(&self, peer: SharedBucket, remembered: Option<Capacity>) {
        let mut state = self.state.lock();
        if state.peer.is_none() {
            peer.reserve(super::clock::now(), state.unclaimed_bytes);
            state.peer = Some(peer);
            state.remembered = remembered;
        }
    }

    /// Takes the earlier measurement of the link. Later calls return `None`.
    pub(super) fn take_remembered(&self) -> Option<Capacity> {
        self.state.lock().remembered.take()
    }

    /// Stores the controller's measurement of the link.
    pub(super) fn set_measured(&self, capacity: Capacity) {
        self.state.lock().measured = Some(capacity);
    }

    /// Returns the controller's latest measurement of the link.
    pub(in crate::link) fn measured(&self) -> Option<Capacity> {
        self.state.lock().measured
    }

    /// Sets the pace, in bytes per second; `None`: unlimited.
    pub(super) fn set_pace(&self, now: Instant, rate: Option<f64>) {
        self.state.lock().pace.set_rate(now, rate);
    }

    /// Reserves send time for the next datagram. Returns whether a cap delays it.
    pub(super) fn reserve(&self, now: Instant, bytes: u64) -> bool {
        let mut state = self.state.lock();
        let paced = state.pace.reserve(now, bytes);
        let allowed = state.count(now, bytes).max(self.agent.reserve(now, bytes));
        state.is_capped = allowed > paced.max(now);
        state.release = paced.max(allowed);
        state.is_capped
    }

    /// Records that datagrams of `mtu` bytes reach the peer. quinn does not report its MTU probes to the controller, so
    /// they are charged to the caps here, after they arrived. A very low cap would otherwise be exceeded visibly.
    pub(super) fn set_mtu(&self, mtu: u64) {
        let (now, mut state) = (super::clock::now(), self.state.lock());
        if std::mem::replace(&mut state.mtu, mtu) < mtu {
            state.count(now, mtu);
            self.agent.reserve(now, mtu);
        }
    }

    /// Returns the send time of the last reservation.
    pub(super) fn release(&self) -> Instant {
        self.state.lock().release
    }
}
