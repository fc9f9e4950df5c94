//! HTTP requests of a client: uploads, whose bodies stream without a known length.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Limited, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::client::TlsStream;

use super::{Credentials, HttpReply};
use crate::juju::params::from_value;
use crate::juju::rpc::dial::{DialError, headers_of, host_header, secure};
use crate::juju::rpc::{ErrorCode, RpcError};
use crate::juju::tls::client_config;

/// Bytes of a reply that are kept; replies are small.
pub(super) const REPLY_BYTES_MAX: usize = 4 << 20;

/// Characters of a reply without JSON that are shown.
const TEXT_CHARS_MAX: usize = 400;
/// How a controller, or a proxy before it, says that it has too much to do or is not there.
const PASSING: [StatusCode; 4] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// A body that is sent.
pub struct UploadBody(Body);

impl UploadBody {
    /// Sends nothing.
    pub fn empty() -> Self {
        Self(Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync())
    }

    /// Sends the pieces that come by `pieces`, in chunks without a length. An error breaks the request off, so that the
    /// controller never takes half a body for a whole.
    pub fn pieces(pieces: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        let frames = stream::unfold(pieces, |mut pieces| async move {
            let piece = pieces.recv().await?;
            Some((piece.map(Frame::data), pieces))
        });
        Self(StreamBody::new(frames).boxed_unsync())
    }
}

/// A request that has no good reply.
#[derive(Debug, Error)]
pub enum UploadError {
    /// The controller cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The request cannot be made, or the connection ended within it. Whether the controller has taken it is not known.
    #[error("the request broke off: {0}")]
    Broken(String),
    /// The controller refuses it.
    #[error("{error}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// What the body says; the status, where it says nothing.
        error: Box<RpcError>,
        /// For how long the server asks to be left alone (`Retry-After`).
        wait: Option<Duration>,
    },
}

impl UploadError {
    /// Reports whether the status says that the controller, or a proxy before it, cannot answer at the moment.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if PASSING.contains(status))
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;
pub(super) type Sender = http1::SendRequest<Body>;
pub(super) type Connection = http1::Connection<TokioIo<TlsStream<TcpStream>>, Body>;

pub(super) fn broken(error: &dyn std::fmt::Display) -> UploadError {
    UploadError::Broken(error.to_string())
}

/// Where HTTP requests of a client go.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    /// The `host:port` that answered the API's dial.
    pub address: String,
    /// The CA, PEM.
    pub ca_cert: String,
    /// Who sends them.
    pub credentials: Credentials,
    /// The Juju version that the client says it has.
    pub client_version: String,
}

impl HttpTarget {
    /// Makes a request, with the headers that say who sends it.
    pub(super) fn request(
        &self,
        method: Method,
        path_and_query: &str,
        body: UploadBody,
    ) -> Result<Request<Body>, UploadError> {
        let mut request = Request::new(body.0);
        *request.method_mut() = method;
        *request.uri_mut() = path_and_query.parse().map_err(|error| broken(&error))?;
        request.headers_mut().extend(headers_of(&self.credentials, &self.client_version));
        request.headers_mut().extend(host_header(&self.address));
        Ok(request)
    }

