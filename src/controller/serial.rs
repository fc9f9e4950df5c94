//! One call about a model at a time.
//!
//! Juju's controllers exclude nothing: an activation that is under way while an abort is answered may win, and one that
//! was sent long ago may land later. So a call waits for the end of the one before it about the same model, and is
//! carried to its end although nobody waits for it any more.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, ModelFacts, Networks};
use modelferry_protocol::snapshot::{Call, LogSegment, Reply};
use modelferry_protocol::stream::Open;
use parking_lot::Mutex;
use tokio::sync::Mutex as Turn;

use super::inventory::Held;
use super::port::{Arrival, ControllerError, Duplex, Holding, MigrationRef, Presence, Said, VerbatimCall};

/// Who works on which model.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<ModelUuid, Weak<Turn<()>>>>);

impl Turns {
    fn of(&self, model: ModelUuid) -> Arc<Turn<()>> {
        let mut turns = self.0.lock();
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = turns.get(&model).and_then(Weak::upgrade).unwrap_or_default();
        turns.insert(model, Arc::downgrade(&turn));
        turn
    }

    /// Does work on a model in its turn. The work is carried to its end even if the caller does not wait for it.
    ///
    /// Errors: those of `work`; [`ControllerError::Unknown`] if the agent stops meanwhile.
    pub async fn alone<R: Send + 'static>(
        &self,
        model: ModelUuid,
        work: impl Future<Output = Result<R, ControllerError>> + Send + 'static,
    ) -> Result<R, ControllerError> {
        let turn = self.of(model);
        let task = tokio::spawn(async move {
            let _turn = turn.lock().await;
            work.await
        });
        match task.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(ControllerError::Unknown("the agent is stopping".to_owned())),
        }
    }
}

/// A target controller that is asked one thing about a model at a time.
pub struct Serial {
    inner: Arc<dyn Arrival>,
    turns: Turns,
}

/// Returns the controller as the engine may use it: with turns, unless it keeps migrations apart by itself.
pub fn serialised(arrival: Arc<dyn Arrival>) -> Arc<dyn Arrival> {
    match arrival.keeps_migrations() {
        true => arrival,
        false => Arc::new(Serial { inner: arrival, turns: Turns::default() }),
    }
}

impl Serial {
    /// Makes a call in its turn.
    async fn alone<R: Send + 'static, F: Future<Output = Result<R, ControllerError>> + Send + 'static>(
        &self,
        model: ModelUuid,
        call: impl FnOnce(Arc<dyn Arrival>) -> F,
    ) -> Result<R, ControllerError> {
        self.turns.alone(model, call(self.inner.clone())).await
    }
}

#[async_trait]
impl Arrival for Serial {
    fn keeps_migrations(&self) -> bool {
        self.inner.keeps_migrations()
    }

    async fn card(&self) -> Result<ControllerCard, ControllerError> {
        self.inner.card().await
    }

    async fn holdings(&self) -> Result<Vec<Holding>, ControllerError> {
        self.inner.holdings().await
    }

    async fn places(&self) -> Result<Option<Vec<Held>>, ControllerError> {
        self.inner.places().await
    }

    async fn prechecks(&self, facts: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        let facts = facts.clone();
        self.alone(facts.uuid, async move |inner| inner.prechecks(&facts).await).await
    }

    async fn networks(&self) -> Result<Networks, ControllerError> {
        self.inner.networks().await
    }

    async fn dry_run_stage(&self, migration: MigrationRef, calls: &[Call]) -> Result<(), ControllerError> {
        let calls = calls.to_vec();
        self.alone(migration.model, async move |inner| inner.dry_run_stage(migration, &calls).await).await
    }

    async fn perform(&self, migration: MigrationRef, call: &Call) -> Result<Reply, ControllerError> {
        let call = call.clone();
        self.alone(migration.model, async move |inner| inner.perform(migration, &call).await).await
    }

    async fn relay(&self, call: &VerbatimCall) -> Result<Said, ControllerError> {
        // Not carried to its end: who asked may cancel it, and nothing that is relayed changes an owner.
        let turn = self.turns.of(call.model);
        let _turn = turn.lock().await;
        self.inner.relay(call).await
    }

    async fn stream(&self, open: &Open) -> Result<Box<dyn Duplex>, ControllerError> {
        self.inner.stream(open).await
    }

    async fn latest_log_time(&self, migration: MigrationRef) -> Result<u64, ControllerError> {
        self.alone(migration.model, async move |inner| inner.latest_log_time(migration).await).await
    }

