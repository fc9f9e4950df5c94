//! `ModelManager` 9 to 11: models from outside.

use modelferry_protocol::ids::ModelUuid;
use serde_json::Value;

use crate::controller::description::Description;
use crate::controller::embedded::api::caller::{Caller, reply};
use crate::controller::embedded::api::errors::{fault, no_tag};
use crate::controller::embedded::api::time;
use crate::controller::embedded::records::record::ModelRecord;
use crate::controller::embedded::records::user_record::ModelAccess;
use crate::controller::embedded::view::{ModelDetails, ModelState};
use crate::controller::port::ControllerError;
use crate::juju::params::common::{EntityStatus, Outcome, Results};
use crate::juju::params::controller::{ApplicationName, ModelStatus, ModelStatusResults};
use crate::juju::params::model_manager::{
    Count, Feature, Hardware, MachineInfo, MigrationStatus, Model, ModelInfo, ModelSummariesRequest, ModelSummary,
    ModelUser, Sla, UserModel, UserModelList,
};
use crate::juju::params::{Entities, Entity, tag};
use crate::juju::rpc::{RpcCall, RpcError};

/// From this version on a model has a qualifier in the place of an owner, and no support level.
pub(super) const QUALIFIED: u32 = 11;
/// The only version that tells what machines run on by default.
const WITH_SERIES: u32 = 9;
/// What that is: the release that Juju 3.6 prefers.
const DEFAULT_BASE: (&str, &str) = ("ubuntu@22.04/stable", "jammy");

pub(in crate::controller::embedded::api) fn answer(caller: &Caller, call: &RpcCall) -> Result<Value, RpcError> {
    match call.method.as_str() {
        "ListModels" => reply(&list(caller, call)?),
        "ListModelSummaries" => reply(&summaries(caller, call)?),
        "ModelInfo" => {
            let infos = call.params::<Entities>()?.entities.into_iter();
            reply(&infos.map(|entity| Outcome::from(info(caller, &entity, call.version))).collect::<Results<_>>())
        }
        "ModelStatus" => {
            let asked = call.params::<Entities>()?.entities;
            reply(&statuses(caller, &asked, call.version >= QUALIFIED))
        }
        _ => Err(RpcError::unknown_method(call)),
    }
}

/// Whose the model is, in the spelling of 3.x and of 4.x.
pub(in crate::controller::embedded::api) fn owner(owner: &str, qualified: bool) -> (String, String) {
    if qualified { (String::new(), owner.to_owned()) } else { (tag::user(owner), String::new()) }
}

fn list(caller: &Caller, call: &RpcCall) -> Result<UserModelList, RpcError> {
    let Entity { tag: asked } = call.params()?;
    let user = tag::user_of(&asked).ok_or_else(|| no_tag("user", &asked))?;
    caller.must_be(user)?;
    let models = caller.models_of(user, caller.is_superuser()?)?;
    let user_models = models.iter().map(|(record, _)| user_model(record, user, call.version >= QUALIFIED)).collect();
    Ok(UserModelList { user_models })
}

pub(super) fn user_model(record: &ModelRecord, user: &str, qualified: bool) -> UserModel {
    let (owner_tag, qualifier) = owner(&record.owner, qualified);
    UserModel {
        model: Model {
            name: record.name.clone(),
            uuid: record.uuid.to_string(),
            kind: record.summary.model_type.clone(),
            owner_tag,
            qualifier,
        },
        last_connection: last_connection(record, user),
    }
}

fn last_connection(record: &ModelRecord, user: &str) -> Option<String> {
    let known = record.summary.last_connections.iter().find(|(name, at)| name == user && !at.is_empty());
    known.map(|(_, at)| at.clone())
}

/// Returns how a model stands. `message`: what its description adds.
pub(in crate::controller::embedded::api) fn status(
    caller: &Caller,
    record: &ModelRecord,
    message: &str,
) -> (EntityStatus, Option<MigrationStatus>) {
    let last = caller.api.migrator.last(record.uuid);
    let live = record.model_state() == ModelState::Live;
    let status = EntityStatus {
        status: if live { "available" } else { "busy" }.to_owned(),
        info: last.as_ref().map_or_else(|| message.to_owned(), |last| format!("migrating: {}", last.note)),
        since: time(record.since_ms),
        ..EntityStatus::default()
    };
    let migration = last.map(|last| MigrationStatus {
        status: last.note,
        start: time(last.started_ms),
        end: last.ended_ms.and_then(time),
    });
    (status, migration)
}

