//! A live connection to a peer: control messages in order on one stream, chunks on several others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use modelferry_protocol::ids::Pin;
use modelferry_protocol::message::{ChunkHeader, Hello, Message};
use modelferry_protocol::version::Agreed;
use quinn::{RecvStream, SendStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::close::CloseCode;
use super::complaints::Complaints;
use super::drive::{Guard, accept_bulk, read_control, refuse_streams, write_control};
use super::flow::SIGN_OF_LIFE;
use super::line::Line;
use super::registry::canonical;

/// Control messages that wait to be written, and that wait to be read, at most.
const MESSAGES_QUEUED_MAX: usize = 64;
/// Chunks that wait to be read at most: 4 MiB. What does not fit stays in the streams' windows.
const CHUNKS_QUEUED_MAX: usize = 16;

/// How urgent chunks are, beside others on the same connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// They go while nothing that is due wants to.
    Spare,
    /// They go as soon as they can.
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

/// The connection is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the peer is over: {reason}")]
pub struct SessionClosed {
    /// Why.
    pub reason: String,
}

/// A connection to a paired peer, after both `Hello`s.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    id: u64,
    line: Line,
    peer: Pin,
    peer_name: String,
    peer_spki: Vec<u8>,
    hello: Hello,
    agreed: Agreed,
    control: mpsc::Sender<Message>,
    is_paused: watch::Receiver<bool>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({}, {:?})", self.0.id, self.0.peer)
    }
}

/// A session that has just begun, and what arrives on it.
#[derive(Debug)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// Its control messages.
    pub inbox: Inbox,
    /// Its chunks.
    pub chunks: ChunkInbox,
}

/// Control messages from the peer, in the order in which it sent them.
#[derive(Debug)]
pub struct Inbox(mpsc::Receiver<Message>);

impl Inbox {
    /// Waits for the next message; nothing once the connection is over.
    pub async fn recv(&mut self) -> Option<Message> {
        self.0.recv().await
    }
}

/// Chunks from the peer, from all bulk streams as they come.
#[derive(Debug)]
pub struct ChunkInbox(mpsc::Receiver<(ChunkHeader, Bytes)>);

impl ChunkInbox {
    /// Waits for the next chunk; nothing once the connection is over.
    pub async fn recv(&mut self) -> Option<(ChunkHeader, Bytes)> {
        self.0.recv().await
    }
}

impl Session {
    /// Returns the peer's pin.
    pub fn peer(&self) -> Pin {
        self.0.peer
    }

    /// Returns what the peer was called here when the session began.
    pub fn peer_name(&self) -> String {
        self.0.peer_name.clone()
    }

    /// Returns the peer's SubjectPublicKeyInfo, for [`super::verify_signature`].
    pub fn peer_spki(&self) -> &[u8] {
        &self.0.peer_spki
    }

    /// Returns the peer's `Hello`.
    pub fn hello(&self) -> &Hello {
        &self.0.hello
    }

    /// Returns what the two agents have agreed on for this connection.
    pub fn agreed(&self) -> &Agreed {
        &self.0.agreed
    }

    /// Returns a number that no other session of this process has; later sessions have greater ones.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Returns the address that the peer is at now.
    pub fn remote_address(&self) -> SocketAddr {
        canonical(self.0.line.connection.remote_address())
    }

    /// Returns the current estimate of the round-trip time.
    pub fn rtt(&self) -> Duration {
        self.0.line.connection.rtt()
    }

    /// Returns how many bytes QUIC lets be on their way now.
    pub fn window_bytes(&self) -> u64 {
        self.0.line.connection.stats().path.cwnd
    }

    /// Returns the bytes of all UDP datagrams sent on this connection, repeats and headers of QUIC included.
    pub fn udp_tx_bytes(&self) -> u64 {
        self.0.line.connection.stats().udp_tx.bytes
    }

    /// Returns the bytes of all UDP datagrams received on this connection.
    pub fn udp_rx_bytes(&self) -> u64 {
        self.0.line.connection.stats().udp_rx.bytes
    }

