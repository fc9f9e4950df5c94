//! Keeps one connection to each peer.
//!
//! Both sides dial, so two connections may come up at once. Both sides then keep the one that the agent with the lower
//! pin dialled. A newer connection from the same dialler means that it has lost the older one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use modelferry_protocol::ids::Pin;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::session::Session;
use crate::clock::now_ms;
use crate::link::transport::address::canonical;
use crate::link::transport::close::CloseCode;
use crate::link::transport::connection::Connection;

/// The reason shown before the first dial of a peer.
pub const NOT_YET: &str = "not connected yet";

/// The state of the link to a peer.
#[derive(Debug, Clone)]
pub enum PeerState {
    Up(Session),
    Down {
        /// Since when, Unix milliseconds.
        since_ms: u64,
        /// The reason, in words.
        reason: String,
        /// Time of the next attempt, Unix milliseconds, if one is scheduled.
        next_try_ms: Option<u64>,
    },
}

impl PeerState {
    /// Returns the session, if connected.
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::Up(session) => Some(session),
            Self::Down { .. } => None,
        }
    }
}

/// The decision about a new connection.
#[derive(Debug)]
pub(in crate::link) enum Verdict {
    /// Keep it. Holds its id.
    Keep(u64),
    /// Close it: the other connection is kept.
    Duplicate,
    /// Keep it only if this older connection is dead, which has this id.
    Doubt(u64, Connection),
    /// Close it: its peer is not paired any more.
    Unpaired,
}

struct Slot {
    state: watch::Sender<PeerState>,
    kept: Option<(u64, Connection)>,
    /// Whether `kept` holds a connection, for subscribers.
    held: watch::Sender<bool>,
    dialler: Option<AbortHandle>,
    /// Wakes the dialling task, because a caller waits for the peer.
    hurry: Arc<Notify>,
    /// The address at which a dial last succeeded.
    reached: Option<SocketAddr>,
    /// The address from which the peer last connected.
    seen: Option<SocketAddr>,
}

impl Slot {
    fn new(reason: &str) -> Self {
        let down = PeerState::Down { since_ms: now_ms(), reason: reason.to_owned(), next_try_ms: None };
        let (state, held) = (watch::Sender::new(down), watch::Sender::new(false));
        Self { state, kept: None, held, dialler: None, hurry: Arc::default(), reached: None, seen: None }
    }

    fn down(&self, reason: String) {
        self.state.send_modify(|state| {
            let since_ms = match state {
                PeerState::Down { since_ms, .. } => *since_ms,
                PeerState::Up(_) => now_ms(),
            };
            *state = PeerState::Down { since_ms, reason, next_try_ms: None };
        });
    }

    fn let_go(&mut self, code: CloseCode) {
        if let Some((_, connection)) = self.kept.take() {
            connection.close(code, "");
            self.held.send_replace(false);
            self.down(code.text().to_owned());
        }
    }
}

#[derive(Default)]
struct Table {
    slots: HashMap<Pin, Slot>,
    last_id: u64,
}

/// The connections and states of all peers.
#[derive(Default)]
pub(in crate::link) struct Registry(Mutex<Table>);

impl Registry {
    fn with<T>(&self, pin: Pin, act: impl FnOnce(&mut Slot) -> T) -> T {
        act(self.0.lock().slots.entry(pin).or_insert_with(|| Slot::new("not paired")))
    }

