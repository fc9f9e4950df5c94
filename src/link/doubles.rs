//! Finds two agents that use one identity: a cloned machine, or a state directory that was copied.
//!
//! An agent that dials again has lost its older connection, or was restarted; then the older one is dead. Where the older one
//! lives, again and again, another agent has the same key. The link to that identity is held back then: each of the two
//! would take it from the other for ever, and each would act on what it alone believes.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use modelferry_protocol::ids::Pin;
use tokio::sync::watch;
use tokio::time::Instant;

use super::close::CloseCode;
use super::line::Line;

/// Replacements further apart than this have nothing to do with each other.
const WINDOW: Duration = Duration::from_secs(10);
/// Connections that were taken from a living one, in a row, until two agents are the only explanation.
const THEFTS_MIN: u32 = 2;
/// Connections beside a living one, within a window of the one before, until they are. One may be a dial that was under way.
const DOUBTS_MIN: u32 = 3;

/// How two agents with one identity showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Double {
    /// This agent met both, at these addresses, and holds the link to them back.
    Met([SocketAddr; 2]),
    /// The peer has met another agent with this agent's identity.
    Told,
}

#[derive(Debug, Default)]
struct Sightings {
    replaced: Option<Instant>,
    thefts: u32,
    doubted: Option<Instant>,
    doubts: u32,
    is_held: bool,
}

/// What was seen of each identity.
#[derive(Debug, Default)]
pub(super) struct Doubles {
    sightings: Mutex<HashMap<Pin, Sightings>>,
    found: watch::Sender<BTreeMap<Pin, Double>>,
}

impl Doubles {
    fn sightings(&self) -> MutexGuard<'_, HashMap<Pin, Sightings>> {
        self.sightings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports whether the link to `peer` is held back.
    pub fn holds(&self, peer: Pin) -> bool {
        self.sightings().get(&peer).is_some_and(|sightings| sightings.is_held)
    }

    /// Holds the link to `peer` back.
    pub fn hold(&self, peer: Pin) {
        self.sightings().entry(peer).or_default().is_held = true;
    }

    /// Opens it again, and forgets what was seen.
    pub fn release(&self, peer: Pin) {
        self.sightings().remove(&peer);
        self.found.send_modify(|found| {
            found.remove(&peer);
        });
    }

    /// Notes that a connection takes the place of another one by the same side; reports whether it is worth asking if that
    /// one lives, as another was replaced a moment ago.
    pub fn replaces(&self, peer: Pin) -> bool {
        let (now, mut all) = (Instant::now(), self.sightings());
        let sightings = all.entry(peer).or_default();
        let again = sightings.replaced.replace(now).is_some_and(|before| now - before < WINDOW);
        if !again {
            sightings.thefts = 0;
        }
        again
    }

    /// Notes whether the one that is replaced lives; reports whether there are two agents.
    pub fn stolen(&self, peer: Pin, lives: bool) -> bool {
        let mut all = self.sightings();
        let sightings = all.entry(peer).or_default();
        sightings.thefts = if lives { sightings.thefts + 1 } else { 0 };
        sightings.thefts >= THEFTS_MIN
    }

    /// Notes a connection beside one that lives and is kept; reports whether there are two agents.
    pub fn doubted(&self, peer: Pin) -> bool {
        let (now, mut all) = (Instant::now(), self.sightings());
        let sightings = all.entry(peer).or_default();
        let again = sightings.doubted.replace(now).is_some_and(|before| now - before < WINDOW);
        sightings.doubts = if again { sightings.doubts + 1 } else { 1 };
        sightings.doubts >= DOUBTS_MIN
    }

    /// Holds the link to `peer` back from now on, as these two connections lead to two agents, and tells both.
    pub fn met(&self, peer: Pin, lines: [&Line; 2]) {
        self.hold(peer);
        lines.iter().for_each(|line| line.close(CloseCode::TwoAgents, ""));
        let addresses = lines.map(|line| super::registry::canonical(line.connection.remote_address()));
        self.found.send_modify(|found| {
            found.insert(peer, Double::Met(addresses));
        });
    }

    /// Notes why a connection ended, if the peer has met another agent with this agent's identity.
    pub fn ended(&self, peer: Pin, line: &Line) {
        let told = match line.connection.close_reason() {
            Some(quinn::ConnectionError::ApplicationClosed(close)) => close.error_code == CloseCode::TwoAgents.into(),
            _ => false,
        };
        if told {
            self.found.send_if_modified(|found| found.insert(peer, Double::Told) != Some(Double::Told));
        }
    }

    /// Returns a view of what was found.
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
        assert!(!doubles.doubted(PEER) && !doubles.doubted(PEER));
        tokio::time::advance(WINDOW).await;
        assert!(!doubles.doubted(PEER) && !doubles.doubted(PEER));
        assert!(doubles.doubted(PEER));
        assert!(!doubles.holds(PEER));
        doubles.hold(PEER);
        assert!(doubles.holds(PEER));
        doubles.release(PEER);
        assert!(!doubles.holds(PEER) && !doubles.doubted(PEER));
    }
}