    async fn take_log(&self, migration: MigrationRef, segment: &LogSegment) -> Result<u64, ControllerError> {
        let segment = segment.clone();
        self.alone(migration.model, async move |inner| inner.take_log(migration, &segment).await).await
    }

    async fn probe(&self, migration: MigrationRef) -> Result<Presence, ControllerError> {
        self.alone(migration.model, async move |inner| inner.probe(migration).await).await
    }

    async fn audit(&self, migration: MigrationRef, calls: &[Call]) -> Result<Vec<Finding>, ControllerError> {
        let calls = calls.to_vec();
        self.alone(migration.model, async move |inner| inner.audit(migration, &calls).await).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use modelferry_protocol::ids::MigrationId;
    use tokio::sync::Semaphore;

    use super::*;

    /// A controller whose calls last until somebody lets them end.
    #[derive(Default)]
    struct Slow {
        keeps: bool,
        under_way: AtomicUsize,
        ended: AtomicUsize,
        together: AtomicUsize,
        gate: Option<Semaphore>,
    }

    #[async_trait]
    impl Arrival for Slow {
        fn keeps_migrations(&self) -> bool {
            self.keeps
        }

        async fn card(&self) -> Result<ControllerCard, ControllerError> {
            Ok(ControllerCard::default())
        }

        async fn prechecks(&self, _: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
            Ok(Vec::new())
        }

        async fn perform(&self, _: MigrationRef, _: &Call) -> Result<Reply, ControllerError> {
            self.together.fetch_max(self.under_way.fetch_add(1, SeqCst) + 1, SeqCst);
            let gate = self.gate.as_ref().expect("a gate");
            gate.acquire().await.expect("it stays open").forget();
            self.under_way.fetch_sub(1, SeqCst);
            self.ended.fetch_add(1, SeqCst);
            Ok(Reply::default())
        }

        async fn latest_log_time(&self, _: MigrationRef) -> Result<u64, ControllerError> {
            Ok(0)
        }

        async fn take_log(&self, _: MigrationRef, _: &LogSegment) -> Result<u64, ControllerError> {
            Ok(0)
        }

        async fn probe(&self, _: MigrationRef) -> Result<Presence, ControllerError> {
            Ok(Presence::Absent)
        }
    }

    fn slow(keeps: bool) -> (Arc<Slow>, Arc<dyn Arrival>) {
        let slow = Arc::new(Slow { keeps, gate: Some(Semaphore::new(0)), ..Slow::default() });
        (slow.clone(), serialised(slow))
    }

    fn migration(model: u8) -> MigrationRef {
        MigrationRef { mid: MigrationId([1; 16]), model: ModelUuid([model; 16]) }
    }

    async fn until(seen: impl Fn() -> bool) {
        while !seen() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_call_about_a_model_waits_for_the_end_of_the_one_before_though_nobody_waits_for_that() {
        let (slow, arrival) = slow(false);
        let first = tokio::spawn({
            let arrival = arrival.clone();
            async move { arrival.perform(migration(1), &Call::Activate(Default::default())).await.map(drop) }
        });
        until(|| slow.under_way.load(SeqCst) == 1).await;
        // The agent gives it up; the controller does not know that.
        first.abort();
        let second = tokio::spawn({
            let arrival = arrival.clone();
            async move { arrival.perform(migration(1), &Call::Abort).await.map(drop) }
        });
        let other = tokio::spawn(async move { arrival.perform(migration(2), &Call::Abort).await.map(drop) });
        until(|| slow.under_way.load(SeqCst) == 2).await;
        assert_eq!(slow.ended.load(SeqCst), 0, "of another model, at once");
        slow.gate.as_ref().unwrap().add_permits(3);
        second.await.unwrap().unwrap();
        other.await.unwrap().unwrap();
        assert_eq!(
            (slow.ended.load(SeqCst), slow.together.load(SeqCst)),
            (3, 2),
            "the abandoned one has ended as well"
        );
    }

    #[tokio::test]
    async fn a_controller_that_keeps_migrations_apart_is_asked_without_turns() {
        let (slow, arrival) = slow(true);
        let calls = [Call::Abort, Call::Abort].map(|call| {
            let arrival = arrival.clone();
            tokio::spawn(async move { arrival.perform(migration(1), &call).await.map(drop) })
        });
        until(|| slow.under_way.load(SeqCst) == 2).await;
        slow.gate.as_ref().unwrap().add_permits(2);
        for call in calls {
            call.await.unwrap().unwrap();
        }
    }
}
