//! Answers the embedded controller's API when a client of Juju asks about a migration, or begins one.

use std::sync::Arc;

use async_trait::async_trait;
use modelferry_protocol::ids::ModelUuid;

use crate::agent::answer::RequestHandler;
use crate::agent::answer::model::models::migration_of;
use crate::controller::embedded::api::{LastMigration, Migrator};
use crate::engine::view::FindingView;
use crate::engine::{EngineError, MigrateOptions, causes};
use crate::juju::rpc::{ErrorCode, RpcError};

/// Answers the API.
pub(in crate::agent) struct Migrations(pub Arc<RequestHandler>);

#[async_trait]
impl Migrator for Migrations {
    fn last(&self, model: ModelUuid) -> Option<LastMigration> {
        let views = self.0.engine.get()?.migrations();
        let uuid = model.to_string();
        let last = views.iter().find(|view| view.moves() && view.model_uuid == uuid)?;
        let shown = migration_of(last)?;
        Some(LastMigration { note: shown.note, started_ms: shown.started_ms, ended_ms: shown.ended_ms })
    }

    fn frozen_for_good(&self, model: ModelUuid) -> Option<String> {
        let engine = self.0.engine.get()?;
        let read = "its operators read \"Two copies of one model\" in docs/in-doubt.md on the controller's host";
        engine.is_in_conflict(model).then(|| format!("{}; {read}", EngineError::InConflict(model)))
    }

    async fn check(&self, model: ModelUuid, controller: ModelUuid) -> Result<(), RpcError> {
        let (engine, peer) = (self.engine()?, self.peer(controller)?);
        let plan = engine.plan(model, &peer).await.map_err(|error| refused(&error))?;
        let failed = plan.findings.iter().find(|finding| finding.is_failure());
        failed.map_or(Ok(()), |finding| Err(RpcError::plain(FindingView::complaint(finding))))
    }

    async fn begin(&self, model: ModelUuid, controller: ModelUuid, actor: &str) -> Result<String, RpcError> {
        let (engine, peer) = (self.engine()?, self.peer(controller)?);
        let options = MigrateOptions::new(self.0.freeze_max);
        let begun = engine.migrate(model, &peer, options, actor).await.map_err(|error| refused(&error))?;
        tracing::info!(id = begun.id, actor, peer, "a migration was asked for over Juju's API");
        Ok(begun.id)
    }
}

impl Migrations {
    fn engine(&self) -> Result<&crate::engine::Engine, RpcError> {
        let starting = || RpcError::new(ErrorCode::TryAgain, "the agent is still starting; try again");
        self.0.engine.get().ok_or_else(starting)
    }

    /// Returns the peer beside whom a controller is.
    fn peer(&self, controller: ModelUuid) -> Result<String, RpcError> {
        let uuid = controller.to_string();
        let is =
            |view: &crate::agent::control::view::PeerView| view.controller.as_ref().is_some_and(|it| it.uuid == uuid);
        let found = self.0.peers().into_iter().find(is).map(|peer| peer.name);
        found.ok_or_else(|| {
            RpcError::plain(format!(
                "connect to target controller: no linked peer of this agent is beside controller {uuid}; see \
                 `modelferry peers` on this controller's host, and pair the two agents: `modelferry pair offer` here"
            ))
        })
    }
}

/// Says in Juju's words why the engine did not do it.
fn refused(error: &EngineError) -> RpcError {
    match error {
        EngineError::Busy { .. } => RpcError::plain("failed to create migration: already in progress".to_owned()),
        EngineError::Controller(crate::controller::port::ControllerError::MigrationInProgress) => {
            RpcError::new(ErrorCode::MigrationInProgress, error.to_string())
        }
        other => RpcError::plain(causes(other)),
    }
}
