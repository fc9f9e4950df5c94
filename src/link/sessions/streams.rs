//! Byte streams between two controllers. The agents carry the bytes without interpreting them.
//!
//! Flow control uses credit: at most [`STREAM_CREDIT_BYTES`] are in transit before the other side takes them, whatever
//! QUIC itself would allow. An unread stream therefore costs no more than that, and delays no other stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use modelferry_protocol::codec::Bytes as Piece;
use modelferry_protocol::limits::{STREAM_CREDIT_BYTES, STREAM_PIECE_BYTES_MAX, STREAMS_MAX};
use modelferry_protocol::stream::{Open, StreamFrame};
use modelferry_protocol::switch::Cause;
use quinn::{RecvStream, SendStream};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::drive::Guard;
use super::frames::{ReadFailure, read_stream_frame};
use crate::link::transport::close::{CloseCode, SessionClosed};

/// Below the control stream, above the bulk streams.
const STREAM_PRIORITY: i32 = 1;
/// Bytes taken before the next grant of credit. Seldom enough, and long before the other side runs out of credit.
const CREDIT_STEP_BYTES: u32 = STREAM_CREDIT_BYTES / 4;

/// A failure to open a byte stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamRefused {
    /// The peer lacks the feature.
    #[error("the peer's agent carries no byte streams; upgrade it")]
    NotThere,
    /// The maximum number of streams is open.
    #[error("{STREAMS_MAX} byte streams are open on the connection to the peer, more are not allowed")]
    TooMany,
    /// The connection has ended.
    #[error(transparent)]
    Closed(#[from] SessionClosed),
}

/// The open byte streams of one connection, of both sides.
#[derive(Debug, Clone, Default)]
pub(in crate::link) struct StreamSlots(Arc<AtomicUsize>);

/// The slot of one open stream.
#[derive(Debug)]
pub(in crate::link) struct StreamSlot(Arc<AtomicUsize>);

impl StreamSlots {
    pub(in crate::link) fn take(&self) -> Option<StreamSlot> {
        let free = |taken: usize| (taken < STREAMS_MAX).then_some(taken + 1);
        self.0.fetch_update(SeqCst, SeqCst, free).ok().map(|_| StreamSlot(self.0.clone()))
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A byte stream that the peer has opened.
#[derive(Debug)]
pub struct IncomingStream {
    /// The purpose of the stream.
    pub open: Open,
    pub stream: ByteStream,
}

/// Receives the byte streams that the peer opens.
#[derive(Debug)]
pub struct StreamInbox(pub(in crate::link) mpsc::Receiver<IncomingStream>);

impl StreamInbox {
    /// Waits for the next stream. Returns `None` after the connection has ended.
    pub async fn recv(&mut self) -> Option<IncomingStream> {
        self.0.recv().await
    }
}

/// Both directions of a byte stream. Dropping both gives it up.
#[derive(Debug)]
pub struct ByteStream {
    pub reader: StreamReader,
    pub writer: StreamWriter,
}

#[derive(Debug)]
struct Shared {
    send: Mutex<SendStream>,
    /// Bytes that may still be sent.
    credit: Semaphore,
    incoming: Incoming,
    guard: Guard,
}

/// Received bytes that the reader has not taken yet.
#[derive(Debug, Default)]
struct Incoming {
    state: parking_lot::Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Received bytes for which no credit was returned: the waiting ones, and some that were taken.
    owed: u32,
    /// The cause with which the other side ended its direction.
    end: Option<Cause>,
    /// Whether no more bytes can arrive.
    is_over: bool,
}

impl Incoming {
    fn change<R>(&self, change: impl FnOnce(&mut Waiting) -> R) -> R {
        let changed = change(&mut self.state.lock());
        self.changed.notify_one();
        changed
    }
}

/// Ends the reading task and frees the slot when both halves are dropped.
#[derive(Debug)]
struct Pump {
    task: AbortHandle,
    _slot: StreamSlot,
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads the received bytes in order.
#[derive(Debug)]
pub struct StreamReader {
    /// Bytes taken since the last grant of credit.
    taken: u32,
    shared: Arc<Shared>,
    _pump: Arc<Pump>,
}

impl StreamReader {
    /// Waits for the next bytes. Returns `None` after the other side has ended its direction properly.
    ///
    /// Errors: why the direction ended otherwise: the other side's cause, or the failure of the stream or connection.
    pub async fn read(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            let (bytes, end) = {
                let mut waiting = self.shared.incoming.state.lock();
                let end = waiting.end.clone().map(Ok).or(waiting.is_over.then_some(Err(())));
                (std::mem::take(&mut waiting.bytes), end)
            };
            if !bytes.is_empty() {
                self.took(bytes.len() as u32).await;
                return Ok(Some(bytes));
            }
            match end {
                Some(Ok(cause)) if cause.is_empty() => return Ok(None),
                Some(Ok(cause)) => return Err(cause.to_string()),
                Some(Err(())) => {
                    let broke = || "the stream was given up".to_owned();
                    return Err(self.shared.guard.connection.end().unwrap_or_else(broke));
                }
                // Only one reader waits, so it misses no change.
                None => self.shared.incoming.changed.notified().await,
            }
        }
    }

    async fn took(&mut self, bytes: u32) {
        self.taken += bytes;
        if self.taken >= CREDIT_STEP_BYTES {
            let credit = std::mem::take(&mut self.taken);
            self.shared.incoming.change(|waiting| waiting.owed -= credit);
            // If the stream has ended, the next read returns the error.
            let _ = self.shared.send.lock().await.write_all(&StreamFrame::Credit(credit).to_frame()).await;
        }
    }
}

/// Writes bytes to the other side.
#[derive(Debug)]
pub struct StreamWriter {
    shared: Arc<Shared>,
    _pump: Arc<Pump>,
    ended: bool,
}

impl StreamWriter {
    /// Sends bytes. Waits for credit.
    ///
    /// Errors: why the stream has ended.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        for piece in bytes.chunks(STREAM_PIECE_BYTES_MAX) {
            let credit = self.shared.credit.acquire_many(piece.len() as u32).await;
            credit.map_err(|_| self.over())?.forget();
            let piece = Piece::new(piece.to_vec()).expect("cut to size");
            self.say(&StreamFrame::Data(piece)).await?;
        }
        Ok(())
    }

