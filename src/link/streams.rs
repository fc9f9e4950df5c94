//! Byte streams: what two controllers say to each other for longer than one call, carried without being understood.
//!
//! Data is sent on credit: [`STREAM_CREDIT_BYTES`] at most are under way that the other side has not taken, whatever QUIC
//! would let go. So a stream that nobody reads costs no more than that, and holds up nothing else.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use modelferry_protocol::codec::Bytes as Piece;
use modelferry_protocol::limits::{STREAM_CREDIT_BYTES, STREAM_PIECE_BYTES_MAX, STREAMS_MAX};
use modelferry_protocol::stream::{Open, StreamFrame};
use modelferry_protocol::switch::Cause;
use modelferry_protocol::version::Feature;
use quinn::{RecvStream, SendStream};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::close::CloseCode;
use super::drive::Guard;
use super::frames::{ReadFailure, read_stream_frame};
use super::session::{Session, SessionClosed};

/// After the few bytes that decide, before the many that do not.
const STREAM_PRIORITY: i32 = 1;
/// Credit is given once so much was taken: seldom, and long before the other side has used up what it has.
const CREDIT_STEP_BYTES: u32 = STREAM_CREDIT_BYTES / 4;

/// Why no byte stream was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamRefused {
    /// The peer does not have the feature.
    #[error("the peer's agent carries no byte streams; upgrade it")]
    NotThere,
    /// As many as may be are open.
    #[error("{STREAMS_MAX} byte streams are open on the connection to the peer, more are not allowed")]
    TooMany,
    /// The connection is over.
    #[error(transparent)]
    Closed(#[from] SessionClosed),
}

/// Byte streams of one connection that are open, both sides'.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamSlots(Arc<AtomicUsize>);

/// One of them.
#[derive(Debug)]
struct StreamSlot(Arc<AtomicUsize>);

impl StreamSlots {
    fn take(&self) -> Option<StreamSlot> {
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
    /// What it is for.
    pub open: Open,
    /// The stream.
    pub stream: ByteStream,
}

/// Byte streams that the peer opens.
#[derive(Debug)]
pub struct StreamInbox(pub(super) mpsc::Receiver<IncomingStream>);

impl StreamInbox {
    /// Waits for the next one; nothing once the connection is over.
    pub async fn recv(&mut self) -> Option<IncomingStream> {
        self.0.recv().await
    }
}

/// A byte stream, both directions of it. It is given up when both are dropped.
#[derive(Debug)]
pub struct ByteStream {
    /// What comes.
    pub reader: StreamReader,
    /// What goes.
    pub writer: StreamWriter,
}

#[derive(Debug)]
struct Shared {
    send: Mutex<SendStream>,
    /// Bytes of data that may be sent.
    credit: Semaphore,
    incoming: Incoming,
    guard: Guard,
}

/// What came and was not taken yet.
#[derive(Debug, Default)]
struct Incoming {
    state: std::sync::Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Bytes of data that came and were not given credit for: these, and some that were taken.
    owed: u32,
    /// How the other side has ended its direction.
    end: Option<Cause>,
    /// Nothing more comes.
    is_over: bool,
}

impl Incoming {
    fn change<R>(&self, change: impl FnOnce(&mut Waiting) -> R) -> R {
        let changed = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
        changed
    }
}

/// Ends the task that reads, and frees the slot, with the last half.
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

/// The data that comes, in order.
#[derive(Debug)]
pub struct StreamReader {
    /// Bytes that were taken since credit was given.
    taken: u32,
    shared: Arc<Shared>,
    _pump: Arc<Pump>,
}

impl StreamReader {
    /// Waits for the next bytes; nothing once the other side has ended its direction well.
    ///
    /// Errors: why it has not ended well, in the other side's words, or because the stream or the connection broke.
    pub async fn read(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            let (bytes, end) = {
                let mut waiting = self.shared.incoming.state.lock().unwrap_or_else(PoisonError::into_inner);
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
                    return Err(self.shared.guard.line.end().unwrap_or_else(broke));
                }
                // One reader waits at most, so a change is never missed.
                None => self.shared.incoming.changed.notified().await,
            }
        }
    }

    async fn took(&mut self, bytes: u32) {
        self.taken += bytes;
        if self.taken >= CREDIT_STEP_BYTES {
            let credit = std::mem::take(&mut self.taken);
            self.shared.incoming.change(|waiting| waiting.owed -= credit);
            // One that is over is told by what is read next.
            let _ = self.shared.send.lock().await.write_all(&StreamFrame::Credit(credit).to_frame()).await;
        }
    }
}

