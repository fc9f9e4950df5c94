//! Reads frames from a stream. Compares the length that a peer sends with its limit before allocating memory.

use std::time::Duration;

use bytes::{BufMut, Bytes};
use modelferry_protocol::limits::{
    CHUNK_HEADER_BYTES_MAX, CHUNK_WIRE_BYTES_MAX, CONTROL_FRAME_BYTES_MAX, FRAME_HEADER_BYTES, STREAM_FRAME_BYTES_MAX,
};
use modelferry_protocol::message::{ChunkHeader, FrameError, FrameHeader, Message};
use modelferry_protocol::stream::StreamFrame;
use quinn::{ReadExactError, RecvStream};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// Bytes to allocate before they arrive: a whole chunk, so that a growing buffer is not copied. All streams of a peer
/// together can cause an allocation of 3 MiB.
const STEP_BYTES: usize = CHUNK_WIRE_BYTES_MAX as usize;

/// A failure to read a frame.
#[derive(Debug, thiserror::Error)]
pub(in crate::link) enum ReadFailure {
    /// The stream or the connection has ended.
    #[error("the stream is over")]
    Over,
    /// The bytes are not a valid frame.
    #[error("{}", in_full(.0))]
    Malformed(#[from] FrameError),
    /// The stream ended inside a frame.
    #[error("the stream ends inside a frame")]
    Cut,
    /// The frame was not completed in time.
    #[error("a frame was not completed within {0:?}")]
    TooSlow(Duration),
}

/// Formats a frame error with its source in one sentence.
fn in_full(error: &FrameError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

impl From<ReadExactError> for ReadFailure {
    fn from(error: ReadExactError) -> Self {
        match error {
            ReadExactError::FinishedEarly(_) => Self::Cut,
            ReadExactError::ReadError(_) => Self::Over,
        }
    }
}

/// Reads the next control message. Waits for its first byte without limit, for the rest at most `within`.
pub(in crate::link) async fn read_message(stream: &mut RecvStream, within: Duration) -> Result<Message, ReadFailure> {
    let mut header = [0; FRAME_HEADER_BYTES];
    if !begin(stream, &mut header).await? {
        return Err(ReadFailure::Over);
    }
    let rest = async {
        stream.read_exact(&mut header[1..]).await?;
        let header = FrameHeader::parse(header, CONTROL_FRAME_BYTES_MAX)?;
        let body = read_body(stream, header.body_bytes as usize).await?;
        Ok(Message::from_body(header.kind, &body)?)
    };
    timeout(within, rest).await.unwrap_or(Err(ReadFailure::TooSlow(within)))
}

/// Reads the next frame of a byte stream. Waits for its first byte for ever, for the rest at most `within`.
pub(super) async fn read_stream_frame(stream: &mut RecvStream, within: Duration) -> Result<StreamFrame, ReadFailure> {
    let mut header = [0; FRAME_HEADER_BYTES];
    if !begin(stream, &mut header).await? {
        return Err(ReadFailure::Over);
    }
    let rest = async {
        stream.read_exact(&mut header[1..]).await?;
        let header = FrameHeader::parse(header, STREAM_FRAME_BYTES_MAX)?;
        let body = read_body(stream, header.body_bytes as usize).await?;
        Ok(StreamFrame::from_body(header.kind, &body)?)
    };
    timeout(within, rest).await.unwrap_or(Err(ReadFailure::TooSlow(within)))
}

/// Reads the next chunk of a bulk stream. Waits without limit, because a stalled transfer is a pause and not an error.
pub(super) async fn read_chunk(stream: &mut RecvStream) -> Result<(ChunkHeader, Bytes), ReadFailure> {
    let mut header = [0; FRAME_HEADER_BYTES];
    if !begin(stream, &mut header).await? {
        return Err(ReadFailure::Over);
    }
    stream.read_exact(&mut header[1..]).await?;
    let header = FrameHeader::parse(header, CHUNK_HEADER_BYTES_MAX)?;
    let body = read_body(stream, header.body_bytes as usize).await?;
    let chunk = ChunkHeader::from_body(header.kind, &body)?;
    let bytes = read_body(stream, chunk.wire_bytes as usize).await?;
    Ok((chunk, bytes.into()))
}

/// Reads a frame's first byte. Returns false at the end of the stream.
async fn begin(stream: &mut RecvStream, header: &mut [u8; FRAME_HEADER_BYTES]) -> Result<bool, ReadFailure> {
    match stream.read(&mut header[..1]).await {
        Ok(Some(_)) => Ok(true),
        Ok(None) | Err(_) => Ok(false),
    }
}

async fn read_body(stream: &mut RecvStream, bytes: usize) -> Result<Vec<u8>, ReadFailure> {
    let mut body = Vec::new();
    while body.len() < bytes {
        let left = bytes - body.len();
        if body.len() == body.capacity() {
            body.reserve_exact(left.min(STEP_BYTES));
        }
        // Read into uninitialized capacity, to save filling it with zeros.
        match stream.read_buf(&mut (&mut body).limit(left)).await {
            Ok(0) => return Err(ReadFailure::Cut),
            Ok(_) => {}
            Err(_) => return Err(ReadFailure::Over),
        }
    }
    Ok(body)
}
