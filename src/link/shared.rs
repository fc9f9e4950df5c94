//! What all tasks of a link share.

use std::sync::{Arc, Mutex, PoisonError};

use modelferry_protocol::ids::Pin;
use modelferry_protocol::message::Hello;
use quinn::Endpoint;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::admission::{Admission, PairTicket};
use super::complaints::Complaints;
use super::config::{LinkConfig, transport};
use super::identity::Identity;
use super::peers::{Peers, PeersError};
use super::registry::Registry;
use super::session::NewSession;
use super::tls::Tls;

/// Makes this agent's `Hello` to the peer of a pin.
pub type MakeHello = Arc<dyn Fn(Pin) -> Hello + Send + Sync>;

/// Handshakes that may be under way at once.
pub(super) const HANDSHAKES_MAX: usize = 64;
/// Handshakes under way above which a newcomer must first show that its address is its own.
pub(super) const HANDSHAKES_UNVALIDATED_MAX: usize = 16;
/// Bytes that one connection not yet accepted may have buffered, and all of them.
const INCOMING_BYTES_MAX: u64 = 64 << 10;
const INCOMING_BYTES_TOTAL_MAX: u64 = 4 << 20;

pub(super) struct Shared {
    pub config: LinkConfig,
    pub identity: Identity,
    pub endpoint: Endpoint,
    pub tls: Tls,
    pub admission: Arc<Admission>,
    pub registry: Registry,
    pub complaints: Arc<Complaints>,
    pub hello: MakeHello,
    pub sessions: mpsc::Sender<NewSession>,
    pub handshakes: Arc<Semaphore>,
    pub stop: CancellationToken,
    /// Settings for accepting, but for the TLS part, which is made anew while an offer is open.
    pub server: quinn::ServerConfig,
    pub peers: Mutex<Peers>,
    /// Held across a change of the peers and its way to the disk.
    pub changing: tokio::sync::Mutex<()>,
}

impl Shared {
    /// Returns this agent's pin.
    pub fn own(&self) -> Pin {
        self.identity.pin()
    }

    /// Returns a copy of the peers.
    pub fn peers(&self) -> Peers {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the peers, on disk first.
    ///
    /// Errors: what `change` refuses with, or [`PeersError`].
    pub async fn change_peers<E: From<PeersError>>(
        &self,
        change: impl FnOnce(&Peers) -> Result<Peers, E>,
    ) -> Result<(), E> {
        let _changing = self.changing.lock().await;
        let next = change(&self.peers())?;
        let saved = next.clone();
        tokio::task::spawn_blocking(move || saved.save()).await.expect("saving does not panic")?;
        self.admission.set_pins(next.list().iter().map(|peer| peer.pin));
        *self.peers.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// Makes the settings for accepting one connection.
    pub fn server_config(&self, ticket: Option<Arc<PairTicket>>) -> Arc<quinn::ServerConfig> {
        let mut config = self.server.clone();
        if ticket.is_some() {
            config.crypto = self.tls.server(ticket);
        }
        Arc::new(config)
    }

    /// Makes the settings for dialling.
    pub fn client_config(&self, crypto: Arc<quinn::crypto::rustls::QuicClientConfig>) -> quinn::ClientConfig {
        let mut config = quinn::ClientConfig::new(crypto);
        config.transport_config(transport(&self.config.timing));
        config
    }
}

/// Makes the settings for accepting pinned keys.
pub(super) fn server_config(tls: &Tls, config: &LinkConfig) -> quinn::ServerConfig {
    let mut server = quinn::ServerConfig::with_crypto(tls.server(None));
    server
        .transport_config(transport(&config.timing))
        .max_incoming(HANDSHAKES_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
    server
}
