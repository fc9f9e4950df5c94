//! The envelope: one JSON object in one message, a request or a reply.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::call::RpcCall;
use crate::juju::wire::error::{ErrorCode, RpcError};

/// Values, keys and elements in the JSON of one request. A value takes up to 80 bytes in memory and 2 on the wire; the largest
/// requests are one base64 text.
pub const REQUEST_NODES_MAX: usize = 1 << 18;
/// The same of a reply: a status of 20,000 units has 2 million.
pub const REPLY_NODES_MAX: usize = 1 << 23;

/// A message that is no envelope. A controller closes the connection that it came by, without a reply.
#[derive(Debug, Error)]
pub enum EnvelopeError {
    /// The text is no JSON object, or a key has a value of another type.
    #[error("the message is no envelope: {0}")]
    Json(#[from] serde_json::Error),
    /// The JSON has more parts than are read.
    #[error("the message has more than {max} JSON values")]
    Nodes {
        /// The limit.
        max: usize,
    },
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A call and the number that its reply must have.
    Request(u64, RpcCall),
    /// The reply to the request of that number.
    Reply(u64, Result<Value, RpcError>),
}

impl Message {
    /// Reads a message that has at most `nodes_max` values.
    ///
    /// Keys match in any case, null is a missing key, unknown keys are ignored. A reply counts as an error if its `error` has a
    /// text: controllers send an empty `response` beside it.
    pub fn parse(text: &str, nodes_max: usize) -> Result<Self, EnvelopeError> {
        if count_nodes(text) > nodes_max {
            return Err(EnvelopeError::Nodes { max: nodes_max });
        }
        let keys: Keys = serde_json::from_str(text)?;
        let empty = || Value::Object(Map::new());
        if !keys.facade.is_empty() || !keys.request.is_empty() {
            let Keys { facade, version, id, request: method, .. } = keys;
            let params = keys.params.unwrap_or_else(empty);
            return Ok(Self::Request(keys.request_id, RpcCall { facade, version, id, method, params }));
        }
        let result = if keys.error.is_empty() && keys.error_code.is_empty() {
            Ok(keys.response.unwrap_or_else(empty))
        } else {
            let code = ErrorCode::from(keys.error_code.as_str());
            Err(RpcError { message: keys.error, code, info: keys.error_info })
        };
        Ok(Self::Reply(keys.request_id, result))
    }

