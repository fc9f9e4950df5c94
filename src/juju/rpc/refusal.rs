//! Logs refused calls: one line for each, so that an operator sees who sends bad input.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tracing::info;

use super::call::RpcCall;
use crate::juju::wire::error::{ErrorCode, RpcError};

/// Characters of each part that are logged: what a client sends may be megabytes.
const SHOWN_CHARS_MAX: usize = 120;
/// Codes that a client without any fault gets: it waits, goes elsewhere, or has ended a watcher itself.
const NO_FAULT: [ErrorCode; 4] =
    [ErrorCode::TryAgain, ErrorCode::MigrationInProgress, ErrorCode::Redirect, ErrorCode::Stopped];

/// Returns the beginning of what a client has sent.
pub fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

/// A call, and who makes it.
pub(super) struct Asked {
    pub peer: SocketAddr,
    /// The user's tag; empty for nobody in particular.
    pub user: Arc<str>,
    call: String,
}

impl Asked {
    pub(super) fn new(peer: SocketAddr, user: Arc<str>, call: &RpcCall) -> Self {
        let call = format!("{}({}).{}", shown(&call.facade), call.version, shown(&call.method));
        Self { peer, user, call }
    }

    /// Writes a line if the answer is a refusal, of the call or of some of its entities.
    pub(super) fn log(&self, answer: &Result<Value, RpcError>) {
        let error = match answer {
            Err(error) => Some(error.clone()),
            Ok(value) => within(value),
        };
        if let Some(error) = error.filter(|error| !NO_FAULT.contains(&error.code)) {
            let (peer, user, call) = (&self.peer, &self.user, &self.call);
            info!(%peer, ?user, ?call, error = ?shown(&error.to_string()), "a call was refused");
        }
    }
}

/// Returns the first error within a result.
fn within(value: &Value) -> Option<RpcError> {
    let results = value.get("results").and_then(Value::as_array).into_iter().flatten();
    let errors = std::iter::once(value).chain(results).filter_map(|result| result.get("error"));
    errors.filter(|error| error.is_object()).find_map(|error| serde_json::from_value(error.clone()).ok())
}
