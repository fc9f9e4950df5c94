//! Transfers outside a migration: they belong to a question, and the peer replies once it has stored every blob.

use std::sync::Arc;

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{MigrationId, ModelUuid, Pin};
use modelferry_protocol::limits::{COPIES_AT_ONCE_MAX, RELAYS_AT_ONCE_MAX};
use modelferry_protocol::plan::{Answer, Question};
use modelferry_protocol::snapshot::{BlobRef, Call, Name};
use modelferry_protocol::switch::{Cause, Terms};
use tokio::sync::mpsc;

use super::patches;
use super::{TransferError, send};
use crate::engine::base::conversation::Conversation;
use crate::engine::base::error::EngineError;
use crate::engine::migration::mailbox::event::Event;
use crate::engine::migration::tracking::history::History;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::migration::tracking::tracked_state::TrackedState;
use crate::engine::shared::core::Core;
use crate::link::Session;
use crate::store::{Store, StoreError};

/// Transfers outside a migration of one peer that may come in at once, over all its connections.
const INBOUND_MAX: usize = COPIES_AT_ONCE_MAX + RELAYS_AT_ONCE_MAX;

/// Returns the facts of what travels for a model, as far as it has any.
pub fn terms(mid: MigrationId, model: ModelUuid, name: Name, owner: Name) -> Terms {
    Terms {
        mid,
        model,
        attempt: 0,
        name,
        owner,
        peer: Text::default(),
        controller: Default::default(),
        freeze_ms_max: 0,
        skip_log: false,
        reap_hold_ms: 0,
    }
}

/// Has the peer take `blobs` in over one connection, and returns their bytes once it has them. Safe to be dropped; on the
/// next connection what is held is not sent again.
///
/// `calls`: those whose blobs may travel as patches.
/// Errors: [`EngineError::Peer`] with the peer's reason, [`EngineError::Unanswered`] if the connection ended,
/// [`EngineError::Store`].
pub async fn over(
    core: &Core,
    conversation: &Conversation,
    tracked: &Tracked,
    question: Question,
    blobs: &[BlobRef],
    calls: &[Call],
) -> Result<u64, EngineError> {
    let failed = |text: String| EngineError::Peer { peer: conversation.session.peer_name(), text };
    let mut kept = std::pin::pin!(conversation.ask(question));
    let mut sending = std::pin::pin!(async {
        patches::ahead(core, conversation, tracked, calls).await?;
        send::send(core, conversation, tracked, blobs).await
    });
    let mut sent = false;
    loop {
        tokio::select! {
            // The question goes out before the blobs are offered, which mean nothing without it.
            biased;
            answer = &mut kept => return match answer? {
                Answer::Bytes(bytes) => Ok(bytes),
                Answer::Failed(text) => Err(failed(text.into_string())),
                _ => Err(failed("it answered another question".to_owned())),
            },
            done = &mut sending, if !sent => match done {
                Ok(()) => sent = true,
                Err(TransferError::Closed(closed)) => return Err(closed.into()),
                Err(TransferError::Store(error)) => return Err(error.into()),
                Err(other) => return Err(failed(other.to_string())),
            },
        }
    }
}

/// A transfer outside a migration, on its way in.
pub struct InboundTransfer {
    core: Arc<Core>,
    tracked: Arc<Tracked>,
    mailbox: mpsc::Receiver<Event>,
    blobs: Vec<BlobRef>,
}

impl Drop for InboundTransfer {
    fn drop(&mut self) {
        self.tracked.close_mailbox();
        self.core.forget_inbound(&self.tracked);
    }
}

impl InboundTransfer {
    /// Begins a transfer: from now on blobs that are offered under its id are received. An older one of the same peer that
    /// `replaces` points out is given up.
    ///
    /// Errors: why it is not taken.
    pub fn begin(
        core: &Arc<Core>,
        session: &Session,
        terms: Terms,
        course: impl Into<TrackedState>,
        blobs: Vec<BlobRef>,
        replaces: impl Fn(&Tracked) -> bool,
    ) -> Result<Self, String> {
        let peer: Pin = session.peer();
        let tracked = Tracked::new(terms, core.parts.link.pin(), peer, course, History::default());
        let mailbox = tracked.open_mailbox();
        let mut of_peer = core.inbound_all();
        of_peer.retain(|inbound| inbound.peer == peer);
        for older in of_peer.iter().filter(|older| replaces(older)) {
            if let Some(mailbox) = older.mailbox() {
                let _ = mailbox.try_send(Event::Failed(Cause::cut("a newer one has taken its place")));
            }
        }
        if core.tracked(tracked.terms.mid).is_some() || of_peer.len() >= INBOUND_MAX {
            return Err(format!("{INBOUND_MAX} copies are on their way in already; try again later"));
        }
        core.add_inbound(&tracked);
        Ok(Self { core: core.clone(), tracked, mailbox, blobs })
    }

    /// Says which blobs it is that are waited for, where that was not known at the beginning.
    pub fn expect(&mut self, blobs: Vec<BlobRef>) {
        self.blobs = blobs;
    }

    /// Waits until all of it is here, durable, and returns its bytes.
    ///
    /// Errors: why it will never be.
    pub async fn arrive(&mut self) -> Result<u64, String> {
        let (store, reserve) = (self.core.parts.store.clone(), self.core.parts.settings.disk_reserve_bytes);
        let (mid, wanted) = (self.tracked.terms.mid, self.blobs.clone());
        let room = Core::blocking(move || {
            // Before it is asked what is here: that much of it then stays.
            store.want(mid, wanted.iter().map(|blob| blob.hash))?;
            room(&store, &wanted, reserve)
        });
        let room = room.await.map_err(|error| error.to_string())?;
        if let Some((lacking, free)) = room {
            return Err(format!("there is no room for the copy: {lacking} bytes are lacking, {free} are free"));
        }
        loop {
            let (store, wanted) = (self.core.parts.store.clone(), self.blobs.clone());
            let all_here = move || {
                wanted
                    .iter()
                    .try_fold(true, |all, blob| Ok::<_, StoreError>(all && store.size(blob.hash)? == Some(blob.bytes)))
            };
            if Core::blocking(all_here).await.map_err(|error| error.to_string())? {
                return Ok(self.blobs.iter().map(|blob| blob.bytes).sum());
            }
            tokio::select! {
                biased;
                () = self.tracked.blob_arrived.notified() => {}
                event = self.mailbox.recv() => if let Some(Event::Failed(cause)) = event {
                    return Err(cause.into_string());
                },
            }
        }
    }
}

/// Returns how many bytes are lacking and how many are free, if there is no room for them.
fn room(store: &Store, blobs: &[BlobRef], reserve: u64) -> Result<Option<(u64, u64)>, StoreError> {
    let mut lacking = 0_u64;
    for blob in blobs {
        lacking = lacking.saturating_add(blob.bytes.saturating_sub(store.held_bytes(*blob)?));
    }
    let free = store.free_bytes()?.saturating_sub(reserve);
    Ok((lacking > 0 && lacking > free).then_some((lacking, free)))
}
