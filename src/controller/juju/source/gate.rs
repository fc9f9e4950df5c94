//! Whether the controller migrates a model, as the gate before the model's changes shows it.

use modelferry_protocol::ids::ModelUuid;
use serde_json::json;

use super::super::connection::{CallError, Live};
use crate::juju::rpc::ErrorCode;

/// Reports whether the controller refuses to change a model because it migrates it. Changes nothing.
pub(super) async fn gate_is_closed(live: &Live, model: ModelUuid) -> Result<bool, CallError> {
    let inside = live.model(model).await?;
    match inside.call("Annotations", &[2], "Set", json!({ "annotations": [] })).await {
        Ok(_) => Ok(false),
        Err(CallError::Refused(error))
            if error.code == ErrorCode::MigrationInProgress || error.message.contains("migration in progress") =>
        {
            Ok(true)
        }
        Err(error) => Err(error),
    }
}