    /// Decides about a new connection. `dead`: the older connection, if it was in doubt and proved dead. Calls
    /// `is_pinned` under the lock: an unpairing either sees the new connection or prevents it.
    pub fn offer(
        &self,
        own: Pin,
        peer: Pin,
        connection: &Connection,
        dead: Option<&Connection>,
        is_pinned: impl Fn() -> bool,
    ) -> Verdict {
        let mut table = self.0.lock();
        if !is_pinned() {
            return Verdict::Unpaired;
        }
        table.last_id += 1;
        let id = table.last_id;
        let slot = table.slots.entry(peer).or_insert_with(|| Slot::new("not paired"));
        if let Some((kept_id, kept)) = &slot.kept {
            let lives = kept.end().is_none() && !dead.is_some_and(|dead| dead.is(kept));
            let lower_dialled = connection.dialled == (own < peer);
            if lives && connection.dialled != kept.dialled && !lower_dialled {
                // A connection that this agent dialled began when there was none, so the kept one is newer. A peer that
                // dials despite a kept connection may have restarted.
                return if connection.dialled { Verdict::Duplicate } else { Verdict::Doubt(*kept_id, kept.clone()) };
            }
        }
        slot.let_go(CloseCode::Replaced);
        let remote = connection.quic.remote_address();
        *if connection.dialled { &mut slot.reached } else { &mut slot.seen } = Some(canonical(remote));
        slot.kept = Some((id, connection.clone()));
        slot.held.send_replace(true);
        Verdict::Keep(id)
    }

    /// Returns the kept connection to `peer`.
    pub fn kept(&self, peer: Pin) -> Option<Connection> {
        self.with(peer, |slot| slot.kept.as_ref().map(|(_, connection)| connection.clone()))
    }

    /// Records that the kept connection `id` has become a session. Returns false if it is no longer kept.
    pub fn up(&self, peer: Pin, id: u64, session: Session) -> bool {
        self.with(peer, |slot| {
            let kept = slot.kept.as_ref().is_some_and(|(kept, _)| *kept == id);
            if kept {
                slot.state.send_replace(PeerState::Up(session));
            }
            kept
        })
    }

    /// Records that connection `id` has ended.
    pub fn over(&self, peer: Pin, id: u64, reason: String) {
        self.with(peer, |slot| {
            if slot.kept.as_ref().is_some_and(|(kept, _)| *kept == id) {
                slot.kept = None;
                slot.down(reason);
                slot.held.send_replace(false);
            }
        });
    }

    /// Records why a dial failed, unless `why` is `None`, and when the next one follows, in Unix milliseconds.
    pub fn unreached(&self, peer: Pin, why: Option<String>, next: u64) {
        self.with(peer, |slot| {
            slot.state.send_if_modified(|state| match state {
                PeerState::Down { reason, next_try_ms, .. } => {
                    *reason = why.unwrap_or_else(|| std::mem::take(reason));
                    *next_try_ms = Some(next);
                    true
                }
                PeerState::Up(_) => false,
            })
        });
    }

    /// Stores the task that dials `peer` and replaces an older one.
    pub fn set_dialler(&self, peer: Pin, dialler: AbortHandle) {
        self.with(peer, |slot| {
            if slot.kept.is_none() {
                slot.down(NOT_YET.to_owned());
            }
            if let Some(old) = slot.dialler.replace(dialler) {
                old.abort();
            }
        });
    }

    /// Closes the connection to `peer` and stops dialling it.
    pub fn forget(&self, peer: Pin) {
        if let Some(mut slot) = self.0.lock().slots.remove(&peer) {
            if let Some(dialler) = slot.dialler.take() {
                dialler.abort();
            }
            slot.let_go(CloseCode::Unpaired);
            slot.down("not paired any more".to_owned());
        }
    }

    /// Subscribes to the peer's state.
    pub fn watch(&self, peer: Pin) -> watch::Receiver<PeerState> {
        self.with(peer, |slot| slot.state.subscribe())
    }

    /// Returns the signal that wakes the dialling task of `peer`.
    pub fn hurry(&self, peer: Pin) -> Arc<Notify> {
        self.with(peer, |slot| slot.hurry.clone())
    }

    /// Subscribes to whether a connection to `peer` is kept.
    pub fn held(&self, peer: Pin) -> watch::Receiver<bool> {
        self.with(peer, |slot| slot.held.subscribe())
    }

    /// Returns the address at which a dial of `peer` last succeeded, and the one from which it last connected.
    pub fn addresses(&self, peer: Pin) -> (Option<SocketAddr>, Option<SocketAddr>) {
        self.with(peer, |slot| (slot.reached, slot.seen))
    }
}
