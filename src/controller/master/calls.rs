//! Parameters of `MigrationTarget`'s calls that every target reads alike.

use modelferry_protocol::ids::ModelUuid;

use crate::juju::params::migration_target::ModelArgs;
use crate::juju::params::serialized_model::SerializedModelV2;
use crate::juju::params::tag;
use crate::juju::rpc::{ErrorCode, RpcCall, RpcError};

/// From this version on a model has a qualifier in the place of an owner.
pub const QUALIFIED: u32 = 7;
/// From this version on a model comes in an envelope, its database by tables.
pub const BY_TABLES: u32 = 8;
/// How Go writes that there is no time.
pub const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// Returns the model that a call names by its tag.
pub fn model_of(call: &RpcCall) -> Result<ModelUuid, RpcError> {
    let ModelArgs { model_tag } = call.params()?;
    tag::model_of(&model_tag).ok_or_else(|| RpcError::plain(tag::not_a("model", &model_tag)))
}

/// Refuses a model without one of the things that it must have.
pub fn all_given(given: &[(&str, &str)]) -> Result<(), RpcError> {
    match given.iter().find(|(value, _)| value.is_empty()) {
        Some((_, what)) => Err(RpcError::new(ErrorCode::NotValid, format!("empty {what} not valid"))),
        None => Ok(()),
    }
}

/// Returns the envelope of a call, as it came, once it is known to name a model and a migration.
pub fn envelope_of(call: &RpcCall) -> Result<Vec<u8>, RpcError> {
    let SerializedModelV2 { model_info: info, .. } = call.params()?;
    all_given(&[
        (&info.uuid, "UUID"),
        (&info.name, "Name"),
        (&info.qualifier, "Qualifier"),
        (&info.source_migration_uuid, "SourceMigrationUUID"),
    ])?;
    serde_json::to_vec(&call.params).map_err(|error| RpcError::plain(error.to_string()))
}
