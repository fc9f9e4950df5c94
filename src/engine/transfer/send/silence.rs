//! Notices a peer that is silent while bytes are in flight: killed, or cut off. QUIC gives up after half a minute, which is
//! too late for an operator who watches.

use std::time::{Duration, Instant};

/// How often it is listened for.
pub const LOOK: Duration = Duration::from_secs(1);
/// Silence that is worth telling, and the steps in which it is told: signs of life are answered after a round trip.
const STEP: Duration = Duration::from_secs(5);

/// When a peer was last heard.
#[derive(Debug)]
pub struct Silence {
    /// Bytes heard until then.
    heard_bytes: u64,
    since: Instant,
}

impl Silence {
    /// Begins to listen.
    pub fn new(heard_bytes: u64, now: Instant) -> Self {
        Self { heard_bytes, since: now }
    }

    /// Looks at the bytes heard until now, and returns for how many seconds the peer has been silent, if that is long.
    pub fn look(&mut self, heard_bytes: u64, now: Instant) -> Option<u64> {
        if heard_bytes != std::mem::replace(&mut self.heard_bytes, heard_bytes) {
            self.since = now;
        }
        let steps = now.duration_since(self.since).as_secs() / STEP.as_secs();
        (steps > 0).then_some(steps * STEP.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_in_steps_and_ends_with_the_first_byte() {
        let begun = Instant::now();
        let mut silence = Silence::new(10, begun);
        let seconds = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(silence.look(20, seconds(3)), None);
        assert_eq!(silence.look(20, seconds(7)), None);
        assert_eq!(silence.look(20, seconds(8)), Some(5));
        assert_eq!(silence.look(20, seconds(12)), Some(5));
        assert_eq!(silence.look(20, seconds(14)), Some(10));
        assert_eq!(silence.look(21, seconds(15)), None);
        assert_eq!(silence.look(21, seconds(20)), Some(5));
    }
}
