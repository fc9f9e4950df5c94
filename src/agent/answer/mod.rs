//! Answers the requests of the control socket. Each file answers one group of them, in a folder for what they are about.

mod files;
pub(in crate::agent) mod migration;
mod model;
mod peer;
mod query;
mod refusal;
pub(super) mod status_only;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use modelferry_protocol::ids::{JournalId, Pin};
use modelferry_protocol::limits::{ANSWER_BYTES_MAX, ANSWER_PLAIN_BYTES_MAX};

use super::control::view::IdentityView;
use super::control::{Failure, FailureKind, Request, Response};
use super::inspection::alarms::Memory;
use super::socket::admission::Caller;
use super::socket::server::{Client, Handler};
use crate::controller::embedded::Embedded;
use crate::controller::local::LocalController;
use crate::disk::background;
use crate::engine::{Engine, MigrateOptions, QueryHandler, packed};
use crate::link::{Link, RightsChange};

/// Everything that answers are made of. The engine joins last, as it answers its peers' questions through this.
pub(super) struct RequestHandler {
    /// The embedded controller; without models where the agent stands beside another one.
    pub embedded: Embedded,
    /// The controller beside the agent.
    pub local: Arc<dyn LocalController>,
    pub link: Link,
    pub journal: JournalId,
    pub state_dir: PathBuf,
    pub listen: SocketAddr,
    pub freeze_max: Duration,
    pub engine: OnceLock<Engine>,
    /// Compares the journal with what is on the disk.
    pub memory: Memory,
}

impl RequestHandler {
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
        let turn = background::turn().await;
        let embedded = self.embedded.clone();
        let work = move || {
            let _turn = turn;
            work(&embedded)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(outcome) => outcome.map_err(|error| self.refusal_of_controller(&error)),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Answers what changes nothing.
    async fn read(&self, request: Request) -> Result<Response, Failure> {
        self.refuse_unless_hosted(&request)?;
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
            Request::ShowModel { model, held } => self.show_model(&model, held).await,
            Request::ModelStatus { model, held } => self.model_status(&model, held).await,
            Request::Migrations {} => Ok(Response::Migrations(self.engine()?.migrations())),
            Request::ShowMigration { id } => self.show_migration(&id).await,
            Request::ShowProof { id } => self.show_proof(&id).await,
            Request::Audit {} => self.audit().await,
            Request::Doctor {} => Ok(self.doctor().await),
            Request::Precheck { model, peer } => self.precheck(&model, &peer).await,
            Request::Totals { models, peer } => self.totals(&models, &peer).await,
            Request::Verify { id } => self.verify(&id).await,
            Request::Checklist { id } => self.checklist(&id).await,
            Request::EmbeddedGet { model, key, held } => self.embedded_get(model, key, held).await,
            Request::UserList {} => self.user_list().await,
            Request::BackupList {} => self.backup_list().await,
            Request::BackupShow { id } => self.backup_show(id).await,
            Request::BackupVerify { id } => self.backup_verify(id).await,
            Request::Store { list } => self.store(list).await,
            Request::Prune { older_than_s, dry_run: true } => self.prune(older_than_s, true).await,
            other => unreachable!("{other:?} changes something or is watched"),
        }
    }

    /// Answers what changes something.
    async fn change(&self, request: Request, actor: &str, client: &mut Client) -> Result<Response, Failure> {
        self.refuse_unless_hosted(&request)?;
        match request {
            Request::PairOffer { name } => self.pair_offer(name).await,
            Request::PairAccept { code, address, name } => self.pair_accept(&code, &address, name).await,
            Request::Limit { peer, rate } => self.limit(peer.as_deref(), rate.as_deref()).await,
            Request::PeerSet { peer, receive, send, keep, read, models, quota } => {
                let change = RightsChange { receive, send, keep, read, ..RightsChange::default() };
                self.peer_set(&peer, change, models, quota).await
            }
            Request::Unpair { peer } => self.unpair(&peer, actor).await,
            Request::NoteSigned { certificate, ca, until_s } => {
                self.note_signed(&certificate, &ca, until_s, actor).await
            }
            Request::Migrate { model, peer, freeze_ms_max, skip_log, reap_hold_ms, schedule } => {
                let freeze_max = freeze_ms_max.map_or(self.freeze_max, Duration::from_millis);
                let reap_hold = Duration::from_millis(reap_hold_ms);
                let options = MigrateOptions { skip_log, reap_hold, ..MigrateOptions::new(freeze_max) };
                self.migrate(&model, &peer, options, &schedule, actor).await
            }
            Request::Precopy { model, peer, bwlimit } => self.precopy(&model, &peer, bwlimit.as_deref(), actor).await,
            Request::Order { id, order } => self.order(&id, order, actor).await,
            Request::Reap { id, skip_log } => self.reap(&id, skip_log, actor).await,
            Request::Abort { id } => self.abort(&id, actor).await,
            Request::Resolve { id, how, reason } => self.resolve(&id, how, &reason, actor).await,
            Request::EmbeddedImport { file, blobs } => self.embedded_import(file, blobs, actor, client).await,
            Request::EmbeddedExport { model, dir, held } => self.embedded_export(model, dir, held, client).await,
            Request::EmbeddedRemove { model } => self.embedded_remove(model, actor).await,
            Request::EmbeddedSet { model, key, value } => self.embedded_set(model, key, value).await,
            Request::BackupCreate { model, file, held } => self.backup_create(&model, file, held, client).await,
            Request::BackupKeep { model, peer } => self.backup_keep(&model, &peer).await,
            Request::BackupRestore { backup, source_lost, controller } => {
                self.backup_restore(backup, source_lost, controller.as_deref(), actor, client).await
            }
            Request::BackupRemove { id } => self.backup_remove(id).await,
            Request::Prune { older_than_s, dry_run } => self.prune(older_than_s, dry_run).await,
            Request::UserAdd { user, access, password } => self.user_add(user, access, password).await,
            Request::UserSetPassword { user, password } => self.user_set_password(user, password).await,
            Request::UserRemove { user } => self.user_remove(user).await,
            other => unreachable!("{other:?} changes nothing"),
        }
    }
}

