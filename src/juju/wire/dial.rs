//! Dials a controller: several addresses side by side, one pinned CA.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::socket;
use crate::juju::http::Credentials;
use crate::juju::tls::{SERVER_NAME, TlsError, client_config};

/// Time between the starts of dials to several addresses, as Go's client has it.
const STAGGER: Duration = Duration::from_millis(200);

/// A WebSocket of a client.
pub(crate) type ClientSocket = WebSocketStream<TlsStream<TcpStream>>;

/// A controller that cannot be reached.
#[derive(Debug, Error)]
pub enum DialError {
    /// There is nothing to dial.
    #[error("the controller has no address")]
    NoAddress,
    /// The CA cannot be used.
    #[error("the controller's CA certificate cannot be used: {0}")]
    Ca(#[from] TlsError),
    /// The address takes no connection.
    #[error("{address} cannot be reached: {source}")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The server is another, or its certificate is not this CA's.
    #[error("{address} does not prove that it is the controller: {source}")]
    NotProven {
        /// `host:port`.
        address: String,
        /// What TLS says.
        source: io::Error,
    },
    /// The server does not speak Juju's API.
    #[error("{address} does not answer as a controller: {reason}")]
    NoController {
        /// `host:port`.
        address: String,
        /// What it answered.
        reason: String,
    },
    /// Nothing came in time.
    #[error("{address} did not answer within {} s", .wait.as_secs())]
    Silent {
        /// `host:port`.
        address: String,
        /// How long it was waited for.
        wait: Duration,
    },
}

/// Where a controller is, and how it proves itself.
#[derive(Debug, Clone)]
pub struct Target {
    /// `host:port` each. They are dialled side by side, and the first that answers is taken.
    pub addresses: Vec<String>,
    /// The CA, PEM. Only its first certificate counts.
    pub ca_cert: String,
    /// Time for one address: TCP, TLS and the upgrade. Go's clients give it 3 s.
    pub timeout: Duration,
}

impl Target {
    /// Names a controller, with the wait that Go's clients have.
    pub fn new(addresses: Vec<String>, ca_cert: impl Into<String>) -> Self {
        Self { addresses, ca_cert: ca_cert.into(), timeout: Duration::from_secs(3) }
    }
}

/// Opens a WebSocket at `path`. Returns the address that answered first as well.
pub(crate) async fn websocket(
    target: &Target,
    path: &str,
    headers: &HeaderMap,
) -> Result<(String, ClientSocket), DialError> {
    let tls = client_config(&target.ca_cert)?;
    let mut dials = JoinSet::new();
    for (turn, address) in target.addresses.iter().enumerate() {
        let (tls, address, path, headers) = (tls.clone(), address.clone(), path.to_owned(), headers.clone());
        let (wait, delay) = (target.timeout, STAGGER * u32::try_from(turn).unwrap_or(u32::MAX));
        dials.spawn(async move {
            sleep(delay).await;
            let dialled = timeout(wait, one(&tls, &address, &path, headers)).await;
            let socket = dialled.unwrap_or_else(|_| Err(DialError::Silent { address: address.clone(), wait }));
            socket.map(|socket| (address, socket))
        });
    }
    let mut failure = DialError::NoAddress;
    while let Some(dialled) = dials.join_next().await {
        match dialled {
            Ok(Ok(won)) => return Ok(won),
            Ok(Err(error)) => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}

async fn one(
    tls: &Arc<ClientConfig>,
    address: &str,
    path: &str,
    headers: HeaderMap,
) -> Result<ClientSocket, DialError> {
    let no_controller = |reason: String| DialError::NoController { address: address.to_owned(), reason };
    let stream = secure(tls, address).await?;
    let url = format!("wss://{address}{path}");
    let mut request = url.into_client_request().map_err(|error| no_controller(error.to_string()))?;
    request.headers_mut().extend(headers);
    let dialled = client_async_with_config(request, stream, Some(socket::config())).await;
    dialled.map(|(socket, _)| socket).map_err(|error| no_controller(error.to_string()))
}

/// Opens a TLS connection to the API port of the controller at one address, and sends nothing.
pub async fn open(ca_cert: &str, address: &str) -> Result<TlsStream<TcpStream>, DialError> {
    secure(&client_config(ca_cert)?, address).await
}

/// Opens a WebSocket at `path` over a connection that is there already.
pub(crate) async fn websocket_over<S>(connection: S, path: &str) -> Result<WebSocketStream<S>, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let no_controller = |reason: String| DialError::NoController { address: SERVER_NAME.to_owned(), reason };
    let url = format!("wss://{SERVER_NAME}{path}");
    let request = url.into_client_request().map_err(|error| no_controller(error.to_string()))?;
    let dialled = client_async_with_config(request, connection, Some(socket::config())).await;
    dialled.map(|(socket, _)| socket).map_err(|error| no_controller(error.to_string()))
}

/// Opens a TLS connection to one address.
pub(crate) async fn secure(tls: &Arc<ClientConfig>, address: &str) -> Result<TlsStream<TcpStream>, DialError> {
    let tcp = TcpStream::connect(address)
        .await
        .map_err(|source| DialError::Unreachable { address: address.to_owned(), source })?;
    // Without it the connection only is slower.
    let _ = tcp.set_nodelay(true);
    let name = ServerName::try_from(SERVER_NAME).expect("the name is a DNS name");
    let connected = TlsConnector::from(tls.clone()).connect(name, tcp).await;
    connected.map_err(|source| DialError::NotProven { address: address.to_owned(), source })
}

/// Returns the headers with which HTTP requests and streams say who sends them.
pub(crate) fn headers_of(credentials: &Credentials, client_version: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let basic = STANDARD.encode(format!("{}:{}", credentials.auth_tag, &*credentials.password));
    let mut put = |name: HeaderName, value: &str| {
        // What no header can have cannot be sent either; the controller then refuses.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.append(name, value);
        }
    };
    put(AUTHORIZATION, &format!("Basic {basic}"));
    put(HeaderName::from_static("bakery-protocol-version"), "3");
    put(HeaderName::from_static("x-juju-clientversion"), client_version);
    if !credentials.nonce.is_empty() {
        put(HeaderName::from_static("x-juju-nonce"), &credentials.nonce);
    }
    for (number, macaroons) in credentials.macaroons.iter().enumerate() {
        let json = serde_json::to_vec(macaroons).unwrap_or_default();
        put(COOKIE, &format!("macaroon-{number:x}={}", STANDARD.encode(json)));
    }
    headers
}

/// Returns the value of `Host` for an address.
pub(crate) fn host_header(address: &str) -> Option<(HeaderName, HeaderValue)> {
    HeaderValue::from_str(address).ok().map(|value| (HOST, value))
}
