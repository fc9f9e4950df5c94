//! A controller with two models, each on a shelf of its own.

use std::sync::OnceLock;

use async_trait::async_trait;
use modelferry::controller::port::{
    Arrival, ControllerError, Departure, Examination, Export, MigrationRef, ModelReader, Presence,
};
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, ModelFacts};
use modelferry_protocol::snapshot::{Call, LogSegment, Name, Reply};

use super::controller::{Controller, Desk, Effect, MODEL};
use super::shelf::Shelf;

/// The models, each of which may be on the shelf of its number.
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
pub struct Desks {
    desks: [Desk<Shelf>; 2],
    described: OnceLock<Described>,
}

impl Desks {
    pub fn new(shelves: [Shelf; 2]) -> Self {
        Self { desks: shelves.map(Desk), described: OnceLock::new() }
    }

    /// Describes the models so from now on; otherwise a few bytes do.
    pub fn describe(&self, described: Described) {
        self.described.set(described).expect("once");
    }

    /// Puts a description in the place of the few bytes.
    fn with(&self, mut export: Export, description: impl Fn(&Described) -> &[u8]) -> Export {
        if let Some(described) = self.described.get() {
            let blob = self.desks[0].0.store().put_bytes(description(described)).unwrap();
            let few = export.calls.iter_mut().find(|call| matches!(call, Call::Import(_)));
            *few.expect("every model is described") = Call::Import(blob);
        }
        export
    }

    fn of(&self, model: ModelUuid) -> &Desk<Shelf> {
        &self.desks[usize::from(model != MODEL)]
    }
}

#[async_trait]
impl ModelReader for Desks {
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
impl Departure for Desks {
    async fn freeze(&self, errand: MigrationRef) -> Result<(), ControllerError> {
        self.of(errand.model).freeze(errand).await
    }

    async fn export(&self, errand: MigrationRef) -> Result<Export, ControllerError> {
        Ok(self.with(self.of(errand.model).export(errand).await?, |described| &described.frozen))
    }

    async fn thaw(&self, errand: MigrationRef) -> Result<(), ControllerError> {
        self.of(errand.model).thaw(errand).await
    }

    async fn redirect(&self, errand: MigrationRef, to: &ControllerCard) -> Result<(), ControllerError> {
        self.of(errand.model).redirect(errand, to).await
    }

    async fn log(&self, errand: MigrationRef, from_ms: u64) -> Result<Vec<LogSegment>, ControllerError> {
        self.of(errand.model).log(errand, from_ms).await
    }

    async fn reap(&self, errand: MigrationRef) -> Result<(), ControllerError> {
        self.of(errand.model).reap(errand).await
    }
}

#[async_trait]
impl Arrival for Desks {
    async fn card(&self) -> Result<ControllerCard, ControllerError> {
        self.desks[0].card().await
    }

    async fn prechecks(&self, facts: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        self.of(facts.uuid).prechecks(facts).await
    }

    async fn dry_run_stage(&self, errand: MigrationRef, calls: &[Call]) -> Result<(), ControllerError> {
        Arrival::dry_run_stage(self.of(errand.model), errand, calls).await
    }

    async fn perform(&self, errand: MigrationRef, call: &Call) -> Result<Reply, ControllerError> {
        if let Call::Import(blob) = call
            && blob.bytes > DESCRIPTION_BYTES_FEW
        {
            let shelf = &self.of(errand.model).0;
            shelf.store().verify(*blob).expect("a description is here before it is staged");
            shelf.ask(errand.mid, Effect::Import(0)).await?;
            return Ok(Reply::default());
        }
        self.of(errand.model).perform(errand, call).await
    }

    async fn latest_log_time(&self, errand: MigrationRef) -> Result<u64, ControllerError> {
        self.of(errand.model).latest_log_time(errand).await
    }

    async fn take_log(&self, errand: MigrationRef, segment: &LogSegment) -> Result<u64, ControllerError> {
        self.of(errand.model).take_log(errand, segment).await
    }

    async fn probe(&self, errand: MigrationRef) -> Result<Presence, ControllerError> {
        self.of(errand.model).probe(errand).await
    }
}
