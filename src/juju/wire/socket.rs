//! WebSockets: their limits, and how one ends.

use std::time::Duration;

use futures_util::SinkExt;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::limits::{MESSAGE_BYTES_MAX, READ_BUFFER_BYTES};

/// A WebSocket of a server.
pub(in crate::juju) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Time for the closing handshake. Go's clients end streams without one.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes that are read and dropped behind a close frame: a connection that is closed while bytes of the peer are unread is
/// reset, and the peer may then never see why.
const DRAIN_BYTES_MAX: u64 = 2 * MESSAGE_BYTES_MAX as u64;

/// Why a connection ends, on our side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::juju) enum End {
    /// The peer has closed it or is gone.
    Left,
    /// The server stops, or needs the place.
    Stopped,
    /// Nobody logged in, in time.
    NoLogin,
    /// An agent has sent nothing, not even a ping, for as long as one may be silent.
    Silent,
    /// The peer does not take what is sent to it.
    Stuck,
    /// A message is larger than any may be.
    TooLarge,
    /// A message is no envelope, or the WebSocket is broken.
    Garbage(String),
}

impl End {
    /// Reads why a WebSocket's stream ended.
    pub fn of(error: Option<Error>) -> Self {
        match error {
            Some(Error::Capacity(CapacityError::MessageTooLong { .. })) => Self::TooLarge,
            Some(Error::Protocol(error)) if error != RESET => Self::Garbage(error.to_string()),
            Some(Error::Utf8(error)) => Self::Garbage(error),
            _ => Self::Left,
        }
    }

    /// Juju closes normally whatever was wrong; only a message that is too large has a code of its own.
    fn frame(&self) -> CloseFrame {
        match self {
            Self::TooLarge => CloseFrame { code: CloseCode::Size, reason: "the message exceeds 64 MiB".into() },
            _ => CloseFrame { code: CloseCode::Normal, reason: "".into() },
        }
    }
}

const RESET: tokio_tungstenite::tungstenite::error::ProtocolError =
    tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;

/// The limits of a WebSocket, at either end. Frames are joined to messages; no extension is negotiated.
pub(super) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

/// Speaks WebSocket on an upgraded HTTP connection.
pub(in crate::juju) async fn accept(upgraded: Upgraded) -> Socket {
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config())).await
}

/// Ends a connection, so that the peer learns why.
pub(in crate::juju) async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>, end: &End) {
    let closing = async {
        let sent = socket.send(Message::Close(Some(end.frame()))).await;
        if sent.is_err() {
            // Where the peer has closed first, only the answer to its close frame can be sent, which is there already.
            let _ = socket.flush().await;
        }
        if sent.is_ok() && *end == End::TooLarge {
            let rest = socket.get_mut();
            let _ = tokio::io::copy(&mut rest.take(DRAIN_BYTES_MAX), &mut tokio::io::sink()).await;
        }
    };
    // The peer may be gone, or deaf: nothing more can be done for it.
    let _ = timeout(CLOSE_TIMEOUT, closing).await;
}
