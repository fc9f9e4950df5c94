//! Reads and writes a session's streams until the connection ends. Closes the connection if the peer breaks the
//! protocol.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use modelferry_protocol::ids::Pin;
use modelferry_protocol::message::{ChunkHeader, Message};
use quinn::{RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::frames::{ReadFailure, read_chunk, read_message};
use crate::link::peers::complaints::Complaints;
use crate::link::transport::close::CloseCode;
use crate::link::transport::connection::Connection;

/// Priority of the control stream over byte streams and bulk streams: its few bytes decide what happens next.
const CONTROL_PRIORITY: i32 = 2;

/// Closes the connection and logs a warning when the peer breaks the protocol.
#[derive(Debug, Clone)]
pub(in crate::link) struct Guard {
    pub connection: Connection,
    pub peer: Pin,
    pub complaints: Arc<Complaints>,
}

impl Guard {
    pub fn fault(&self, code: CloseCode, reason: &str) {
        self.complaints.warn(Some(self.peer), code.text(), reason);
        self.connection.close(code, reason);
    }

    pub fn failed(&self, failure: ReadFailure) {
        match failure {
            // The end of the connection is reported elsewhere.
            ReadFailure::Over => {}
            ReadFailure::TooSlow(_) => self.fault(CloseCode::TooSlow, &failure.to_string()),
            ReadFailure::Malformed(_) | ReadFailure::Cut => self.fault(CloseCode::Malformed, &failure.to_string()),
        }
    }
}

pub(super) async fn write_control(mut stream: SendStream, mut queued: mpsc::Receiver<Message>, guard: Guard) {
    let _ = stream.set_priority(CONTROL_PRIORITY);
    while let Some(message) = queued.recv().await {
        if let Err(error) = stream.write_all(&message.to_frame()).await {
            // Either the connection has ended, or the peer has stopped the control stream.
            return guard.connection.close(CloseCode::Stream, &error.to_string());
        }
    }
}

pub(super) async fn read_control(
    mut stream: RecvStream,
    messages: mpsc::Sender<Message>,
    frame: Duration,
    guard: Guard,
) {
    loop {
        match read_message(&mut stream, frame).await {
            Ok(Message::Hello(_)) => return guard.fault(CloseCode::Violation, "a second Hello"),
            Ok(message) => {
                if messages.send(message).await.is_err() {
                    return guard.connection.close(CloseCode::Shutdown, "nobody here reads this session");
                }
            }
            Err(ReadFailure::Over) => return guard.connection.close(CloseCode::Stream, "the control stream ended"),
            Err(failure) => return guard.failed(failure),
        }
    }
}

pub(super) async fn accept_bulk(chunks: mpsc::Sender<(ChunkHeader, Bytes)>, guard: Guard) {
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            accepted = guard.connection.quic.accept_uni() => match accepted {
                Ok(stream) => { streams.spawn(read_bulk(stream, chunks.clone(), guard.clone())); }
                Err(_) => return,
            },
            Some(_) = streams.join_next() => {}
        }
    }
}

async fn read_bulk(mut stream: RecvStream, chunks: mpsc::Sender<(ChunkHeader, Bytes)>, guard: Guard) {
    loop {
        match read_chunk(&mut stream).await {
            Ok(chunk) => {
                if chunks.send(chunk).await.is_err() {
                    return guard.connection.close(CloseCode::Shutdown, "nobody here reads this session");
                }
            }
            Err(failure) => return guard.failed(failure),
        }
    }
}