/// Returns a model's support level. Whoever bought it is not known here; Juju has nobody there for a model without one.
fn sla(level: &str, version: u32) -> Option<Sla> {
    let level = if level.is_empty() { "unsupported" } else { level };
    (version < QUALIFIED).then(|| Sla { level: level.to_owned(), owner: String::new() })
}

fn summaries(caller: &Caller, call: &RpcCall) -> Result<Results<Outcome<ModelSummary>>, RpcError> {
    let ModelSummariesRequest { user_tag, all } = call.params()?;
    let user = tag::user_of(&user_tag).ok_or_else(|| no_tag("user", &user_tag))?;
    caller.must_be(user)?;
    let models = caller.models_of(user, all && caller.is_superuser()?)?;
    let summary = |(record, access): &(ModelRecord, ModelAccess)| {
        Outcome::from(Ok(summary(caller, record, user, *access, call.version)))
    };
    Ok(models.iter().map(summary).collect())
}

fn summary(caller: &Caller, record: &ModelRecord, user: &str, access: ModelAccess, version: u32) -> ModelSummary {
    let inner = caller.api.inner();
    let told = &record.summary;
    let (owner_tag, qualifier) = owner(&record.owner, version >= QUALIFIED);
    let (status, migration) = status(caller, record, "");
    let counts = [("machines", told.machines), ("cores", told.cores), ("units", told.units)];
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    let version_of = if told.agent_version.is_empty() { &inner.config.version } else { &told.agent_version };
    ModelSummary {
        name: record.name.clone(),
        kind: told.model_type.clone(),
        uuid: record.uuid.to_string(),
        controller_uuid: inner.identity.uuid.to_string(),
        is_controller: record.controller,
        provider_type: told.cloud_type.clone(),
        default_series: if version == WITH_SERIES { DEFAULT_BASE.1.to_owned() } else { String::new() },
        cloud_tag: tag::cloud(&told.cloud),
        cloud_region: told.region.clone(),
        cloud_credential_tag: told
            .credential
            .as_ref()
            .map(|(cloud, owner, name)| tag::credential(cloud, owner, name))
            .unwrap_or_default(),
        owner_tag,
        qualifier,
        life: crate::controller::embedded::api::statuses::full_status::ALIVE.to_owned(),
        status,
        migration,
        sla: sla(&told.sla, version),
        agent_version: Some(version_of.clone()),
        user_access: access.as_str().to_owned(),
        last_connection: last_connection(record, user),
        counts: counts.map(|(entity, count)| Count { entity: entity.to_owned(), count }).collect(),
    }
}

fn info(caller: &Caller, asked: &Entity, version: u32) -> Result<ModelInfo, RpcError> {
    let uuid = tag::model_of(&asked.tag).ok_or_else(|| no_tag("model", &asked.tag))?;
    let (record, access) = caller.model(uuid)?;
    let details = caller.api.inner().details(&record).map_err(|error| fault(&error))?;
    let description = description(caller, &record)?;
    let row = &details.row;
    let (owner_tag, qualifier) = owner(&record.owner, version >= QUALIFIED);
    let (status, migration) = status(caller, &record, &details.message);
    let with_base = version == WITH_SERIES;
    let credential = details.credential.as_ref();
    Ok(ModelInfo {
        name: record.name.clone(),
        kind: row.model_type.clone(),
        uuid: row.uuid.clone(),
        controller_uuid: details.controller_uuid.clone(),
        is_controller: record.controller,
        provider_type: row.cloud_type.clone(),
        default_base: if with_base { DEFAULT_BASE.0.to_owned() } else { String::new() },
        default_series: if with_base { DEFAULT_BASE.1.to_owned() } else { String::new() },
        cloud_tag: tag::cloud(&row.cloud),
        cloud_region: row.region.clone(),
        cloud_credential_tag: credential
            .map(|known| tag::credential(&known.cloud, &known.owner, &known.name))
            .unwrap_or_default(),
        // A client calls invalid whatever it is not told to be valid.
        cloud_credential_validity: credential.map(|known| matches!(known.validity.as_str(), "" | "valid")),
        owner_tag,
        qualifier,
        life: crate::controller::embedded::api::statuses::full_status::ALIVE.to_owned(),
        status,
        users: users(caller, &details, access)?,
        machines: if access >= ModelAccess::Write { machines(description.as_deref()) } else { Vec::new() },
        secret_backends: Vec::new(),
        migration,
        sla: sla(&details.sla, version),
        agent_version: Some(details.agent_version.clone()).filter(|version| !version.is_empty()),
        supported_features: vec![Feature {
            name: "juju".to_owned(),
            description: "the version of Juju used by the model".to_owned(),
            version: details.agent_version.clone(),
        }],
    })
}

