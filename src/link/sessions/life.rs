//! Detects a connected peer that has fallen silent, long before the connection's idle timeout.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::session::Session;
use crate::link::flow::SIGN_OF_LIFE;

/// How long a peer has been silent, as measured by a task in [`Session::falls_silent`]. Resolution: milliseconds.
#[derive(Debug, Default)]
pub struct Silence(AtomicU64);

impl Silence {
    /// Returns the duration of the silence; zero for a peer that was heard just now.
    pub fn lasts(&self) -> Duration {
        Duration::from_millis(self.0.load(Relaxed))
    }
}

impl Session {
    /// Returns after the peer has been silent for `patience`. Meanwhile stores the duration in `silence`. While this
    /// waits, the session sends a datagram four times a second, and a live peer acknowledges each, whatever it is
    /// doing.
    pub async fn falls_silent(&self, patience: Duration, silence: &Silence) {
        let _busy = self.busy();
        let (mut heard, mut at) = (self.udp_rx_bytes(), Instant::now());
        loop {
            sleep(SIGN_OF_LIFE).await;
            let now = self.udp_rx_bytes();
            if now != heard {
                (heard, at) = (now, Instant::now());
            }
            let lasts = at.elapsed();
            silence.0.store(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX), Relaxed);
            if lasts >= patience {
                return;
            }
        }
    }

    /// Waits for the next datagram from the peer.
    pub async fn lives(&self) {
        let _busy = self.busy();
        let before = self.udp_rx_bytes();
        while self.udp_rx_bytes() == before {
            sleep(SIGN_OF_LIFE / 10).await;
        }
    }
}
