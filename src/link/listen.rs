//! Accepts incoming connections.

use std::sync::Arc;

use modelferry_protocol::limits::{ALPN_LINK, ALPN_PAIR};
use quinn::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::admission::PairTicket;
use super::close::CloseCode;
use super::connection::{Connection, describe};
use super::shared::{HANDSHAKES_MAX, HANDSHAKES_UNVALIDATED_MAX, Shared};
use super::{offering, serve};

/// Accepts connections until the endpoint is closed.
pub(super) async fn listen(shared: Arc<Shared>) {
    while let Some(incoming) = shared.endpoint.accept().await {
        let under_way = HANDSHAKES_MAX - shared.handshakes.available_permits();
        let Ok(permit) = shared.handshakes.clone().try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        if under_way >= HANDSHAKES_UNVALIDATED_MAX && !incoming.remote_address_validated() && incoming.may_retry() {
            // `retry` fails only where no retry is possible, and `may_retry` was checked.
            let _ = incoming.retry();
            continue;
        }
        tokio::spawn(accept(shared.clone(), incoming, permit));
    }
}

async fn accept(shared: Arc<Shared>, incoming: Incoming, permit: OwnedSemaphorePermit) {
    let ticket = shared.admission.offer_is_open().then(|| PairTicket::new(shared.admission.clone()));
    let (config, schedule) = shared.server_config(incoming.remote_address(), ticket.clone());
    let connecting = match incoming.accept_with(config) {
        Ok(connecting) => connecting,
        Err(error) => return shared.complaints.warn(None, "handshake", &describe(&error)),
    };
    let connection = match timeout(shared.config.timing.handshake, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            release(ticket);
            return shared.complaints.warn(None, "handshake", &describe(&error));
        }
        Err(_) => {
            release(ticket);
            return shared.complaints.warn(None, "handshake", "it took too long");
        }
    };
    drop(permit);
    let connection = Connection::new(connection, false, schedule);
    let pairs = ticket.as_ref().is_some_and(|ticket| ticket.is_taken());
    match connection.alpn().as_deref() {
        Some(ALPN_PAIR) if pairs => offering::offering(&shared, connection).await,
        Some(ALPN_LINK) if !pairs => {
            serve::serve(&shared, connection).await;
        }
        _ => connection.close(CloseCode::Unpaired, ""),
    }
    release(ticket);
}

/// Returns the ticket at once, so that the next stranger can pair before QUIC has forgotten this connection.
fn release(ticket: Option<Arc<PairTicket>>) {
    if let Some(ticket) = ticket {
        ticket.release();
    }
}
