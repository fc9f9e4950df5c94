//! Replies to HTTP requests, with the error bodies that Juju's client reads.

use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::juju::rpc::RpcError;

/// The answer to an HTTP request; its body is small.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpReply {
    /// The status.
    pub status: StatusCode,
    /// Headers, `Juju-Curl` among them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpReply {
    /// Answers with success and a JSON body.
    pub fn json(body: &Value) -> Self {
        Self::with_json(StatusCode::OK, body)
    }

    /// Answers with success and a text.
    pub fn text(status: StatusCode, body: impl Into<String>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))]);
        Self { status, headers, body: body.into().into_bytes() }
    }

    /// Adds a header; one whose value no header can have is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Answers with an error, as Juju's client reads it.
    pub fn error(error: &RpcError) -> Self {
        let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::with_json(status, &json!({ "error": error }))
    }

    /// Answers with an error as the charms' endpoint writes it: `error` is a text there.
    pub fn charm_error(error: &RpcError) -> Self {
        let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = json!({"error": error.message, "error-code": error.code.as_str()});
        if let Some(info) = &error.info {
            body["error-info"] = info.clone();
        }
        Self::with_json(status, &body)
    }

    fn with_json(status: StatusCode, body: &Value) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self { status, headers, body: body.to_string().into_bytes() }
    }
}
