//! A controller with two models, each held by a controller in memory of its own.

use std::sync::OnceLock;

use async_trait::async_trait;
use modelferry::controller::port::{
    Arrival, ControllerError, Departure, Examination, Export, MigrationRef, ModelReader, Presence,
};
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, ModelFacts};
use modelferry_protocol::snapshot::{Call, LogSegment, Name, Reply};

use super::controller::{ControllerAccess, Effect, FakePort, MODEL};
use super::memory_controller::MemoryController;

/// The models, each of which may be in the controller of its number.
pub const MODELS: [ModelUuid; 2] = [MODEL, ModelUuid([8; 16])];

/// Bytes of a description that tells of nothing but a model's writes, at most.
const DESCRIPTION_BYTES_FEW: u64 = 1 << 10;

/// What a model is described as, while it is live and once it is frozen.
#[derive(Debug, Clone)]
pub struct Described {
    pub live: Vec<u8>,
    pub frozen: Vec<u8>,
}

/// The port to both.
pub struct TwoModels {
    ports: [FakePort<MemoryController>; 2],
    described: OnceLock<Described>,
}

impl TwoModels {
    pub fn new(controllers: [MemoryController; 2]) -> Self {
        Self { ports: controllers.map(FakePort), described: OnceLock::new() }
    }

    /// Describes the models so from now on; otherwise a few bytes do.
    pub fn describe(&self, described: Described) {
        self.described.set(described).expect("once");
    }

    /// Puts a description in the place of the few bytes.
    fn with(&self, mut export: Export, description: impl Fn(&Described) -> &[u8]) -> Export {
        if let Some(described) = self.described.get() {
            let blob = self.ports[0].0.store().put_bytes(description(described)).unwrap();
            let few = export.calls.iter_mut().find(|call| matches!(call, Call::Import(_)));
            *few.expect("every model is described") = Call::Import(blob);
        }
        export
    }

    fn of(&self, model: ModelUuid) -> &FakePort<MemoryController> {
        &self.ports[usize::from(model != MODEL)]
    }
}

#[async_trait]
impl ModelReader for TwoModels {
    async fn examine(&self, model: ModelUuid, mid: Option<MigrationId>) -> Result<Examination, ControllerError> {
        let mut examination = self.of(model).examine(MODEL, mid).await?;
        examination.facts.uuid = model;
        examination.facts.name = Name::cut(format!("shelf-{}", model.0[0]));
        Ok(examination)
    }

    async fn preview(&self, model: ModelUuid) -> Result<Export, ControllerError> {
        Ok(self.with(self.of(model).preview(model).await?, |described| &described.live))
    }
}

#[async_trait]
impl Departure for TwoModels {
    async fn freeze(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        self.of(migration.model).freeze(migration).await
    }

    async fn export(&self, migration: MigrationRef) -> Result<Export, ControllerError> {
        Ok(self.with(self.of(migration.model).export(migration).await?, |described| &described.frozen))
    }

    async fn thaw(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        self.of(migration.model).thaw(migration).await
    }

    async fn redirect(&self, migration: MigrationRef, to: &ControllerCard) -> Result<(), ControllerError> {
        self.of(migration.model).redirect(migration, to).await
    }

    async fn log(&self, migration: MigrationRef, from_ms: u64) -> Result<Vec<LogSegment>, ControllerError> {
        self.of(migration.model).log(migration, from_ms).await
    }

    async fn reap(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        self.of(migration.model).reap(migration).await
    }
}

#[async_trait]
impl Arrival for TwoModels {
    async fn card(&self) -> Result<ControllerCard, ControllerError> {
        self.ports[0].card().await
    }

    async fn prechecks(&self, facts: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        self.of(facts.uuid).prechecks(facts).await
    }

    async fn dry_run_stage(&self, migration: MigrationRef, calls: &[Call]) -> Result<(), ControllerError> {
        Arrival::dry_run_stage(self.of(migration.model), migration, calls).await
    }

    async fn perform(&self, migration: MigrationRef, call: &Call) -> Result<Reply, ControllerError> {
        if let Call::Import(blob) = call
            && blob.bytes > DESCRIPTION_BYTES_FEW
        {
            let controller = &self.of(migration.model).0;
            controller.store().verify(*blob).expect("a description is here before it is staged");
            controller.ask(migration.mid, Effect::Import(0)).await?;
            return Ok(Reply::default());
        }
        self.of(migration.model).perform(migration, call).await
    }

    async fn latest_log_time(&self, migration: MigrationRef) -> Result<u64, ControllerError> {
        self.of(migration.model).latest_log_time(migration).await
    }

    async fn take_log(&self, migration: MigrationRef, segment: &LogSegment) -> Result<u64, ControllerError> {
        self.of(migration.model).take_log(migration, segment).await
    }

    async fn probe(&self, migration: MigrationRef) -> Result<Presence, ControllerError> {
        self.of(migration.model).probe(migration).await
    }
}