fn users(caller: &Caller, details: &ModelDetails, access: ModelAccess) -> Result<Vec<ModelUser>, RpcError> {
    let own = caller.user()?;
    let seen = details.users.iter().filter(|user| access == ModelAccess::Admin || user.name == own);
    let model_tag = tag::model(&details.row.uuid);
    let user = |user: &crate::controller::embedded::view::ModelUserView| ModelUser {
        model_tag: model_tag.clone(),
        user: user.name.clone(),
        display_name: user.display_name.clone(),
        last_connection: user.last_connection.clone(),
        access: user.access.clone(),
    };
    Ok(seen.map(user).collect())
}

fn machines(description: Option<&Description>) -> Vec<MachineInfo> {
    let told = description.into_iter().flat_map(|description| &description.machines);
    told.map(|machine| {
        let instance = machine.instance.as_ref();
        MachineInfo {
            id: machine.id.clone(),
            hardware: instance.map(|instance| Hardware { cores: Some(instance.cores).filter(|cores| *cores > 0) }),
            instance_id: instance.map(|instance| instance.instance_id.clone()).unwrap_or_default(),
            display_name: instance.map(|instance| instance.display_name.clone()).unwrap_or_default(),
            status: machine.status.value.clone(),
        }
    })
    .collect()
}

/// Returns a model's description; nothing for the controller's own.
pub(in crate::controller::embedded::api) fn description(
    caller: &Caller,
    record: &ModelRecord,
) -> Result<Option<std::sync::Arc<Description>>, RpcError> {
    let parsed: Result<_, ControllerError> =
        record.description.map(|blob| caller.api.inner().description_of(blob)).transpose();
    parsed.map_err(|error| fault(&error))
}

/// Answers `ModelStatus`, which `Controller` has as well.
pub(super) fn statuses(caller: &Caller, asked: &[Entity], qualified: bool) -> ModelStatusResults {
    let one = |entity: &Entity| match counted(caller, &entity.tag, qualified) {
        Ok(status) => status,
        Err(error) => ModelStatus { error: Some(error), ..ModelStatus::default() },
    };
    ModelStatusResults { models: asked.iter().map(one).collect() }
}

fn counted(caller: &Caller, asked: &str, qualified: bool) -> Result<ModelStatus, RpcError> {
    let uuid: ModelUuid = tag::model_of(asked).ok_or_else(|| no_tag("model", asked))?;
    let (record, access) = caller.model(uuid)?;
    if access < ModelAccess::Admin {
        return Err(crate::controller::embedded::api::errors::denied());
    }
    let description = description(caller, &record)?;
    let applications = description.iter().flat_map(|description| &description.applications);
    let applications: Vec<_> = applications.map(|it| ApplicationName { name: it.name.clone() }).collect();
    let (owner_tag, qualifier) = owner(&record.owner, qualified);
    Ok(ModelStatus {
        model_tag: asked.to_owned(),
        life: crate::controller::embedded::api::statuses::full_status::ALIVE.to_owned(),
        kind: record.summary.model_type.clone(),
        hosted_machine_count: record.summary.machines,
        application_count: applications.len() as u64,
        unit_count: record.summary.units,
        owner_tag,
        qualifier,
        applications,
        machines: machines(description.as_deref()),
        error: None,
    })
}
