//! The sender of a transfer.

mod batch;
mod heard;
mod open;
mod silence;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::limits::{CALLS_MAX, CHUNK_BYTES_MAX};
use modelferry_protocol::manifest::{ChunkRef, ChunkSet, Page};
use modelferry_protocol::message::{BlobNames, BlobOffer, BlobPage, Encoding, Handle, Message};
use modelferry_protocol::snapshot::BlobRef;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::batch::{Batch, Packed, Packing, feed_stream};
use self::open::{Open, OpenPage, Wanted};
use self::silence::{LOOK, Silence};
use super::TransferError;
use super::pace::effort::Compressor;
use super::pace::window::{Reach, Window};
use crate::config::Rate;
use crate::engine::base::conversation::{Conversation, Feedback, SendClaim, over};
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::shared::core::Core;
use crate::engine::shared::shares::Pace;
use crate::link::{BulkSender, Session, SessionClosed, Urgency};
use crate::store::{CUTTER, Store};

/// Streams that carry chunks. Several, since one stream with a large window can die of gaps
/// (`too many gaps in stream buffer`), and so that one lost packet holds up only its own stream.
const STREAMS: usize = 4;
/// Streams likewise, of what goes when there is time: what waits in their windows takes little of the connection's, which
/// is all that others have.
const STREAMS_SPARE: usize = 2;
/// Blobs offered and not yet complete. More would only make the target's answers longer.
const BLOBS_OPEN_MAX: usize = 32;
/// Blobs whose first page goes with their offer, so that the answer to both comes after one round trip. It is in vain
/// for those that the target knows: 36 KiB at most for each.
const EAGER_PAGES: usize = 2;
/// Pages in memory, their chunks on their way, whatever these have: about 128 MiB of blob ahead of what is durable.
const PAGES_OPEN_MIN: usize = 4;
/// Pages likewise, as long as they are few bytes: those of an archive of small files.
const PAGES_OPEN_MAX: usize = 16;
/// Frames read and compressed ahead of the streams.
const JOBS_MAX: usize = 2 * STREAMS;
/// Bytes per second for which a link is taken before it has shown its rate, by what QUIC knows of it: 20 to 800 Mbit/s.
/// Little is sent until then, and often, where the target has the rest, nothing more; that is worth some effort, unless
/// round trips are as short as they are where links are fast.
const LINK_AT_FIRST: RangeInclusive<f64> = 2.5e6..=100e6;

/// Sends blobs to the target of one migration, over one connection.
struct Sending<'a> {
    store: Store,
    conversation: &'a Conversation,
    tracked: &'a Tracked,
    claim: SendClaim,
    feedback_to: mpsc::Sender<Message>,
    waiting: VecDeque<BlobRef>,
    eager_pages: usize,
    /// In the order in which they were offered.
    open: BTreeMap<Handle, Open>,
    wanted: VecDeque<Wanted>,
    window: Window,
    pace: Pace,
    compressor: Compressor,
    packing: Packing,
    /// Why the target wants nothing more for now.
    on_hold: Option<String>,
    silence: Silence,
    silent_s: Option<u64>,
}

/// Makes the target hold all of `blobs`, and returns when it does.
///
/// Safe to be dropped at any point, and to be begun again on another connection: what the target holds is
/// not sent again.
///
/// Errors: [`TransferError`].
pub async fn send(
    core: &Core,
    conversation: &Conversation,
    tracked: &Tracked,
    blobs: &[BlobRef],
) -> Result<(), TransferError> {
    let (feedback_to, mut feedback) = Conversation::feedback();
    let _busy = conversation.session.busy();
    let cap = tracked.orders().bits_per_second_max.map(Rate::of_bits);
    let _share = core.shares.take(&core.parts.link, tracked.peer, cap);
    tracked.counters.begin(blobs.iter().map(|blob| blob.bytes).sum());
    tracked.counters.go_over(&conversation.session);
    let mut sending = Sending {
        store: core.parts.store.clone(),
        conversation,
        tracked,
        claim: conversation.send_claim(tracked.urgency()),
        feedback_to,
        waiting: blobs.iter().copied().collect(),
        eager_pages: EAGER_PAGES,
        open: BTreeMap::new(),
        wanted: VecDeque::new(),
        window: Window::new(u64::from(core.parts.settings.window_bytes), Instant::now().into_std()),
        pace: Pace::new(cap, Instant::now().into_std()),
        compressor: Compressor::default(),
        packing: Packing::default(),
        on_hold: None,
        silence: Silence::new(conversation.session.udp_rx_bytes(), Instant::now().into_std()),
        silent_s: None,
    };
    tokio::select! {
        biased;
        // A peer that has everything but an answer left to send says nothing more over a connection that is over.
        reason = conversation.session.closed() => Err(SessionClosed { reason }.into()),
        done = sending.run(&mut feedback) => done,
    }
}

