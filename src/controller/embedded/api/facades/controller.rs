//! `Controller` 11 to 14: the controller itself, and the start of a migration.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::model_manager::{statuses, user_model};
use crate::controller::embedded::api::caller::{Caller, reply};
use crate::controller::embedded::api::errors::{denied, fault, no_tag};
use crate::juju::params::common::{Outcome, Results};
use crate::juju::params::controller::{
    ApiInfo, ConfigResult, InitiateMigrationArgs, InitiateMigrationResult, MigrationSpec, StringResult, UserAccess,
    VersionResult,
};
use crate::juju::params::model_manager::UserModelList;
use crate::juju::params::{Entities, tag};
use crate::juju::rpc::{ErrorCode, RpcCall, RpcError};

/// From this version on a model has a qualifier in the place of an owner.
const QUALIFIED: u32 = 13;
/// Models of one `InitiateMigration`.
const SPECS_MAX: usize = 64;

pub(in crate::controller::embedded::api) fn answer(caller: &Caller, call: &RpcCall) -> Result<Value, RpcError> {
    let config = || &caller.api.inner().config;
    match call.method.as_str() {
        "AllModels" => {
            caller.must_be_superuser()?;
            let user = caller.user()?;
            let models = caller.models_of(user, true)?;
            let qualified = call.version >= QUALIFIED;
            let user_models = models.iter().map(|(record, _)| user_model(record, user, qualified)).collect();
            reply(&UserModelList { user_models })
        }
        "ModelStatus" => {
            let asked = call.params::<Entities>()?.entities;
            reply(&statuses(caller, &asked, call.version >= QUALIFIED))
        }
        "ControllerConfig" => reply(&settings(caller)),
        "ControllerVersion" => reply(&VersionResult { version: config().version.clone(), git_commit: String::new() }),
        "IdentityProviderURL" => reply(&StringResult { result: config().identity_url.clone(), error: None }),
        // There is no MongoDB behind this controller; clients leave out what is empty.
        "MongoVersion" => reply(&StringResult::default()),
        "ControllerAPIInfoForModels" => {
            let asked = call.params::<Entities>()?.entities;
            reply(&asked.iter().map(|entity| api_info(caller, &entity.tag)).collect::<Results<_>>())
        }
        "GetControllerAccess" => {
            let asked = call.params::<Entities>()?.entities;
            reply(&asked.iter().map(|entity| Outcome::from(access(caller, &entity.tag))).collect::<Results<_>>())
        }
        "ListBlockedModels" => {
            caller.must_be_superuser()?;
            Ok(json!({ "models": [] }))
        }
        _ => Err(RpcError::unknown_method(call)),
    }
}

/// Returns the settings that clients look at. The rest of a real controller's are about what there is none of here.
fn settings(caller: &Caller) -> ConfigResult {
    let inner = caller.api.inner();
    let port = caller.api.servers.first().map_or(0, |server| server.port);
    let mut config = BTreeMap::from([
        ("api-port".to_owned(), json!(port)),
        ("ca-cert".to_owned(), json!(inner.identity.ca_cert)),
        ("controller-name".to_owned(), json!(inner.config.name)),
        ("controller-uuid".to_owned(), json!(inner.identity.uuid.to_string())),
    ]);
    if !inner.config.identity_url.is_empty() {
        config.insert("identity-url".to_owned(), json!(inner.config.identity_url));
    }
    ConfigResult { config }
}

fn api_info(caller: &Caller, asked: &str) -> ApiInfo {
    let known = tag::model_of(asked).ok_or_else(|| no_tag("model", asked)).and_then(|uuid| caller.model(uuid));
    match known {
        Ok(_) => ApiInfo {
            addresses: caller.api.addresses(),
            cacert: caller.api.inner().identity.ca_cert.clone(),
            error: None,
        },
        Err(error) => ApiInfo { error: Some(error), ..ApiInfo::default() },
    }
}

fn access(caller: &Caller, asked: &str) -> Result<UserAccess, RpcError> {
    let user = tag::user_of(asked).ok_or_else(|| no_tag("user", asked))?;
    caller.must_be(user)?;
    let access = caller.api.embedded.access_of(user).map_err(|error| fault(&error))?;
    let unknown = || RpcError::new(ErrorCode::UserNotFound, format!("user {user:?} not found"));
    Ok(UserAccess { user_tag: tag::user(user), access: access.ok_or_else(unknown)?.as_str().to_owned() })
}

/// Answers `InitiateMigration`: each model by itself, in order.
pub(in crate::controller::embedded::api) async fn initiate(
    caller: &Arc<Caller>,
    call: &RpcCall,
) -> Result<Value, RpcError> {
    let InitiateMigrationArgs { specs, dry_run } = call.params()?;
    if specs.len() > SPECS_MAX {
        return Err(RpcError::new(ErrorCode::BadRequest, format!("at most {SPECS_MAX} models at once")));
    }
    let gate = Arc::clone(caller);
    crate::disk::blocking(move || gate.must_be_superuser()).await?;
    let mut results = Vec::new();
    for spec in specs {
        let (model_tag, caller) = (spec.model_tag.clone(), Arc::clone(caller));
        // A migration that has begun goes on, so its start must not be cut off half-way either when the client leaves.
        let begun = tokio::spawn(async move { begin(&caller, &spec, dry_run).await });
        let begun = begun.await.unwrap_or_else(|_| Err(RpcError::plain("the migration could not be started")));
        results.push(match begun {
            Ok(migration_id) => InitiateMigrationResult { model_tag, error: None, migration_id },
            Err(error) => InitiateMigrationResult { model_tag, error: Some(error), migration_id: String::new() },
        });
    }
    reply(&Results { results })
}

/// Adds Juju's words for what was being done.
fn annotated(what: &str, error: RpcError) -> RpcError {
    RpcError { message: format!("{what}: {}", error.message), ..error }
}

async fn begin(caller: &Arc<Caller>, spec: &MigrationSpec, dry_run: bool) -> Result<String, RpcError> {
    let model =
        tag::model_of(&spec.model_tag).ok_or_else(|| annotated("model tag", no_tag("model", &spec.model_tag)))?;
    let looked = Arc::clone(caller);
    let record = crate::disk::blocking(move || looked.model(model)).await.map_err(|error| match error.code {
        ErrorCode::Unauthorized => RpcError::new(ErrorCode::NotFound, "model not found"),
        _ => error,
    })?;
    let target = &spec.target_info;
    let controller = tag::controller_of(&target.controller_tag)
        .ok_or_else(|| annotated("controller tag", no_tag("controller", &target.controller_tag)))?;
    if tag::user_of(&target.auth_tag).is_none() {
        return Err(annotated("auth tag", no_tag("user", &target.auth_tag)));
    }
    if record.0.controller {
        return Err(RpcError::plain("controllers can't be migrated"));
    }
    if controller == caller.api.inner().identity.uuid || target.addrs.iter().any(|address| caller.api.is_here(address))
    {
        return Err(RpcError::plain("model already attached to target controller"));
    }
    let migrator = &caller.api.migrator;
    if dry_run {
        return migrator.check(model, controller).await.map(|()| String::new());
    }
    let user = caller.user.as_deref().ok_or_else(denied)?;
    if !target.controller_alias.is_empty() {
        let alias = target.controller_alias.clone();
        caller.api.blocking(move |api| api.inner().put_alias(controller, &alias)).await?;
    }
    migrator.begin(model, controller, &format!("juju user {user}")).await
}