    /// Queues a control message; waits while the queue is full. That it was queued does not say that it
    /// arrives.
    ///
    /// Errors: [`SessionClosed`].
    pub async fn send(&self, message: Message) -> Result<(), SessionClosed> {
        match self.0.control.send(message).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.0.line.lost()),
        }
    }

    /// Opens a stream for chunks; waits while the peer allows no more of them.
    ///
    /// Errors: [`SessionClosed`].
    pub async fn open_bulk(&self, urgency: Urgency) -> Result<BulkSender, SessionClosed> {
        let stream = self.0.line.connection.open_uni().await.map_err(|_| self.0.line.lost())?;
        // Fails on a stream that is over only, and then the first write tells.
        let _ = stream.set_priority(urgency.priority());
        Ok(BulkSender { stream, line: self.0.line.clone(), is_paused: self.0.is_paused.clone(), inside_chunk: false })
    }

    /// Says that a transfer runs, until what is returned is dropped. Meanwhile the peer gets a sign of life four times
    /// a second, so that a link which was cut is found to be mended as soon as it is.
    pub fn busy(&self) -> Busy {
        let connection = self.0.line.connection.clone();
        Busy(tokio::spawn(async move {
            let mut tick = tokio::time::interval(SIGN_OF_LIFE);
            // A datagram nobody reads; a peer that takes none can do without.
            while connection.close_reason().is_none() && connection.send_datagram(Bytes::new()).is_ok() {
                tick.tick().await;
            }
        }))
    }

    /// Closes the connection; the peer is told `code` and `reason`. Both sides will connect again.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.0.line.close(code, reason);
    }

    /// Waits for the end of the connection and tells why it came.
    pub async fn closed(&self) -> String {
        self.0.line.ended().await
    }

    /// Returns why the connection is over; nothing while it is not.
    pub fn close_reason(&self) -> Option<String> {
        self.0.line.end()
    }
}

impl Line {
    fn lost(&self) -> SessionClosed {
        SessionClosed { reason: self.end().unwrap_or_else(|| "it is being closed".to_owned()) }
    }
}

/// A transfer that runs.
#[derive(Debug)]
pub struct Busy(tokio::task::JoinHandle<()>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One stream of chunks. Dropped between two chunks it ends well; dropped inside one it is given up.
#[derive(Debug)]
pub struct BulkSender {
    stream: SendStream,
    line: Line,
    is_paused: watch::Receiver<bool>,
    inside_chunk: bool,
}

impl BulkSender {
    /// Sends a chunk; waits while the peer's window is full, and while a cap of 0 pauses what is sent to it.
    ///
    /// After a call that was dropped half-way the sender cannot be used again.
    ///
    /// Errors: [`SessionClosed`].
    pub async fn send(&mut self, header: ChunkHeader, bytes: Bytes) -> Result<(), SessionClosed> {
        debug_assert_eq!(header.wire_bytes as usize, bytes.len(), "the header tells the chunk's length");
        // A peer that was forgotten changes no more; its connection tells its own end.
        let _ = self.is_paused.wait_for(|is_paused| !is_paused).await;
        self.inside_chunk = true;
        let mut parts = [Bytes::from(header.to_frame()), bytes];
        self.stream.write_all_chunks(&mut parts).await.map_err(|_| self.line.lost())?;
        self.inside_chunk = false;
        Ok(())
    }
}

impl Drop for BulkSender {
    fn drop(&mut self) {
        if self.inside_chunk {
            // A finished stream would present the half chunk as a broken frame, which ends the connection.
            let _ = self.stream.reset(CloseCode::Done.into());
        }
    }
}

/// What makes a session of a connection.
pub(super) struct Greeted {
    pub id: u64,
    pub line: Line,
    pub peer: Pin,
    pub peer_name: String,
    pub peer_spki: Vec<u8>,
    pub hello: Hello,
    pub agreed: Agreed,
    pub control: (SendStream, RecvStream),
}

/// Everything that must keep running for a session.
pub(super) struct Drive(JoinSet<()>);

impl Greeted {
    /// Begins the session; it lives as long as the connection and the [`Drive`].
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
        let guard = Guard { line: self.line.clone(), peer: self.peer, complaints: complaints.clone() };
        let mut tasks = JoinSet::new();
        tasks.spawn(write_control(send, queued, guard.clone()));
        tasks.spawn(read_control(recv, messages, frame, guard.clone()));
        tasks.spawn(accept_bulk(chunks, guard.clone()));
        tasks.spawn(refuse_streams(guard));
        let session = Session(Arc::new(Inner {
            id: self.id,
            line: self.line,
            peer: self.peer,
            peer_name: self.peer_name,
            peer_spki: self.peer_spki,
            hello: self.hello,
            agreed: self.agreed,
            control,
            is_paused,
        }));
        (NewSession { session, inbox: Inbox(inbox), chunks: ChunkInbox(chunk_inbox) }, Drive(tasks))
    }
}

impl Drive {
    /// Stops what runs, so that inboxes and queues end.
    pub async fn stop(mut self) {
        self.0.shutdown().await;
    }
}
