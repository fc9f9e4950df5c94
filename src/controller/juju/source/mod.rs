//! A real controller as the source of migrations.
//!
//! It drives its migrations by itself. The agent reads a model while that is live, asks the controller to migrate it to the
//! gateway, and looks at what the controller shows of the migration from then on.

mod download;
mod gate;
mod initiate;
mod log;
mod pair;
mod read;
mod shown;

use std::sync::Arc;

use modelferry_protocol::ids::ModelUuid;
use serde_json::{Value, json};

use super::Inner;
use super::connection::{CallError, Live};
use super::facades::MODEL_MANAGER;
use crate::juju::params::tag;

/// Returns what the controller shows of a model.
///
/// Errors: [`CallError`]; a model that is not there is an `error` within the result.
async fn model_info(live: &Live, model: ModelUuid) -> Result<Value, CallError> {
    let params = json!({ "entities": [{ "tag": tag::model(&model.to_string()) }] });
    let answer = live.call("ModelManager", MODEL_MANAGER, "ModelInfo", params).await?;
    Ok(answer["results"][0].clone())
}

impl Inner {
    /// Returns the connection and what the controller shows of a model.
    async fn looked_at(self: &Arc<Self>, model: ModelUuid) -> Result<(Arc<Live>, Value), CallError> {
        let live = self.connector.live().await?;
        let info = model_info(&live, model).await?;
        Ok((live, info))
    }
}
