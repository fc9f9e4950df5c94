//! Warnings about peers, at most one a second for each, so that a peer cannot fill the log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use modelferry_protocol::ids::Pin;

const PAUSE: Duration = Duration::from_secs(1);

/// When each peer was last complained about; strangers share one entry, so that the table stays small.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<HashMap<Option<Pin>, Instant>>);

impl Complaints {
    /// Logs that `peer`, or a stranger, did something wrong.
    pub fn warn(&self, peer: Option<Pin>, code: &str, reason: &str) {
        if self.due(peer, Instant::now()) {
            match peer {
                Some(pin) => tracing::warn!(peer = %pin, code, reason, "peer broke the protocol"),
                None => tracing::warn!(code, reason, "stranger turned away"),
            }
        }
    }

    fn due(&self, peer: Option<Pin>, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
