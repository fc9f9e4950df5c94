//! Requests about models and controllers: the agent's own, and those of its peers over the link.

use std::collections::BTreeSet;

use crate::agent::answer::RequestHandler;
use crate::agent::control::view::{
    ArrivalView, ControllerModel, ControllerView, ModelMigration, ModelStatusView, ModelView, StatusView, is_freezing,
    is_in_doubt,
};
use crate::agent::control::{Failure, FailureKind, Missing, Request, Response};
use crate::controller::embedded::view::{ModelDetails, ModelRow, ModelState};
use crate::controller::embedded::{self, Embedded};
use crate::controller::port::ControllerError;
use crate::controller::status::ModelStatus;
use crate::disk::blocking;
use crate::engine::causes;
use crate::engine::view::{Direction, MigrationView, Stand, State};

/// Milliseconds for which a failed migration is shown without being asked for: whoever comes in the morning
/// must see what went wrong at night.
const FAILED_SHOWN_MS: u64 = 24 * 3_600_000;

/// The owner whose models Juju names without their owner, to the administrator.
const ADMIN: &str = "admin";

/// Where a name leads.
pub(in crate::agent::answer) enum Location {
    /// To the agent's own controller.
    Here,
    /// To the controller beside this peer.
    Peer(String),
}

impl RequestHandler {
    /// Returns where a controller is: the agent's own goes by its name, others by their peer's or their own.
    pub(super) fn locate(&self, controller: Option<&str>) -> Result<Location, Failure> {
        let Some(name) = controller else { return Ok(Location::Here) };
        if name == &*self.local.card().name {
            return Ok(Location::Here);
        }
        if self.link.peer(name).is_some() {
            return Ok(Location::Peer(name.to_owned()));
        }
        let called = |controller: &Option<ControllerView>| controller.as_ref().is_some_and(|it| it.name == name);
        match self.peers().into_iter().find(|peer| called(&peer.controller)) {
            Some(peer) => Ok(Location::Peer(peer.name)),
            None => {
                let message = format!("controller {name} not found");
                let missing = Missing::Controller(name.to_owned());
                Err(Failure::new(FailureKind::NotFound, message).missing(missing).hint("see `modelferry controllers`"))
            }
        }
    }

