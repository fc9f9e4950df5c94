//! Signs of life: whether a connected peer is still there, long before the connection is given up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::flow::SIGN_OF_LIFE;
use super::session::Session;

/// How long a peer has given no sign of life, as the one who waits for it sees.
#[derive(Debug, Default)]
pub struct Silence(AtomicU64);

impl Silence {
    /// Returns how long it has lasted; zero for a peer that was heard of just now.
    pub fn lasts(&self) -> Duration {
        Duration::from_millis(self.0.load(Relaxed))
    }
}

impl Session {
    /// Returns once the peer has given no sign of life for `patience`, and keeps `silence` meanwhile. A peer that lives
    /// acknowledges what it is sent, four times a second while this waits, whatever it is doing.
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

    /// Waits for the peer's next sign of life.
    pub async fn lives(&self) {
        let _busy = self.busy();
        let before = self.udp_rx_bytes();
        while self.udp_rx_bytes() == before {
            sleep(SIGN_OF_LIFE / 10).await;
        }
    }
}
