//! A live connection to a peer: one stream carries control messages in order, several others carry chunks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use modelferry_protocol::ids::Pin;
use modelferry_protocol::limits::STREAMS_MAX;
use modelferry_protocol::message::{Agreed, ChunkHeader, Hello, Message};
use modelferry_protocol::version::Feature;
use quinn::{RecvStream, SendStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::drive::{Guard, accept_bulk, read_control, write_control};
use super::streams::{StreamInbox, StreamSlots, accept_streams};
use crate::link::flow::SIGN_OF_LIFE;
use crate::link::peers::complaints::Complaints;
use crate::link::transport::address::canonical;
use crate::link::transport::close::{CloseCode, SessionClosed};
use crate::link::transport::connection::Connection;

/// Maximum number of control messages in each of the send and receive queues.
const MESSAGES_QUEUED_MAX: usize = 64;
/// Maximum number of received chunks in the queue, 4 MiB. Further chunks stay in the streams' windows.
const CHUNKS_QUEUED_MAX: usize = 16;

/// The priority of chunks relative to others on the same connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Sent only while no due chunk waits.
    Spare,
    /// Sent as soon as possible.
    Due,
}

impl Urgency {
    fn priority(self) -> i32 {
        match self {
            Self::Spare => -1,
            Self::Due => 0,
        }
    }
}

/// A connection to a paired peer after both sides have sent `Hello`.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    id: u64,
    connection: Connection,
    peer: Pin,
    peer_name: String,
    peer_spki: Vec<u8>,
    hello: Hello,
    agreed: Agreed,
    slots: StreamSlots,
    guard: Guard,
    /// For the rest of a frame, once it has begun.
    frame: Duration,
    control: mpsc::Sender<Message>,
    is_paused: watch::Receiver<bool>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({}, {:?})", self.0.id, self.0.peer)
    }
}

/// A new session and its incoming messages and chunks.
#[derive(Debug)]
pub struct NewSession {
    pub session: Session,
    pub inbox: Inbox,
    pub chunks: ChunkInbox,
    /// Byte streams that the peer opens on it.
    pub streams: StreamInbox,
}

/// Control messages from the peer, in the order in which it sent them.
#[derive(Debug)]
pub struct Inbox(mpsc::Receiver<Message>);

impl Inbox {
    /// Waits for the next message. Returns `None` after the connection has ended.
    pub async fn recv(&mut self) -> Option<Message> {
        self.0.recv().await
    }
}

/// Chunks from the peer, from all bulk streams in the order of arrival.
#[derive(Debug)]
pub struct ChunkInbox(mpsc::Receiver<(ChunkHeader, Bytes)>);

impl ChunkInbox {
    /// Waits for the next chunk. Returns `None` after the connection has ended.
    pub async fn recv(&mut self) -> Option<(ChunkHeader, Bytes)> {
        self.0.recv().await
    }
}

impl Session {
    pub fn peer(&self) -> Pin {
        self.0.peer
    }

    /// Returns the peer's local name at the begin of the session.
    pub fn peer_name(&self) -> String {
        self.0.peer_name.clone()
    }

    /// Returns the peer's SubjectPublicKeyInfo, for [`crate::link::verify_signature`].
    pub fn peer_spki(&self) -> &[u8] {
        &self.0.peer_spki
    }

    pub fn hello(&self) -> &Hello {
        &self.0.hello
    }

    /// Returns the version and features that the two agents negotiated for this connection.
    pub fn agreed(&self) -> &Agreed {
        &self.0.agreed
    }

    /// Returns what a byte stream needs of the session.
    pub(super) fn for_streams(&self) -> (&StreamSlots, &Guard, Duration) {
        (&self.0.slots, &self.0.guard, self.0.frame)
    }

    /// Returns an id unique in this process. Later sessions have greater ids.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Returns the peer's current address.
    pub fn remote_address(&self) -> SocketAddr {
        canonical(self.0.connection.quic.remote_address())
    }

    /// Returns the current estimate of the round-trip time.
    pub fn rtt(&self) -> Duration {
        self.0.connection.quic.rtt()
    }

    /// Returns the current congestion window, bytes.
    pub fn window_bytes(&self) -> u64 {
        self.0.connection.quic.stats().path.cwnd
    }

    /// Returns the bytes of all UDP datagrams sent on this connection, including retransmissions and QUIC headers.
    pub fn udp_tx_bytes(&self) -> u64 {
        self.0.connection.quic.stats().udp_tx.bytes
    }

    /// Returns the bytes of all UDP datagrams received on this connection.
    pub fn udp_rx_bytes(&self) -> u64 {
        self.0.connection.quic.stats().udp_rx.bytes
    }

