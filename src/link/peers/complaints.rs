//! Logs warnings about peers, at most one per second and peer, so that a peer cannot fill the log.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use modelferry_protocol::ids::Pin;
use parking_lot::Mutex;

const PAUSE: Duration = Duration::from_secs(1);

/// The time of the last warning about each peer. All strangers share the entry `None`, so that the table stays small.
#[derive(Debug, Default)]
pub(in crate::link) struct Complaints(Mutex<HashMap<Option<Pin>, Instant>>);

impl Complaints {
    /// Logs an error of a peer, or of a stranger if `peer` is `None`.
    pub fn warn(&self, peer: Option<Pin>, code: &str, reason: &str) {
        if self.due(peer, Instant::now()) {
            match peer {
                Some(pin) => tracing::warn!(peer = %pin, code, reason, "peer broke the protocol"),
                None => tracing::warn!(code, reason, "stranger turned away"),
            }
        }
    }

    fn due(&self, peer: Option<Pin>, now: Instant) -> bool {
        let mut last = self.0.lock();
        if last.get(&peer).is_some_and(|at| now.duration_since(*at) < PAUSE) {
            return false;
        }
        last.insert(peer, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_complained_about_once_a_second_and_hides_no_other() {
        let (complaints, now) = (Complaints::default(), Instant::now());
        assert!(complaints.due(Some(Pin([1; 32])), now));
        assert!(!complaints.due(Some(Pin([1; 32])), now + PAUSE / 2));
        assert!(complaints.due(Some(Pin([2; 32])), now + PAUSE / 2));
        assert!(complaints.due(None, now + PAUSE / 2));
        assert!(complaints.due(Some(Pin([1; 32])), now + PAUSE));
    }
}