/// Returns a response as it travels, or if it is longer than an answer over the link may be, a failure that says so.
fn fitting(response: &Response) -> Vec<u8> {
    let told = |response: &Response| serde_json::to_string(response).expect("responses have text for keys");
    let text = told(response);
    let packed = packed::pack(&text);
    if text.len() <= ANSWER_PLAIN_BYTES_MAX && packed.len() <= ANSWER_BYTES_MAX {
        return packed;
    }
    let message = format!(
        "the answer has {} KiB, {} KiB compressed, and over the link it may have at most {} KiB, {} KiB compressed",
        text.len() >> 10,
        packed.len() >> 10,
        ANSWER_PLAIN_BYTES_MAX >> 10,
        ANSWER_BYTES_MAX >> 10
    );
    let hint = match response {
        Response::ModelStatus(status) => format!(
            "run `modelferry status -m {}` on the host of controller {}, or see the model without its inside \
             with `modelferry show-model {1}:{0}`",
            status.model.details.row.name, status.model.details.controller_name
        ),
        _ => "run the command on the host of that controller's agent".to_owned(),
    };
    let failure = Failure::new(FailureKind::Refused, message).state("nothing is wrong with the model").hint(hint);
    packed::pack(&told(&failure.into()))
}

#[async_trait]
impl Handler for RequestHandler {
    async fn handle(&self, request: Request, caller: Caller, client: &mut Client) -> Response {
        let _telling = self.forewarn(&request, client).await;
        let answered = match request {
            Request::Watch { id } => self.watch(&id, client).await,
            Request::Events { after, follow } => self.events(after, follow, client).await,
            request if request.changes() => {
                tracing::info!(caller = caller.actor(), verb = request.verb(), "asked");
                self.change(request, &caller.actor(), client).await
            }
            request => self.read(request).await,
        };
        match answered {
            Ok(response) => response,
            Err(failure) => self.with_nearest(failure).await.into(),
        }
    }
}

/// Passes a peer's questions to the [`RequestHandler`].
pub(super) struct Questions(pub Arc<RequestHandler>);

#[async_trait]
impl QueryHandler for Questions {
    async fn answer(&self, peer: Pin, json: &str) -> Vec<u8> {
        self.0.answer_query(peer, json).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::control::view::{ModelStatusView, ModelView};
    use crate::controller::description::Description;
    use crate::controller::status::ModelStatus;
    use crate::controller::status::relation::RelationLine;

    /// The status of a model with so many relations, of which no two have anything in common.
    fn status(relations: u32) -> Response {
        let mut description = Description::default();
        description.name = "prod".into();
        let provider = |number: u32| blake3::hash(&number.to_le_bytes()).to_string();
        let line = |number| RelationLine { provider: provider(number), ..RelationLine::default() };
        let inside = ModelStatus { relations: (0..relations).map(line).collect(), ..ModelStatus::default() };
        let model = ModelView::of_description(&description, "east");
        Response::ModelStatus(Box::new(ModelStatusView { model, inside }))
    }

    #[test]
    fn an_answer_that_is_too_long_for_the_link_is_refused_with_what_to_do() {
        let told = |packed: &[u8]| packed::unpack(packed).unwrap();
        let small = told(&fitting(&status(3)));
        assert_eq!(serde_json::from_str::<Response>(&small).unwrap(), status(3));
        let large = fitting(&status(20_000));
        assert!(large.len() < 2048, "{large:?}");
        let large = told(&large);
        let Response::Failed(failure) = serde_json::from_str(&large).unwrap() else { panic!("{large}") };
        assert!(failure.message.contains("at most 16384 KiB, 512 KiB compressed"), "{failure:?}");
        assert!(failure.hint.contains("`modelferry status -m prod` on the host of controller east"), "{failure:?}");
    }
}
