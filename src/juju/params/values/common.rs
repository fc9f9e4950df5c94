//! What several facades have in common.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::juju::rpc::RpcError;

pub(in crate::juju::params) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One of several results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome<T> {
    /// What was asked for.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub result: Option<T>,
    /// Or why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RpcError>,
}

impl<T> From<Result<T, RpcError>> for Outcome<T> {
    fn from(outcome: Result<T, RpcError>) -> Self {
        match outcome {
            Ok(result) => Self { result: Some(result), error: None },
            Err(error) => Self { result: None, error: Some(error) },
        }
    }
}

/// Several results, in the order in which they were asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results<T> {
    /// The results.
    #[serde(default = "Vec::new")]
    pub results: Vec<T>,
}

impl<T> FromIterator<T> for Results<T> {
    fn from_iter<I: IntoIterator<Item = T>>(results: I) -> Self {
        Self { results: results.into_iter().collect() }
    }
}

/// `EntityStatus`: how a thing stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EntityStatus {
    /// The word.
    pub status: String,
    /// The message.
    pub info: String,
    /// Details by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, Value>,
    /// Since when, RFC 3339.
    pub since: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_has_no_error_key_and_an_error_no_result_key() {
        let well: Outcome<u8> = Ok(1).into();
        assert_eq!(serde_json::to_string(&well).unwrap(), r#"{"result":1}"#);
        let ill: Outcome<u8> = Err(RpcError::plain("permission denied")).into();
        assert_eq!(serde_json::to_string(&ill).unwrap(), r#"{"error":{"message":"permission denied","code":""}}"#);
    }
}
