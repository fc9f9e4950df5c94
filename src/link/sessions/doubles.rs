//! Detects two agents that use one identity, after a machine was cloned or a state directory was copied.
//!
//! An agent dials again after it lost its connection or restarted, and its old connection is then dead. If the old
//! connection is alive, repeatedly, another agent has the same key. The link then refuses both agents. Otherwise each
//! would replace the other's connection for ever, and each would act on its own state.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use modelferry_protocol::ids::Pin;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::link::transport::address::canonical;
use crate::link::transport::close::CloseCode;
use crate::link::transport::connection::Connection;

/// Maximum time between two related replacements.
const WINDOW: Duration = Duration::from_secs(10);
/// Consecutive replacements of a live connection that prove two agents.
const THEFTS_MIN: u32 = 2;
/// Connections next to the same live one, each within [`WINDOW`] of the last, that prove two agents. More than
/// [`THEFTS_MIN`], because one may be a dial that was already under way. Next to another live one they are counted anew: an
/// agent that restarts often crosses the dials of each of its lives.
const DOUBTS_MIN: u32 = 3;

/// The evidence that two agents have one identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Double {
    /// Both connected to this agent, from these addresses. This agent refuses both.
    Met([SocketAddr; 2]),
    /// The peer reported another agent with this agent's identity.
    Told,
}

#[derive(Debug, Default)]
struct Sightings {
    replaced: Option<Instant>,
    thefts: u32,
    /// When a connection was last in doubt, and the id of the live one next to it.
    doubted: Option<(Instant, u64)>,
    doubts: u32,
    is_held: bool,
}

/// The evidence about each identity.
#[derive(Debug, Default)]
pub(in crate::link) struct Doubles {
    sightings: Mutex<HashMap<Pin, Sightings>>,
    found: watch::Sender<BTreeMap<Pin, Double>>,
}

impl Doubles {
    /// Reports whether connections of `peer` are refused.
    pub fn holds(&self, peer: Pin) -> bool {
        self.sightings.lock().get(&peer).is_some_and(|sightings| sightings.is_held)
    }

    /// Refuses connections of `peer` until [`Doubles::release`].
    pub fn hold(&self, peer: Pin) {
        self.sightings.lock().entry(peer).or_default().is_held = true;
    }

    /// Accepts connections of `peer` again and clears the evidence.
    pub fn release(&self, peer: Pin) {
        self.sightings.lock().remove(&peer);
        self.found.send_modify(|found| {
            found.remove(&peer);
        });
    }

    /// Records that a new connection of `peer` replaces an older one dialled by the same side. Returns true if the
    /// caller should probe the older one, because another was replaced within [`WINDOW`].
    pub fn replaces(&self, peer: Pin) -> bool {
        let (now, mut all) = (Instant::now(), self.sightings.lock());
        let sightings = all.entry(peer).or_default();
        let again = sightings.replaced.replace(now).is_some_and(|before| now - before < WINDOW);
        if !again {
            sightings.thefts = 0;
        }
        again
    }

    /// Records whether the replaced connection is alive. Returns whether there are two agents.
    pub fn stolen(&self, peer: Pin, lives: bool) -> bool {
        let mut all = self.sightings.lock();
        let sightings = all.entry(peer).or_default();
        sightings.thefts = if lives { sightings.thefts + 1 } else { 0 };
        sightings.thefts >= THEFTS_MIN
    }

    /// Records a new connection next to a live one that is kept as `kept`. Returns whether there are two agents.
    pub fn doubted(&self, peer: Pin, kept: u64) -> bool {
        let (now, mut all) = (Instant::now(), self.sightings.lock());
        let sightings = all.entry(peer).or_default();
        let before = sightings.doubted.replace((now, kept));
        let again = before.is_some_and(|(before, beside)| beside == kept && now - before < WINDOW);
        sightings.doubts = if again { sightings.doubts + 1 } else { 1 };
        sightings.doubts >= DOUBTS_MIN
    }

    /// Refuses `peer` from now on, because these connections lead to two agents. Closes both and gives the reason.
    pub fn met(&self, peer: Pin, connections: [&Connection; 2]) {
        self.hold(peer);
        connections.iter().for_each(|connection| connection.close(CloseCode::TwoAgents, ""));
        let addresses = connections.map(|connection| canonical(connection.quic.remote_address()));
        self.found.send_modify(|found| {
            found.insert(peer, Double::Met(addresses));
        });
    }

    /// Records that the peer closed `connection` because another agent uses this agent's identity, if it did.
    pub fn ended(&self, peer: Pin, connection: &Connection) {
        let told = match connection.quic.close_reason() {
            Some(quinn::ConnectionError::ApplicationClosed(close)) => close.error_code == CloseCode::TwoAgents.into(),
            _ => false,
        };
        if told {
            self.found.send_if_modified(|found| found.insert(peer, Double::Told) != Some(Double::Told));
        }
    }

    /// Subscribes to the identities found.
    pub fn watch(&self) -> watch::Receiver<BTreeMap<Pin, Double>> {
        self.found.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Pin = Pin([1; 32]);

    #[tokio::test(start_paused = true)]
    async fn one_agent_that_is_restarted_again_and_again_is_no_double() {
        let doubles = Doubles::default();
        assert!(!doubles.replaces(PEER), "the first time nobody is asked");
        for _ in 0..9 {
            assert!(doubles.replaces(PEER));
            assert!(!doubles.stolen(PEER, false));
        }
        assert!(!doubles.stolen(PEER, true) && !doubles.stolen(PEER, false) && !doubles.stolen(PEER, true));
        assert!(doubles.stolen(PEER, true));
        tokio::time::advance(WINDOW).await;
        assert!(!doubles.replaces(PEER), "long after");
    }

    #[tokio::test(start_paused = true)]
    async fn dials_beside_a_connection_that_lives_are_counted_while_they_are_close() {
        let doubles = Doubles::default();
        assert!(!doubles.doubted(PEER, 1) && !doubles.doubted(PEER, 1));
        tokio::time::advance(WINDOW).await;
        assert!(!doubles.doubted(PEER, 1) && !doubles.doubted(PEER, 1));
        assert!(doubles.doubted(PEER, 1));
        assert!(!doubles.holds(PEER));
        doubles.hold(PEER);
        assert!(doubles.holds(PEER));
        doubles.release(PEER);
        assert!(!doubles.holds(PEER) && !doubles.doubted(PEER, 1));
    }

    /// Seen with an agent that was killed three times in a quarter of a minute: its link was held back for good.
    #[tokio::test(start_paused = true)]
    async fn a_dial_that_crosses_each_of_several_connections_is_no_double() {
        let doubles = Doubles::default();
        for kept in 1..9 {
            assert!(!doubles.doubted(PEER, kept));
        }
        assert!(!doubles.doubted(PEER, 8) && doubles.doubted(PEER, 8));
    }
}
