//! Dials a peer whenever there is no connection to it, for ever.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::ids::Pin;
use quinn::crypto::rustls::QuicClientConfig;
use tokio::time::timeout;

use super::line::{Line, describe};
use super::registry::unix_ms;
use super::serve::{Served, serve};
use super::shared::Shared;

/// A name that TLS asks for and nobody looks at: a peer is its key.
const SERVER_NAME: &str = "modelferry";

/// Starts dialling `peer` after `pause`.
pub(super) fn start(shared: &Arc<Shared>, peer: Pin, pause: Duration) {
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
        let mut held = shared.registry.held(peer);
        loop {
            if *held.borrow_and_update() {
                if held.wait_for(|held| !held).await.is_err() {
                    return;
                }
                failures = 0;
                pause = with_jitter(shared.config.timing.backoff(failures));
            }
            shared.registry.unreached(peer, None, unix_ms() + pause.as_millis() as u64);
            // The peer may call while this agent waits.
            if let Ok(Ok(_)) = timeout(pause, held.wait_for(|held| *held)).await {
                continue;
            }
            let reason = match dial_peer(&shared, peer).await {
                // In a task of its own: an unpairing ends the dialling, not what tidies up a connection.
                Ok(line) => match serve_apart(&shared, line).await {
                    Served::Session | Served::Duplicate => None,
                    Served::Refused(reason) => Some(reason),
                },
                Err(reason) => Some(reason),
            };
            failures = if reason.is_some() { failures + 1 } else { 0 };
            pause = with_jitter(shared.config.timing.backoff(failures));
            shared.registry.unreached(peer, reason, unix_ms() + pause.as_millis() as u64);
        }
    };
    tokio::select! {
        biased;
        () = dialling => {}
        () = stop.cancelled() => {}
    }
}

async fn serve_apart(shared: &Arc<Shared>, line: Line) -> Served {
    let shared = shared.clone();
    let served = tokio::spawn(async move { serve(&shared, line).await }).await;
    served.unwrap_or_else(|error| Served::Refused(error.to_string()))
}

/// Dials a peer at each of its addresses, until one answers with the peer's key.
async fn dial_peer(shared: &Shared, peer: Pin) -> Result<Line, String> {
    let known = shared.peers().by_pin(peer).map(|peer| peer.addresses.clone()).unwrap_or_default();
    let (reached, seen) = shared.registry.addresses(peer);
    let mut reason = None;
    let mut tried: Vec<SocketAddr> = Vec::new();
    let mut candidates: Vec<SocketAddr> = reached.into_iter().collect();
    for address in &known {
        match tokio::net::lookup_host(address).await {
            Ok(found) => candidates.extend(found),
            Err(error) => reason = Some(format!("{address}: {error}")),
        }
    }
    candidates.extend(seen);
    for address in candidates {
        if tried.contains(&address) {
            continue;
        }
        tried.push(address);
        match dial(shared, address, Some(peer), shared.tls.client(peer)).await {
            Ok(line) => return Ok(line),
            Err(error) => reason = Some(format!("{address}: {error}")),
        }
    }
    Err(reason.unwrap_or_else(|| "no address of it is known; it must dial".to_owned()))
}

/// A dial that led to no connection.
#[derive(Debug)]
pub(super) enum DialError {
    /// The address cannot be dialled from here.
    Address(quinn::ConnectError),
    /// Somebody answered, or nobody did.
    Connection(quinn::ConnectionError),
    /// The handshake took too long.
    TooSlow,
}

impl std::fmt::Display for DialError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Connection(error) => f.write_str(&describe(error)),
            Self::TooSlow => f.write_str("no answer; is the agent there running, and is UDP allowed to it?"),
        }
    }
}

/// Dials `address`, where `peer` is expected, if it is known who.
pub(super) async fn dial(
    shared: &Shared,
    address: SocketAddr,
    peer: Option<Pin>,
    crypto: Arc<QuicClientConfig>,
) -> Result<Line, DialError> {
    let (config, lane) = shared.client_config(address, crypto);
    if let Some(peer) = peer {
        shared.claim(&lane, peer);
    }
    let connecting = shared.endpoint.connect_with(config, address, SERVER_NAME).map_err(DialError::Address)?;
    match timeout(shared.config.timing.handshake, connecting).await {
        Ok(Ok(connection)) => Ok(Line::new(connection, true, lane)),
        Ok(Err(error)) => Err(DialError::Connection(error)),
        Err(_) => Err(DialError::TooSlow),
    }
}

/// Shortens the pause before a dial by up to a half, so that two agents that lost each other do not dial in
/// step. By how much follows from this agent's key and the number of the dial: it need not be random, only not
/// the same on both sides.
fn shortened(pause: Duration, own: Pin, dial: u32) -> Duration {
    let hash = blake3::hash(&[&own.0[..], &dial.to_le_bytes()].concat());
    pause - pause / 2 * u32::from(hash.as_bytes()[0]) / 255
}
