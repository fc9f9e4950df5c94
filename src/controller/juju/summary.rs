//! The controller's list of models, as `ModelManager.ListModelSummaries` returns it.

use serde_json::{Value, json};

use super::connection::{CallError, Live};
use super::facades::MODEL_MANAGER;
use crate::juju::params::tag;

/// Returns a value's text; an empty one where it is no text.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Lists all models.
pub(super) async fn summaries(live: &Live) -> Result<Vec<Value>, CallError> {
    let user = live.result.user_info.clone().unwrap_or_default().identity;
    let params = json!({ "user-tag": user, "all": true });
    let listed = live.call("ModelManager", MODEL_MANAGER, "ListModelSummaries", params).await?;
    let all = listed["results"].as_array().into_iter().flatten();
    Ok(all.map(|one| one["result"].clone()).filter(Value::is_object).collect())
}

/// Returns the summary of the controller's own model; `null` where it is not listed.
pub(super) async fn controllers_own(live: &Live) -> Result<Value, CallError> {
    let own = summaries(live).await?.into_iter().find(|summary| summary["is-controller"] == true);
    Ok(own.unwrap_or_default())
}

/// Returns a model's owner. Controllers of 3.6 tell a tag, later ones a qualifier.
pub(super) fn owner(summary: &Value) -> String {
    tag::user_of(&text(&summary["owner-tag"])).map_or_else(|| text(&summary["qualifier"]), str::to_owned)
}
