//! Dials every peer that is not connected, without limit.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::ids::Pin;
use parking_lot::Mutex;
use quinn::ConnectionError;
use quinn::crypto::rustls::QuicClientConfig;
use tokio::time::timeout;

use super::race::{HEAD_START, alternate, race};
use super::serve::{Served, serve};
use crate::clock::now_ms;
use crate::link::shared::Shared;
use crate::link::transport::address::canonical;
use crate::link::transport::connection::{Connection, describe};

/// The server name for TLS. Nobody checks it, because the key identifies a peer.
const SERVER_NAME: &str = "modelferry";

/// Starts the task that keeps `peer` connected. Its first dial waits for `pause`.
pub(in crate::link) fn start(shared: &Arc<Shared>, peer: Pin, pause: Duration) {
    let task = tokio::spawn(keep_connected(shared.clone(), peer, pause));
    shared.registry.set_dialler(peer, task.abort_handle());
}

async fn keep_connected(shared: Arc<Shared>, peer: Pin, mut pause: Duration) {
    let stop = shared.stop.clone();
    let dialling = async {
        let (mut failures, mut dials) = (0, 0);
        let mut with_jitter = |pause| {
            dials += 1;
            shortened(pause, shared.own(), dials)
        };
        let (mut held, hurry) = (shared.registry.held(peer), shared.registry.hurry(peer));
        loop {
            if *held.borrow_and_update() {
                if held.wait_for(|held| !held).await.is_err() {
                    return;
                }
                failures = 0;
                pause = with_jitter(shared.config.timing.backoff(failures));
            }
            shared.registry.unreached(peer, None, now_ms() + pause.as_millis() as u64);
            // The peer may connect first while this agent waits.
            let called = tokio::select! {
                biased;
                called = timeout(pause, held.wait_for(|held| *held)) => matches!(called, Ok(Ok(_))),
                () = hurry.notified() => false,
            };
            if called {
                continue;
            }
            let reason = match dial_peer(&shared, peer).await {
                // Serve in a separate task: unpairing aborts the dialling task, but must not abort the cleanup of a
                // connection.
                Ok(connection) => match serve_apart(&shared, connection).await {
                    Served::Session | Served::Duplicate => None,
                    Served::Refused(reason) => Some(reason),
                },
                Err(reason) => Some(reason),
            };
            failures = if reason.is_some() { failures + 1 } else { 0 };
            pause = with_jitter(shared.config.timing.backoff(failures));
            shared.registry.unreached(peer, reason, now_ms() + pause.as_millis() as u64);
        }
    };
    tokio::select! {
        biased;
        () = dialling => {}
        () = stop.cancelled() => {}
    }
}

async fn serve_apart(shared: &Arc<Shared>, connection: Connection) -> Served {
    let shared = shared.clone();
    let served = tokio::spawn(async move { serve(&shared, connection).await }).await;
    served.unwrap_or_else(|error| Served::Refused(error.to_string()))
}

/// A failure to reach a peer at one address.
struct Unreached {
    address: String,
    why: String,
    /// Whether somebody answered at the address.
    is_answered: bool,
}

/// Dials a peer at all its known addresses, in a staggered race, until one answers with the peer's key.
async fn dial_peer(shared: &Arc<Shared>, peer: Pin) -> Result<Connection, String> {
    let known = shared.peers().by_pin(peer).cloned();
    let (reached, seen) = shared.registry.addresses(peer);
    let mut addresses: Vec<String> = reached.iter().map(SocketAddr::to_string).collect();
    // Try addresses that the peer has moved to before those from pairing.
    addresses.extend(known.iter().flat_map(|known| known.learned.iter().chain(&known.addresses).cloned()));
    addresses.extend(seen.iter().map(SocketAddr::to_string));
    let tried = Arc::new(Mutex::new(HashSet::new()));
    let attempts = addresses.into_iter().map(|address| dial_named(shared.clone(), peer, address, tried.clone()));
    race(attempts, head_start(shared, peer)).await.map_err(|failures| {
        let failures = || failures.iter().flatten();
        // Prefer the failure of an address that answered: it explains more than silence.
        match failures().find(|failure| failure.is_answered).or_else(|| failures().next()) {
            Some(Unreached { address, why, .. }) => format!("{address}: {why}"),
            None => "no address of it is known; it must dial".to_owned(),
        }
    })
}