    /// Queues a control message. Waits while the queue is full. A queued message may still be lost with the connection.
    ///
    /// Errors: [`SessionClosed`].
    pub async fn send(&self, message: Message) -> Result<(), SessionClosed> {
        match self.0.control.send(message).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.0.connection.lost()),
        }
    }

    /// Opens a stream for chunks. Waits while the peer's stream limit is reached.
    ///
    /// Errors: [`SessionClosed`].
    pub async fn open_bulk(&self, urgency: Urgency) -> Result<BulkSender, SessionClosed> {
        let stream = self.0.connection.quic.open_uni().await.map_err(|_| self.0.connection.lost())?;
        // This fails only on a stream that has ended; the first write then returns the error.
        let _ = stream.set_priority(urgency.priority());
        Ok(BulkSender {
            stream,
            connection: self.0.connection.clone(),
            is_paused: self.0.is_paused.clone(),
            inside_chunk: false,
        })
    }

    /// Marks a transfer as running until the returned value is dropped. Meanwhile the session sends a datagram four
    /// times a second, so that both sides notice at once when a cut link is repaired.
    pub fn busy(&self) -> Busy {
        let quic = self.0.connection.quic.clone();
        Busy(tokio::spawn(async move {
            let mut tick = tokio::time::interval(SIGN_OF_LIFE);
            // Nobody reads this datagram. Stop if the peer does not accept datagrams.
            while quic.close_reason().is_none() && quic.send_datagram(Bytes::new()).is_ok() {
                tick.tick().await;
            }
        }))
    }

    /// Closes the connection with `code` and `reason`. Both sides reconnect.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.0.connection.close(code, reason);
    }

    /// Waits for the end of the connection and returns the reason.
    pub async fn closed(&self) -> String {
        self.0.connection.ended().await
    }

    /// Returns why the connection ended; `None` while it is open.
    pub fn close_reason(&self) -> Option<String> {
        self.0.connection.end()
    }
}

impl Connection {
    fn lost(&self) -> SessionClosed {
        SessionClosed { reason: self.end().unwrap_or_else(|| "it is being closed".to_owned()) }
    }
}

/// A running transfer; see [`Session::busy`].
#[derive(Debug)]
pub struct Busy(tokio::task::JoinHandle<()>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A stream of chunks. Dropping it between two chunks finishes the stream; dropping it inside a chunk resets it.
#[derive(Debug)]
pub struct BulkSender {
    stream: SendStream,
    connection: Connection,
    is_paused: watch::Receiver<bool>,
    inside_chunk: bool,
}

impl BulkSender {
    /// Sends a chunk. Waits while the peer's window is full, and while a cap of 0 pauses sending.
    ///
    /// Not cancel-safe: after a call was dropped before it returned, do not use the sender again.
    ///
    /// Errors: [`SessionClosed`].
    pub async fn send(&mut self, header: ChunkHeader, bytes: Bytes) -> Result<(), SessionClosed> {
        debug_assert_eq!(header.wire_bytes as usize, bytes.len(), "the header tells the chunk's length");
        // An error means that the peer was removed; the connection then ends by itself.
        let _ = self.is_paused.wait_for(|is_paused| !is_paused).await;
        self.inside_chunk = true;
        let mut parts = [Bytes::from(header.to_frame()), bytes];
        self.stream.write_all_chunks(&mut parts).await.map_err(|_| self.connection.lost())?;
        self.inside_chunk = false;
        Ok(())
    }
}

impl Drop for BulkSender {
    fn drop(&mut self) {
        if self.inside_chunk {
            // A finished stream would present the half chunk as a malformed frame, which closes the connection.
            let _ = self.stream.reset(CloseCode::Done.into());
        }
    }
}

/// A connection after the `Hello` exchange, ready to become a session.
pub(in crate::link) struct Greeted {
    pub id: u64,
    pub connection: Connection,
    pub peer: Pin,
    pub peer_name: String,
    pub peer_spki: Vec<u8>,
    pub hello: Hello,
    pub agreed: Agreed,
    pub control: (SendStream, RecvStream),
}

/// The tasks of a session. Dropping it ends them.
pub(in crate::link) struct Drive(JoinSet<()>);

impl Greeted {
    /// Begins the session. It lives as long as the connection and the [`Drive`].
    pub fn begin(
        self,
        frame: Duration,
        complaints: &Arc<Complaints>,
        is_paused: watch::Receiver<bool>,
    ) -> (NewSession, Drive) {
        let (control, queued) = mpsc::channel(MESSAGES_QUEUED_MAX);
        let (messages, inbox) = mpsc::channel(MESSAGES_QUEUED_MAX);
        let (chunks, chunk_inbox) = mpsc::channel(CHUNKS_QUEUED_MAX);
        let (send, recv) = self.control;
        let guard = Guard { connection: self.connection.clone(), peer: self.peer, complaints: complaints.clone() };
        let mut tasks = JoinSet::new();
        tasks.spawn(write_control(send, queued, guard.clone()));
        tasks.spawn(read_control(recv, messages, frame, guard.clone()));
        tasks.spawn(accept_bulk(chunks, guard.clone()));
        let (streams, stream_inbox) = mpsc::channel(STREAMS_MAX);
        let (slots, allowed) = (StreamSlots::default(), self.agreed.has(Feature::Relay));
        tasks.spawn(accept_streams(streams, slots.clone(), guard.clone(), allowed, frame));
        let session = Session(Arc::new(Inner {
            id: self.id,
            connection: self.connection,
            peer: self.peer,
            peer_name: self.peer_name,
            peer_spki: self.peer_spki,
            hello: self.hello,
            agreed: self.agreed,
            slots,
            guard,
            frame,
            control,
            is_paused,
        }));
        let (inbox, chunks, streams) = (Inbox(inbox), ChunkInbox(chunk_inbox), StreamInbox(stream_inbox));
        (NewSession { session, inbox, chunks, streams }, Drive(tasks))
    }
}

impl Drive {
    /// Ends the tasks, and with them the inboxes and queues.
    pub async fn stop(mut self) {
        self.0.shutdown().await;
    }
}
