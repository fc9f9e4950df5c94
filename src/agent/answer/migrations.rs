//! Migrations: begun, watched, aborted, shown. What is decided about them is the engine's.

use std::time::{Duration, SystemTime};

use modelferry_protocol::ids::ModelUuid;

use super::Desk;
use crate::agent::control::server::Client;
use crate::agent::control::{Failure, FailureKind, Response};
use crate::engine::view::{MigrationView, Stand};
use crate::engine::{EngineError, MigrateOptions};

/// How often a watcher hears something, so that one that hung up is noticed.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);

/// Returns the present, Unix milliseconds, for people.
pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn is_at_rest(view: &MigrationView) -> bool {
    view.ended_ms.is_some()
}

impl Desk {
    /// Returns the model that an operator means; it must be here.
    pub(super) async fn model_here(&self, named: &str) -> Result<ModelUuid, Failure> {
        let own = self.embedded.controller_card().name;
        let model = match named.split_once(':') {
            None => named.to_owned(),
            Some((controller, model)) if controller == &*own => model.to_owned(),
            Some((controller, _)) => {
                let message = format!("model {named} is on controller {controller}, and this agent is beside {own}");
                return Err(Failure::new(FailureKind::Refused, message)
                    .state("nothing has changed")
                    .hint(format!("run the command on the host of {controller}'s agent")));
            }
        };
        self.blocking(move |embedded| {
            // A model that has left is known here still, and asking for it tells where it went.
            embedded.model(&model)?;
            embedded.find(&model)
        })
        .await
    }

    fn refused(&self, error: EngineError) -> Failure {
        self.refusal_of_engine(&error)
    }

    pub(super) async fn precheck(&self, model: &str, peer: &str) -> Result<Response, Failure> {
        let model = self.model_here(model).await?;
        let plan = self.engine()?.plan(model, &self.destination(peer)).await.map_err(|error| self.refused(error))?;
        Ok(Response::Plan(Box::new(plan)))
    }

    pub(super) async fn migrate(
        &self,
        model: &str,
        peer: &str,
        options: MigrateOptions,
        actor: &str,
    ) -> Result<Response, Failure> {
        let model = self.model_here(model).await?;
        let peer = self.destination(peer);
        let begun = self.engine()?.migrate(model, &peer, options, actor).await.map_err(|error| self.refused(error))?;
        Ok(Response::Migration(Box::new(begun)))
    }

    pub(super) async fn abort(&self, id: &str, actor: &str) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let mid = engine.find(id).map_err(|error| self.refused(error))?;
        let aborted = engine.abort(mid, actor).await.map_err(|error| {
            let mut failure = self.refused(error);
            // Too late is in doubt only as long as the other side has not answered.
            let undecided = engine.migration(mid).is_some_and(|view| view.stand == Stand::Undecided);
            if failure.kind == FailureKind::InDoubt && !undecided {
                failure.kind = FailureKind::Refused;
            }
            failure
        })?;
        Ok(Response::Migration(Box::new(aborted)))
    }

    pub(super) async fn reap(&self, id: &str, skip_log: bool, actor: &str) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let mid = engine.find(id).map_err(|error| self.refused(error))?;
        let reaped = engine.reap(mid, skip_log, actor).await.map_err(|error| self.refused(error))?;
        Ok(Response::Migration(Box::new(reaped)))
    }

    pub(super) async fn show_migration(&self, id: &str) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let mid = engine.find(id).map_err(|error| self.refused(error))?;
        let events = engine.events(mid).await.map_err(|error| self.refused(error))?;
        match engine.migration(mid) {
            Some(migration) => Ok(Response::History { migration: Box::new(migration), events }),
            None => Err(self.refused(EngineError::UnknownMigration(id.to_owned()))),
        }
    }

    /// Tells a client whenever a migration changes, until it is at rest.
    pub(super) async fn watch(&self, id: &str, client: &mut Client) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let mid = engine.find(id).map_err(|error| self.refused(error))?;
        let unknown = || self.refused(EngineError::UnknownMigration(id.to_owned()));
        let mut changes = engine.watch(mid).ok_or_else(unknown)?;
        loop {
            let view = changes.borrow_and_update().clone();
            if is_at_rest(&view) {
                return Ok(Response::Migration(Box::new(view)));
            }
            if client.update(&Response::Update(Box::new(view))).await.is_err() {
                return Err(Failure::new(FailureKind::Unreachable, "the watcher is gone"));
            }
            // Nothing new is no reason to end: the view is sent again, and again.
            if let Ok(Err(_)) = tokio::time::timeout(WATCH_INTERVAL, changes.changed()).await {
                return Err(Failure::new(FailureKind::Unreachable, "the agent stops"));
            }
        }
    }
}
