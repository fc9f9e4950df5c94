//! The receiver of a transfer, one for each connection.

mod named;
mod naming;
mod slot;
mod unsynced;
mod written;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::limits::PAGE_CHUNKS_MAX;
use modelferry_protocol::manifest::ChunkSet;
use modelferry_protocol::message::{BlobOffer, BlobPage, BlobState, ChunkHeader, Chunks, Handle, Hold, Message};
use modelferry_protocol::switch::Cause;
use parking_lot::Mutex;

use self::named::Named;
use self::slot::{Slot, is_taken_in};
use self::unsynced::{BYTES_MUCH, Unsynced};
use self::written::{Written, write};
use crate::engine::base::error::causes;
use crate::engine::migration::mailbox::event::Event;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::shared::core::{Core, Receiver};
use crate::link::{ChunkInbox, Session, SessionClosed};
use crate::store::{Lease, StoreError};

/// How often a full disk is tried again.
const FULL_RETRY: Duration = Duration::from_secs(1);
/// Damaged frames of one blob, on one connection, whose chunks are asked for again.
const DAMAGED_MAX: u32 = 3;

/// Takes in what one peer sends.
pub struct Receiving {
    core: Arc<Core>,
    session: Session,
    slots: Mutex<BTreeMap<Handle, Arc<Slot>>>,
    named: Arc<Named>,
    /// Holds what comes for a migration that is at rest: the log, until the controller has it.
    lease: Arc<Lease>,
    unsynced: Arc<Unsynced>,
}

/// Why a blob cannot be taken in.
enum Refusal {
    /// The connection ended; the next one goes on.
    Closed,
    /// The migration that wants the blob has to be dropped.
    Failed(Arc<Slot>, String),
}

impl From<SessionClosed> for Refusal {
    fn from(_: SessionClosed) -> Self {
        Self::Closed
    }
}

impl Receiver for Receiving {
    fn give_up(&self, tracked: &Arc<Tracked>) {
        self.named.forget(tracked);
        self.slots.lock().retain(|_, slot| !Arc::ptr_eq(&slot.tracked, tracked));
    }
}

impl Receiving {
    /// Begins to take in what comes over `session`.
    pub fn new(core: Arc<Core>, session: Session) -> Arc<Self> {
        let (slots, named, unsynced) = (Mutex::default(), Arc::default(), Arc::default());
        let lease = Arc::new(core.parts.store.lease());
        let receiving = Arc::new(Self { core, session, slots, named, lease, unsynced });
        let receiver: Arc<dyn Receiver> = receiving.clone();
        receiving.core.receives(&receiver);
        receiving
    }

    fn slot(&self, handle: Handle) -> Option<Arc<Slot>> {
        self.slots.lock().get(&handle).cloned()
    }

    /// Returns the migration or copy of the peer that blobs are received for under this id.
    fn taken_in(&self, mid: MigrationId) -> Option<Arc<Tracked>> {
        let tracked = self.core.receiver(mid).filter(|tracked| tracked.peer == self.session.peer());
        tracked.filter(|tracked| is_taken_in(tracked))
    }

    /// Takes in a [`Message::BlobOffer`].
    pub async fn offered(&self, offer: BlobOffer) {
        let BlobOffer { handle, mid, blob, cutter } = offer;
        let Some(tracked) = self.taken_in(mid).filter(|tracked| self.named.has(tracked, blob)) else {
            // It followed an offer that was refused, or left to be repeated; or nothing names it.
            tracing::debug!(peer = %self.session.peer_name(), %mid, "a blob that nothing here names, ignored");
            return;
        };
        let (store, lease, runs) =
            (self.core.parts.store.clone(), self.lease.clone(), tracked.mailbox().is_some() && !tracked.is_at_rest());
        let peer = self.session.peer();
        let open = move || {
            // Before it is looked for, so that it stays here if it is.
            if runs {
                store.want(mid, [blob.hash])?;
            } else {
                lease.keep([blob.hash]);
            }
            match store.size(blob.hash)? {
                Some(_) => Ok::<_, StoreError>(None),
                None => {
                    store.bring(blob.hash, peer)?;
                    store.incoming(blob, cutter).map(Some)
                }
            }
        };
        // After a restart on a full disk this is the first call that needs room, and must wait as all others do.
        let Ok(opened) = self.while_full(&tracked, open).await else { return };
        if runs && tracked.mailbox().is_none() {
            let (core, ended) = (self.core.clone(), tracked.clone());
            Core::blocking(move || core.release_if_over(&ended)).await;
        }
        let incoming = match opened {
            Ok(Some(incoming)) => incoming,
            Ok(None) => {
                self.named.arrived(blob.hash);
                tracked.counters.take_in(blob, blob.bytes, 0);
                let state = BlobState { handle, held: true, pages: 0, bytes_held: blob.bytes };
                return Core::say(&self.session, Message::BlobState(state)).await;
            }
            Err(error) => {
                return self.fail(&tracked, format!("cannot take blob {}: {}", blob.hash, causes(&error))).await;
            }
        };
        let unsynced = self.unsynced.clone();
        let subscription = incoming.subscribe(move || unsynced.became_durable());
        let (pages, bytes_held) = (incoming.pages(), incoming.bytes_held());
        let (tracked_here, state) = (tracked.clone(), Mutex::default());
        let (pages_known, bytes_known) = (pages, bytes_held);
        let slot = Slot { handle, incoming, subscription, pages_known, bytes_known, tracked: tracked_here, state };
        let slot = Arc::new(slot);
        tracked.counters.take_in(blob, bytes_held, slot.incoming.bytes_reused());
        {
            let mut slots = self.slots.lock();
            // What was offered before under another number has been given up by its source.
            slots.retain(|_, older| !(older.tracked.terms.mid == mid && older.incoming.blob() == blob));
            slots.insert(handle, slot.clone());
        }
        self.named.opened(&slot);
        // It may have come to nothing since this was offered.
        if !is_taken_in(&tracked) {
            return self.give_up(&tracked);
        }
        let state = BlobState { handle, held: false, pages, bytes_held };
        Core::say(&self.session, Message::BlobState(state)).await;
        for page in 0..pages {
            if let Err(refusal) = self.ask(&slot, page).await {
                return self.refuse(refusal).await;
            }
        }
        // It may lack nothing but the last step.
        self.unsynced.prompt();
    }

