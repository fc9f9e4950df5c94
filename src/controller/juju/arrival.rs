//! A real controller as a target.

use async_trait::async_trait;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, ModelFacts};
use modelferry_protocol::snapshot::{Call, LogSegment, Reply};

use super::Juju;
use crate::controller::port::{Arrival, ControllerError, Errand, Presence};

impl Juju {
    /// Runs work on a model to its end, also if whoever waits for it gives up: a call that is under way cannot be taken back,
    /// and the next one must not overtake it.
    async fn alone<R: Send + 'static, F: Future<Output = Result<R, ControllerError>> + Send + 'static>(
        &self,
        errand: Errand,
        work: F,
    ) -> Result<R, ControllerError> {
        let inner = self.inner.clone();
        let task = tokio::spawn(async move {
            let _alone = inner.lock(errand.model).await;
            work.await
        });
        match task.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(ControllerError::Unknown("the agent is stopping".to_owned())),
        }
    }
}

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
        self.alone(errand, async move { inner.perform(errand, &call).await }).await
    }

    async fn latest_log_time(&self, errand: Errand) -> Result<u64, ControllerError> {
        self.inner.log_time(errand).await
    }

    async fn take_log(&self, errand: Errand, segment: &LogSegment) -> Result<u64, ControllerError> {
        let (inner, segment) = (self.inner.clone(), segment.clone());
        self.alone(errand, async move { inner.take_log(errand, &segment).await }).await
    }

    async fn probe(&self, errand: Errand) -> Result<Presence, ControllerError> {
        let inner = self.inner.clone();
        self.alone(errand, async move { inner.presence(errand).await }).await
    }

    async fn audit(&self, errand: Errand, calls: &[Call]) -> Result<Vec<Finding>, ControllerError> {
        self.inner.audit(errand, calls).await
    }
}