    /// Ends this direction. `cause`: why it failed; empty if it is complete.
    pub async fn end(mut self, cause: &str) {
        self.ended = true;
        let _ = self.say(&StreamFrame::End(Cause::cut(cause))).await;
    }

    async fn say(&self, frame: &StreamFrame) -> Result<(), String> {
        self.shared.send.lock().await.write_all(&frame.to_frame()).await.map_err(|_| self.over())
    }

    fn over(&self) -> String {
        self.shared.guard.connection.end().unwrap_or_else(|| "the other side has given the stream up".to_owned())
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        // Dropped before it was ended: the other side must not mistake the received bytes for all of them.
        if !self.ended
            && let Ok(mut send) = self.shared.send.try_lock()
        {
            let _ = send.reset(CloseCode::Done.into());
        }
    }
}

/// Serves a stream that both sides know of.
pub(in crate::link) fn begin(
    send: SendStream,
    recv: RecvStream,
    slot: StreamSlot,
    guard: Guard,
    frame: Duration,
) -> ByteStream {
    let _ = send.set_priority(STREAM_PRIORITY);
    let credit = Semaphore::new(STREAM_CREDIT_BYTES as usize);
    let shared = Arc::new(Shared { send: Mutex::new(send), credit, incoming: Incoming::default(), guard });
    let task = tokio::spawn(pump(recv, shared.clone(), frame)).abort_handle();
    let pump = Arc::new(Pump { task, _slot: slot });
    let reader = StreamReader { taken: 0, shared: shared.clone(), _pump: pump.clone() };
    ByteStream { reader, writer: StreamWriter { shared, _pump: pump, ended: false } }
}

/// Reads frames from the other side: data for the reader, credit for the writer.
async fn pump(mut recv: RecvStream, shared: Arc<Shared>, frame: Duration) {
    let violated = |what: &str| shared.guard.fault(CloseCode::Violation, what);
    loop {
        match read_stream_frame(&mut recv, frame).await {
            // The credit bounds this buffer, because unread bytes earn no credit.
            Ok(StreamFrame::Data(piece)) => {
                let owed = shared.incoming.change(|waiting| {
                    waiting.owed += piece.len() as u32;
                    if waiting.owed <= STREAM_CREDIT_BYTES {
                        waiting.bytes.extend_from_slice(&piece);
                    }
                    waiting.owed
                });
                if owed > STREAM_CREDIT_BYTES {
                    return violated("more data on a byte stream than there was credit for");
                }
            }
            Ok(StreamFrame::Credit(bytes)) => {
                if shared.credit.available_permits() + bytes as usize > STREAM_CREDIT_BYTES as usize {
                    return violated("credit on a byte stream for more than was sent");
                }
                shared.credit.add_permits(bytes as usize);
            }
            Ok(StreamFrame::End(cause)) => shared.incoming.change(|waiting| _ = waiting.end.get_or_insert(cause)),
            Ok(StreamFrame::Open(_)) => return violated("a byte stream that is opened twice"),
            Err(ReadFailure::Over) => break,
            Err(failure) => return shared.guard.failed(failure),
        }
    }
    shared.incoming.change(|waiting| waiting.is_over = true);
    // Wake waiting writers: nobody will read their bytes.
    shared.credit.close();
}

/// Accepts the byte streams that the peer opens. Closes a stream at once if nobody here receives it.
pub(super) async fn accept_streams(
    streams: mpsc::Sender<IncomingStream>,
    slots: StreamSlots,
    guard: Guard,
    allowed: bool,
    frame: Duration,
) {
    let mut opening = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = guard.connection.quic.accept_bi() => accepted,
            Some(_) = opening.join_next() => continue,
        };
        let Ok((send, recv)) = accepted else { return };
        if !allowed {
            return guard.fault(CloseCode::Stream, "a second control stream");
        }
        opening.spawn(take(send, recv, streams.clone(), slots.take(), guard.clone(), frame));
    }
}

async fn take(
    mut send: SendStream,
    mut recv: RecvStream,
    streams: mpsc::Sender<IncomingStream>,
    slot: Option<StreamSlot>,
    guard: Guard,
    frame: Duration,
) {
    let open = match read_stream_frame(&mut recv, frame).await {
        Ok(StreamFrame::Open(open)) => open,
        Ok(other) => {
            return guard.fault(CloseCode::Violation, &format!("a byte stream that begins with {}", other.name()));
        }
        Err(ReadFailure::Over) => return,
        Err(failure) => return guard.failed(failure),
    };
    let refused = match slot {
        None => format!("{STREAMS_MAX} byte streams are open already"),
        Some(slot) => {
            let permit = streams.try_reserve();
            match permit {
                Ok(permit) => {
                    let stream = begin(send, recv, slot, guard, frame);
                    return permit.send(IncomingStream { open, stream });
                }
                Err(_) => "nobody here serves byte streams now".to_owned(),
            }
        }
    };
    let _ = send.write_all(&StreamFrame::End(Cause::cut(refused)).to_frame()).await;
    let _ = send.finish();
}
