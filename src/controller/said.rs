//! What a controller said, between JSON and the types of `juju`.

use serde_json::{Map, Value};

use super::port::Said;
use crate::juju::rpc::{ErrorCode, RpcError};

impl Said {
    /// Writes what a controller answered.
    pub fn of(answer: Result<Value, RpcError>) -> Self {
        match answer {
            Ok(response) => Self::Response(response.to_string().into_bytes()),
            Err(error) => {
                let mut keys = Map::new();
                keys.insert("error".to_owned(), error.message.into());
                keys.insert("error-code".to_owned(), error.code.as_str().into());
                keys.extend(error.info.map(|info| ("error-info".to_owned(), info)));
                Self::Error(Value::Object(keys).to_string().into_bytes())
            }
        }
    }

    /// Reads what a controller answered. An empty response is an empty object.
    ///
    /// Errors: the controller's own; one that says so for bytes that are no JSON.
    pub fn into_answer(self) -> Result<Value, RpcError> {
        let no_json =
            |error: serde_json::Error| RpcError::plain(format!("the destination's reply is no JSON: {error}"));
        match self {
            Self::Response(bytes) if bytes.is_empty() => Ok(Value::Object(Map::new())),
            Self::Response(bytes) => serde_json::from_slice(&bytes).map_err(no_json),
            Self::Error(bytes) => {
                let keys: Value = serde_json::from_slice(&bytes).map_err(no_json)?;
                let text = |key: &str| keys[key].as_str().unwrap_or_default();
                let info = keys.get("error-info").filter(|info| !info.is_null()).cloned();
                let code = ErrorCode::from(text("error-code"));
                Err(RpcError { message: text("error").to_owned(), code, info })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_that_was_written_is_read_again_with_its_code_and_details() {
        let info = Some(json!({ "servers": [] }));
        let moved = RpcError { message: "elsewhere".to_owned(), code: ErrorCode::Redirect, info };
        for answer in [Ok(json!({ "results": [1] })), Ok(json!("a time")), Err(moved), Err(RpcError::plain("no"))] {
            assert_eq!(Said::of(answer.clone()).into_answer(), answer);
        }
        assert_eq!(Said::Response(Vec::new()).into_answer(), Ok(json!({})));
        assert!(Said::Response(b"{".to_vec()).into_answer().is_err());
        assert!(Said::Error(b"no".to_vec()).into_answer().is_err());
    }
}
