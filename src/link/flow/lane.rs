//! What one connection's controller and its way to the socket share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use super::memory::Capacity;

/// How late a pace is caught up with. The timer has ticks of a millisecond.
const PACE_CREDIT: Duration = Duration::from_millis(3);
/// How long a cap is caught up with: a fiftieth of a second of it cannot show in ten.
const CAP_CREDIT: Duration = Duration::from_millis(20);

/// Bytes of a datagram with which every connection begins, as QUIC wants it.
const MTU_BYTES_MIN: u64 = 1200;

/// A cap that several lanes pass: an agent's, or a peer's.
#[derive(Debug, Clone)]
pub(in crate::link) struct SharedBucket(Arc<Mutex<Bucket>>);

impl SharedBucket {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Bucket::new(super::now(), CAP_CREDIT))))
    }

    pub(super) fn set_rate(&self, bytes_per_second: Option<u64>) {
        self.lock().set_rate(super::now(), bytes_per_second.map(|rate| rate as f64));
    }

    fn reserve(&self, now: Instant, bytes: u64) -> Instant {
        self.lock().reserve(now, bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct State {
    pace: Bucket,
    peer: Option<SharedBucket>,
    /// Sent before it was known to whom: part of the peer's cap as well.
    unclaimed_bytes: u64,
    /// Bytes of the largest datagram that is known to get through.
    mtu: u64,
    /// When what was last given to the socket may go.
    release: Instant,
    /// Whether a cap, and not the link, holds this connection back.
    is_capped: bool,
    /// What is known of the peer from before, until the controller has taken it.
    remembered: Option<Capacity>,
    /// What the controller now makes of the link.
    measured: Option<Capacity>,
}

impl State {
    /// Counts what is sent to the peer, and returns when its cap lets that go.
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

/// The pace of one connection, and the caps that it passes.
#[derive(Debug)]
pub(in crate::link) struct Lane {
    agent: SharedBucket,
    state: Mutex<State>,
}

impl Lane {
    pub(super) fn new(agent: SharedBucket) -> Arc<Self> {
        let now = super::now();
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whose connection it is, and what is known of the link to that peer.
    pub(in crate::link) fn claim(&self, peer: SharedBucket, remembered: Option<Capacity>) {
        let mut state = self.state();
        if state.peer.is_none() {
            peer.reserve(super::now(), state.unclaimed_bytes);
            state.peer = Some(peer);
            state.remembered = remembered;
        }
    }

    /// Takes what is known of the peer; the second time there is nothing.
    pub(super) fn take_remembered(&self) -> Option<Capacity> {
        self.state().remembered.take()
    }

    /// Notes what the controller makes of the link.
    pub(super) fn set_measured(&self, capacity: Capacity) {
        self.state().measured = Some(capacity);
    }

    /// Returns what the controller made of the link.
    pub(in crate::link) fn measured(&self) -> Option<Capacity> {
        self.state().measured
    }

    /// Sets the pace, in bytes per second; none without.
    pub(super) fn set_pace(&self, now: Instant, rate: Option<f64>) {
        self.state().pace.set_rate(now, rate);
    }

    /// Reserves the way of what goes to the socket next, and reports whether a cap holds it back.
    pub(super) fn reserve(&self, now: Instant, bytes: u64) -> bool {
        let mut state = self.state();
        let paced = state.pace.reserve(now, bytes);
        let allowed = state.count(now, bytes).max(self.agent.reserve(now, bytes));
        state.is_capped = allowed > paced.max(now);
        state.release = paced.max(allowed);
        state.is_capped
    }

    /// Hears that datagrams of `mtu` bytes get through. quinn does not tell of the probes by which it finds out; they are
    /// paid for when they have arrived, as a cap of the least size would show them.
    pub(super) fn set_mtu(&self, mtu: u64) {
        let (now, mut state) = (super::now(), self.state());
        if std::mem::replace(&mut state.mtu, mtu) < mtu {
            state.count(now, mtu);
            self.agent.reserve(now, mtu);
        }
    }

    /// Returns when what was last reserved may go.
    pub(super) fn release(&self) -> Instant {
        self.state().release
    }
}