/// Names blobs: the peer receives, and makes, no other for `mid` over this connection.
pub async fn name(session: &Session, mid: MigrationId, blobs: &[BlobRef]) -> Result<(), SessionClosed> {
    for some in blobs.chunks(CALLS_MAX) {
        let blobs = Bounded::truncated(some.to_vec());
        session.send(Message::BlobNames(BlobNames { mid, blobs })).await?;
    }
    Ok(())
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        for (handle, open) in &self.open {
            self.conversation.forget(*handle);
            self.conversation.leave(open.blob.hash, self.claim);
        }
        if self.silent_s.is_some() {
            self.tracked.set_waiting(None);
        }
        self.tracked.counters.gone_over();
        self.tracked.publish();
    }
}

impl Sending<'_> {
    async fn run(&mut self, feedback: &mut Feedback) -> Result<(), TransferError> {
        let (jobs, queue) = mpsc::channel(JOBS_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let mut streams = JoinSet::new();
        let mut left = self.conversation.left();
        let streams_max = if self.claim.urgency == Urgency::Spare { STREAMS_SPARE } else { STREAMS };
        let mut look = tokio::time::interval(LOOK);
        self.name_all(feedback).await?;
        loop {
            left.mark_unchanged();
            self.give_way();
            self.offer_more(feedback).await?;
            self.page_more(feedback).await?;
            if self.open.is_empty() && self.waiting.is_empty() {
                return Ok(());
            }
            let next = if self.on_hold.is_some() { None } else { self.next_wanted().await? };
            let fits = next.is_some_and(|chunk| self.window.fits(chunk.bytes));
            if next.is_some() && !fits {
                // Only an acknowledgement helps.
                self.window.is_full();
            }
            let held_back = self.pace.wait(Instant::now().into_std()).filter(|_| !self.packing.is_empty());
            tokio::select! {
                biased;
                message = feedback.recv() => self.heard(message.ok_or_else(over)?).await?,
                // The conversation outlives every transfer over it.
                Ok(()) = left.changed(), if self.minds_others() => {}
                ended = streams.join_next(), if !streams.is_empty() => match ended {
                    Some(Ok(Err(closed))) => return Err(TransferError::Closed(closed)),
                    _ => return Err(over().into()),
                },
                _ = look.tick() => self.listen(),
                // A cap holds what is packed back; no more is packed then than there is room for.
                () = tokio::time::sleep(held_back.unwrap_or_default()), if held_back.is_some() => {}
                packed = self.packing.next(), if held_back.is_none() && !self.packing.is_empty() => {
                    if streams.len() < streams_max {
                        let bulk = self.open_bulk(feedback, streams.is_empty()).await?;
                        bulk.into_iter().for_each(|bulk| drop(streams.spawn(feed_stream(bulk, queue.clone(), self.tracked.counters.clone()))));
                    }
                    let packed = self.packed(packed?);
                    let (plain, wire) = (u64::from(packed.plain_bytes), packed.wire.len() as u64);
                    let late = fits && jobs.capacity() == JOBS_MAX;
                    self.pace.sent(wire, Instant::now().into_std());
                    let jobs = jobs.clone();
                    self.while_listening(feedback, async move { jobs.send(packed).await.map_err(|_| over()) }).await?;
                    self.window.packed(plain, wire, late);
                }
                () = std::future::ready(()), if fits && self.packing.has_room() => self.pack_next().await?,
            }
        }
    }

    /// Waits for `work` and listens meanwhile: a full queue on the way out must not stop the way in, or
    /// both sides could wait for each other.
    async fn while_listening<T>(
        &mut self,
        feedback: &mut Feedback,
        work: impl Future<Output = Result<T, SessionClosed>>,
    ) -> Result<T, TransferError> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done?),
                message = feedback.recv() => self.heard(message.ok_or_else(over)?).await?,
            }
        }
    }

    /// Opens another stream for chunks. The first is waited for; more only make it faster, and nothing waits for those
    /// while others have all that the peer allows.
    async fn open_bulk(&mut self, feedback: &mut Feedback, first: bool) -> Result<Option<BulkSender>, TransferError> {
        let (session, urgency) = (self.conversation.session.clone(), self.claim.urgency);
        let open = async move { session.open_bulk(urgency).await };
        if first {
            return Ok(Some(self.while_listening(feedback, open).await?));
        }
        tokio::select! {
            biased;
            opened = open => Ok(Some(opened?)),
            () = std::future::ready(()) => Ok(None),
        }
    }

    async fn tell(&mut self, feedback: &mut Feedback, message: Message) -> Result<(), TransferError> {
        let session = self.conversation.session.clone();
        self.while_listening(feedback, async move { session.send(message).await }).await
    }

    /// Names everything that is to be sent: the peer receives nothing else.
    async fn name_all(&mut self, feedback: &mut Feedback) -> Result<(), TransferError> {
        let (session, mid) = (self.conversation.session.clone(), self.tracked.terms.mid);
        let all: Vec<BlobRef> = self.waiting.iter().copied().collect();
        self.while_listening(feedback, async move { name(&session, mid, &all).await }).await
    }

    /// Reports whether it matters here what others take and leave.
    fn minds_others(&self) -> bool {
        let wants = !self.waiting.is_empty() && self.open.len() < BLOBS_OPEN_MAX;
        wants || self.claim.urgency == Urgency::Spare
    }

    /// Leaves the blobs that something more urgent has taken over. They are offered again once that is done with them.
    fn give_way(&mut self) {
        let is_taken = |open: &Open| !self.conversation.has(open.blob.hash, self.claim);
        let taken = self.open.iter().filter(|(_, open)| is_taken(open));
        for (handle, blob, bytes_held) in
            taken.map(|(handle, open)| (*handle, open.blob, open.bytes_held)).collect::<Vec<_>>()
        {
            self.done(handle);
            self.tracked.counters.forget_held(bytes_held);
            self.waiting.push_back(blob);
        }
    }

    async fn offer_more(&mut self, feedback: &mut Feedback) -> Result<(), TransferError> {
        while self.open.len() < BLOBS_OPEN_MAX {
            // A blob that another migration is sending is offered when that is over: then it is there.
            let Some(at) = self.waiting.iter().position(|blob| self.conversation.take(blob.hash, self.claim)) else {
                break;
            };
            let Some(blob) = self.waiting.remove(at) else { break };
            let handle = self.conversation.number(&self.feedback_to);
            // A target that has told of it knows its first page by now.
            let is_eager = self.eager_pages > 0 && !self.tracked.counters.has_met(blob.hash);
            self.eager_pages -= usize::from(is_eager);
            let next_page = is_eager.then_some(0);
            self.open.insert(handle, Open::new(blob, next_page));
            let offer = BlobOffer { handle, mid: self.tracked.terms.mid, blob, cutter: CUTTER };
            self.tell(feedback, Message::BlobOffer(offer)).await?;
        }
        Ok(())
    }

    /// Sends pages ahead of the chunks, as far as memory on both sides allows.
    async fn page_more(&mut self, feedback: &mut Feedback) -> Result<(), TransferError> {
        while self.may_open_page() {
            let due = |(handle, open): (&Handle, &Open)| Some((*handle, open.blob, open.next_page?));
            let Some((handle, blob, index)) = self.open.iter().find_map(due) else { break };
            let page = self.load_page(blob, index).await?;
            let message = Message::BlobPage(BlobPage { handle, page: page.clone() });
            if let Some(open) = self.open.get_mut(&handle) {
                open.pages_sent = index + 1;
                open.next_page = (!page.last && open.is_answered).then_some(index + 1);
                let held = ChunkSet::empty(page.chunks.len());
                // The one page of an empty blob has nothing to be held.
                if !held.is_full() {
                    open.pages.insert(index, OpenPage { page, held, is_new: true, sent: HashSet::new() });
                }
            }
            self.tell(feedback, message).await?;
        }
        Ok(())
    }

    /// Reports whether another page may be sent. Many small ones would be no more bytes ahead than few large ones,
    /// and on a slow link pages must not get in the way of everything else.
    fn may_open_page(&self) -> bool {
        let pages = || self.open.values().flat_map(|open| open.pages.values());
        let bytes = || pages().map(|open| open.page.end() - open.page.offset).sum::<u64>();
        match pages().count() {
            open if open < PAGES_OPEN_MIN => true,
            open => open < PAGES_OPEN_MAX && bytes() < 2 * self.window.bytes(),
        }
    }

    async fn load_page(&self, blob: BlobRef, index: u32) -> Result<Page, TransferError> {
        let store = self.store.clone();
        Ok(Core::blocking(move || store.page(blob, index)).await?)
    }

    /// Returns the next chunk to be sent, with its page in memory.
    async fn next_wanted(&mut self) -> Result<Option<ChunkRef>, TransferError> {
        while let Some(wanted) = self.wanted.front() {
            let (handle, index) = (wanted.handle, wanted.page);
            let (Some(open), Some(at)) = (self.open.get(&handle), wanted.chunks.front().copied()) else {
                self.wanted.pop_front();
                continue;
            };
            if !open.pages.contains_key(&index) {
                // The target knew this page before this connection, and asks for the rest of it.
                let page = self.load_page(open.blob, index).await?;
                let asked = wanted.chunks.iter().filter(|chunk| **chunk < page.chunks.len());
                let mut lacking = ChunkSet::empty(page.chunks.len());
                asked.for_each(|chunk| lacking.insert(*chunk));
                let (held, sent) = (lacking.complement(), HashSet::new());
                if let Some(open) = self.open.get_mut(&handle) {
                    open.pages.insert(index, OpenPage { page, held, is_new: false, sent });
                }
            }
            let page = self.open.get(&handle).and_then(|open| open.pages.get(&index));
            match page.and_then(|open| open.page.chunks.get(at)) {
                Some(chunk) => return Ok(Some(*chunk)),
                None => return Err(TransferError::Asked { page: index, chunk: at }),
            }
        }
        Ok(None)
    }

    /// Takes the chunk that [`Sending::next_wanted`] named, and what fits in a frame with it, to be packed.
    async fn pack_next(&mut self) -> Result<(), TransferError> {
        let Some(wanted) = self.wanted.front_mut() else { return Ok(()) };
        let (handle, page) = (wanted.handle, wanted.page);
        let Some(open) = self.open.get_mut(&handle) else { return Ok(()) };
        let Some(open_page) = open.pages.get_mut(&page) else { return Ok(()) };
        let mut batch = Batch { handle, page, chunks: Vec::new(), plain_bytes: 0 };
        let bytes_max = self.window.share().min(CHUNK_BYTES_MAX);
        while let Some(index) = wanted.chunks.front().copied() {
            let chunk = open_page.page.chunks.get(index).zip(open_page.page.chunk_offset(index));
            // One that does not exist is refused when its turn comes.
            let Some((chunk, offset)) = chunk else { break };
            let more = !batch.chunks.is_empty();
            if more && (batch.plain_bytes + chunk.bytes > bytes_max || !self.window.fits(chunk.bytes)) {
                break;
            }
            wanted.chunks.pop_front();
            if open_page.sent.insert(index) {
                self.window.sent(chunk.bytes);
            }
            batch.plain_bytes += chunk.bytes;
            batch.chunks.push((index as u32, offset, chunk.bytes));
        }
        let reader = match &open.reader {
            Some(reader) => reader.clone(),
            None => {
                let (store, hash) = (self.store.clone(), open.blob.hash);
                let reader = Arc::new(Core::blocking(move || store.reader(hash)).await?);
                open.reader.insert(reader).clone()
            }
        };
        let known = self.window.rate().map(|rate| self.compressor.wire(rate));
        let at_first = || reach(&self.conversation.session).rate().clamp(*LINK_AT_FIRST.start(), *LINK_AT_FIRST.end());
        let link = known.unwrap_or_else(at_first);
        let effort = self.compressor.choose(link);
        let (effort, doubtful) = (open.compressibility.advise(effort), open.compressibility.is_doubtful());
        self.packing.begin(reader, batch, effort, doubtful);
        Ok(())
    }

    /// Learns from a frame how well its blob compresses, and how fast.
    fn packed(&mut self, packed: Packed) -> Packed {
        let wire_bytes = packed.wire.len();
        self.compressor.packed(packed.effort, packed.plain_bytes as usize, wire_bytes, packed.took);
        if let Some(open) = self.open.get_mut(&packed.header.handle) {
            open.compressibility.packed(packed.effort, packed.header.encoding == Encoding::Stored);
        }
        packed
    }
}

fn reach(session: &Session) -> Reach {
    Reach { rtt: session.rtt(), bytes: session.window_bytes() }
}
