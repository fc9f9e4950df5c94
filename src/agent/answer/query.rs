//! Answers the read-only requests of peers, as far as each may read.

use modelferry_protocol::ids::{MigrationId, ModelUuid, Pin};

use super::{RequestHandler, fitting};
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::disk::blocking;

impl RequestHandler {
    /// Answers a peer's question, a read-only request as JSON, and returns the answer as it travels.
    pub async fn answer_query(&self, peer: Pin, json: &str) -> Vec<u8> {
        let response = match serde_json::from_str::<Request>(json) {
            Ok(request) if request.peer_may_ask() => self.read_for(peer, request).await.unwrap_or_else(Response::from),
            Ok(_) => Failure::new(FailureKind::NotPermitted, "a peer may not ask that").into(),
            Err(error) => Failure::new(FailureKind::Usage, format!("the question is not understood: {error}")).into(),
        };
        blocking(move || fitting(&response)).await
    }

    /// Answers what a peer may read: everything, or what is about models that were exchanged with it.
    async fn read_for(&self, peer: Pin, request: Request) -> Result<Response, Failure> {
        if self.link.rights(peer).read {
            return match self.read(request).await {
                Ok(response) => Ok(response),
                Err(failure) => Err(self.with_nearest(failure).await),
            };
        }
        let engine = self.engine()?;
        match &request {
            Request::ShowModel { model, held } | Request::ModelStatus { model, held } => {
                self.refuse_unless_readable(peer, model, *held).await?;
                self.read(request).await
            }
            Request::Verify { id } => match id.parse::<MigrationId>() {
                Ok(mid) if engine.is_with(peer, mid) => self.read(request).await,
                _ => Err(self.unreadable(peer, format!("migration {id} is none with this peer"))),
            },
            _ => {
                let is_readable = |uuid: &str| uuid.parse().is_ok_and(|uuid: ModelUuid| engine.may_read(peer, uuid));
                let (_, allows) = self.allowing(peer);
                Ok(match self.read(request).await? {
                    Response::Models { controller, mut models, .. } => {
                        models.retain(|model| is_readable(&model.uuid));
                        Response::Models { controller, models, hidden: Some(allows) }
                    }
                    Response::Controller(mut view) => {
                        view.models.retain(|model| is_readable(&model.uuid));
                        (view.model_count, view.note) = (None, allows);
                        Response::Controller(view)
                    }
                    _ => return Err(Failure::new(FailureKind::NotPermitted, "a peer may not ask that")),
                })
            }
        }
    }

    /// Refuses a model that was not exchanged with a peer. By its name one that is here is told from one that is not to nobody who
    /// may not read it; a UUID is known only to whoever knows the model.
    async fn refuse_unless_readable(&self, peer: Pin, model: &str, held: bool) -> Result<(), Failure> {
        let by_uuid = model.parse::<ModelUuid>().ok();
        let found = match self.local.model(model, held).await {
            Ok(details) => details.row.uuid.parse::<ModelUuid>().ok(),
            // It is not here, or cannot be shown: the answer says so, and where it went.
            Err(_) if by_uuid.is_some() => return Ok(()),
            Err(_) => self.was_here(peer, model),
        };
        match found {
            Some(uuid) if self.engine()?.may_read(peer, uuid) => Ok(()),
            _ => Err(self.unreadable(peer, format!("no model \"{model}\" was exchanged with this peer"))),
        }
    }

    /// Returns the model of this name that was exchanged with a peer, and has left.
    fn was_here(&self, peer: Pin, named: &str) -> Option<ModelUuid> {
        let views = self.engine.get()?.migrations();
        let is_it = |view: &&crate::engine::view::MigrationView| {
            named == view.model || named.split_once('/') == Some((view.owner.as_str(), view.model.as_str()))
        };
        let uuids = views.iter().filter(is_it).filter_map(|view| view.model_uuid.parse::<ModelUuid>().ok());
        uuids.into_iter().find(|uuid| self.engine.get().is_some_and(|engine| engine.may_read(peer, *uuid)))
    }

    /// Returns what a peer is called here, and what lets it read everything.
    fn allowing(&self, peer: Pin) -> (String, String) {
        let (own, name) =
            (&*self.local.card().name, self.link.peer_by_pin(peer).map(|peer| peer.name).unwrap_or_default());
        let allows = format!(
            "controller {own} shows \"{name}\" the models that were exchanged with it; `modelferry peer set {name} --read on` on the \
             host of {own} shows it all"
        );
        (name, allows)
    }

    fn unreadable(&self, peer: Pin, message: String) -> Failure {
        let (name, allows) = self.allowing(peer);
        tracing::info!(peer = name, "not shown: {message}");
        Failure::new(FailureKind::Refused, message).state("nothing has changed").hint(allows)
    }
}
