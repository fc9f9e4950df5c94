//! What all tasks of a link share.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use modelferry_protocol::ids::Pin;
use modelferry_protocol::message::Hello;
use quinn::Endpoint;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::admission::{Admission, PairTicket};
use super::complaints::Complaints;
use super::config::{LinkConfig, transport};
use super::doubles::Doubles;
use super::flow::{Announced, CapView, Caps, Flow, Lane, Memory};
use super::identity::Identity;
use super::mtu;
use super::peers::{Peers, PeersError};
use super::registry::{Registry, canonical};
use super::session::NewSession;
use super::tls::Tls;
use crate::disk::blocking;

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
    /// Whether datagrams go where the host's routes lead, so that these tell how large they may be.
    pub is_routed: bool,
    pub tls: Tls,
    pub admission: Arc<Admission>,
    pub registry: Registry,
    pub complaints: Arc<Complaints>,
    pub doubles: Doubles,
    pub hello: MakeHello,
    pub sessions: mpsc::Sender<NewSession>,
    pub handshakes: Arc<Semaphore>,
    pub stop: CancellationToken,
    /// What may be sent.
    pub caps: Caps,
    /// What is known of the links to peers.
    pub memory: Memory,
    /// Where the socket learns of a new connection's lane.
    pub announced: Announced,
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
        blocking(move || saved.save()).await?;
        self.admission.set_pins(next.list().iter().map(|peer| peer.pin));
        *self.peers.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// Keeps the address that a peer calls from, with its key, for the time when it calls no more: it may have moved, and
    /// this agent may have to dial it there.
    pub async fn learn(&self, pin: Pin, observed: SocketAddr) {
        let moved = |peers: &Peers| peers.by_pin(pin).and_then(|peer| peer.at(observed));
        if moved(&self.peers()).is_none() {
            return;
        }
        let change = |peers: &Peers| Ok(moved(peers).map_or_else(|| peers.clone(), |peer| peers.with(peer)));
        match self.change_peers::<PeersError>(change).await {
            Ok(()) => tracing::info!(peer = %pin, address = %canonical(observed), "the peer calls from a new address"),
            // It is learned again on the next connection.
            Err(error) => tracing::warn!(%error, "the peer's new address cannot be kept"),
        }
    }

    /// Makes the settings for accepting one connection from `address`, and its lane.
    pub fn server_config(
        &self,
        address: SocketAddr,
        ticket: Option<Arc<PairTicket>>,
    ) -> (Arc<quinn::ServerConfig>, Arc<Lane>) {
        let mut config = self.server.clone();
        let (flow, lane) = self.flow();
        config.transport_config(transport(&self.config.timing, flow, self.datagram_bytes(address)));
        if ticket.is_some() {
            config.crypto = self.tls.server(ticket);
        }
        (Arc::new(config), lane)
    }

    /// Makes the settings for dialling `address` once, and the connection's lane.
    pub fn client_config(
        &self,
        address: SocketAddr,
        crypto: Arc<quinn::crypto::rustls::QuicClientConfig>,
    ) -> (quinn::ClientConfig, Arc<Lane>) {
        let mut config = quinn::ClientConfig::new(crypto);
        let (flow, lane) = self.flow();
        config.transport_config(transport(&self.config.timing, flow, self.datagram_bytes(address)));
        (config, lane)
    }

    fn datagram_bytes(&self, address: SocketAddr) -> u16 {
        if self.is_routed { mtu::worth_trying(address) } else { mtu::DATAGRAM_BYTES }
    }

    fn flow(&self) -> (Flow, Arc<Lane>) {
        let lane = self.caps.lane();
        (Flow::new(self.config.settings.congestion, lane.clone(), self.announced.clone()), lane)
    }

    /// Puts a connection that has turned out to lead to `peer` under that peer's cap, and lets it begin with what is
    /// known of the link.
    pub fn claim(&self, lane: &Lane, peer: Pin) {
        lane.claim(self.caps.bucket(peer), self.memory.get(peer));
    }

    /// Makes the caps hold that belong to this moment, and returns them.
    pub fn apply_caps(&self) -> Vec<CapView> {
        let peers: Vec<(Pin, String)> = self.peers().list().iter().map(|peer| (peer.pin, peer.name.clone())).collect();
        let now = (self.config.clock)();
        let day = now.weekday().to_monday_zero_offset() as usize;
        self.caps.apply(&peers, day, now.hour() as u16 * 60 + now.minute() as u16)
    }

    /// Writes to disk what was set by hand of the caps. Whoever calls it holds `changing`.
    ///
    /// Errors: [`PeersError::Io`].
    pub async fn save_limits(&self) -> Result<(), PeersError> {
        let (by_hand, peers) = (self.caps.by_hand(), self.peers());
        blocking(move || super::limits::save(&super::limits::path(peers.dir()), peers.disk(), &by_hand)).await
    }

    /// Keeps what a connection has learned of the link to `peer` for the next one.
    pub async fn remember(self: &Arc<Self>, lane: &Lane, peer: Pin) {
        let Some(measured) = lane.measured() else { return };
        self.memory.set(peer, measured);
        let shared = self.clone();
        // Only an advice: an agent that cannot write it finds out again.
        if let Err(error) = blocking(move || shared.memory.save()).await {
            tracing::warn!(%error, "cannot keep what was measured of the link");
        }
    }
}

/// Makes the settings for accepting pinned keys.
pub(super) fn server_config(tls: &Tls) -> quinn::ServerConfig {
    let mut server = quinn::ServerConfig::with_crypto(tls.server(None));
    server
        .max_incoming(HANDSHAKES_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
    server
}
