//! What the agent answers, each part in a file: models and controllers, migrations, peers, the embedded controller.

mod arrival;
mod embedded;
mod limits;
mod migrations;
mod models;
mod outline;
mod peers;
mod refusal;
mod resolve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use modelferry_protocol::ids::JournalId;

use super::admission::Caller;
use super::control::server::{Answer, Client};
use super::control::view::IdentityView;
use super::control::{Failure, FailureKind, Request, Response};
use crate::controller::embedded::Embedded;
use crate::engine::{Engine, QueryHandler};
use crate::link::Link;

/// Everything that answers are made of. The engine joins last, as it answers its peers' questions through this.
pub(super) struct Desk {
    pub embedded: Embedded,
    pub link: Link,
    pub journal: JournalId,
    pub state_dir: PathBuf,
    pub listen: SocketAddr,
    pub freeze_max: Duration,
    pub engine: OnceLock<Engine>,
}

impl Desk {
    /// Returns the engine.
    ///
    /// Errors: a peer has asked in the moment before the engine has joined.
    fn engine(&self) -> Result<&Engine, Failure> {
        self.engine
            .get()
            .ok_or_else(|| Failure::new(FailureKind::Unreachable, "the agent is still starting; try again"))
    }

    /// Runs work on the embedded controller, which blocks on the disk.
    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Embedded) -> Result<R, crate::controller::port::ControllerError> + Send + 'static,
    ) -> Result<R, Failure> {
        let embedded = self.embedded.clone();
        match tokio::task::spawn_blocking(move || work(&embedded)).await {
            Ok(outcome) => outcome.map_err(|error| self.refusal_of_controller(&error)),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Answers a peer's question, a read-only request as JSON.
    pub async fn answer_query(&self, json: &str) -> String {
        let response = match serde_json::from_str::<Request>(json) {
            Ok(request) if request.peer_may_ask() => self.read(request).await.unwrap_or_else(Response::from),
            Ok(_) => Failure::new(FailureKind::NotPermitted, "a peer may not ask that").into(),
            Err(error) => Failure::new(FailureKind::Usage, format!("the question is not understood: {error}")).into(),
        };
        serde_json::to_string(&response).expect("responses have text for keys")
    }

    /// Answers what changes nothing.
    async fn read(&self, request: Request) -> Result<Response, Failure> {
        match request {
            Request::Status {} => self.status().await,
            Request::Identity {} => Ok(Response::Identity(IdentityView {
                pin: self.link.pin().to_string(),
                journal: self.journal.to_string(),
                listen: self.listen.to_string(),
                state_dir: self.state_dir.display().to_string(),
            })),
            Request::Limits {} => Ok(self.limits()),
            Request::Peers {} => Ok(Response::Peers(self.peers())),
            Request::Controllers {} => self.controllers().await,
            Request::ShowController { controller } => self.show_controller(controller).await,
            Request::Models { controller } => self.models(controller).await,
            Request::ShowModel { model } => self.show_model(&model).await,
            Request::Migrations {} => Ok(Response::Migrations(self.engine()?.migrations())),
            Request::ShowMigration { id } => self.show_migration(&id).await,
            Request::ShowProof { id } => self.show_proof(&id).await,
            Request::Audit {} => self.audit().await,
            Request::Precheck { model, peer } => self.precheck(&model, &peer).await,
            Request::Verify { id } => self.verify(&id).await,
            Request::Checklist { id } => self.checklist(&id).await,
            Request::EmbeddedGet { model, key } => self.embedded_get(model, key).await,
            Request::UserList {} => self.user_list().await,
            other => unreachable!("{other:?} changes something or is watched"),
        }
    }

    /// Answers what changes something.
    async fn change(&self, request: Request, actor: &str) -> Result<Response, Failure> {
        match request {
            Request::PairOffer { name } => self.pair_offer(name).await,
            Request::PairAccept { code, address, name } => self.pair_accept(&code, &address, name).await,
            Request::Limit { peer, rate } => self.limit(peer.as_deref(), rate.as_deref()),
            Request::Unpair { peer } => self.unpair(&peer).await,
            Request::Migrate { model, peer, freeze_ms_max } => self.migrate(&model, &peer, freeze_ms_max, actor).await,
            Request::Abort { id } => self.abort(&id, actor).await,
            Request::Resolve { id, how, reason } => self.resolve(&id, how, &reason, actor).await,
            Request::EmbeddedImport { file, blobs } => self.embedded_import(file, blobs).await,
            Request::EmbeddedExport { model, dir } => self.embedded_export(model, dir).await,
            Request::EmbeddedRemove { model } => self.embedded_remove(model).await,
            Request::EmbeddedSet { model, key, value } => self.embedded_set(model, key, value).await,
            Request::UserAdd { user, access } => self.user_add(user, access).await,
            Request::UserRemove { user } => self.user_remove(user).await,
            other => unreachable!("{other:?} changes nothing"),
        }
    }
}

#[async_trait]
impl Answer for Desk {
    async fn answer(&self, request: Request, caller: Caller, client: &mut Client) -> Response {
        let answered = match request {
            Request::Watch { id } => self.watch(&id, client).await,
            Request::Events { after, follow } => self.events(after, follow, client).await,
            request if request.changes() => {
                tracing::info!(caller = caller.actor(), verb = request.verb(), "asked");
                self.change(request, &caller.actor()).await
            }
            request => self.read(request).await,
        };
        answered.unwrap_or_else(Response::from)
    }
}

/// Hands a peer's questions to the desk.
pub(super) struct Questions(pub Arc<Desk>);

#[async_trait]
impl QueryHandler for Questions {
    async fn answer(&self, json: &str) -> String {
        self.0.answer_query(json).await
    }
}