    /// Writes the message.
    ///
    /// A reply always has `response`, as jujulib waits for one for ever, and `error` only where there is one, as libjuju takes
    /// null for an error.
    pub fn to_json(&self) -> String {
        let written = match self {
            Self::Request(request_id, call) => serde_json::to_string(&RequestOut {
                request_id: *request_id,
                facade: &call.facade,
                version: (call.version != 0).then_some(call.version),
                id: &call.id,
                request: &call.method,
                params: &call.params,
            }),
            Self::Reply(request_id, Ok(Value::Null)) => empty_reply(*request_id, None),
            Self::Reply(request_id, Ok(response)) => {
                serde_json::to_string(&ReplyOut { request_id: *request_id, error: None, response })
            }
            Self::Reply(request_id, Err(error)) => empty_reply(*request_id, Some(error)),
        };
        // The keys of a JSON value are texts: nothing of it can fail.
        written.unwrap_or_default()
    }
}

fn empty_reply(request_id: u64, error: Option<&RpcError>) -> serde_json::Result<String> {
    let error = error.map(ErrorOut::of);
    serde_json::to_string(&ReplyOut { request_id, error, response: &Value::Object(Map::new()) })
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RequestOut<'a> {
    request_id: u64,
    #[serde(rename = "type")]
    facade: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    request: &'a str,
    params: &'a Value,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ReplyOut<'a> {
    request_id: u64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    error: Option<ErrorOut<'a>>,
    response: &'a Value,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ErrorOut<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    error_code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_info: Option<&'a Value>,
}

impl<'a> ErrorOut<'a> {
    /// An error without a text would be read as success: its code, or a word, stands in.
    fn of(error: &'a RpcError) -> Self {
        let code = error.code.as_str();
        let text = match (error.message.as_str(), code) {
            ("", "") => "unknown error",
            ("", code) => code,
            (text, _) => text,
        };
        Self { error: text, error_code: code, error_info: error.info.as_ref() }
    }
}

/// All keys that a message can have.
#[derive(Default)]
struct Keys {
    request_id: u64,
    facade: String,
    version: u32,
    id: String,
    request: String,
    params: Option<Value>,
    error: String,
    error_code: String,
    error_info: Option<Value>,
    response: Option<Value>,
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Keys::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.to_ascii_lowercase().as_str() {
                "request-id" => set(&mut map, &mut keys.request_id)?,
                "type" => set(&mut map, &mut keys.facade)?,
                "version" => set(&mut map, &mut keys.version)?,
                "id" => set(&mut map, &mut keys.id)?,
                "request" => set(&mut map, &mut keys.request)?,
                "params" => set_value(&mut map, &mut keys.params)?,
                "error" => set(&mut map, &mut keys.error)?,
                "error-code" => set(&mut map, &mut keys.error_code)?,
                "error-info" => set_value(&mut map, &mut keys.error_info)?,
                "response" => set_value(&mut map, &mut keys.response)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(keys)
    }
}

/// Reads a value; null leaves what was there.
fn set<'de, A: MapAccess<'de>, T: Deserialize<'de>>(map: &mut A, slot: &mut T) -> Result<(), A::Error> {
    if let Some(value) = map.next_value::<Option<T>>()? {
        *slot = value;
    }
    Ok(())
}

fn set_value<'de, A: MapAccess<'de>>(map: &mut A, slot: &mut Option<Value>) -> Result<(), A::Error> {
    if let Some(value) = map.next_value::<Option<Value>>()? {
        *slot = Some(value);
    }
    Ok(())
}

/// Returns an upper bound of the values in `text`: what stands between `,`, `:`, `[` and `{` outside of strings.
pub fn count_nodes(text: &str) -> usize {
    let mut nodes = 1;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => nodes += 1,
            _ => {}
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Message {
        Message::parse(text, REQUEST_NODES_MAX).unwrap()
    }

    fn call(facade: &str, version: u32, method: &str, params: Value) -> RpcCall {
        RpcCall { facade: facade.to_owned(), version, id: String::new(), method: method.to_owned(), params }
    }

    /// Golden text of each kind of message, in both directions.
    fn golden() -> Vec<(&'static str, Message)> {
        let redirect = RpcError {
            message: "redirection to alternative server required".to_owned(),
            code: ErrorCode::Redirect,
            info: Some(json!({"servers": [], "ca-cert": "CERT"})),
        };
        let mut next = call("AllWatcher", 3, "Next", json!({}));
        next.id = "2".to_owned();
        vec![
            (
                r#"{"request-id":1,"type":"Admin","version":3,"request":"Login","params":{"auth-tag":"user-admin"}}"#,
                Message::Request(1, call("Admin", 3, "Login", json!({"auth-tag": "user-admin"}))),
            ),
            (
                r#"{"request-id":8,"type":"AllWatcher","version":3,"id":"2","request":"Next","params":{}}"#,
                Message::Request(8, next),
            ),
            (
                r#"{"request-id":9,"type":"Pinger","request":"Ping","params":{}}"#,
                Message::Request(9, call("Pinger", 0, "Ping", json!({}))),
            ),
            (r#"{"request-id":3,"response":{}}"#, Message::Reply(3, Ok(json!({})))),
            (
                r#"{"request-id":3,"response":"0001-01-01T00:00:00Z"}"#,
                Message::Reply(3, Ok(json!("0001-01-01T00:00:00Z"))),
            ),
            (
                r#"{"request-id":4,"error":"permission denied","error-code":"unauthorized access","response":{}}"#,
                Message::Reply(4, Err(RpcError::permission_denied())),
            ),
            (
                r#"{"request-id":5,"error":"not redirected","response":{}}"#,
                Message::Reply(5, Err(RpcError::plain("not redirected"))),
            ),
            (
                concat!(
                    r#"{"request-id":6,"error":"redirection to alternative server required","#,
                    r#""error-code":"redirection required","error-info":{"servers":[],"ca-cert":"CERT"},"response":{}}"#
                ),
                Message::Reply(6, Err(redirect)),
            ),
        ]
    }

    #[test]
    fn every_kind_of_message_is_written_and_read_as_its_golden_text() {
        for (text, message) in golden() {
            assert_eq!(message.to_json(), text);
            assert_eq!(parse(text), message);
        }
    }

    #[test]
    fn nothing_to_say_is_an_empty_response() {
        assert_eq!(Message::Reply(3, Ok(Value::Null)).to_json(), r#"{"request-id":3,"response":{}}"#);
    }

    #[test]
    fn an_error_without_a_text_is_still_an_error() {
        for error in [RpcError::plain(""), RpcError::new(ErrorCode::NotFound, "")] {
            let Message::Reply(_, read) = parse(&Message::Reply(1, Err(error)).to_json()) else { panic!("no reply") };
            assert!(read.is_err());
        }
    }

    #[test]
    fn keys_match_in_any_case_and_null_is_a_missing_key() {
        let text =
            r#"{"Request-Id":7,"TYPE":"AllWatcher","version":3,"Id":"2","request":"Next","params":null,"trace-id":{}}"#;
        let mut next = call("AllWatcher", 3, "Next", json!({}));
        next.id = "2".to_owned();
        assert_eq!(parse(text), Message::Request(7, next));
        let text = r#"{"request-id":7,"error":null,"error-code":null,"error-info":null,"response":null}"#;
        assert_eq!(parse(text), Message::Reply(7, Ok(json!({}))));
        assert_eq!(parse(r#"{"request-id":7,"error":""}"#), Message::Reply(7, Ok(json!({}))));
    }

    #[test]
    fn garbage_is_an_error() {
        for text in ["", "nonsense", "[]", "1", "null", r#"{"request-id":"1"}"#, r#"{"request-id":-1}"#, r#"{"a":1"#] {
            assert!(Message::parse(text, REQUEST_NODES_MAX).is_err(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(Message::parse(&deep, REQUEST_NODES_MAX).is_err());
    }

    #[test]
    fn a_request_of_many_small_values_is_refused_before_they_are_allocated() {
        let many =
            format!(r#"{{"request-id":1,"type":"A","request":"B","params":[{}0]}}"#, "0,".repeat(REQUEST_NODES_MAX));
        assert!(matches!(Message::parse(&many, REQUEST_NODES_MAX), Err(EnvelopeError::Nodes { .. })));
        let one =
            format!(r#"{{"request-id":1,"type":"A","request":"B","params":"{}"}}"#, "0,".repeat(REQUEST_NODES_MAX));
        assert!(Message::parse(&one, REQUEST_NODES_MAX).is_ok(), "commas within a text are no values");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_message_or_an_error(text in ".{0,200}") {
            let _ = Message::parse(&text, REQUEST_NODES_MAX);
        }

        #[test]
        fn what_is_written_is_read_again(
            id in 1_u64..,
            facade in "[A-Z][A-Za-z]{0,20}",
            version in 0_u32..40,
            object in "[a-z0-9\"\\\\]{0,8}",
            method in "[A-Z]\\PC{0,20}",
            text in "\\PC{0,40}",
        ) {
            let mut request = call(&facade, version, &method, json!({ text.clone(): [text.clone(), null_or(&text)] }));
            request.id = object;
            let request = Message::Request(id, request);
            prop_assert_eq!(parse(&request.to_json()), request);
            let reply = Message::Reply(id, Err(RpcError::new(ErrorCode::from(text.as_str()), facade)));
            prop_assert_eq!(parse(&reply.to_json()), reply);
        }
    }

    fn null_or(text: &str) -> Value {
        if text.is_empty() { Value::Null } else { json!({"deep": text.len()}) }
    }
}
