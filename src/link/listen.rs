//! Accepts incoming connections.

use std::sync::Arc;

use modelferry_protocol::limits::{ALPN_LINK, ALPN_PAIR};
use quinn::Incoming;
use tokio::time::timeout;

use super::dialling::serve;
use super::handshake::admission::PairingAsked;
use super::handshake::places::{Full, Place};
use super::pairing::offering;
use super::shared::Shared;
use super::transport::close::CloseCode;
use super::transport::connection::{Alert, Connection, alert_of, describe};

/// Accepts connections until the endpoint is closed.
pub(super) async fn listen(shared: Arc<Shared>) {
    while let Some(incoming) = shared.endpoint.accept().await {
        let address = incoming.remote_address();
        let is_validated = incoming.remote_address_validated() || !incoming.may_retry();
        let is_peer = shared.admission.is_of_peer(address.ip());
        match shared.places.take(address.ip().to_canonical(), is_peer, is_validated) {
            Ok(place) => drop(tokio::spawn(accept(shared.clone(), incoming, place))),
            // `retry` fails only where no retry is possible, and `may_retry` was checked.
            Err(Full::Validate) => drop(incoming.retry()),
            Err(Full::Refuse) => {
                shared.turned_away(address, "too many handshakes", "its network has a handshake under way");
                incoming.refuse();
            }
        }
    }
}

async fn accept(shared: Arc<Shared>, incoming: Incoming, place: Place) {
    let asked = shared.admission.offer_is_open().then(Arc::<PairingAsked>::default);
    let (address, is_validated) = (incoming.remote_address(), incoming.remote_address_validated());
    let (config, schedule) = shared.server_config(address, asked.clone());
    let connecting = match incoming.accept_with(config) {
        Ok(connecting) => connecting,
        Err(error) => return shared.complaints.warn(None, "handshake", &describe(&error)),
    };
    let connection = match timeout(shared.config.timing.handshake, connecting).await {
        Ok(Ok(connection)) => connection,
        // A key is looked at only once its owner has answered from this address.
        Ok(Err(error)) if is_validated || alert_of(&error) == Some(Alert::AccessDenied) => {
            return shared.turned_away(address, "handshake", &describe(&error));
        }
        Ok(Err(error)) => return shared.complaints.warn(None, "handshake", &describe(&error)),
        Err(_) if is_validated => return shared.turned_away(address, "handshake", "it took too long"),
        Err(_) => return shared.complaints.warn(None, "handshake", "it took too long"),
    };
    let connection = Connection::new(connection, false, schedule);
    let pairs = asked.is_some_and(|asked| asked.is_asked());
    match connection.alpn().as_deref() {
        Some(ALPN_PAIR) if pairs => {
            // A stranger keeps its place until the pairing has ended.
            offering::offering(&shared, connection).await;
            drop(place);
        }
        Some(ALPN_LINK) if !pairs => {
            drop(place);
            serve::serve(&shared, connection).await;
        }
        _ => connection.close(CloseCode::Unpaired, ""),
    }
}