    /// Asks a peer's agent.
    pub(in crate::agent::answer) async fn ask_peer(&self, peer: &str, request: &Request) -> Result<Response, Failure> {
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

    async fn own_view(&self) -> Result<embedded::view::ControllerView, Failure> {
        self.local.view().await.map_err(|error| self.refusal_of_controller(&error))
    }

    /// Lists the controllers.
    pub(in crate::agent::answer) async fn controllers(&self) -> Result<Response, Failure> {
        let own: ControllerView = self.own_view().await?.into();
        let others = self.peers().into_iter().map(|peer| {
            let name = peer.name;
            peer.controller.unwrap_or_else(|| ControllerView { peer: Some(name), ..ControllerView::default() })
        });
        Ok(Response::Controllers(std::iter::once(own).chain(others).collect()))
    }

    /// Shows a controller.
    pub(in crate::agent::answer) async fn show_controller(
        &self,
        controller: Option<String>,
    ) -> Result<Response, Failure> {
        match self.locate(controller.as_deref())? {
            Location::Here => {
                let own = self.own_view().await?;
                let models = match self.local.must_keep_models() {
                    Ok(()) => self.blocking(counted).await?,
                    Err(_) => {
                        self.local.models().await.unwrap_or_default().into_iter().map(|row| shown_as(row, 0)).collect()
                    }
                };
                Ok(Response::Controller(Box::new(ControllerView { models, ..own.into() })))
            }
            Location::Peer(peer) => self.ask_peer(&peer, &Request::ShowController { controller: None }).await,
        }
    }

    /// Lists a controller's models.
    pub(in crate::agent::answer) async fn models(&self, controller: Option<String>) -> Result<Response, Failure> {
        match self.locate(controller.as_deref())? {
            Location::Here => {
                let models = self.local.models().await.map_err(|error| self.refusal_of_controller(&error))?;
                Ok(Response::Models { controller: self.local.card().name.to_string(), models, hidden: None })
            }
            Location::Peer(peer) => self.ask_peer(&peer, &Request::Models { controller: None }).await,
        }
    }

    /// Shows a model.
    pub(in crate::agent::answer) async fn show_model(&self, named: &str, held: bool) -> Result<Response, Failure> {
        match self.model_place(named)? {
            (Location::Peer(peer), model) => self.ask_peer(&peer, &Request::ShowModel { model, held }).await,
            (Location::Here, model) => {
                let details =
                    self.local.model(&model, held).await.map_err(|error| self.refusal_of_controller(&error))?;
                Ok(Response::Model(Box::new(self.with_migration(details))))
            }
        }
    }

    /// Shows a model with everything inside.
    pub(in crate::agent::answer) async fn model_status(&self, named: &str, held: bool) -> Result<Response, Failure> {
        let (place, model) = self.model_place(named)?;
        if let Location::Peer(peer) = place {
            return self.ask_peer(&peer, &Request::ModelStatus { model, held }).await;
        }
        let (details, inside) = self
            .blocking(move |embedded| {
                let details = shown(embedded, &model, held)?;
                // The controller's own model has no description, and nothing inside.
                let inside = if details.row.is_controller {
                    ModelStatus::default()
                } else {
                    ModelStatus::of(&*embedded.description(embedded.find(&details.row.uuid)?)?)
                };
                Ok((details, inside))
            })
            .await?;
        Ok(Response::ModelStatus(Box::new(ModelStatusView { model: self.with_migration(details), inside })))
    }

    /// Splits `[CONTROLLER:]MODEL` into where that is, and what it is called there.
    fn model_place(&self, named: &str) -> Result<(Location, String), Failure> {
        let (controller, model) = match named.split_once(':') {
            Some((controller, model)) => (Some(controller), model),
            None => (None, named),
        };
        Ok((self.locate(controller)?, model.to_owned()))
    }

    /// Adds what only the agent knows of a model.
    fn with_migration(&self, details: ModelDetails) -> ModelView {
        let migrations = self.engine.get().map(|engine| engine.migrations()).unwrap_or_default();
        let last = migrations.iter().find(|view| view.moves() && view.model_uuid == details.row.uuid);
        let brought = details.brought.as_ref().map(|brought| ModelMigration {
            note: brought.note(),
            started_ms: brought.since_ms,
            ..ModelMigration::default()
        });
        ModelView { migration: brought.or_else(|| last.and_then(migration_of)), details }
    }

    /// Lists the models that Juju controllers are bringing.
    async fn arrivals(&self) -> Vec<ArrivalView> {
        // An alarm says so if the database cannot be read.
        let held = self.blocking(Embedded::brought).await.unwrap_or_default();
        let arrivals = held.into_iter().filter_map(|held| {
            let (model, uuid, brought) = (held.path, held.uuid.to_string(), held.brought?);
            Some(ArrivalView { model, uuid, note: brought.note(), by: brought.by, since_ms: brought.since_ms })
        });
        arrivals.collect()
    }

    /// Shows the agent.
    pub(in crate::agent::answer) async fn status(&self) -> Result<Response, Failure> {
        // What is wrong with a database that cannot be read is told by an alarm, and the rest of the status all the same.
        let controller = self.local.view().await.map(ControllerView::from);
        let controller = controller.unwrap_or_else(|error| {
            tracing::error!("the controller cannot be shown: {}", causes(&error));
            ControllerView::of_card(&self.local.card())
        });
        // A real controller that is not reached is told so by its own line.
        let models = self.local.models().await.unwrap_or_default();
        let now = crate::clock::now_ms();
        let mut migrations = self.engine()?.migrations();
        let failed = failed_of_late(&migrations, &models, now);
        migrations.retain(|view| view.ended_ms.is_none());
        migrations.sort_by_key(|view| !is_in_doubt(view, now));
        let (memory, unfinished) = (self.memory.clone(), migrations.clone());
        let mut alarms = self.engine()?.alarms();
        alarms.extend(blocking(move || memory.alarms(&unfinished)).await);
        alarms.extend(self.gateway_alarms());
        Ok(Response::Status(Box::new(StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            controller,
            listen: self.listen.to_string(),
            peers: self.peers(),
            alarms,
            migrations,
            arrivals: self.arrivals().await,
            failed,
            store: self.engine()?.last_prune(),
            strangers: self.strangers(),
        })))
    }
}

