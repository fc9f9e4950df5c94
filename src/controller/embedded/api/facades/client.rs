//! `Client` 6 to 8, `FullStatus`; and `Storage` 6, which lists what it shows of storage.

use serde_json::{Value, json};

use super::model_manager::{description, status};
use crate::controller::description::Description;
use crate::controller::embedded::api::caller::{Caller, reply};
use crate::controller::embedded::api::statuses::full_status::full_status;
use crate::controller::embedded::api::statuses::patterns::keep;
use crate::controller::embedded::api::time;
use crate::controller::embedded::records::record::ModelRecord;
use crate::juju::params::status::{DetailedStatus, FullStatus, MeterStatus, ModelStatusInfo, StatusParams};
use crate::juju::params::tag;
use crate::juju::rpc::{RpcCall, RpcError};

pub(in crate::controller::embedded::api) fn answer(caller: &Caller, call: &RpcCall) -> Result<Value, RpcError> {
    match call.method.as_str() {
        "FullStatus" => {
            let StatusParams { patterns, include_storage } = call.params()?;
            let mut status = shown(caller, include_storage)?;
            keep(&mut status, &patterns)?;
            reply(&status)
        }
        _ => Err(RpcError::unknown_method(call)),
    }
}

/// Answers `Storage`.
pub(in crate::controller::embedded::api) fn storage(caller: &Caller, call: &RpcCall) -> Result<Value, RpcError> {
    // With one list for each filter. Juju's have no terms, and its client sends one.
    let listed = |list: Value| Ok(json!({ "results": [{ "result": list }] }));
    let status = || shown(caller, true);
    match call.method.as_str() {
        "ListStorageDetails" => listed(reply(&status()?.storage)?),
        "ListFilesystems" => listed(reply(&status()?.filesystems)?),
        "ListVolumes" => listed(reply(&status()?.volumes)?),
        _ => Err(RpcError::unknown_method(call)),
    }
}

/// Returns the status of the model that the connection is about. It may be asked for during a migration.
fn shown(caller: &Caller, include_storage: bool) -> Result<FullStatus, RpcError> {
    let (record, _) = caller.own_model(true)?;
    let nothing = Description::default();
    let parsed = description(caller, &record)?;
    let told = parsed.as_deref().unwrap_or(&nothing);
    let now = jiff::Timestamp::now().as_millisecond();
    let now = time(u64::try_from(now).unwrap_or(0)).unwrap_or_default();
    Ok(full_status(model(caller, &record, told), told, include_storage, now))
}

fn model(caller: &Caller, record: &ModelRecord, told: &Description) -> ModelStatusInfo {
    let (status, _) = status(caller, record, &told.status.message);
    let summary = &record.summary;
    let version = if record.controller { &caller.api.inner().config.version } else { &told.agent_version };
    ModelStatusInfo {
        name: record.name.clone(),
        kind: summary.model_type.clone(),
        cloud_tag: tag::cloud(&summary.cloud),
        region: summary.region.clone(),
        version: version.clone(),
        available_version: String::new(),
        model_status: DetailedStatus {
            status: status.status,
            info: status.info,
            since: status.since,
            ..DetailedStatus::default()
        },
        meter_status: MeterStatus::default(),
        sla: if told.sla.is_empty() { "unsupported".to_owned() } else { told.sla.clone() },
    }
}
