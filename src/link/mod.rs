//! QUIC between paired agents: identity, pairing, pins, and one session with each peer.
//!
//! The link carries [`Message`]s in order and chunks in bulk. It reports when a peer connects and disconnects, and
//! reconnects without limit. It knows nothing about models. The engine decides what a lost connection means.
//!
//! [`Message`]: modelferry_protocol::message::Message

mod credentials;
mod dialling;
mod flow;
mod handshake;
mod listen;
mod mtu;
mod pairing;
mod peers;
mod sessions;
mod shared;
mod transport;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use modelferry_protocol::ids::Pin;
use modelferry_protocol::pairing::{Code, SECRET_BYTES};
use parking_lot::Mutex;
use ring::rand::SecureRandom;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use credentials::certificate::{CertificateError, pin_of, verify_signature};
pub use credentials::identity::{Identity, IdentityError};
pub use flow::{CapView, Limit, Pause};
pub use handshake::strangers::Stranger;
pub use pairing::error::PairError;
pub use peers::error::PeersError;
pub use peers::list::Peers;
pub use peers::peer::{BadPeerName, PEER_NAME_BYTES_MAX, Peer, check_peer_name};
pub use peers::rights::{ModelPattern, PATTERNS_MAX, Quota, Rights, RightsChange};
pub use sessions::doubles::Double;
pub use sessions::life::Silence;
pub use sessions::registry::{NOT_YET, PeerState};
pub use sessions::session::{BulkSender, Busy, ChunkInbox, Inbox, NewSession, Session, Urgency};
pub use sessions::streams::{ByteStream, IncomingStream, StreamInbox, StreamReader, StreamRefused, StreamWriter};
pub use shared::MakeHello;
pub use transport::close::{CloseCode, SessionClosed};
pub use transport::config::{LinkConfig, Timing};
pub use transport::connection::KEY_UNKNOWN;
pub use transport::socket::Wire;

use self::shared::Shared;
use crate::config::Rate;
use crate::disk::blocking;

/// Maximum number of sessions that the engine has not accepted yet.
const SESSIONS_QUEUED_MAX: usize = 16;
/// Time for peers to receive the close before the process ends.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// Interval at which caps follow the weekly windows. A window opens at most this late.
const WEEK_STEP: Duration = Duration::from_secs(1);

/// A failure to start the link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The UDP port cannot be bound.
    #[error("cannot listen on UDP {address}; is another agent running, or the address not of this host?")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

/// The link: one UDP socket, and a connection to each peer.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

impl Link {
    /// Binds the socket, accepts connections and begins to dial every peer. The returned receiver yields each session
    /// once. Dropping the receiver makes the link unusable.
    ///
    /// `hello` builds this agent's `Hello` for each new connection.
    ///
    /// Errors: [`LinkError`].
    pub async fn start(
        config: LinkConfig,
        identity: Identity,
        peers: Peers,
        hello: MakeHello,
    ) -> Result<(Self, mpsc::Receiver<NewSession>), LinkError> {
        Self::start_on(None, config, identity, peers, hello).await
    }

    /// Like [`Link::start`], but uses `wire` instead of a UDP socket if given.
    ///
    /// Errors: [`LinkError`].
    pub async fn start_on(
        wire: Option<Wire>,
        config: LinkConfig,
        identity: Identity,
        peers: Peers,
        hello: MakeHello,
    ) -> Result<(Self, mpsc::Receiver<NewSession>), LinkError> {
        let failed = |source| LinkError::Listen { address: config.listen, source };
        let admission = Arc::new(handshake::admission::Admission::default());
        let peers = peers.owned_by(identity.pin());
        admission.set_peers(peers.list());
        let tls = handshake::tls::Tls::new(identity.certified_key(), admission.clone());
        let server = shared::server_config(&tls);
        let (caps, pending) = (flow::Caps::new(config.settings.clone()), flow::PendingSchedule::default());
        for (peer, rate) in peers.limits() {
            caps.set(*peer, rate.map_or(Limit::Any, Limit::AtMost));
        }
        let memory = flow::Memory::load(peers.dir(), peers.disk());
        let is_routed = wire.is_none();
        let wire = wire.map_or_else(|| Wire::bind(config.listen), Ok).map_err(failed)?;
        let endpoint = transport::socket::endpoint(wire, &identity, server.clone(), &caps, &pending).map_err(failed)?;
        let (sessions, receiver) = mpsc::channel(SESSIONS_QUEUED_MAX);
        let pins: Vec<Pin> = peers.list().iter().map(|peer| peer.pin).collect();
        let shared = Arc::new(Shared {
            config,
            identity,
            endpoint,
            is_routed,
            tls,
            admission,
            registry: sessions::registry::Registry::default(),
            complaints: Arc::default(),
            doubles: sessions::doubles::Doubles::default(),
            hello,
            sessions,
            places: handshake::places::Places::default(),
            strangers: handshake::strangers::Strangers::default(),
            stop: CancellationToken::new(),
            caps,
            memory,
            pending,
            server,
            peers: Mutex::new(peers),
            changing: tokio::sync::Mutex::new(()),
        });
        shared.apply_caps();
        tokio::spawn(follow_the_week(shared.clone()));
        tokio::spawn(listen::listen(shared.clone()));
        for pin in pins {
            dialling::dial::start(&shared, pin, Duration::ZERO);
        }
        Ok((Self(shared), receiver))
    }

