//! Log streams at a server: a first line that says whether all is well, then lines, without any answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message as Frame;
use tracing::{debug, info};

use super::guests::Guest;
use super::service::Service;
use crate::juju::http::{RequestHead, Route};
use crate::juju::logstream::{LogReader, LogRecord, LogWriter};
use crate::juju::params::{ErrorResult, from_value};
use crate::juju::wire::error::RpcError;
use crate::juju::wire::limits::WRITE_TIMEOUT;
use crate::juju::wire::socket::{self, End, Socket};

/// Interval of the pings on a model's log, as Juju has it.
const PING_INTERVAL: Duration = Duration::from_secs(60);

/// Serves a stream until it ends.
pub(super) async fn serve(mut socket: Socket, service: Arc<dyn Service>, head: RequestHead, guest: Arc<Guest>) {
    let peer = head.peer;
    let streaming = async {
        match &head.route {
            Route::ModelLog(model) => match service.read_log(&head, model).await {
                Ok(mut log) => {
                    first_line(&mut socket, None).await?;
                    send_log(&mut socket, &mut *log).await
                }
                Err(error) => first_line(&mut socket, Some(error)).await,
            },
            _ => match service.write_log(&head).await {
                Ok(mut log) => {
                    first_line(&mut socket, None).await?;
                    let taken = take_log(&mut socket, &mut *log).await;
                    log.finish().await.map_err(|error| End::Garbage(error.to_string()))?;
                    taken
                }
                Err(error) => first_line(&mut socket, Some(error)).await,
            },
        }
    };
    let end = tokio::select! {
        ended = streaming => ended.err().unwrap_or(End::Left),
        () = guest.ended() => End::Stopped,
    };
    match &end {
        End::Garbage(what) => info!(%peer, what, "a log stream was closed"),
        end => debug!(%peer, ?end, "a log stream ended"),
    }
    socket::close(socket, &end).await;
}

/// Readers take up to 4096 bytes, and wait for the end of the line.
async fn first_line(socket: &mut Socket, error: Option<RpcError>) -> Result<(), End> {
    send(socket, &ErrorResult { error }).await
}

async fn send<T: Serialize + Sync>(socket: &mut Socket, message: &T) -> Result<(), End> {
    let line = serde_json::to_string(message).map_err(|error| End::Garbage(error.to_string()))? + "\n";
    match timeout(WRITE_TIMEOUT, socket.send(Frame::text(line))).await {
        Ok(sent) => sent.map_err(|error| End::of(Some(error))),
        Err(_) => Err(End::Stuck),
    }
}

async fn send_log(socket: &mut Socket, log: &mut dyn LogReader) -> Result<(), End> {
    let mut pings = interval(PING_INTERVAL);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.tick().await;
    loop {
        tokio::select! {
            line = log.next() => match line {
                Some(line) => send(socket, &line).await?,
                None => return Ok(()),
            },
            frame = socket.next() => match frame {
                Some(Ok(Frame::Close(_))) | None => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(End::of(Some(error))),
            },
            _ = pings.tick() => {
                socket.send(Frame::Ping(Bytes::new())).await.map_err(|error| End::of(Some(error)))?;
            }
        }
    }
}

async fn take_log(socket: &mut Socket, log: &mut dyn LogWriter) -> Result<(), End> {
    loop {
        match socket.next().await {
            Some(Ok(Frame::Text(text))) => {
                let record = record(&text).map_err(|error| End::Garbage(error.to_string()))?;
                log.write(record).await.map_err(|error| End::Garbage(error.to_string()))?;
            }
            Some(Ok(Frame::Close(_))) | None => return Ok(()),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(End::of(Some(error))),
        }
    }
}

fn record(text: &str) -> serde_json::Result<LogRecord> {
    from_value(&serde_json::from_str::<Value>(text)?)
}
