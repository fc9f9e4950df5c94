//! `ModelConfig` 3: as much of a model's settings as clients look at.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::record::ModelRecord;
use super::errors::fault;
use super::session::{Caller, Place, reply};
use crate::juju::params::model_config::{ConfigResults, ConfigValue};
use crate::juju::rpc::{Call, RpcError};

pub(super) fn answer(caller: &Caller, call: &Call) -> Result<Value, RpcError> {
    match call.method.as_str() {
        "ModelGet" => {
            let value = |value| ConfigValue { value: json!(value), source: "model".to_owned() };
            let told = settings(caller, &record(caller)?);
            reply(&ConfigResults { config: told.into_iter().map(|(name, told)| (name, value(told))).collect() })
        }
        _ => Err(RpcError::unknown_method(call)),
    }
}

/// Returns the model that is meant: on a controller connection, the controller's own.
fn record(caller: &Caller) -> Result<ModelRecord, RpcError> {
    if let Place::Model(_) = caller.place {
        return Ok(caller.own_model(false)?.0);
    }
    caller.must_be_superuser()?;
    let models = caller.api.inner().database.models().map_err(|error| fault(&error))?;
    models.into_iter().find(|record| record.controller).ok_or_else(super::errors::model_not_found)
}

/// Returns as much of a model's settings as clients look at.
pub(super) fn settings(caller: &Caller, record: &ModelRecord) -> BTreeMap<String, String> {
    let summary = &record.summary;
    let version =
        if summary.agent_version.is_empty() { &caller.api.inner().config.version } else { &summary.agent_version };
    let uuid = record.uuid.to_string();
    let told = [("agent-version", version), ("name", &record.name), ("type", &summary.cloud_type), ("uuid", &uuid)];
    told.into_iter().map(|(name, told)| (name.to_owned(), told.clone())).collect()
}