    /// Takes in a [`Message::BlobPage`].
    pub async fn page(&self, message: BlobPage) {
        let Some(slot) = self.slot(message.handle) else { return };
        let index = message.page.index;
        if index < slot.pages_known {
            // It came with the offer, and what is lacking of it has been asked for.
            return;
        }
        let incoming = slot.incoming.clone();
        let added = self.unless_full(&slot, move || incoming.add_page(message.page.clone())).await;
        let asked = match added {
            Ok(()) => self.ask(&slot, index).await,
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = asked {
            self.refuse(refusal).await;
        }
        // Chunks that were found here are to be made durable, and told.
        self.unsynced.prompt();
    }

    /// Asks for what is lacking of a page.
    async fn ask(&self, slot: &Arc<Slot>, page: u32) -> Result<(), Refusal> {
        let incoming = slot.incoming.clone();
        let lacking = Core::blocking(move || incoming.lacking(page)).await;
        let lacking = lacking.map_err(|error| Refusal::Failed(slot.clone(), causes(&error)))?;
        if !lacking.is_empty() {
            self.session.send(Message::Need(Chunks { handle: slot.handle, page, ranges: lacking.ranges() })).await?;
        }
        Ok(())
    }

    /// Takes in chunks until the connection ends, two frames at a time: while one waits for the disk, or for a thread,
    /// the other goes on.
    pub async fn take_chunks(&self, chunks: ChunkInbox) {
        let chunks = tokio::sync::Mutex::new(chunks);
        let take = || async {
            // The lock is given back before the frame is unpacked.
            while let Some((header, wire)) = { chunks.lock().await.recv().await } {
                if let Err(refusal) = self.chunk(header, wire).await {
                    self.refuse(refusal).await;
                }
            }
        };
        tokio::join!(take(), take());
    }

    async fn chunk(&self, header: ChunkHeader, wire: Bytes) -> Result<(), Refusal> {
        let Some(slot) = self.slot(header.handle) else { return Ok(()) };
        let incoming = slot.incoming.clone();
        let page = header.page;
        let write = move || write(&incoming, &header, &wire);
        let Written { bytes, damaged } = self.unless_full(&slot, write).await?;
        if bytes > 0 {
            let is_much = {
                let mut state = slot.state.lock();
                state.dirty_bytes += bytes;
                state.written_bytes += bytes;
                let here = slot.bytes_known + slot.incoming.bytes_reused() + state.written_bytes;
                // After the last chunk there is nothing to wait for.
                state.dirty_bytes >= BYTES_MUCH || here >= slot.incoming.blob().bytes
            };
            self.unsynced.wrote(bytes, is_much);
        }
        match damaged {
            Some((chunks, damage)) => self.damaged(&slot, page, &chunks, damage).await,
            None => Ok(()),
        }
    }

    /// Asks for chunks again that arrived damaged, but not for ever.
    async fn damaged(&self, slot: &Arc<Slot>, page: u32, chunks: &[u32], damage: String) -> Result<(), Refusal> {
        let damaged = {
            let mut state = slot.state.lock();
            state.damaged += 1;
            state.damaged
        };
        tracing::warn!(peer = %self.session.peer_name(), blob = %slot.incoming.blob().hash, damage, "damaged chunk");
        if damaged > DAMAGED_MAX {
            let text = format!("{damaged} chunks of blob {} arrived damaged: {damage}", slot.incoming.blob().hash);
            return Err(Refusal::Failed(slot.clone(), text));
        }
        let mut again = ChunkSet::empty(PAGE_CHUNKS_MAX);
        chunks.iter().for_each(|chunk| again.insert(*chunk as usize));
        Ok(self.session.send(Message::Need(Chunks { handle: slot.handle, page, ranges: again.ranges() })).await?)
    }

    /// Does `work` on the store, as often as it takes while the disk is full; the source is told to wait.
    async fn unless_full<R: Send + 'static>(
        &self,
        slot: &Arc<Slot>,
        work: impl Fn() -> Result<R, StoreError> + Send + Sync + 'static,
    ) -> Result<R, Refusal> {
        let done = self.while_full(&slot.tracked, work).await?;
        done.map_err(|error| Refusal::Failed(slot.clone(), causes(&error)))
    }