    /// Returns the address that the socket is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.endpoint.local_addr().unwrap_or(self.0.config.listen)
    }

    /// Returns this agent's own pin.
    pub fn pin(&self) -> Pin {
        self.0.own()
    }

    /// Signs `bytes` with this agent's key.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.identity.sign(bytes)
    }

    /// Reports whether this agent's key has signed `bytes`.
    pub fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        verify_signature(self.0.identity.spki(), bytes, signature)
    }

    /// Returns the Ed25519 public key that verifies [`Link::sign`].
    pub fn public_key(&self) -> [u8; 32] {
        self.0.identity.public_key()
    }

    pub fn peers(&self) -> Vec<Peer> {
        self.0.peers().list().to_vec()
    }

    /// Returns the strangers that were turned away since this agent started, the latest first.
    pub fn strangers(&self) -> Vec<Stranger> {
        self.0.strangers.list()
    }

    /// Returns the peer with this name.
    pub fn peer(&self, name: &str) -> Option<Peer> {
        self.0.peers().by_name(name).cloned()
    }

    /// Returns the peer with this pin.
    pub fn peer_by_pin(&self, pin: Pin) -> Option<Peer> {
        self.0.peers().by_pin(pin).cloned()
    }

    /// Returns what the peer with this pin may do here. Of one that is not paired: nothing more than any.
    pub fn rights(&self, pin: Pin) -> Rights {
        self.0.peers().rights(pin)
    }

    /// Changes what a peer may do here. Durable when this returns.
    ///
    /// Errors: [`PairError::UnknownPeer`], [`PairError::NotSaved`].
    pub async fn set_rights(&self, name: &str, change: RightsChange) -> Result<(), PairError> {
        let with = |peers: &Peers| {
            let pin = peers.by_name(name).map(|peer| peer.pin);
            let pin = pin.ok_or_else(|| PairError::UnknownPeer { name: name.to_owned() })?;
            Ok::<_, PairError>(peers.with_rights(pin, peers.rights(pin).with(change)))
        };
        self.0.change_peers(with).await
    }

    /// Subscribes to the state of the link to a peer.
    pub fn watch(&self, pin: Pin) -> watch::Receiver<PeerState> {
        self.0.registry.watch(pin)
    }

    /// Dials a disconnected peer at once instead of at its next retry, because a caller waits for it.
    pub fn hurry(&self, pin: Pin) {
        let is_down = self.0.registry.watch(pin).borrow().session().is_none();
        if is_down {
            self.0.registry.hurry(pin).notify_one();
        }
    }

    /// Subscribes to the identities that two agents were found to use.
    pub fn doubles(&self) -> watch::Receiver<BTreeMap<Pin, Double>> {
        self.0.doubles.watch()
    }

    /// Closes the connection to a peer and refuses new ones until [`Link::release`].
    pub fn hold(&self, peer: Pin) {
        self.0.doubles.hold(peer);
        self.0.registry.kept(peer).iter().for_each(|connection| connection.close(CloseCode::TwoAgents, ""));
    }

    /// Accepts connections to a peer again.
    pub fn release(&self, peer: Pin) {
        self.0.doubles.release(peer);
    }

    /// Opens a pairing offer, replaces any open one, and returns its code and its lifetime.
    ///
    /// `name`: the local name for the peer. Default: the name that the peer suggests.
    ///
    /// Errors: [`PairError::Name`], [`PairError::NoRandomness`].
    pub async fn offer(&self, name: Option<String>) -> Result<(Code, Duration), PairError> {
        name.as_deref().map_or(Ok(()), check_peer_name)?;
        let mut secret = [0; SECRET_BYTES];
        ring::rand::SystemRandom::new().fill(&mut secret).map_err(|_| PairError::NoRandomness)?;
        let code = Code::new(secret);
        let lasts = self.0.admission.offers().open(code, name, Instant::now());
        Ok((code, lasts))
    }

    /// Pairs with the agent at `address`, `HOST[:PORT]`, that offers `code`.
    ///
    /// `name`: the local name for the peer. Default: the name that the peer suggests.
    ///
    /// Errors: [`PairError`].
    pub async fn accept(&self, code: Code, address: &str, name: Option<String>) -> Result<Peer, PairError> {
        pairing::pair::accept(&self.0, code, address, name).await
    }

    /// Removes a peer. Closes its connection and refuses its key first, then deletes its pin from disk: a peer that is trusted
    /// no more must not be kept by a disk that fails.
    ///
    /// Errors: [`PairError::UnknownPeer`]; [`PairError::NotSaved`]: the peer is cut off, but only until the agent ends.
    pub async fn unpair(&self, name: &str) -> Result<(), PairError> {
        let _changing = self.0.changing.lock().await;
        let peers = self.0.peers();
        let pin = peers.by_name(name).map(|peer| peer.pin);
        let pin = pin.ok_or_else(|| PairError::UnknownPeer { name: name.to_owned() })?;
        let peers = peers.without(pin);
        self.0.trust(peers.clone());
        self.0.registry.forget(pin);
        self.0.caps.forget(pin);
        self.0.memory.forget(pin);
        blocking(move || peers.save()).await?;
        Ok(self.0.save_limits().await?)
    }

    /// Returns the caps in force now: the agent's own, then one per peer.
    pub fn caps(&self) -> Vec<CapView> {
        self.0.apply_caps()
    }

    /// Sets a cap that overrides the configured one and survives a restart: for `peer`, or for the whole agent without
    /// `peer`. Configured weekly windows still apply.
    ///
    /// Errors: [`PairError::UnknownPeer`]; [`PairError::NotSaved`]: the cap is in force, but only until the agent ends.
    pub async fn limit(&self, peer: Option<&str>, limit: Limit) -> Result<(), PairError> {
        let pin = match peer {
            None => None,
            Some(name) => {
                let known = self.peer(name).ok_or_else(|| PairError::UnknownPeer { name: name.to_owned() })?;
                Some(known.pin)
            }
        };
        let _changing = self.0.changing.lock().await;
        self.0.caps.set(pin, limit);
        self.0.apply_caps();
        Ok(self.0.save_limits().await?)
    }

    /// Returns the pause that an operator has set for sending to a peer, if any.
    pub fn paused(&self, peer: Pin) -> Option<Pause> {
        self.0.caps.pause(peer)
    }

    /// Returns the cap that operators set for a peer; `None` means unlimited.
    pub fn allowed(&self, peer: Pin) -> Option<Rate> {
        self.0.caps.allowed(peer)
    }

    /// Sets a cap for the running work to a peer, in addition to the operators' caps; `None` means unlimited.
    pub fn cap_work(&self, peer: Pin, rate: Option<Rate>) {
        self.0.caps.set_work(peer, rate);
        self.0.apply_caps();
    }

    /// Closes all connections and accepts no more. Without this call the link lives on even after every handle is
    /// dropped.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.endpoint.close(CloseCode::Shutdown.into(), b"");
        let _ = tokio::time::timeout(SHUTDOWN, self.0.endpoint.wait_idle()).await;
    }
}

/// Applies the weekly windows as they open and close.
async fn follow_the_week(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(WEEK_STEP);
    while !shared.stop.is_cancelled() {
        tick.tick().await;
        shared.apply_caps();
    }
}
