//! Copies of live models that peers keep for each other. Nothing is frozen, journalled, or handed over.

use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::codec::{Bounded, Bytes, Text};
use modelferry_protocol::ids::{MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::Standing;
use modelferry_protocol::plan::{Answer, Keeping, Question};
use modelferry_protocol::snapshot::{BlobRef, Name, Snapshot};
use modelferry_protocol::switch::source::{SourceRecord, SourceState};
use modelferry_protocol::switch::target::{TargetRecord, TargetState};
use modelferry_protocol::switch::{Cause, Head, Profile, Terms};
use tokio::sync::mpsc;

use super::conversation::Conversation;
use super::core::{Core, now_ms};
use super::error::EngineError;
use super::history::History;
use super::tracked::{Event, Tracked};
use super::transfer::{TransferError, send};
use super::view::KeptView;
use crate::controller::backup::{Kept, Manifest, Origin};
use crate::controller::port::ControllerError;
use crate::link::{Peer, Session};
use crate::store::{Store, StoreError};

/// Copies that come in at once.
const ARRIVING_MAX: usize = 32;
/// How long a peer that went away may take to come back before the copy is given up; what it holds stays.
const PEER_BACK_WITHIN: Duration = Duration::from_secs(60);
/// Connections that a copy may take. A link worse than that should be looked at.
const CONNECTIONS_MAX: usize = 100;

/// Returns what the transfer needs to count and to wait by. It stands for no migration, and nobody is shown it.
fn parcel(core: &Core, snapshot: &Snapshot, peer: Pin, standing: impl FnOnce(Head) -> Standing) -> Arc<Tracked> {
    let Snapshot { mid, model, epoch_to, .. } = *snapshot;
    let head = Head { mid, model, epoch_to, peer, journal: core.parts.journal.id(), profile: Profile::Embedded };
    let terms = Terms {
        mid,
        model,
        attempt: 0,
        name: snapshot.name.clone(),
        owner: snapshot.owner.clone(),
        peer: Text::default(),
        controller: Default::default(),
        freeze_ms_max: 0,
        skip_log: false,
        reap_hold_ms: 0,
    };
    Tracked::new(terms, core.parts.link.pin(), peer, standing(head), History::default())
}

/// Lets a peer keep a copy of a model as it is now, and returns when it does.
///
/// Errors: [`EngineError::Peer`] with the peer's reason, [`EngineError::Unanswered`] if it went away and stayed
/// away, [`EngineError::Controller`].
pub async fn keep(
    core: &Core,
    peer: &Peer,
    first: Arc<Conversation>,
    model: ModelUuid,
) -> Result<KeptView, EngineError> {
    let refused = |text: String| EngineError::Controller(ControllerError::Refused(text));
    let taken_s = now_ms() / 1000;
    // Until the peer has it, whatever becomes of the model meanwhile.
    let lease = core.parts.store.lease_with_puts();
    let export = core.parts.departure.preview(model).await?;
    let snapshot = Snapshot {
        mid: MigrationId(*uuid::Uuid::new_v4().as_bytes()),
        model,
        epoch_to: 0,
        name: Name::cut(&export.name),
        owner: Name::cut(&export.owner),
        complete: export.complete,
        calls: Bounded::new(export.calls).map_err(|error| refused(error.to_string()))?,
    };
    lease.narrow(snapshot.blobs().iter().map(|blob| blob.hash));
    let (bytes, root) = snapshot.seal().map_err(|error| refused(error.to_string()))?;
    let snapshot_bytes = Bytes::new(bytes).map_err(|error| refused(error.to_string()))?;
    let question = Question::Keep(Keeping { taken_s, root, snapshot: snapshot_bytes });
    let tracked =
        parcel(core, &snapshot, peer.pin, |head| Standing::Source(SourceRecord { head, state: SourceState::Offered }));
    let mut conversation = first;
    for _ in 0..CONNECTIONS_MAX {
        match over(core, &conversation, &tracked, question.clone(), &snapshot.blobs()).await {
            Err(EngineError::Unanswered(closed)) => {
                let mut peers = core.peer(peer.pin);
                let other = peers.wait_for(|now| now.as_ref().is_some_and(|now| !Arc::ptr_eq(now, &conversation)));
                conversation = match tokio::time::timeout(PEER_BACK_WITHIN, other).await {
                    Ok(Ok(back)) => back.clone().expect("waited for"),
                    _ => return Err(EngineError::Unanswered(closed)),
                };
            }
            done => {
                return done.map(|bytes| KeptView {
                    id: snapshot.mid.to_string(),
                    model: format!("{}/{}", snapshot.owner, snapshot.name),
                    peer: peer.name.clone(),
                    bytes,
                    sent: tracked.counters.bytes().sent,
                    incomplete: !snapshot.complete,
                });
            }
        }
    }
    let text =
        format!("the connection ended {CONNECTIONS_MAX} times before the copy was there; see `modelferry peers`");
    Err(EngineError::Peer { peer: peer.name.clone(), text })
}

/// Has the copy kept over one connection, and returns its bytes.
async fn over(
    core: &Core,
    conversation: &Conversation,
    tracked: &Tracked,
    question: Question,
    blobs: &[BlobRef],
) -> Result<u64, EngineError> {
    let failed = |text: String| EngineError::Peer { peer: conversation.session.peer_name(), text };
    let mut kept = std::pin::pin!(conversation.ask(question));
    let mut sending = std::pin::pin!(send::send(core, conversation, tracked, blobs));
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

/// A copy on its way in.
pub struct Arriving {
    core: Arc<Core>,
    session: Session,
    tracked: Arc<Tracked>,
    mailbox: mpsc::Receiver<Event>,
    snapshot: Snapshot,
    taken_s: u64,
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.tracked.close_mailbox();
        self.core.forget_arriving(&self.tracked);
        self.core.release(self.tracked.terms.mid);
    }
}

impl Arriving {
    /// Begins to take a copy in: what is offered under its id from now on is taken.
    ///
    /// Errors: why it is not kept.
    pub fn begin(core: &Arc<Core>, session: &Session, keeping: &Keeping) -> Result<Self, String> {
        let snapshot = Snapshot::open(&keeping.snapshot, keeping.root).map_err(|error| error.to_string())?;
        let tracked = parcel(core, &snapshot, session.peer(), |head| {
            Standing::Target(TargetRecord { head, state: TargetState::Receiving })
        });
        let mailbox = tracked.open_mailbox();
        // One copy of a model at a time: whoever asked for the older has given up, or wants the newer.
        for older in core.arriving_all().iter().filter(|older| older.terms.model == snapshot.model) {
            if let Some(mailbox) = older.mailbox().filter(|_| older.peer == session.peer()) {
                let _ = mailbox.try_send(Event::Failed(Cause::cut("a newer copy of the model has taken its place")));
            }
        }
        if core.tracked(snapshot.mid).is_some() || core.arriving_all().len() >= ARRIVING_MAX {
            return Err(format!("{ARRIVING_MAX} copies are on their way in already; try again later"));
        }
        core.add_arriving(&tracked);
        let (core, session, taken_s) = (core.clone(), session.clone(), keeping.taken_s);
        Ok(Self { core, session, tracked, mailbox, snapshot, taken_s })
    }

    /// Waits until all of it is there, and keeps it.
    pub async fn finish(mut self) -> Answer {
        match self.arrive().await {
            Ok(bytes) => Answer::Bytes(bytes),
            Err(text) => {
                tracing::warn!(peer = %self.session.peer_name(), model = %self.snapshot.name, text, "a copy is not kept");
                Answer::Failed(Text::cut(text))
            }
        }
    }

    async fn arrive(&mut self) -> Result<u64, String> {
        let blobs = self.snapshot.blobs();
        let (store, reserve) = (self.core.parts.store.clone(), self.core.parts.settings.disk_reserve_bytes);
        let wanted = blobs.clone();
        let mid = self.tracked.terms.mid;
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
            let (store, wanted) = (self.core.parts.store.clone(), blobs.clone());
            let all_here = move || {
                wanted
                    .iter()
                    .try_fold(true, |all, blob| Ok::<_, StoreError>(all && store.size(blob.hash)? == Some(blob.bytes)))
            };
            if Core::blocking(all_here).await.map_err(|error| error.to_string())? {
                break;
            }
            tokio::select! {
                biased;
                () = self.tracked.blob_arrived.notified() => {}
                event = self.mailbox.recv() => if let Some(Event::Failed(cause)) = event {
                    return Err(cause.into_string());
                },
            }
        }
        let card = &self.session.hello().controller;
        let origin = Origin { name: card.name.to_string(), uuid: card.uuid };
        let manifest = Manifest::of(&self.snapshot, origin, self.taken_s).map_err(|error| error.to_string())?;
        let bytes = manifest.bytes();
        let (kept, store) = (Kept { peer: self.session.peer_name(), manifest }, self.core.parts.store.clone());
        Core::blocking(move || kept.keep(&store)).await.map_err(|error| error.to_string())?;
        Ok(bytes)
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
