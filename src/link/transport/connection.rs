//! One QUIC connection, and the reason of its end.

use std::sync::{Arc, OnceLock};

use quinn::ConnectionError;
use rustls::pki_types::CertificateDer;

use super::close::CloseCode;
use crate::link::credentials::certificate::spki_of_chain;
use crate::link::flow::SendSchedule;

/// The reason shown when the peer rejects this agent's key: it paired with another key, or has unpaired this agent.
pub const KEY_UNKNOWN: &str = "the peer does not know this agent's key";

/// Base of the transport error codes for TLS alerts.
const CRYPTO_ERROR: u64 = 0x100;

/// TLS alerts that call for different actions of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::link) enum Alert {
    /// `access_denied`: the other side does not pin the key.
    AccessDenied,
    /// `no_application_protocol`: the other side offers no pairing.
    NoProtocol,
    /// Any other alert.
    Other(u8),
}

/// Returns the TLS alert that ended a connection, if any.
pub(in crate::link) fn alert_of(error: &ConnectionError) -> Option<Alert> {
    let code = match error {
        ConnectionError::ConnectionClosed(close) => u64::from(close.error_code),
        ConnectionError::TransportError(error) => u64::from(error.code),
        _ => return None,
    };
    match u8::try_from(code.checked_sub(CRYPTO_ERROR)?).ok()? {
        49 => Some(Alert::AccessDenied),
        120 => Some(Alert::NoProtocol),
        other => Some(Alert::Other(other)),
    }
}

/// Describes in words why a connection ended or failed.
pub(in crate::link) fn describe(error: &ConnectionError) -> String {
    match (alert_of(error), error) {
        (Some(Alert::AccessDenied), ConnectionError::ConnectionClosed(_)) => KEY_UNKNOWN.to_owned(),
        (Some(Alert::AccessDenied), _) => "the agent that answers there does not have the peer's key".to_owned(),
        (_, ConnectionError::ApplicationClosed(close)) => {
            let code = CloseCode::from_number(close.error_code.into_inner());
            let text = code.map_or_else(|| format!("code {}", close.error_code), |code| code.text().to_owned());
            match String::from_utf8_lossy(&close.reason) {
                reason if reason.is_empty() => format!("closed by the peer: {text}"),
                // The peer chose this text. Escape it, so that a terminal does not interpret it.
                reason => format!("closed by the peer: {text}: {}", reason.escape_debug()),
            }
        }
        (_, ConnectionError::TimedOut) => "the peer does not answer".to_owned(),
        (_, ConnectionError::Reset) => "the peer was restarted".to_owned(),
        (_, other) => other.to_string(),
    }
}

/// A connection and the reason for which this side closed it.
#[derive(Debug, Clone)]
pub(in crate::link) struct Connection {
    pub quic: quinn::Connection,
    /// Whether this agent dialled the connection.
    pub dialled: bool,
    /// Pacing and caps of the connection.
    pub schedule: Arc<SendSchedule>,
    own_reason: Arc<OnceLock<String>>,
}

impl Connection {
    /// Wraps a connection. `dialled`: whether this agent dialled it.
    pub fn new(quic: quinn::Connection, dialled: bool, schedule: Arc<SendSchedule>) -> Self {
        Self { quic, dialled, schedule, own_reason: Arc::default() }
    }

    /// Reports whether both are the same connection.
    pub fn is(&self, other: &Self) -> bool {
        self.quic.stable_id() == other.quic.stable_id()
    }

    /// Closes the connection. Has no effect if it has already ended: the first reason counts, no matter whose.
    pub fn close(&self, code: CloseCode, reason: &str) {
        // A second close would make quinn forget the first reason.
        if self.quic.close_reason().is_some() {
            return;
        }
        let text = if reason.is_empty() { code.text().to_owned() } else { format!("{}: {reason}", code.text()) };
        if self.own_reason.set(text).is_ok() {
            // The reason must fit in one QUIC packet.
            let cut: String = reason.chars().take(240).collect();
            self.quic.close(code.into(), cut.as_bytes());
        }
    }

    /// Waits for the end of the connection and returns the reason.
    pub async fn ended(&self) -> String {
        let error = self.quic.closed().await;
        self.reason_for(&error)
    }

    /// Returns the reason for which the connection ended; `None` while it is open.
    pub fn end(&self) -> Option<String> {
        self.quic.close_reason().map(|error| self.reason_for(&error))
    }

    fn reason_for(&self, error: &ConnectionError) -> String {
        match (error, self.own_reason.get()) {
            (ConnectionError::LocallyClosed, Some(reason)) => reason.clone(),
            _ => describe(error),
        }
    }

    /// Returns the SubjectPublicKeyInfo that the peer proved to own.
    pub fn peer_spki(&self) -> Option<Vec<u8>> {
        let chain = self.quic.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        spki_of_chain(&chain).ok()
    }

    /// Returns the application protocol that TLS negotiated.
    pub fn alpn(&self) -> Option<Vec<u8>> {
        let data = self.quic.handshake_data()?;
        data.downcast::<quinn::crypto::rustls::HandshakeData>().ok()?.protocol
    }
}
