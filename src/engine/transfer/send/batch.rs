//! Reads and compresses the chunks of the next frames while earlier frames are sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use modelferry_protocol::message::{ChunkHeader, Handle};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::engine::migration::tracking::counters::Counters;
use crate::engine::shared::core::Core;
use crate::engine::transfer::pace::effort::Effort;
use crate::engine::transfer::pack::pack;
use crate::link::{BulkSender, SessionClosed};
use crate::store::{BlobReader, StoreError};

/// Frames that are read and compressed at once: as many as the smallest host has cores.
const PACKING_MAX: usize = 2;

/// Chunks of one page.
pub struct Batch {
    /// The blob.
    pub handle: Handle,
    /// The page.
    pub page: u32,
    /// Places in the page, ascending; where in the blob they begin, and how many bytes they have.
    pub chunks: Vec<(u32, u64, u32)>,
    /// Of all chunks together.
    pub plain_bytes: u32,
}

/// A batch as it travels.
pub struct Packed {
    /// What goes before the bytes.
    pub header: ChunkHeader,
    /// Of all chunks together.
    pub plain_bytes: u32,
    /// The bytes.
    pub wire: Bytes,
    /// How hard it was tried to make them fewer.
    pub effort: Effort,
    /// How long that took.
    pub took: Duration,
}

/// Batches being packed.
#[derive(Default)]
pub struct Packing(JoinSet<Result<Packed, StoreError>>);

impl Packing {
    /// Reports whether another batch can be packed beside those that are.
    pub fn has_room(&self) -> bool {
        self.0.len() < PACKING_MAX
    }

    /// Reports whether nothing is being packed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins to pack a batch; see [`pack`].
    pub fn begin(&mut self, reader: Arc<BlobReader>, batch: Batch, effort: Effort, doubtful: bool) {
        self.0.spawn(Core::blocking(move || packed(&reader, &batch, effort, doubtful)));
    }

    /// Waits for the next batch that is packed; for ever if there is none.
    ///
    /// Errors: [`StoreError`] if it cannot be read.
    pub async fn next(&mut self) -> Result<Packed, StoreError> {
        match self.0.join_next().await {
            Some(Ok(packed)) => packed,
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            None => std::future::pending().await,
        }
    }
}

fn packed(reader: &BlobReader, batch: &Batch, effort: Effort, doubtful: bool) -> Result<Packed, StoreError> {
    let plain = reader.read_chunks(batch.chunks.iter().map(|(_, offset, bytes)| (*offset, *bytes)))?;
    let begun = Instant::now();
    let (encoding, wire) = pack(plain, effort, doubtful);
    let took = begun.elapsed();
    let places: Vec<u32> = batch.chunks.iter().map(|(place, ..)| *place).collect();
    let wire_bytes = u32::try_from(wire.len()).expect("what does not shrink is stored");
    let header = ChunkHeader::of(batch.handle, batch.page, &places, wire_bytes, encoding);
    Ok(Packed { header, plain_bytes: batch.plain_bytes, wire: wire.into(), effort, took })
}

/// Feeds one stream from the queue that all streams share, and counts what the connection has taken.
pub async fn feed_stream(
    mut bulk: BulkSender,
    jobs: Arc<Mutex<mpsc::Receiver<Packed>>>,
    counters: Arc<Counters>,
) -> Result<(), SessionClosed> {
    loop {
        let job = jobs.lock().await.recv().await;
        let Some(job) = job else { return Ok(()) };
        let (plain, wire) = (u64::from(job.plain_bytes), job.wire.len() as u64);
        bulk.send(job.header, job.wire).await?;
        counters.add_sent(plain, wire);
    }
}
