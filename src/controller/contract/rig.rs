//! What a suite needs of an adapter, and a model on its way between two.

use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::snapshot::{Call, distinct_blobs};

use crate::controller::port::{Arrival, ControllerError, Departure, Export, MigrationRef, ModelReader, Presence};
use crate::store::Store;

/// A controller under test, with whatever it needs around it.
pub(crate) trait Rig: Sized {
    /// The adapter.
    type Port: Arrival;
    /// Whether models keep their entries here.
    const KEEPS_ENTRIES: bool = true;
    /// Starts a controller without models, on a state directory of its own.
    async fn start(name: &str) -> Self;
    /// Stops the controller, as a crash would, and starts it again on the same state.
    fn restarted(self) -> Self;
    /// The adapter.
    fn port(&self) -> &Self::Port;
    /// The store of the agent beside it.
    fn store(&self) -> &Store;
    /// Writes to a model as one of its users.
    fn write(&self, model: ModelUuid) -> Result<(), ControllerError>;
    /// Counts the writes that a model's users see.
    fn writes(&self, model: ModelUuid) -> usize;
}

/// A controller under test that models leave from.
pub(crate) trait SourceRig: Rig<Port: ModelReader + Departure> {
    /// Puts a live model with binaries into it, and with some writes.
    fn with_model(&self) -> ModelUuid;
    /// Puts one into it that nobody has written to.
    fn with_unwritten_model(&self) -> ModelUuid;
}

pub(super) const FIRST: MigrationId = MigrationId([1; 16]);
pub(super) const SECOND: MigrationId = MigrationId([2; 16]);
pub(super) const THIRD: MigrationId = MigrationId([3; 16]);

/// A source with a model, and a target.
pub(crate) struct Pair<S, T = S> {
    pub(super) source: S,
    pub(super) target: T,
    pub(super) model: ModelUuid,
    pub(super) migration: MigrationRef,
}

impl<S: SourceRig, T: Rig> Pair<S, T> {
    pub(super) async fn start() -> Self {
        let (source, target) = (S::start("src").await, T::start("dst").await);
        let model = if T::KEEPS_ENTRIES { source.with_model() } else { source.with_unwritten_model() };
        Self { source, target, model, migration: MigrationRef { mid: FIRST, model } }
    }

    /// The same model in a migration that came before or after.
    pub(super) fn other(&self) -> MigrationRef {
        MigrationRef { mid: SECOND, model: self.model }
    }

    pub(super) async fn frozen(self) -> (Self, Export) {
        self.source.port().freeze(self.migration).await.unwrap();
        let export = self.source.port().export(self.migration).await.unwrap();
        carry(&self.source, &self.target, &export);
        (self, export)
    }

    pub(super) async fn staged(self) -> (Self, Export) {
        let (pair, export) = self.frozen().await;
        pair.stage(&export).await;
        (pair, export)
    }

    pub(super) async fn stage(&self, export: &Export) {
        for call in &export.calls {
            self.target.port().perform(self.migration, call).await.unwrap();
        }
    }

    pub(super) async fn moved(self) -> Self {
        let (pair, _) = self.staged().await;
        for call in [Call::Activate(Default::default()), Call::AdoptResources(Default::default())] {
            pair.target.port().perform(pair.migration, &call).await.unwrap();
        }
        let card = pair.target.port().card().await.unwrap();
        pair.source.port().redirect(pair.migration, &card).await.unwrap();
        pair.source.port().reap(pair.migration).await.unwrap();
        pair
    }

    pub(super) async fn presence(&self) -> Presence {
        self.target.port().probe(self.migration).await.unwrap()
    }
}

/// Carries an export's blobs from one agent's store to the other's.
pub(super) fn carry(from: &impl Rig, to: &impl Rig, export: &Export) {
    for blob in distinct_blobs(&export.calls) {
        assert_eq!(to.store().put(&mut from.store().open_blob(blob.hash).unwrap()).unwrap(), blob);
    }
}

pub(super) fn moved(outcome: Result<(), ControllerError>) -> bool {
    matches!(outcome, Err(ControllerError::Moved { .. }))
}
