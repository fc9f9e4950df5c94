//! Models and controllers: the agent's own, and over the link those of its peers.

use super::Desk;
use super::outline::outline;
use crate::agent::control::view::{ControllerView, ModelMigration, ModelView, StatusView, is_in_doubt};
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::engine::view::{Direction, MigrationView, Stand};

/// Where a name leads.
enum Place {
    /// To the agent's own controller.
    Here,
    /// To the controller beside this peer.
    Peer(String),
}

impl Desk {
    /// Returns where a controller is: the agent's own goes by its name, others by their peer's or their own.
    fn place(&self, controller: Option<&str>) -> Result<Place, Failure> {
        let Some(name) = controller else { return Ok(Place::Here) };
        if name == &*self.embedded.controller_card().name {
            return Ok(Place::Here);
        }
        if self.link.peer(name).is_some() {
            return Ok(Place::Peer(name.to_owned()));
        }
        let called = |controller: &Option<ControllerView>| controller.as_ref().is_some_and(|it| it.name == name);
        match self.peers().into_iter().find(|peer| called(&peer.controller)) {
            Some(peer) => Ok(Place::Peer(peer.name)),
            None => {
                let message = format!("controller {name} not found");
                Err(Failure::new(FailureKind::NotFound, message).hint("see `modelferry controllers`"))
            }
        }
    }

    /// Asks a peer's agent.
    pub(super) async fn ask_peer(&self, peer: &str, request: &Request) -> Result<Response, Failure> {
        let question = serde_json::to_string(request).expect("requests have text for keys");
        let answer = self.engine()?.query(peer, &question).await.map_err(|error| self.refusal_of_engine(&error))?;
        let response: Response = serde_json::from_str(&answer).map_err(|_| {
            let message = format!("the agent of \"{peer}\" answers in a way that this one does not understand");
            Failure::new(FailureKind::Unreachable, message).hint("run the same version of modelferry on both hosts")
        })?;
        match response {
            Response::Failed(mut failure) => {
                // What the other agent knows the new controller as says nothing about what we know it as.
                if let Some(redirect) = &mut failure.redirect {
                    redirect.known_as = self.known_as(&redirect.controller_uuid, &redirect.addresses);
                }
                Err(*failure)
            }
            response => Ok(response),
        }
    }

    /// Lists the controllers.
    pub(super) async fn controllers(&self) -> Result<Response, Failure> {
        let own: ControllerView = self.blocking(|embedded| embedded.view()).await?.into();
        let others = self.peers().into_iter().map(|peer| {
            let name = peer.name;
            peer.controller.unwrap_or_else(|| ControllerView { peer: Some(name), ..ControllerView::default() })
        });
        Ok(Response::Controllers(std::iter::once(own).chain(others).collect()))
    }

    /// Shows a controller.
    pub(super) async fn show_controller(&self, controller: Option<String>) -> Result<Response, Failure> {
        match self.place(controller.as_deref())? {
            Place::Here => Ok(Response::Controller(Box::new(self.blocking(|embedded| embedded.view()).await?.into()))),
            Place::Peer(peer) => self.ask_peer(&peer, &Request::ShowController { controller: None }).await,
        }
    }

    /// Lists a controller's models.
    pub(super) async fn models(&self, controller: Option<String>) -> Result<Response, Failure> {
        match self.place(controller.as_deref())? {
            Place::Here => {
                let models = self.blocking(|embedded| embedded.models()).await?;
                Ok(Response::Models { controller: self.embedded.controller_card().name.to_string(), models })
            }
            Place::Peer(peer) => self.ask_peer(&peer, &Request::Models { controller: None }).await,
        }
    }

    /// Shows a model.
    pub(super) async fn show_model(&self, named: &str) -> Result<Response, Failure> {
        let (controller, model) = match named.split_once(':') {
            Some((controller, model)) => (Some(controller), model),
            None => (None, named),
        };
        let model = model.to_owned();
        if let Place::Peer(peer) = self.place(controller)? {
            return self.ask_peer(&peer, &Request::ShowModel { model }).await;
        }
        let (details, description) = self
            .blocking(move |embedded| {
                let details = embedded.model(&model)?;
                let uuid = embedded.find(&model)?;
                // The controller's own model has no description.
                Ok((details, embedded.description(uuid).ok()))
            })
            .await?;
        let migrations = self.engine.get().map(|engine| engine.migrations()).unwrap_or_default();
        let last = migrations.iter().find(|view| view.model_uuid == details.row.uuid);
        let migration = last.and_then(migration_of);
        let (applications, units, machines) = description.as_deref().map(outline).unwrap_or_default();
        Ok(Response::Model(Box::new(ModelView { details, migration, applications, units, machines })))
    }

    /// Shows the agent.
    pub(super) async fn status(&self) -> Result<Response, Failure> {
        let controller = self.blocking(|embedded| embedded.view()).await?.into();
        let now = super::migrations::now_ms();
        let mut migrations = self.engine()?.migrations();
        migrations.retain(|view| view.ended_ms.is_none());
        migrations.sort_by_key(|view| !is_in_doubt(view, now));
        Ok(Response::Status(Box::new(StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            controller,
            listen: self.listen.to_string(),
            peers: self.peers(),
            alarms: self.engine()?.alarms(),
            migrations,
        })))
    }
}

/// Returns what a model shows of its last migration: one that runs, or that failed on the model's own side.
fn migration_of(view: &MigrationView) -> Option<ModelMigration> {
    let note = match view.stand {
        Stand::Running | Stand::Undecided | Stand::Finishing => view.note.clone(),
        Stand::Reverted if view.direction == Direction::Source => {
            let cause = view.cause.as_deref().unwrap_or("no cause was recorded");
            format!("aborted, removing model from target controller: {cause}")
        }
        Stand::Reverted | Stand::Moved => return None,
    };
    Some(ModelMigration { id: view.id.clone(), note, started_ms: view.started_ms, ended_ms: view.ended_ms })
}