    /// Likewise, for what belongs to no slot yet. Ends with the store's error once nobody wants the bytes any more.
    ///
    /// Errors: [`SessionClosed`].
    async fn while_full<R: Send + 'static>(
        &self,
        tracked: &Tracked,
        work: impl Fn() -> Result<R, StoreError> + Send + Sync + 'static,
    ) -> Result<Result<R, StoreError>, SessionClosed> {
        let work = Arc::new(work);
        let mut on_hold = false;
        let done = loop {
            let attempt = work.clone();
            match Core::blocking(move || attempt()).await {
                Err(error) if error.is_full() && is_taken_in(tracked) => {
                    let reason = format!("target disk is full: {error}");
                    tracked.set_waiting(Some(reason.clone()));
                    if !on_hold {
                        tracing::warn!(migration = %tracked.terms.mid, reason, "waiting for disk space");
                        self.session.send(Message::Hold(Hold { reason: Cause::cut(reason) })).await?;
                    }
                    on_hold = true;
                    tokio::time::sleep(FULL_RETRY).await;
                }
                done => break done,
            }
        };
        if on_hold {
            tracked.set_waiting(None);
            self.session.send(Message::Hold(Hold { reason: Cause::default() })).await?;
        }
        Ok(done)
    }

    async fn refuse(&self, refusal: Refusal) {
        let Refusal::Failed(slot, text) = refusal else { return };
        self.slots.lock().remove(&slot.handle);
        self.fail(&slot.tracked, text).await;
    }

    async fn fail(&self, tracked: &Tracked, text: String) {
        tracing::error!(migration = %tracked.terms.mid, "{text}");
        match tracked.mailbox() {
            Some(mailbox) => {
                let _ = mailbox.send(Event::Failed(Cause::cut(text))).await;
            }
            // At rest here, and only its log follows: there is no end that its source could hear of. Whoever else sends
            // to this host goes on at once.
            None => {
                Core::say(&self.session, Message::Hold(Hold { reason: Cause::cut(text) })).await;
                Core::say(&self.session, Message::Hold(Hold { reason: Cause::default() })).await;
            }
        }
    }

    /// Makes what was written durable, tells the source, and finishes blobs, until the connection ends.
    pub async fn make_durable(&self) {
        loop {
            self.unsynced.due().await;
            let slots: Vec<Arc<Slot>> = self.slots.lock().values().cloned().collect();
            for slot in slots {
                match self.settle(&slot).await {
                    Ok(()) => {}
                    Err(Refusal::Closed) => return,
                    Err(refusal) => self.refuse(refusal).await,
                }
            }
            // This very sync has said so as well.
            self.unsynced.telling();
            if self.slots.lock().values().any(|slot| slot.subscription.has_news()) {
                self.unsynced.became_durable();
            }
        }
    }

    /// Makes durable what was written before the connection ended, so that it need not be sent again.
    pub async fn close(&self) {
        let slots: Vec<Arc<Slot>> = std::mem::take(&mut *self.slots.lock()).into_values().collect();
        for slot in slots {
            let incoming = slot.incoming.clone();
            if let Err(error) = Core::blocking(move || incoming.sync()).await {
                tracing::warn!("what arrived last could not be made durable: {}", causes(&error));
            }
        }
    }

    async fn settle(&self, slot: &Arc<Slot>) -> Result<(), Refusal> {
        slot.state.lock().dirty_bytes = 0;
        let incoming = slot.incoming.clone();
        self.unless_full(slot, move || incoming.sync()).await?;
        for (page, held) in slot.subscription.take() {
            let (incoming, set) = (slot.incoming.clone(), held.clone());
            let bytes = Core::blocking(move || incoming.bytes_of(page, &set)).await;
            let bytes = bytes.map_err(|error| Refusal::Failed(slot.clone(), causes(&error)))?;
            slot.tracked.counters.took_in(slot.incoming.blob().hash, bytes, slot.incoming.bytes_reused());
            self.session.send(Message::Held(Chunks { handle: slot.handle, page, ranges: held.ranges() })).await?;
        }
        if slot.incoming.is_complete() && !std::mem::replace(&mut slot.state.lock().done, true) {
            let incoming = slot.incoming.clone();
            self.unless_full(slot, move || incoming.finish()).await?;
            self.slots.lock().remove(&slot.handle);
            self.named.arrived(slot.incoming.blob().hash);
            self.session.send(Message::BlobDone(slot.handle)).await?;
            self.core.blob_arrived();
        }
        Ok(())
    }
}
