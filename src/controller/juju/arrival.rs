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

    async fn perform(&self, migration: MigrationRef, call: &Call) -> Result<Reply, ControllerError> {
        let (inner, call) = (self.inner.clone(), call.clone());
        self.inner.turns.alone(migration.model, async move { inner.perform(migration, &call).await }).await
    }

    async fn latest_log_time(&self, migration: MigrationRef) -> Result<u64, ControllerError> {
        self.inner.log_time(migration).await
    }

    async fn take_log(&self, migration: MigrationRef, segment: &LogSegment) -> Result<u64, ControllerError> {
        let (inner, segment) = (self.inner.clone(), segment.clone());
        self.inner.turns.alone(migration.model, async move { inner.take_log(migration, &segment).await }).await
    }

    async fn probe(&self, migration: MigrationRef) -> Result<Presence, ControllerError> {
        let inner = self.inner.clone();
        self.inner.turns.alone(migration.model, async move { inner.presence(migration).await }).await
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

    async fn audit(&self, migration: MigrationRef, calls: &[Call]) -> Result<Vec<Finding>, ControllerError> {
        self.inner.audit(migration, calls).await
    }
}

#[async_trait]
impl Relayed for Juju {
    async fn initiate(&self, migration: MigrationRef, to: &Announced) -> Result<(), ControllerError> {
        let (inner, to) = (self.inner.clone(), to.clone());
        self.inner.turns.alone(migration.model, async move { inner.initiate(migration, &to).await }).await
    }

    async fn asked_ms(&self, migration: MigrationRef) -> Result<Option<u64>, ControllerError> {
        self.inner.asked_ms(migration).await
    }

    async fn routes(&self, addresses: &[String]) -> Vec<(String, Result<(), String>)> {
        self.inner.routes(addresses).await
    }

    async fn shown(&self, migration: MigrationRef) -> Result<Shown, ControllerError> {
        self.inner.shown(migration).await
    }

    async fn keep_log(&self, migration: MigrationRef, text: String) -> Result<(), ControllerError> {
        self.inner.keep_log(migration, text).await
    }

    async fn log(&self, migration: MigrationRef) -> Result<KeptLog, ControllerError> {
        self.inner.kept_log(migration).await
    }

    async fn log_taken(&self, migration: MigrationRef, piece: &LogSegment) -> Result<(), ControllerError> {
        self.inner.log_taken(migration, piece.clone()).await
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
