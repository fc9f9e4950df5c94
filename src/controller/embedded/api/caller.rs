//! Who calls, what about, and what the caller may see and do.

use std::net::IpAddr;

use modelferry_protocol::ids::ModelUuid;
use serde::Serialize;
use serde_json::Value;

use super::base::Api;
use super::errors::{denied, fault, model_not_found};
use crate::controller::embedded::records::record::ModelRecord;
use crate::controller::embedded::records::user_record::ModelAccess;
use crate::controller::embedded::view::{Access, ModelState};
use crate::juju::rpc::{ErrorCode, RpcError};

/// What a connection speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// The controller, and its models from outside.
    Controller,
    /// The inside of this model.
    Model(ModelUuid),
}

/// Who calls, and what about.
pub(super) struct Caller {
    pub api: Api,
    /// None for a client that is nobody in particular.
    pub user: Option<String>,
    pub subject: Subject,
    /// The address that the client calls from.
    pub from: IpAddr,
}

/// Makes a reply.
pub(super) fn reply(value: &impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|error| RpcError::plain(error.to_string()))
}

/// Returns what a user may do in a model, superusers included.
pub(super) fn rights(record: &ModelRecord, user: &str, access: Access) -> Option<ModelAccess> {
    if access == Access::Superuser { Some(ModelAccess::Admin) } else { record.access_of(user) }
}

impl Caller {
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
        let Subject::Model(uuid) = self.subject else { return Err(model_not_found()) };
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
