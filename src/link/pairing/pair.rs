//! The accepting side of a pairing (`pair accept`), and the errors of both sides.

use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::codec::{Text, decode, encode};
use modelferry_protocol::limits::PORT_DEFAULT;
use modelferry_protocol::pairing::{Code, PairRequest, PairResponse, Side};
use quinn::ConnectionError;
use tokio::time::timeout;

use super::error::PairError;
use super::offering::{PAIR_BYTES_MAX, exporter, pin_peer};
use crate::clock::now_ms;
use crate::link::credentials::certificate::pin_of;
use crate::link::dialling::dial::{self, DialError};
use crate::link::dialling::race::alternate;
use crate::link::peers::peer::{Peer, check_peer_name};
use crate::link::shared::Shared;
use crate::link::transport::close::CloseCode;
use crate::link::transport::connection::{Alert, Connection, alert_of, describe};

/// Pairs with the agent at `address` that offers `code`.
///
/// Errors: [`PairError`].
pub(in crate::link) async fn accept(
    shared: &Arc<Shared>,
    code: Code,
    address: &str,
    name: Option<String>,
) -> Result<Peer, PairError> {
    name.as_deref().map_or(Ok(()), check_peer_name)?;
    let address = with_port(address);
    let connection = dial_stranger(shared, &address).await?;
    let peer = timeout(shared.config.timing.first_frame, prove(shared, &connection, code, &address, name)).await;
    let peer = peer.unwrap_or_else(|_| {
        Err(PairError::Unreachable { address, reason: "it does not answer to the proof".to_owned() })
    });
    connection.close(CloseCode::Done, "");
    let peer = peer?;
    dial::start(shared, peer.pin, Duration::ZERO);
    Ok(peer)
}

async fn dial_stranger(shared: &Arc<Shared>, address: &str) -> Result<Connection, PairError> {
    let bad = |reason: String| PairError::Address { address: address.to_owned(), reason };
    let resolved = tokio::net::lookup_host(address).await.map_err(|error| bad(error.to_string()))?;
    // The first address that answers gets the proof. The code cannot be used again.
    dial::dial_any(shared, alternate(resolved), None).await.map_err(|failures| {
        let told = failures.iter().find(|failure| failure.is_answer()).or(failures.first());
        match told {
            Some(DialError::Connection(error)) => refused(address, error),
            Some(other) => PairError::Unreachable { address: address.to_owned(), reason: other.to_string() },
            None => bad("the name has no address".to_owned()),
        }
    })
}

async fn prove(
    shared: &Shared,
    connection: &Connection,
    code: Code,
    address: &str,
    name: Option<String>,
) -> Result<Peer, PairError> {
    let impostor = || PairError::Impostor { address: address.to_owned() };
    let offering = connection.peer_spki().map(|spki| pin_of(&spki)).ok_or_else(impostor)?;
    if offering == shared.own() {
        return Err(PairError::Oneself { address: address.to_owned() });
    }
    // Check this before the code is used up.
    if let Some(name) = &name {
        shared.peers().check_name(name, offering)?;
    }
    let exporter = exporter(connection).ok_or_else(impostor)?;
    let request = PairRequest {
        name: Text::cut(shared.config.own_name.clone()),
        port: shared.config.advertise_port.unwrap_or_else(|| shared.endpoint.local_addr().map_or(0, |own| own.port())),
        proof: code.proof(Side::Accepting, &exporter, offering, shared.own()),
    };
    let response = ask(connection, &encode(&request)).await.map_err(|reason| match connection.quic.close_reason() {
        Some(error) => refused(address, &error),
        None => PairError::Unreachable { address: address.to_owned(), reason },
    })?;
    let response: PairResponse = decode(&response).map_err(|_| impostor())?;
    if !code.verify(&response.proof, Side::Offering, &exporter, offering, shared.own()) {
        connection.close(CloseCode::PairWrongProof, "");
        return Err(impostor());
    }
    let name = name.unwrap_or_else(|| response.name.to_string());
    let peer =
        Peer { name, pin: offering, addresses: vec![address.to_owned()], learned: Vec::new(), paired_ms: now_ms() };
    pin_peer(shared, &peer).await?;
    Ok(peer)
}

async fn ask(connection: &Connection, request: &[u8]) -> Result<Vec<u8>, String> {
    let (mut send, mut recv) = connection.quic.open_bi().await.map_err(|error| error.to_string())?;
    send.write_all(request).await.map_err(|error| error.to_string())?;
    let _ = send.finish();
    recv.read_to_end(PAIR_BYTES_MAX).await.map_err(|error| error.to_string())
}

/// Converts the close of a pairing by the other side into an error.
fn refused(address: &str, error: &ConnectionError) -> PairError {
    let address = address.to_owned();
    if alert_of(error) == Some(Alert::NoProtocol) {
        return PairError::NoOffer { address };
    }
    let code = match error {
        ConnectionError::ApplicationClosed(close) => CloseCode::from_number(close.error_code.into_inner()),
        _ => None,
    };
    let reason = describe(error);
    match code {
        Some(CloseCode::PairNoOffer) => PairError::NoOffer { address },
        Some(CloseCode::PairWrongProof) => PairError::WrongCode { address },
        Some(CloseCode::PairName) => PairError::NameThere { address, reason },
        Some(CloseCode::PairNotSaved) => PairError::NotSavedThere { address, reason },
        _ => PairError::Unreachable { address, reason },
    }
}

/// Normalizes `HOST[:PORT]` to `host:port`. An IPv6 address may have brackets.
fn with_port(address: &str) -> String {
    let address = address.trim();
    if let Ok(ip) = address.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>() {
        return std::net::SocketAddr::new(ip, PORT_DEFAULT).to_string();
    }
    match address.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => address.to_owned(),
        _ => format!("{address}:{PORT_DEFAULT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_port_gets_the_default_one() {
        for (given, dialled) in [
            ("east", "east:17171"),
            ("east:9", "east:9"),
            ("10.0.0.1", "10.0.0.1:17171"),
            ("10.0.0.1:9", "10.0.0.1:9"),
            ("::1", "[::1]:17171"),
            ("[::1]", "[::1]:17171"),
            ("[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(with_port(given), dialled);
        }
    }
}
