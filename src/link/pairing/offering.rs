//! The offering side of a pairing (`pair offer`).

use std::sync::Arc;
use std::time::Instant;

use modelferry_protocol::codec::{Text, decode, encode};
use modelferry_protocol::pairing::{EXPORTER_BYTES, EXPORTER_LABEL, PairRequest, PairResponse, Side};
use tokio::time::timeout;

use super::error::PairError;
use crate::clock::now_ms;
use crate::link::credentials::certificate::pin_of;
use crate::link::dialling::dial;
use crate::link::handshake::offers::Outcome;
use crate::link::peers::peer::{Peer, called_from};
use crate::link::shared::Shared;
use crate::link::transport::close::CloseCode;
use crate::link::transport::connection::Connection;

/// Maximum size of each message of a pairing, bytes.
pub(super) const PAIR_BYTES_MAX: usize = 1024;

struct Refusal(CloseCode, String);

/// Reads a stranger's proof and answers with this side's own.
pub(in crate::link) async fn offering(shared: &Arc<Shared>, connection: Connection) {
    let answered = timeout(shared.config.timing.first_frame, answer(shared, &connection)).await;
    match answered.unwrap_or_else(|_| Err(Refusal(CloseCode::TooSlow, "no proof in time".to_owned()))) {
        Ok(peer) => {
            tracing::info!(peer = %peer.name, pin = %peer.pin, "paired");
            // The accepting side closes after it has the answer, and dials first. It rejects this agent's key until it
            // has written the pin.
            let _ = timeout(shared.config.timing.first_frame, connection.ended()).await;
            connection.close(CloseCode::Done, "");
            dial::start(shared, peer.pin, shared.config.timing.retry_min);
        }
        Err(Refusal(code, reason)) => {
            shared.turned_away(connection.quic.remote_address(), code.text(), &reason);
            connection.close(code, &reason);
        }
    }
}

async fn answer(shared: &Shared, connection: &Connection) -> Result<Peer, Refusal> {
    let gone = |error: &dyn std::fmt::Display| Refusal(CloseCode::Stream, error.to_string());
    let broken = |error: &dyn std::fmt::Display| Refusal(CloseCode::Malformed, error.to_string());
    let pin = connection.peer_spki().map(|spki| pin_of(&spki)).ok_or_else(|| broken(&"no key"))?;
    let exporter = exporter(connection).ok_or_else(|| broken(&"TLS exports no keys"))?;
    let (mut send, mut recv) = connection.quic.accept_bi().await.map_err(|error| gone(&error))?;
    let request = recv.read_to_end(PAIR_BYTES_MAX).await.map_err(|error| broken(&error))?;
    let request: PairRequest = decode(&request).map_err(|error| broken(&error))?;

    let mut proof = None;
    let address = connection.quic.remote_address();
    let outcome = shared.admission.offers().prove(Instant::now(), address.ip(), |code| {
        proof = Some(code.proof(Side::Offering, &exporter, shared.own(), pin));
        code.verify(&request.proof, Side::Accepting, &exporter, shared.own(), pin)
    });
    let (name, proof) = match (outcome, proof) {
        (Outcome::Right(name), Some(proof)) => (name, proof),
        (Outcome::Wrong, _) => {
            let reason = "the pairing code was wrong, and this offer takes no other from its network";
            return Err(Refusal(CloseCode::PairWrongProof, reason.to_owned()));
        }
        _ => return Err(Refusal(CloseCode::PairNoOffer, String::new())),
    };
    let name = name.unwrap_or_else(|| request.name.to_string());
    let addresses = called_from(address, request.port);
    let peer = Peer { name, pin, addresses, learned: Vec::new(), paired_ms: now_ms() };
    pin_peer(shared, &peer).await.map_err(|error| match error {
        PairError::Name(error) => Refusal(CloseCode::PairName, error.to_string()),
        other => Refusal(CloseCode::PairNotSaved, other.to_string()),
    })?;
    let response = PairResponse { name: Text::cut(shared.config.own_name.clone()), proof };
    send.write_all(&encode(&response)).await.map_err(|error| gone(&error))?;
    let _ = send.finish();
    Ok(peer)
}

/// Returns the keying material that TLS exports on both ends of this connection.
pub(super) fn exporter(connection: &Connection) -> Option<[u8; EXPORTER_BYTES]> {
    let mut exporter = [0; EXPORTER_BYTES];
    connection.quic.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").ok()?;
    Some(exporter)
}

/// Writes a new peer to disk, then accepts its key.
pub(super) async fn pin_peer(shared: &Shared, peer: &Peer) -> Result<(), PairError> {
    shared
        .change_peers(|peers| {
            peers.check_name(&peer.name, peer.pin)?;
            Ok(peers.with(peer.clone()))
        })
        .await
}
