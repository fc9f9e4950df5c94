//! State shared by all tasks of a link.

use std::net::SocketAddr;
use std::sync::Arc;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::message::Hello;
use parking_lot::Mutex;
use quinn::Endpoint;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::credentials::identity::Identity;
use super::flow::{CapView, Caps, Flow, Memory, PendingSchedule, SendSchedule};
use super::handshake::admission::{Admission, PairingAsked};
use super::handshake::places::Places;
use super::handshake::strangers::Strangers;
use super::handshake::tls::Tls;
use super::mtu;
use super::peers::complaints::Complaints;
use super::peers::error::PeersError;
use super::peers::limits;
use super::peers::list::Peers;
use super::sessions::doubles::Doubles;
use super::sessions::registry::Registry;
use super::sessions::session::NewSession;
use super::transport::address::canonical;
use super::transport::config::{LinkConfig, transport};
use crate::clock::now_ms;
use crate::disk::blocking;

/// Builds this agent's `Hello` for the peer with this pin.
pub type MakeHello = Arc<dyn Fn(Pin) -> Hello + Send + Sync>;

/// Maximum number of connections that [`super::listen`] has not looked at yet.
const INCOMING_MAX: usize = 64;
/// Maximum bytes buffered for one connection that is not accepted yet, and for all of them together.
const INCOMING_BYTES_MAX: u64 = 64 << 10;
const INCOMING_BYTES_TOTAL_MAX: u64 = 4 << 20;

pub(super) struct Shared {
    pub config: LinkConfig,
    pub identity: Identity,
    pub endpoint: Endpoint,
    /// Whether datagrams follow the host's routes, so that a route's MTU limits their size.
    pub is_routed: bool,
    pub tls: Tls,
    pub admission: Arc<Admission>,
    pub registry: Registry,
    pub complaints: Arc<Complaints>,
    pub doubles: Doubles,
    pub hello: MakeHello,
    pub sessions: mpsc::Sender<NewSession>,
    pub places: Places,
    pub strangers: Strangers,
    pub stop: CancellationToken,
    pub caps: Caps,
    /// Measured rates and round trips of the links to peers.
    pub memory: Memory,
    /// Passes a new connection's [`SendSchedule`] from its controller to the socket.
    pub pending: PendingSchedule,
    /// Settings for accepting connections. The TLS part is replaced while an offer is open.
    pub server: quinn::ServerConfig,
    pub peers: Mutex<Peers>,
    /// Held while the peers change, until the change is on disk.
    pub changing: tokio::sync::Mutex<()>,
}

impl Shared {
    /// Returns this agent's pin.
    pub fn own(&self) -> Pin {
        self.identity.pin()
    }

    /// Returns a copy of the peers.
    pub fn peers(&self) -> Peers {
        self.peers.lock().clone()
    }

    /// Changes the peers, on disk first.
    ///
    /// Errors: those of `change`, or [`PeersError`].
    pub async fn change_peers<E: From<PeersError>>(
        &self,
        change: impl FnOnce(&Peers) -> Result<Peers, E>,
    ) -> Result<(), E> {
        let _changing = self.changing.lock().await;
        let next = change(&self.peers())?;
        let saved = next.clone();
        blocking(move || saved.save()).await?;
        self.trust(next);
        Ok(())
    }

    /// Replaces the peers in memory.
    pub fn trust(&self, peers: Peers) {
        self.admission.set_peers(peers.list());
        *self.peers.lock() = peers;
    }

    /// Stores the address from which a peer connected. The peer may have moved, and this agent may later have to dial
    /// it there.
    pub async fn learn(&self, pin: Pin, observed: SocketAddr) {
        let moved = |peers: &Peers| peers.by_pin(pin).and_then(|peer| peer.at(observed));
        if moved(&self.peers()).is_none() {
            return;
        }
        let change = |peers: &Peers| Ok(moved(peers).map_or_else(|| peers.clone(), |peer| peers.with(peer)));
        match self.change_peers::<PeersError>(change).await {
            Ok(()) => tracing::info!(peer = %pin, address = %canonical(observed), "the peer calls from a new address"),
            // The next connection tries again.
            Err(error) => tracing::warn!(%error, "the peer's new address cannot be kept"),
        }
    }