/// Takes the data that goes.
#[derive(Debug)]
pub struct StreamWriter {
    shared: Arc<Shared>,
    _pump: Arc<Pump>,
    ended: bool,
}

impl StreamWriter {
    /// Sends bytes; waits while the other side has not taken what was sent before.
    ///
    /// Errors: why the stream is over.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        for piece in bytes.chunks(STREAM_PIECE_BYTES_MAX) {
            let credit = self.shared.credit.acquire_many(piece.len() as u32).await;
            credit.map_err(|_| self.over())?.forget();
            let piece = Piece::new(piece.to_vec()).expect("cut to size");
            self.say(&StreamFrame::Data(piece)).await?;
        }
        Ok(())
    }

    /// Ends this direction. `cause`: why, or nothing if it is well.
    pub async fn end(mut self, cause: &str) {
        self.ended = true;
        let _ = self.say(&StreamFrame::End(Cause::cut(cause))).await;
    }

    async fn say(&self, frame: &StreamFrame) -> Result<(), String> {
        self.shared.send.lock().await.write_all(&frame.to_frame()).await.map_err(|_| self.over())
    }

    fn over(&self) -> String {
        self.shared.guard.line.end().unwrap_or_else(|| "the other side has given the stream up".to_owned())
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        // Given up in the middle: the other side must not take what came for all of it.
        if !self.ended
            && let Ok(mut send) = self.shared.send.try_lock()
        {
            let _ = send.reset(CloseCode::Done.into());
        }
    }
}

fn begin(send: SendStream, recv: RecvStream, slot: StreamSlot, guard: Guard, frame: Duration) -> ByteStream {
    let _ = send.set_priority(STREAM_PRIORITY);
    let credit = Semaphore::new(STREAM_CREDIT_BYTES as usize);
    let shared = Arc::new(Shared { send: Mutex::new(send), credit, incoming: Incoming::default(), guard });
    let task = tokio::spawn(pump(recv, shared.clone(), frame)).abort_handle();
    let pump = Arc::new(Pump { task, _slot: slot });
    let reader = StreamReader { taken: 0, shared: shared.clone(), _pump: pump.clone() };
    ByteStream { reader, writer: StreamWriter { shared, _pump: pump, ended: false } }
}

/// Reads what the other side says: its data for the reader, its credit for the writer.
async fn pump(mut recv: RecvStream, shared: Arc<Shared>, frame: Duration) {
    let violated = |what: &str| shared.guard.fault(CloseCode::Violation, what);
    loop {
        match read_stream_frame(&mut recv, frame).await {
            // Bounded by the credit: what nobody reads is not given any.
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
    // Whoever waits to write learns that nobody will read.
    shared.credit.close();
}

impl Session {
    /// Opens a byte stream to the peer.
    ///
    /// Errors: [`StreamRefused`].
    pub async fn open_stream(&self, open: Open) -> Result<ByteStream, StreamRefused> {
        if !self.agreed().has(Feature::Relay) {
            return Err(StreamRefused::NotThere);
        }
        let (slots, guard, frame) = self.for_streams();
        let slot = slots.take().ok_or(StreamRefused::TooMany)?;
        let lost = || StreamRefused::Closed(SessionClosed { reason: guard.line.end().unwrap_or_default() });
        let (mut send, recv) = guard.line.connection.open_bi().await.map_err(|_| lost())?;
        send.write_all(&StreamFrame::Open(open).to_frame()).await.map_err(|_| lost())?;
        Ok(begin(send, recv, slot, guard.clone(), frame))
    }
}

/// Takes the byte streams that the peer opens; one that nobody here takes ends at once.
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
            accepted = guard.line.connection.accept_bi() => accepted,
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
