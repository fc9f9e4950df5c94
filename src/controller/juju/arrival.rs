//! A real controller as a target, and as a source.

use async_trait::async_trait;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, ModelFacts};
use modelferry_protocol::snapshot::{Call, LogSegment, Reply};
use modelferry_protocol::stream::{Open, StreamPurpose};

use super::Juju;
use crate::controller::port::{
    Announced, Arrival, ControllerError, Duplex, Examination, Export, KeptLog, MigrationRef, ModelReader, Presence,
    Relayed, Said, Shown, VerbatimCall,
};

#[async_trait]
impl Arrival for Juju {
    async fn card(&self) -> Result<ControllerCard, ControllerError> {
        Ok(self.controller_card())
    }

    async fn prechecks(&self, facts: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        self.inner.judge(facts).await
    }

    async fn dry_run_stage(&self, _: MigrationRef, calls: &[Call]) -> Result<(), ControllerError> {
        self.inner.dry_run_stage(calls).await
    }

    async fn perform(&self, errand: MigrationRef, call: &Call) -> Result<Reply, ControllerError> {
        let (inner, call) = (self.inner.clone(), call.clone());
        self.inner.turns.alone(errand.model, async move { inner.perform(errand, &call).await }).await
    }

    async fn latest_log_time(&self, errand: MigrationRef) -> Result<u64, ControllerError> {
        self.inner.log_time(errand).await
    }

    async fn take_log(&self, errand: MigrationRef, segment: &LogSegment) -> Result<u64, ControllerError> {
        let (inner, segment) = (self.inner.clone(), segment.clone());
        self.inner.turns.alone(errand.model, async move { inner.take_log(errand, &segment).await }).await
    }

    async fn probe(&self, errand: MigrationRef) -> Result<Presence, ControllerError> {
        let inner = self.inner.clone();
        self.inner.turns.alone(errand.model, async move { inner.presence(errand).await }).await
    }

    async fn relay(&self, call: &VerbatimCall) -> Result<Said, ControllerError> {
        self.inner.relay(call).await
    }

    async fn stream(&self, open: &Open) -> Result<Box<dyn Duplex>, ControllerError> {
        match open.purpose {
            StreamPurpose::Api => Ok(Box::new(self.inner.connector.live().await?.open().await?)),
            StreamPurpose::Log => {
                Err(ControllerError::Refused("the log of a model follows it piece by piece".to_owned()))
            }
        }
    }

    async fn audit(&self, errand: MigrationRef, calls: &[Call]) -> Result<Vec<Finding>, ControllerError> {
        self.inner.audit(errand, calls).await
    }
}

#[async_trait]
impl Relayed for Juju {
    async fn initiate(&self, errand: MigrationRef, to: &Announced) -> Result<(), ControllerError> {
        let (inner, to) = (self.inner.clone(), to.clone());
        self.inner.turns.alone(errand.model, async move { inner.initiate(errand, &to).await }).await
    }

    async fn asked_ms(&self, errand: MigrationRef) -> Result<Option<u64>, ControllerError> {
        self.inner.asked_ms(errand).await
    }

    async fn routes(&self, addresses: &[String]) -> Vec<(String, Result<(), String>)> {
        self.inner.routes(addresses).await
    }

    async fn shown(&self, errand: MigrationRef) -> Result<Shown, ControllerError> {
        self.inner.shown(errand).await
    }

    async fn keep_log(&self, errand: MigrationRef, text: String) -> Result<(), ControllerError> {
        self.inner.keep_log(errand, text).await
    }

    async fn log(&self, errand: MigrationRef) -> Result<KeptLog, ControllerError> {
        self.inner.kept_log(errand).await
    }

    async fn log_taken(&self, errand: MigrationRef, piece: &LogSegment) -> Result<(), ControllerError> {
        self.inner.log_taken(errand, piece.clone()).await
    }
}

#[async_trait]
impl ModelReader for Juju {
    async fn examine(&self, model: ModelUuid, mid: Option<MigrationId>) -> Result<Examination, ControllerError> {
        self.inner.examine(model, mid).await
    }

    async fn preview(&self, model: ModelUuid) -> Result<Export, ControllerError> {
        self.inner.preview(model).await
    }

    async fn ahead(&self, model: ModelUuid) -> Result<Option<Export>, ControllerError> {
        self.inner.ahead(model).await
    }
}
