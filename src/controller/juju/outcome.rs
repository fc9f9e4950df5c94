//! What the controller has of a model, as far as it tells: the probe behind every call whose reply was lost.

use std::sync::Arc;

use modelferry_protocol::ids::ModelUuid;
use serde_json::{Value, json};

use super::Inner;
use super::connection::CallError;
use super::facades::{MODEL_MANAGER, SUPERUSER};
use crate::juju::params::tag;
use crate::juju::rpc::{ErrorCode, RpcError};

/// What the controller shows of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing at all.
    Nothing,
    /// Something that nobody can use: an import that runs or has failed; of `MigrationTarget` 8 also a whole one.
    Hidden,
    /// A whole import that is not in service.
    Importing,
    /// A model in service.
    Live,
}

impl Inner {
    /// Looks for a model. `facade`: the version of `MigrationTarget` by which it was imported, or would be.
    pub(super) async fn look(self: &Arc<Self>, model: ModelUuid) -> Result<Seen, CallError> {
        let params = json!({ "entities": [{ "tag": tag::model(&model.to_string()) }] });
        let live = self.connector.live().await?;
        let answer = live.call("ModelManager", MODEL_MANAGER, "ModelInfo", params).await?;
        let result = &answer["results"][0];
        // A controller of 3.6 answers a superuser so about a model that it does not have, and any other user about each model.
        if code_of(result) == ErrorCode::Unauthorized && self.access(&live).await? != SUPERUSER {
            return Err(live.judged(RpcError::permission_denied()));
        }
        Ok(seen(result))
    }
}

fn code_of(result: &Value) -> ErrorCode {
    ErrorCode::from(result["error"]["code"].as_str().unwrap_or_default())
}

/// Reads a result of `ModelInfo`.
fn seen(result: &Value) -> Seen {
    let error = &result["error"];
    if !error.is_null() {
        let text = error["message"].as_str().unwrap_or_default();
        return match code_of(result) {
            // 4.x has no database for a model that it does not know, and one for a model whose import has begun.
            _ if text.contains("database not found") => Seen::Nothing,
            ErrorCode::ModelNotFound | ErrorCode::NotFound => Seen::Hidden,
            // A controller of 3.6 does not show models that do not exist, not even to a superuser.
            ErrorCode::Unauthorized => Seen::Nothing,
            _ => Seen::Hidden,
        };
    }
    let info = &result["result"];
    let is_importing = info["status"]["status"] == "busy" || !info["migration"].is_null();
    if is_importing { Seen::Importing } else { Seen::Live }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_controller_shows_of_a_model_is_read_as_it_was_seen_to_be_shown() {
        let error = |message: &str, code: &str| json!({ "error": { "message": message, "code": code } });
        let info = |status: &str, migration: Value| json!({ "result": { "status": { "status": status }, "migration": migration } });
        for (result, expected) in [
            (error("database not found", ""), Seen::Nothing),
            (error("permission denied", "unauthorized access"), Seen::Nothing),
            (error("model not found", "model not found"), Seen::Hidden),
            (info("busy", json!({ "status": "importing" })), Seen::Importing),
            (info("available", json!({ "status": "importing" })), Seen::Importing),
            (info("available", Value::Null), Seen::Live),
        ] {
            assert_eq!(seen(&result), expected, "{result}");
        }
    }
}
