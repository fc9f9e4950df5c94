//! Copies of live models that agents keep for their peers. Nothing is frozen, journalled or handed over.

use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::codec::{Bounded, Bytes, Text};
use modelferry_protocol::ids::{MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::plan::{Answer, BackupRequest, Question};
use modelferry_protocol::snapshot::{Name, Snapshot};
use modelferry_protocol::switch::source::{SourceRecord, SourceState};
use modelferry_protocol::switch::target::{TargetRecord, TargetState};
use modelferry_protocol::switch::{Head, Profile, Terms};

use super::quota;
use crate::clock::now_ms;
use crate::controller::backup::{Kept, Manifest, Origin};
use crate::controller::port::ControllerError;
use crate::engine::base::conversation::Conversation;
use crate::engine::base::error::EngineError;
use crate::engine::migration::tracking::history::History;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::peer::reach::Reach;
use crate::engine::peer::rights::{self, Deed};
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::engine::transfer::adhoc;
use crate::engine::transfer::adhoc::InboundTransfer;
use crate::engine::view::KeptView;
use crate::link::{Peer, Session};

/// How long a peer that went away may take to come back before the copy is given up; what it holds stays.
const PEER_BACK_WITHIN: Duration = Duration::from_secs(60);
/// Connections that a copy may take. A link worse than that should be looked at.
const CONNECTIONS_MAX: usize = 100;

/// Returns the head of what stands for no migration, and is shown to nobody.
fn head(core: &Core, snapshot: &Snapshot, peer: Pin) -> Head {
    let Snapshot { mid, model, epoch_to, .. } = *snapshot;
    Head { mid, model, epoch_to, peer, journal: core.parts.journal.id(), profile: Profile::Embedded }
}

fn terms(snapshot: &Snapshot) -> Terms {
    adhoc::terms(snapshot.mid, snapshot.model, snapshot.name.clone(), snapshot.owner.clone())
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
    let export = core.parts.reader.preview(model).await?;
    rights::ensure_sent(core, peer.pin, &export.owner, &export.name).await?;
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
    let question = Question::Keep(BackupRequest { taken_s, root, snapshot: snapshot_bytes });
    let record = SourceRecord { head: head(core, &snapshot, peer.pin), state: SourceState::Offered };
    let last = LastRecord::Source(record);
    let tracked = Tracked::new(terms(&snapshot), core.parts.link.pin(), peer.pin, last, History::default());
    let mut conversation = first;
    for _ in 0..CONNECTIONS_MAX {
        match adhoc::over(core, &conversation, &tracked, question.clone(), &snapshot.blobs(), &[]).await {
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

/// Begins to take a copy in for a peer, and yields what waits for all of it and keeps it.
///
/// Errors: why it is not kept.
pub async fn take(
    core: &Arc<Core>,
    session: &Session,
    request: &BackupRequest,
) -> Result<impl Future<Output = Answer> + Send + use<>, String> {
    let snapshot = Snapshot::open(&request.snapshot, request.root).map_err(|error| error.to_string())?;
    if let Some(forbidden) = rights::forbids(core, session.peer(), Deed::Keep, &snapshot.owner, &snapshot.name).await {
        return Err(forbidden.to_string());
    }
    let record = TargetRecord { head: head(core, &snapshot, session.peer()), state: TargetState::Receiving };
    // One copy of a model at a time: whoever asked for the older has given up, or wants the newer.
    let replaces = |older: &Tracked| older.terms.model == snapshot.model && !older.is_precopy();
    let inbound = InboundTransfer::begin(
        core,
        session,
        terms(&snapshot),
        LastRecord::Target(record),
        snapshot.blobs(),
        replaces,
    )?;
    let (core, session, taken_s) = (core.clone(), session.clone(), request.taken_s);
    Ok(async move {
        match finish(inbound, &core, &session, &snapshot, taken_s).await {
            Ok(bytes) => Answer::Bytes(bytes),
            Err(text) => {
                tracing::warn!(peer = %session.peer_name(), model = %snapshot.name, text, "a copy is not kept");
                Answer::Failed(Text::cut(text))
            }
        }
    })
}

async fn finish(
    mut inbound: InboundTransfer,
    core: &Core,
    session: &Session,
    snapshot: &Snapshot,
    taken_s: u64,
) -> Result<u64, String> {
    inbound.arrive().await?;
    // Also of what was here already, and is held from now on.
    let ensured = quota::ensure(core, session.peer(), &snapshot.blobs(), 0).await;
    ensured.map_err(|forbidden| forbidden.to_string())?;
    let card = &session.hello().controller;
    let origin = Origin { name: card.name.to_string(), uuid: card.uuid };
    let manifest = Manifest::of(snapshot, origin, taken_s).map_err(|error| error.to_string())?;
    let bytes = manifest.bytes();
    let kept = Kept { peer: session.peer_name(), manifest };
    let store = core.parts.store.clone();
    Core::blocking(move || kept.keep(&store)).await.map_err(|error| error.to_string())?;
    Ok(bytes)
}

impl Engine {
    /// Lets a peer keep a copy of a live model, until it is removed there. The model goes on meanwhile.
    ///
    /// Errors: [`EngineError`] if the peer cannot be asked, or does not keep it.
    pub async fn keep(&self, model: ModelUuid, peer: &str) -> Result<KeptView, EngineError> {
        let reach = self.reach(peer).await?;
        reach.lives().await?;
        let Reach { peer, conversation, .. } = reach;
        keep(&self.0, &peer, conversation, model).await
    }
}
