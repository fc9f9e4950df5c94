//! Calls of a source's controller that this controller answers, and that no agent has to understand.

use serde_json::json;

use super::Inner;
use super::connection::CallError;
use crate::controller::passed_on::{asks_for_login, is_passed_on, not_passed_on};
use crate::controller::port::{ControllerError, Said, VerbatimCall};

impl Inner {
    /// Makes a peer's call.
    pub(super) async fn relay(&self, call: &VerbatimCall) -> Result<Said, ControllerError> {
        let live = self.connector.live().await?;
        if asks_for_login(call) {
            return Ok(Said::of(Ok(json!(live.result))));
        }
        if !is_passed_on(call) {
            return Err(not_passed_on(call));
        }
        let params = match call.params.as_slice() {
            [] => json!({}),
            params => serde_json::from_slice(params)
                .map_err(|error| ControllerError::Refused(format!("the parameters are no JSON: {error}")))?,
        };
        match live.call_as(call, params).await {
            Ok(response) => Ok(Said::of(Ok(response))),
            Err(CallError::Refused(error)) => Ok(Said::of(Err(error))),
            Err(error) => Err(error.into()),
        }
    }
}