    /// Logs that a stranger was turned away, and remembers its address for people.
    pub fn turned_away(&self, address: SocketAddr, code: &str, reason: &str) {
        self.complaints.warn(None, code, reason);
        self.strangers.note(address.ip(), if reason.is_empty() { code } else { reason }, now_ms());
    }

    /// Builds the settings for accepting one connection from `address`, and its [`SendSchedule`].
    pub fn server_config(
        &self,
        address: SocketAddr,
        asked: Option<Arc<PairingAsked>>,
    ) -> (Arc<quinn::ServerConfig>, Arc<SendSchedule>) {
        let mut config = self.server.clone();
        let (flow, schedule) = self.flow();
        config.transport_config(transport(&self.config.timing, flow, self.datagram_bytes(address)));
        if asked.is_some() {
            config.crypto = self.tls.server(asked);
        }
        (Arc::new(config), schedule)
    }

    /// Builds the settings for dialling `address` once, and the connection's [`SendSchedule`].
    pub fn client_config(
        &self,
        address: SocketAddr,
        crypto: Arc<quinn::crypto::rustls::QuicClientConfig>,
    ) -> (quinn::ClientConfig, Arc<SendSchedule>) {
        let mut config = quinn::ClientConfig::new(crypto);
        let (flow, schedule) = self.flow();
        config.transport_config(transport(&self.config.timing, flow, self.datagram_bytes(address)));
        (config, schedule)
    }

    fn datagram_bytes(&self, address: SocketAddr) -> u16 {
        if self.is_routed { mtu::worth_trying(address) } else { mtu::DATAGRAM_BYTES }
    }

    fn flow(&self) -> (Flow, Arc<SendSchedule>) {
        let schedule = self.caps.schedule();
        (Flow::new(self.config.settings.congestion, schedule.clone(), self.pending.clone()), schedule)
    }

    /// Applies the cap of `peer` to a connection whose peer is now known, and passes on what is known of the link.
    pub fn claim(&self, schedule: &SendSchedule, peer: Pin) {
        schedule.claim(self.caps.bucket(peer), self.memory.get(peer));
    }

    /// Applies the caps that hold now, and returns them.
    pub fn apply_caps(&self) -> Vec<CapView> {
        let peers: Vec<(Pin, String)> = self.peers().list().iter().map(|peer| (peer.pin, peer.name.clone())).collect();
        let now = (self.config.clock)();
        let day = now.weekday().to_monday_zero_offset() as usize;
        self.caps.apply(&peers, day, now.hour() as u16 * 60 + now.minute() as u16)
    }

    /// Writes the caps set by an operator, and then how many they are. The caller must hold `changing`.
    ///
    /// Errors: [`PeersError`].
    pub async fn save_limits(&self) -> Result<(), PeersError> {
        let peers = self.peers().with_limits(self.caps.by_hand());
        let saved = peers.clone();
        blocking(move || {
            limits::save(&limits::path(saved.dir()), saved.disk(), saved.limits())?;
            saved.save()
        })
        .await?;
        *self.peers.lock() = peers;
        Ok(())
    }

    /// Stores what a connection measured of the link to `peer`, for the next connection.
    pub async fn remember(self: &Arc<Self>, schedule: &SendSchedule, peer: Pin) {
        let Some(measured) = schedule.measured() else { return };
        self.memory.set(peer, measured);
        let shared = self.clone();
        // This is only a hint. If it cannot be written, the next connection measures again.
        if let Err(error) = blocking(move || shared.memory.save()).await {
            tracing::warn!(%error, "cannot keep what was measured of the link");
        }
    }
}

/// Builds the settings for accepting pinned keys.
pub(super) fn server_config(tls: &Tls) -> quinn::ServerConfig {
    let mut server = quinn::ServerConfig::with_crypto(tls.server(None));
    server
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
    server
}