/// Dials a peer at every address that `address` resolves to, except those already in `tried`.
///
/// Errors: the failure to report; `None` if there was no new address.
async fn dial_named(
    shared: Arc<Shared>,
    peer: Pin,
    address: String,
    tried: Arc<Mutex<HashSet<SocketAddr>>>,
) -> Result<Connection, Option<Unreached>> {
    let unreached = |why, is_answered| Unreached { address: address.clone(), why, is_answered };
    let found = tokio::net::lookup_host(&address).await.map_err(|error| Some(unreached(error.to_string(), false)))?;
    let mut found = alternate(found);
    found.retain(|address| tried.lock().insert(canonical(*address)));
    dial_any(&shared, found, Some(peer)).await.map_err(|failures| {
        let told = failures.iter().find(|failure| failure.is_answer()).or(failures.first())?;
        Some(unreached(told.to_string(), told.is_answer()))
    })
}

/// Returns the head start of a peer's first address. It exceeds the duration of a handshake, if the round trip is
/// known, so that a peer which answers is not dialled twice.
fn head_start(shared: &Shared, peer: Pin) -> Duration {
    let rtt = shared.memory.get(peer).map_or(Duration::ZERO, |known| known.rtt);
    (rtt * 4).clamp(HEAD_START, HEAD_START * 8)
}

/// Dials addresses in a staggered race. Expects the key of `peer`; without `peer`, any agent that offers to pair.
pub(in crate::link) async fn dial_any(
    shared: &Arc<Shared>,
    addresses: Vec<SocketAddr>,
    peer: Option<Pin>,
) -> Result<Connection, Vec<DialError>> {
    let attempt = |address| {
        let shared = shared.clone();
        async move {
            let crypto = peer.map_or_else(|| shared.tls.pairing_client(), |peer| shared.tls.client(peer));
            dial(&shared, address, peer, crypto).await
        }
    };
    let head_start = peer.map_or(HEAD_START, |peer| head_start(shared, peer));
    race(addresses.into_iter().map(attempt), head_start).await
}

/// A failed dial.
#[derive(Debug)]
pub(in crate::link) enum DialError {
    /// The address cannot be dialled from this host.
    Address(quinn::ConnectError),
    /// The connection failed. The peer may have answered; see [`DialError::is_answer`].
    Connection(quinn::ConnectionError),
    /// The handshake timed out.
    TooSlow,
}

impl DialError {
    /// Reports whether somebody answered.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Connection(error) if !matches!(error, ConnectionError::TimedOut))
    }
}

impl std::fmt::Display for DialError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Connection(error) => f.write_str(&describe(error)),
            Self::TooSlow => f.write_str("no answer"),
        }
    }
}

/// Dials one address. Expects the key of `peer` if given.
async fn dial(
    shared: &Shared,
    address: SocketAddr,
    peer: Option<Pin>,
    crypto: Arc<QuicClientConfig>,
) -> Result<Connection, DialError> {
    let (config, schedule) = shared.client_config(address, crypto);
    if let Some(peer) = peer {
        shared.claim(&schedule, peer);
    }
    let connecting = shared.endpoint.connect_with(config, address, SERVER_NAME).map_err(DialError::Address)?;
    match timeout(shared.config.timing.handshake, connecting).await {
        Ok(Ok(connection)) => Ok(Connection::new(connection, true, schedule)),
        Ok(Err(error)) => Err(DialError::Connection(error)),
        Err(_) => Err(DialError::TooSlow),
    }
}

/// Shortens the pause before a dial by up to a half, so that two agents that lost each other do not dial in step. The
/// amount derives from this agent's key and the number of the dial. It need not be random, only different on both
/// sides.
fn shortened(pause: Duration, own: Pin, dial: u32) -> Duration {
    let hash = blake3::hash(&[&own.0[..], &dial.to_le_bytes()].concat());
    pause - pause / 2 * u32::from(hash.as_bytes()[0]) / 255
}
