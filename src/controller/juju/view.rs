//! What is shown of a real controller and its models, as far as their lists tell.

use serde_json::Value;

use super::Juju;
use super::summary::{owner, summaries, text};
use crate::controller::embedded::view::{ControllerView, ModelDetails, ModelRow, ModelState, fingerprint};
use crate::controller::port::ControllerError;
use crate::controller::status::named::Named;

/// Reads a line of the list of models.
fn row(summary: &Value) -> ModelRow {
    let count = |kind: &str| {
        let counts = summary["counts"].as_array().into_iter().flatten();
        counts.filter(|count| count["entity"] == kind).filter_map(|count| count["count"].as_u64()).sum()
    };
    let status = text(&summary["status"]["status"]);
    let state = if status == "busy" { ModelState::Importing } else { ModelState::Live };
    let cloud = text(&summary["cloud-tag"]);
    ModelRow {
        name: text(&summary["name"]),
        owner: owner(summary),
        uuid: text(&summary["uuid"]),
        model_type: text(&summary["type"]),
        cloud: cloud.trim_start_matches("cloud-").to_owned(),
        region: text(&summary["cloud-region"]),
        cloud_type: text(&summary["provider-type"]),
        status,
        machines: count("machines"),
        units: count("units"),
        access: text(&summary["user-access"]),
        last_connection: summary["last-connection"].as_str().map(str::to_owned),
        state,
        incomplete: false,
        is_controller: summary["is-controller"] == true,
    }
}

impl Juju {
    /// Lists the controller's models, its own first.
    ///
    /// Errors: [`ControllerError::Unknown`].
    pub async fn models(&self) -> Result<Vec<ModelRow>, ControllerError> {
        let live = self.inner.connector.live().await?;
        let mut rows: Vec<ModelRow> = summaries(&live).await?.iter().map(row).collect();
        rows.sort_by(|a, b| (!a.is_controller, &a.owner, &a.name).cmp(&(!b.is_controller, &b.owner, &b.name)));
        Ok(rows)
    }

    /// Shows the controller. One that is not reached is shown as it was when it was reached last.
    pub async fn view(&self) -> ControllerView {
        let card = self.controller_card();
        let models = self.models().await;
        let note = match &models {
            Ok(_) => "a real controller: `juju` shows what is in its models".to_owned(),
            Err(error) => format!("not reached now: {error}"),
        };
        ControllerView {
            name: card.name.to_string(),
            uuid: card.uuid.to_string(),
            cloud: card.cloud.to_string(),
            region: card.region.to_string(),
            cloud_type: card.cloud_type.to_string(),
            version: card.version.to_string(),
            addresses: card.addresses.iter().map(ToString::to_string).collect(),
            ca_cert: String::new(),
            ca_fingerprint: fingerprint(&card.ca_fingerprint),
            identity_url: String::new(),
            users: Vec::new(),
            models: models.map_or(0, |models| models.len()),
            note,
        }
    }

    /// Shows a model, named by its UUID, by its name or by `owner/name`.
    ///
    /// Errors: [`ControllerError::ModelNotFound`], [`ControllerError::Unknown`].
    pub async fn model(&self, named: &str) -> Result<ModelDetails, ControllerError> {
        let (owner, name) = named.split_once('/').unwrap_or(("admin", named));
        let is_it = |row: &ModelRow| row.uuid == named || (row.owner == owner && row.name == name);
        let found = self.models().await?.into_iter().find(is_it);
        let row = found.ok_or_else(|| ControllerError::ModelNotFound(named.to_owned()))?;
        let card = self.controller_card();
        Ok(ModelDetails {
            row,
            controller_name: card.name.to_string(),
            controller_uuid: card.uuid.to_string(),
            agent_version: String::new(),
            sla: String::new(),
            message: String::new(),
            since_ms: 0,
            users: Vec::new(),
            cores: Named::default(),
            credential: None,
            document_version: 0,
            description_bytes: 0,
            description_hash: String::new(),
            binaries: 0,
            binaries_held: 0,
            entries: 0,
            counts: Vec::new(),
            mid: None,
            brought: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_read_in_both_spellings() {
        let counts = json!([{ "entity": "machines", "count": 4 }, { "entity": "units", "count": 7 }]);
        let mut summary = json!({ "name": "prod", "uuid": "u", "type": "iaas", "cloud-tag": "cloud-aws", "qualifier": "bob",
            "status": { "status": "available" }, "counts": counts });
        let of_4 = row(&summary);
        assert_eq!((of_4.owner.as_str(), of_4.cloud.as_str(), of_4.machines, of_4.units), ("bob", "aws", 4, 7));
        summary["qualifier"] = Value::Null;
        summary["owner-tag"] = json!("user-bob");
        assert_eq!(row(&summary), of_4);
        summary["status"]["status"] = json!("busy");
        assert_eq!(row(&summary).state, ModelState::Importing);
    }
}
