//! Compares a model that has arrived with what its source handed over.

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, Level};
use modelferry_protocol::snapshot::{BlobRef, Call, Snapshot};

use super::forecast;
use crate::controller::description::Consumer;
use crate::controller::port::MigrationRef;
use crate::engine::base::error::EngineError;
use crate::engine::retention::secrets::consumers_of;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::engine::shared::seal;
use crate::engine::view::{FindingView, Stand, VerifyView, WayBackView};

/// Blobs that a finding names each.
const NAMED_MAX: usize = 5;

impl Engine {
    /// Compares a model that has arrived here with what was handed over: every blob's hash, and what the controller
    /// has of it. Changes nothing.
    ///
    /// Errors: [`EngineError::NotArrived`] on the source, and before the model is live here;
    /// [`EngineError::Controller`] if it has left again.
    pub async fn verify(&self, mid: MigrationId) -> Result<VerifyView, EngineError> {
        let core = &self.0;
        let tracked = self.tracked(mid)?;
        let not_arrived = || EngineError::NotArrived { id: tracked.id(), state: tracked.state().to_string() };
        let (Stand::Moved, Some(root)) = (tracked.stands(), tracked.root()) else { return Err(not_arrived()) };
        let terms = &tracked.terms;
        let mut seen = VerifyView {
            id: tracked.id(),
            model: format!("{}/{}", terms.owner, terms.name),
            model_uuid: terms.model.to_string(),
            root: root.to_string(),
            ok: false,
            blobs: 0,
            blobs_proven: 0,
            bytes: 0,
            findings: Vec::new(),
        };
        let snapshot = match seal::read(core, root).await {
            Ok((_, snapshot)) => snapshot,
            Err(text) => {
                seen.findings = vec![FindingView::from(&finding("snapshot", Level::Fail, text))];
                return Ok(seen);
            }
        };
        let blobs = snapshot.blobs();
        let proven = prove(core, blobs.clone()).await;
        seen.blobs = blobs.len() as u64;
        seen.bytes = blobs.iter().map(|blob| blob.bytes).sum();
        seen.blobs_proven = seen.blobs - proven.len() as u64;
        let mut findings =
            vec![finding("snapshot", Level::Pass, format!("what was handed over hashes to its root, {root}"))];
        findings.push(match proven.as_slice() {
            [] => finding("blobs", Level::Pass, format!("{0} of {0} blobs hash to their names", seen.blobs)),
            wrong => {
                let named = wrong.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join("; ");
                let text = format!("{} of {} blobs are missing or damaged: {named}", wrong.len(), seen.blobs);
                finding("blobs", Level::Fail, text)
            }
        });
        let migration = MigrationRef { mid, model: tracked.terms.model };
        findings.extend(core.parts.arrival.audit(migration, &snapshot.calls).await?);
        seen.ok = findings.iter().all(|finding| finding.level != Level::Fail);
        seen.findings = findings.iter().map(FindingView::from).collect();
        Ok(seen)
    }

    /// Returns where a model went, and who consumes its offers.
    ///
    /// Errors: [`EngineError::UnknownMigration`], [`EngineError::NotArrived`], [`EngineError::Pruned`],
    /// [`EngineError::Store`].
    pub async fn handed_over(&self, mid: MigrationId) -> Result<HandedOver, EngineError> {
        let tracked = self.tracked(mid)?;
        let terms = &tracked.terms;
        let not_arrived = || EngineError::NotArrived { id: tracked.id(), state: tracked.state().to_string() };
        let (Stand::Moved, Some(root)) = (tracked.stands(), tracked.root()) else { return Err(not_arrived()) };
        // Of a model that is elsewhere nothing is held for ever.
        let pruned = || EngineError::Pruned(tracked.id());
        let (_, snapshot) = seal::read(&self.0, root).await.map_err(|_| pruned())?;
        let description = description_in(&snapshot).ok_or_else(not_arrived)?;
        let store = self.0.parts.store.clone();
        let consumers = Core::blocking(move || consumers_of(&store, mid, description)).await?.ok_or_else(pruned)?;
        let (source, to) = (self.0.parts.arrival.card().await?, tracked.controller());
        let way_back = forecast::way_back(&source, &to, &format!("{}/{}", terms.owner, terms.name));
        Ok(HandedOver { to, consumers, way_back })
    }
}

/// A model that has moved.
pub struct HandedOver {
    /// The controller it is on now.
    pub to: ControllerCard,
    /// Who elsewhere consumes what it offers.
    pub consumers: Vec<Consumer>,
    /// Whether it can come back.
    pub way_back: WayBackView,
}

fn description_in(snapshot: &Snapshot) -> Option<BlobRef> {
    snapshot.calls.iter().find_map(|call| match call {
        Call::Import(blob) => Some(*blob),
        _ => None,
    })
}

/// Hashes every blob, and returns in words which of them are not what they are called.
async fn prove(core: &Core, blobs: Vec<BlobRef>) -> Vec<String> {
    let mut wrong = Vec::new();
    for blob in blobs {
        let store = core.parts.store.clone();
        wrong.extend(Core::blocking(move || store.verify(blob)).await.err().map(|error| error.to_string()));
    }
    wrong
}

fn finding(check: &str, level: Level, text: String) -> Finding {
    Finding { level, check: Text::cut(check), text: Text::cut(text), fix: Text::default() }
}
