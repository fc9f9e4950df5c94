//! `ModelConfig` 3: as much of a model's settings as clients look at.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::model_manager::description;
use crate::controller::description::machine::Constraints;
use crate::controller::embedded::api::caller::{Caller, Subject, reply};
use crate::controller::embedded::api::errors::fault;
use crate::controller::embedded::records::record::ModelRecord;
use crate::juju::params::model_config::{ConfigResults, ConfigValue};
use crate::juju::rpc::{RpcCall, RpcError};

pub(in crate::controller::embedded::api) fn answer(caller: &Caller, call: &RpcCall) -> Result<Value, RpcError> {
    match call.method.as_str() {
        "ModelGet" => {
            let value = |value| ConfigValue { value: json!(value), source: "model".to_owned() };
            let told = settings(caller, &record(caller)?);
            reply(&ConfigResults { config: told.into_iter().map(|(name, told)| (name, value(told))).collect() })
        }
        "GetModelConstraints" => {
            let told = description(caller, &record(caller)?)?;
            let asked = told.map(|told| constraints(&told.constraints)).unwrap_or_default();
            Ok(json!({ "constraints": asked }))
        }
        _ => Err(RpcError::unknown_method(call)),
    }
}

/// Returns what a model's machines are asked to be, by Juju's names; what is not asked for is absent.
fn constraints(asked: &Constraints) -> Map<String, Value> {
    let number = |number: u64| if number == 0 { Value::Null } else { json!(number) };
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let list = |list: &[String]| if list.is_empty() { Value::Null } else { json!(list) };
    let told = [
        ("arch", text(&asked.architecture)),
        ("container", text(&asked.container)),
        ("cores", number(asked.cores)),
        ("cpu-power", number(asked.cpu_power)),
        ("mem", number(asked.memory)),
        ("root-disk", number(asked.root_disk)),
        ("root-disk-source", text(&asked.root_disk_source)),
        ("tags", list(&asked.tags)),
        ("instance-type", text(&asked.instance_type)),
        ("spaces", list(&asked.spaces)),
        ("virt-type", text(&asked.virt_type)),
        ("zones", list(&asked.zones)),
        ("image-id", text(&asked.image_id)),
    ];
    told.into_iter().filter(|(_, told)| !told.is_null()).map(|(name, told)| (name.to_owned(), told)).collect()
}

/// Returns the model that is meant: on a controller connection, the controller's own.
fn record(caller: &Caller) -> Result<ModelRecord, RpcError> {
    if let Subject::Model(_) = caller.subject {
        return Ok(caller.own_model(false)?.0);
    }
    caller.must_be_superuser()?;
    let models = caller.api.inner().database.models().map_err(|error| fault(&error))?;
    models
        .into_iter()
        .find(|record| record.controller)
        .ok_or_else(crate::controller::embedded::api::errors::model_not_found)
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