/// Shows a model that is in service here, or the copy that is held of one that has moved.
fn shown(embedded: &Embedded, named: &str, held: bool) -> Result<ModelDetails, ControllerError> {
    if held { embedded.held_model(named) } else { embedded.model(named) }
}

/// Counts what a controller's models have.
fn counted(embedded: &Embedded) -> Result<Vec<ControllerModel>, ControllerError> {
    let counted = embedded.models()?.into_iter().map(|row| {
        let cores = match row.is_controller {
            true => 0,
            false => embedded.model(&row.uuid)?.cores.values().sum(),
        };
        Ok(shown_as(row, cores))
    });
    counted.collect()
}

/// Returns a model's line within its controller.
fn shown_as(row: ModelRow, cores: u64) -> ControllerModel {
    let ModelRow { name, owner, uuid, model_type, machines, units, .. } = row;
    let name = if owner == ADMIN { name } else { format!("{owner}/{name}") };
    ControllerModel { name, uuid, model_type, machines, units, cores }
}

/// Returns what a model shows of its last migration: one that runs, or that failed on the model's own side.
pub(in crate::agent::answer) fn migration_of(view: &MigrationView) -> Option<ModelMigration> {
    let note = match view.stand {
        Stand::Running | Stand::Undecided | Stand::Finishing => view.notes(),
        Stand::Reverted if view.direction == Direction::Source => {
            let cause = view.cause.as_deref().unwrap_or("no cause was recorded");
            format!("aborted, removing model from target controller: {cause}")
        }
        Stand::Reverted | Stand::Moved | Stand::Copied => return None,
    };
    Some(ModelMigration {
        id: view.id.clone(),
        note,
        started_ms: view.started_ms,
        ended_ms: view.ended_ms,
        frozen: is_freezing(view),
        cause: view.cause.clone(),
        peer: view.peer.clone(),
    })
}

/// Returns the last migrations and pre-copies of models that are here, where those failed within the last day.
fn failed_of_late(migrations: &[MigrationView], models: &[ModelRow], now_ms: u64) -> Vec<MigrationView> {
    let mut seen = BTreeSet::new();
    // Newest first, so that of each model only the last attempt counts.
    let last = migrations.iter().filter(|view| view.moves() && seen.insert(&view.model_uuid));
    let of_late = |view: &&MigrationView| view.ended_ms.is_some_and(|end| now_ms.saturating_sub(end) < FAILED_SHOWN_MS);
    let failed = last.filter(|view| view.stand == Stand::Reverted && view.direction == Direction::Source);
    // A pre-copy counts unless anything has begun for that peer since.
    let mut begun = BTreeSet::new();
    let latest = migrations.iter().filter(|view| begun.insert((&view.model_uuid, &view.peer)));
    let precopies = latest.filter(|view| !view.moves() && view.state == State::Failed);
    // One that a conflict has frozen since is not "live on its source, as it was".
    let is_here = |view: &&MigrationView| {
        models.iter().any(|model| model.uuid == view.model_uuid && model.state != ModelState::Frozen)
    };
    failed.chain(precopies).filter(of_late).filter(is_here).cloned().collect()
}
