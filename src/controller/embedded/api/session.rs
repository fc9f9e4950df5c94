//! One login's calls: which facades it has, and who answers them.

use std::sync::Arc;

use async_trait::async_trait;
use modelferry_protocol::ids::ModelUuid;
use serde::Serialize;
use serde_json::Value;

use super::super::record::ModelRecord;
use super::super::users::ModelAccess;
use super::super::view::{Access, ModelState};
use super::errors::{denied, fault, model_not_found};
use super::login::rights;
use super::watcher::Watchers;
use super::{Api, client, clouds, controller, migration_target, model_config, model_manager, offers, user_manager};
use crate::disk::blocking;
use crate::juju::rpc::{Call, ErrorCode, FacadeVersions, RpcError, Session};

/// Facades of controller connections. Clients of Juju 3 and 4 each find versions that they know.
const OF_CONTROLLER: &[(&str, &[u32])] = &[
    ("AllModelWatcher", &[4]),
    ("ApplicationOffers", &[4, 5]),
    ("Cloud", &[7]),
    ("Controller", &[11, 12, 13, 14]),
    ("MigrationTarget", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ("ModelConfig", &[3]),
    ("ModelManager", &[9, 10, 11]),
    ("Pinger", &[1]),
    ("UserManager", &[3]),
];
/// Facades of model connections.
const OF_MODEL: &[(&str, &[u32])] =
    &[("AllWatcher", &[3]), ("Client", &[6, 7, 8]), ("ModelConfig", &[3]), ("Pinger", &[1]), ("Storage", &[6])];
/// What is left to nobody in particular.
const OF_ANYBODY: &[(&str, &[u32])] = &[("Pinger", &[1])];

/// What a connection speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The controller, and its models from outside.
    Controller,
    /// The inside of this model.
    Model(ModelUuid),
}

/// Lists what a connection has.
pub(super) fn facades(place: Place, anonymous: bool) -> Vec<FacadeVersions> {
    let offered = match place {
        _ if anonymous => OF_ANYBODY,
        Place::Controller => OF_CONTROLLER,
        Place::Model(_) => OF_MODEL,
    };
    offered.iter().map(|(name, versions)| FacadeVersions::new(*name, versions)).collect()
}

/// A client that has logged in.
pub(super) struct ClientSession {
    caller: Arc<Caller>,
    watchers: Watchers,
}

/// Who calls, and what about.
pub(super) struct Caller {
    pub api: Api,
    /// None for a client that is nobody in particular.
    pub user: Option<String>,
    pub place: Place,
}

impl ClientSession {
    pub(super) fn new(api: Api, user: Option<String>, place: Place) -> Self {
        Self { caller: Arc::new(Caller { api, user, place }), watchers: Watchers::default() }
    }
}

#[async_trait]
impl Session for ClientSession {
    async fn call(&self, call: Call) -> Result<Value, RpcError> {
        match (call.facade.as_str(), call.method.as_str()) {
            ("Client", "WatchAll") | ("Controller", "WatchAllModels") => self.watchers.begin(&self.caller).await,
            ("AllWatcher" | "AllModelWatcher", "Next") => self.watchers.next(&self.caller, &call.id).await,
            ("AllWatcher" | "AllModelWatcher", "Stop") => self.watchers.stop(&call.id),
            ("Controller", "InitiateMigration") => controller::initiate(&self.caller, &call).await,
            _ => {
                let caller = Arc::clone(&self.caller);
                blocking(move || caller.answer(&call)).await
            }
        }
    }
}

/// Makes a reply.
pub(super) fn reply(value: &impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|error| RpcError::plain(error.to_string()))
}

impl Caller {
    pub(super) fn answer(&self, call: &Call) -> Result<Value, RpcError> {
        match call.facade.as_str() {
            "ModelManager" => model_manager::answer(self, call),
            "Controller" => controller::answer(self, call),
            "MigrationTarget" => migration_target::answer(self, call),
            "UserManager" => user_manager::answer(self, call),
            "ApplicationOffers" => offers::answer(self, call),
            "Cloud" => clouds::answer(self, call),
            "ModelConfig" => model_config::answer(self, call),
            "Client" => client::answer(self, call),
            "Storage" => client::storage(self, call),
            _ => Err(RpcError::unknown_method(call)),
        }
    }

    /// Returns the caller's name.
    pub(super) fn user(&self) -> Result<&str, RpcError> {
        self.user.as_deref().ok_or_else(denied)
    }

    /// Returns what the caller may do on the controller now: it may have changed since the login.
    pub(super) fn access(&self) -> Result<Access, RpcError> {
        let access = self.api.embedded.access_of(self.user()?).map_err(|error| fault(&error))?;
        access.ok_or_else(denied)
    }

    pub(super) fn is_superuser(&self) -> Result<bool, RpcError> {
        Ok(self.access()? == Access::Superuser)
    }

    pub(super) fn must_be_superuser(&self) -> Result<(), RpcError> {
        if self.is_superuser()? { Ok(()) } else { Err(denied()) }
    }

    /// Refuses to tell about other users, unless to a superuser.
    pub(super) fn must_be(&self, user: &str) -> Result<(), RpcError> {
        if self.user()? == user || self.is_superuser()? { Ok(()) } else { Err(denied()) }
    }

    /// Returns a model, and what the caller may do there. As in Juju, one that is not here cannot be told from one that
    /// the caller may not see, except that its users are told where it went.
    pub(super) fn model(&self, uuid: ModelUuid) -> Result<(ModelRecord, ModelAccess), RpcError> {
        let access = self.access()?;
        let record = self.api.inner().database.model(uuid).map_err(|error| fault(&error))?.ok_or_else(denied)?;
        let rights = rights(&record, self.user()?, access).ok_or_else(denied)?;
        match record.model_state() {
            ModelState::Gone => {
                let to = self.api.inner().redirection(&record).map_err(|error| fault(&error))?;
                Err(to.map_or_else(model_not_found, |to| RpcError::redirect(&to)))
            }
            _ => Ok((record, rights)),
        }
    }

    /// Returns the model that the connection is about, if this may be asked of it now.
    ///
    /// `while_frozen`: whether it may be asked of a model that is migrated.
    pub(super) fn own_model(&self, while_frozen: bool) -> Result<(ModelRecord, ModelAccess), RpcError> {
        let Place::Model(uuid) = self.place else { return Err(model_not_found()) };
        let (record, rights) = self.model(uuid)?;
        let migrating = |text: &str| Err(RpcError::new(ErrorCode::MigrationInProgress, text));
        match record.model_state() {
            ModelState::Frozen if !while_frozen => match self.api.migrator.frozen_for_good(uuid) {
                Some(why) => migrating(&why),
                None => migrating("model migration in progress"),
            },
            ModelState::Importing | ModelState::Staged => migrating("migration in progress, model is importing"),
            _ => Ok((record, rights)),
        }
    }

    /// Returns the models that a user sees, by name.
    pub(super) fn models_of(&self, user: &str, all: bool) -> Result<Vec<(ModelRecord, ModelAccess)>, RpcError> {
        let models = self.api.inner().database.models().map_err(|error| fault(&error))?;
        let here = models.into_iter().filter(|record| record.model_state() != ModelState::Gone);
        let mut seen: Vec<(ModelRecord, ModelAccess)> = here
            .filter_map(|record| {
                let own = record.access_of(user);
                let access = own.or(all.then_some(ModelAccess::Admin))?;
                Some((record, access))
            })
            .collect();
        seen.sort_by(|(a, _), (b, _)| (&a.name, &a.owner).cmp(&(&b.name, &b.owner)));
        Ok(seen)
    }
}
