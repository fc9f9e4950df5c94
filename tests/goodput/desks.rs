//! A controller with two models, each on a shelf of its own.

use async_trait::async_trait;
use modelferry::controller::port::{Arrival, ControllerError, Departure, Errand, Examination, Export, Presence};
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, ModelFacts};
use modelferry_protocol::snapshot::{Call, LogSegment, Name};

use super::controller::{Desk, MODEL};
use super::shelf::Shelf;

/// The models, each of which may be on the shelf of its number.
pub const MODELS: [ModelUuid; 2] = [MODEL, ModelUuid([8; 16])];

/// The port to both.
pub struct Desks(pub [Desk<Shelf>; 2]);

impl Desks {
    fn of(&self, model: ModelUuid) -> &Desk<Shelf> {
        &self.0[usize::from(model != MODEL)]
    }
}

#[async_trait]
impl Departure for Desks {
    async fn examine(&self, model: ModelUuid, mid: Option<MigrationId>) -> Result<Examination, ControllerError> {
        let mut examination = self.of(model).examine(MODEL, mid).await?;
        examination.facts.uuid = model;
        examination.facts.name = Name::cut(format!("shelf-{}", model.0[0]));
        Ok(examination)
    }

    async fn preview(&self, model: ModelUuid) -> Result<Export, ControllerError> {
        self.of(model).preview(model).await
    }

    async fn freeze(&self, errand: Errand) -> Result<(), ControllerError> {
        self.of(errand.model).freeze(errand).await
    }

    async fn export(&self, errand: Errand) -> Result<Export, ControllerError> {
        self.of(errand.model).export(errand).await
    }

    async fn thaw(&self, errand: Errand) -> Result<(), ControllerError> {
        self.of(errand.model).thaw(errand).await
    }

    async fn redirect(&self, errand: Errand, to: &ControllerCard) -> Result<(), ControllerError> {
        self.of(errand.model).redirect(errand, to).await
    }

    async fn reap(&self, errand: Errand) -> Result<(), ControllerError> {
        self.of(errand.model).reap(errand).await
    }
}

#[async_trait]
impl Arrival for Desks {
    async fn card(&self) -> Result<ControllerCard, ControllerError> {
        self.0[0].card().await
    }

    async fn prechecks(&self, facts: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        self.of(facts.uuid).prechecks(facts).await
    }

    async fn rehearse(&self, errand: Errand, calls: &[Call]) -> Result<(), ControllerError> {
        Arrival::rehearse(self.of(errand.model), errand, calls).await
    }

    async fn perform(&self, errand: Errand, call: &Call) -> Result<(), ControllerError> {
        self.of(errand.model).perform(errand, call).await
    }

    async fn latest_log_time(&self, errand: Errand) -> Result<u64, ControllerError> {
        self.of(errand.model).latest_log_time(errand).await
    }

    async fn take_log(&self, errand: Errand, segment: &LogSegment) -> Result<u64, ControllerError> {
        self.of(errand.model).take_log(errand, segment).await
    }

    async fn probe(&self, errand: Errand) -> Result<Presence, ControllerError> {
        self.of(errand.model).probe(errand).await
    }
}