    /// Opens a connection of its own for a request. It lives as long as its second half is polled.
    pub(super) async fn connect(&self) -> Result<(Sender, Connection), UploadError> {
        let tls = client_config(&self.ca_cert).map_err(DialError::from)?;
        let stream = secure(&tls, &self.address).await?;
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))
    }

    /// Sends a request and returns the reply of a success: status 200, headers, body.
    ///
    /// There is no time limit, as Juju has none: the other end may hold a request while its own link is down.
    pub async fn send(
        &self,
        method: Method,
        path_and_query: &str,
        headers: &[(HeaderName, String)],
        body: UploadBody,
    ) -> Result<HttpReply, UploadError> {
        let mut request = self.request(method, path_and_query, body)?;
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::from_str(value).map_err(|error| broken(&error))?);
        }
        let (mut sender, connection) = self.connect().await?;
        let exchange = async {
            let reply = sender.send_request(request).await.map_err(|error| broken(&error))?;
            let (parts, body) = reply.into_parts();
            let body = Limited::new(body, REPLY_BYTES_MAX).collect().await.map_err(|error| broken(&error))?;
            Ok::<_, UploadError>(HttpReply {
                status: parts.status,
                headers: parts.headers,
                body: body.to_bytes().to_vec(),
            })
        };
        tokio::pin!(connection, exchange);
        let reply = tokio::select! {
            reply = &mut exchange => reply,
            // The connection's task ends after the reply's head has come; what is left of the reply is still read.
            _ = &mut connection => exchange.await,
        }?;
        if reply.status.is_success() { Ok(reply) } else { Err(refused(&reply)) }
    }
}

/// Reads the error of a reply, in each form that controllers write.
pub(super) fn refused(reply: &HttpReply) -> UploadError {
    let text = String::from_utf8_lossy(&reply.body);
    let is_json = |headers: &HeaderMap| {
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|text| text.contains("json"))
    };
    let json = is_json(&reply.headers).then(|| serde_json::from_str::<Value>(&text).ok()).flatten();
    let error = json.as_ref().and_then(error_of).unwrap_or_else(|| {
        let code = match reply.status.as_u16() {
            401 => ErrorCode::Unauthorized,
            403 => ErrorCode::Forbidden,
            404 => ErrorCode::NotFound,
            405 => ErrorCode::MethodNotAllowed,
            _ => ErrorCode::None,
        };
        // A proxy answers with a page of its own.
        match text.trim() {
            "" => RpcError::new(code, reply.status.to_string()),
            text => RpcError::new(code, text.chars().take(TEXT_CHARS_MAX).collect::<String>()),
        }
    });
    UploadError::Refused { status: reply.status, error: Box::new(error), wait: retry_after(&reply.headers) }
}

/// Reads for how long a server asks to be left alone: seconds, or the moment when that ends.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(jiff::Timestamp::now())).unwrap_or_default())
}

fn error_of(body: &Value) -> Option<RpcError> {
    match &body["error"] {
        Value::String(message) => Some(RpcError {
            message: message.clone(),
            code: ErrorCode::from(body["error-code"].as_str().unwrap_or_default()),
            info: body.get("error-info").cloned(),
        }),
        Value::Null => body.get("message").and_then(|_| from_value(body).ok()),
        error => from_value(error).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: StatusCode, header: Option<&str>, body: &str) -> (Option<Duration>, String) {
        let mut reply = HttpReply::text(status, body);
        if let Some(header) = header {
            reply = reply.header(RETRY_AFTER, header);
        }
        match refused(&reply) {
            UploadError::Refused { wait, error, .. } => (wait, error.message),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_wait_that_a_server_names_is_read_as_seconds_and_as_a_moment() {
        let wait = |header| refusal(StatusCode::SERVICE_UNAVAILABLE, header, "").0;
        assert_eq!(wait(Some("7")), Some(Duration::from_secs(7)));
        assert_eq!(wait(Some("Mon, 30 Nov 2020 03:00:00 GMT")), Some(Duration::ZERO), "it is over");
        assert!(wait(Some("Mon, 30 Nov 2099 03:00:00 GMT")).unwrap() > Duration::from_secs(3600));
        assert_eq!((wait(Some("soon")), wait(None)), (None, None));
    }

    #[test]
    fn a_reply_without_a_text_is_called_by_its_status_and_a_page_is_cut() {
        assert_eq!(refusal(StatusCode::TOO_MANY_REQUESTS, None, "").1, "429 Too Many Requests");
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, None, &"ä".repeat(9999)).1.chars().count(), TEXT_CHARS_MAX);
    }
}
