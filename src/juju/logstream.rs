//! Logs as streams: a model's log for readers, and the log that follows a model to its new controller.

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use tokio_tungstenite::tungstenite::Message;

use crate::juju::http::Credentials;
use crate::juju::params::{ErrorResult, from_value};
use crate::juju::rpc::dial::{ClientSocket, headers_of, websocket};
use crate::juju::rpc::{DialError, RpcError, Target};

/// A line of a model's log as readers of `/model/UUID/log` get it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogMessage {
    /// Who logged it, a tag.
    #[serde(rename = "tag")]
    pub entity: String,
    /// When, RFC 3339.
    #[serde(rename = "ts")]
    pub time: String,
    /// `TRACE`, `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.
    #[serde(rename = "sev")]
    pub level: String,
    /// The logger's name.
    #[serde(rename = "mod")]
    pub module: String,
    /// `FILE:LINE`.
    #[serde(rename = "loc")]
    pub location: String,
    /// The text.
    #[serde(rename = "msg")]
    pub message: String,
    /// Labels of the line.
    #[serde(rename = "lab", skip_serializing_if = "Option::is_none")]
    pub labels: Option<serde_json::Value>,
}

/// A line of a log that moves with its model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogRecord {
    /// When, RFC 3339.
    #[serde(rename = "t")]
    pub time: String,
    /// The logger's name.
    #[serde(rename = "m")]
    pub module: String,
    /// `FILE:LINE`.
    #[serde(rename = "l")]
    pub location: String,
    /// The level, as a name.
    #[serde(rename = "v")]
    pub level: String,
    /// The text.
    #[serde(rename = "x")]
    pub message: String,
    /// Who logged it, a tag.
    #[serde(rename = "e", skip_serializing_if = "String::is_empty")]
    pub entity: String,
    /// Labels of the line.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    pub labels: Option<serde_json::Value>,
}

/// A log that is being read.
#[async_trait]
pub trait LogReader: Send {
    /// Waits for the next line; none ends the stream.
    ///
    /// The future may be dropped and asked for anew at any time: no line may be lost by that. The reader is dropped when its
    /// client leaves.
    async fn next(&mut self) -> Option<LogMessage>;
}

/// A log that is being taken in.
#[async_trait]
pub trait LogWriter: Send {
    /// Takes one line. The sender waits meanwhile. An error ends the stream.
    async fn write(&mut self, record: LogRecord) -> Result<(), RpcError>;

    /// Ends the log: the sender has left, which it always does without a word. The lines that came are all that there are.
    async fn finish(&mut self) -> Result<(), RpcError>;
}

/// A log stream of a client that cannot go on.
#[derive(Debug, Error)]
pub enum StreamError {
    /// The controller cannot be reached, or refuses the sender.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The controller refuses the stream.
    #[error("{0}")]
    Refused(#[from] RpcError),
    /// The stream has ended: which lines the controller has is not known.
    #[error("the log stream broke off: {0}")]
    Broken(String),
}

/// Sends the log of a model to its new controller.
#[derive(Debug)]
pub struct LogSender {
    socket: ClientSocket,
}

impl LogSender {
    /// Opens the stream for `model` and waits for the controller's first line.
    pub async fn open(
        target: &Target,
        model: &str,
        credentials: &Credentials,
        client_version: &str,
    ) -> Result<Self, StreamError> {
        let mut headers = headers_of(credentials, client_version);
        let model: HeaderValue = model.parse().map_err(|_| StreamError::Broken(format!("{model:?} is no UUID")))?;
        headers.insert("x-juju-migration-model-uuid", model);
        let socket = open(target, "/migrate/logtransfer", &headers).await?;
        Ok(Self { socket })
    }

    /// Sends one line. Nobody acknowledges it; a slow controller makes this wait.
    pub async fn send(&mut self, record: &LogRecord) -> Result<(), StreamError> {
        let line = serde_json::to_string(record).map_err(|error| StreamError::Broken(error.to_string()))?;
        let sent = self.socket.send(Message::text(line)).await;
        sent.map_err(|error| StreamError::Broken(error.to_string()))
    }

    /// Ends the stream, and waits until the controller has read all of it: it answers the close frame then.
    pub async fn finish(mut self) -> Result<(), StreamError> {
        let broken = |error: &dyn std::fmt::Display| StreamError::Broken(error.to_string());
        self.socket.close(None).await.map_err(|error| broken(&error))?;
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Close(_))) => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&error)),
                None => return Err(broken(&"the controller left before it had read all of it")),
            }
        }
    }
}

/// Reads the log of a model.
#[derive(Debug)]
pub struct LogTail {
    socket: ClientSocket,
}

impl LogTail {
    /// Opens the log of `model`; `query` is what `juju debug-log` sends, such as `replay=true`.
    pub async fn open(
        target: &Target,
        model: &str,
        query: &str,
        credentials: &Credentials,
        client_version: &str,
    ) -> Result<Self, StreamError> {
        let headers = headers_of(credentials, client_version);
        let socket = open(target, &format!("/model/{model}/log?{query}"), &headers).await?;
        Ok(Self { socket })
    }

    /// Waits for the next line; none ends the log.
    pub async fn next(&mut self) -> Result<Option<LogMessage>, StreamError> {
        match line(&mut self.socket).await? {
            Some(value) => from_value(&value).map(Some).map_err(|error| StreamError::Broken(error.to_string())),
            None => Ok(None),
        }
    }
}

async fn open(target: &Target, path: &str, headers: &HeaderMap) -> Result<ClientSocket, StreamError> {
    let (_, mut socket) = websocket(target, path, headers).await?;
    let first = line(&mut socket).await?.ok_or_else(|| StreamError::Broken("no first line".to_owned()))?;
    let first: ErrorResult = from_value(&first).map_err(|error| StreamError::Broken(error.to_string()))?;
    match first.error {
        Some(error) => Err(error.into()),
        None => Ok(socket),
    }
}

/// Waits for the next line of a stream.
async fn line(socket: &mut ClientSocket) -> Result<Option<Value>, StreamError> {
    let broken = |error: &dyn std::fmt::Display| StreamError::Broken(error.to_string());
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return serde_json::from_str(&text).map(Some).map_err(|error| broken(&error));
            }
            Some(Ok(Message::Close(_))) | None => return Ok(None),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(broken(&error)),
        }
    }
}
