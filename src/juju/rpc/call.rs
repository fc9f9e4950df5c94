//! One call of a facade's method, as a session gets it.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::juju::params;
use crate::juju::wire::error::{ErrorCode, RpcError};

/// One call of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct RpcCall {
    /// The facade, such as `ModelManager`.
    pub facade: String,
    /// The facade's version; 0 where the client named none.
    pub version: u32,
    /// The watcher or other object that the call is for; mostly empty.
    pub id: String,
    /// The method, such as `ModelInfo`.
    pub method: String,
    /// The parameters; an empty object where the client sent none.
    pub params: Value,
}

impl RpcCall {
    /// Reads the parameters by Go's rules: keys in any case, null for any zero value, unknown keys ignored.
    pub fn params<T: DeserializeOwned>(&self) -> Result<T, RpcError> {
        params::from_value(&self.params).map_err(|error| RpcError::plain(format!("json: {error}")))
    }
}

impl RpcError {
    /// Juju's answer to a method that the facade does not have. A [`Session`](super::Session) returns it.
    pub fn unknown_method(call: &RpcCall) -> Self {
        let RpcCall { facade, version, method, .. } = call;
        let message = format!("unknown method {method:?} at version {version} for facade type {facade:?}");
        Self::new(ErrorCode::NotImplemented, message)
    }
}
