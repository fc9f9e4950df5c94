//! A real controller as a target.

use async_trait::async_trait;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, ModelFacts};
use modelferry_protocol::snapshot::{Call, LogSegment, Reply};

use super::Juju;
use crate::controller::port::{Arrival, ControllerError, Errand, Presence};

#[async_trait]
impl Arrival for Juju {
    async fn card(&self) -> Result<ControllerCard, ControllerError> {
        Ok(self.controller_card())
    }

    async fn prechecks(&self, facts: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        self.inner.judge(facts).await
    }

    async fn rehearse(&self, _: Errand, calls: &[Call]) -> Result<(), ControllerError> {
        self.inner.rehearse(calls).await
    }

    async fn perform(&self, errand: Errand, call: &Call) -> Result<Reply, ControllerError> {
        let (inner, call) = (self.inner.clone(), call.clone());
        self.inner.turns.alone(errand.model, async move { inner.perform(errand, &call).await }).await
    }

    async fn latest_log_time(&self, errand: Errand) -> Result<u64, ControllerError> {
        self.inner.log_time(errand).await
    }

    async fn take_log(&self, errand: Errand, segment: &LogSegment) -> Result<u64, ControllerError> {
        let (inner, segment) = (self.inner.clone(), segment.clone());
        self.inner.turns.alone(errand.model, async move { inner.take_log(errand, &segment).await }).await
    }

    async fn probe(&self, errand: Errand) -> Result<Presence, ControllerError> {
        let inner = self.inner.clone();
        self.inner.turns.alone(errand.model, async move { inner.presence(errand).await }).await
    }

    async fn audit(&self, errand: Errand, calls: &[Call]) -> Result<Vec<Finding>, ControllerError> {
        self.inner.audit(errand, calls).await
    }
}
