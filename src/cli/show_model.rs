//! `modelferry show-model`: a model by itself, in Juju's layout.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::exit::{self, Exit};
use super::output::{Format, ago, now_ms};
use super::{Context, client};
use crate::agent::control::view::ModelDetail;
use crate::agent::control::{Failure, Request, Response};

/// Show a model
#[derive(Debug, Args)]
#[command(after_help = exit::ASKING)]
pub struct ShowModelArgs {
    /// The model: name, owner/name or UUID; of a peer's controller with PEER: before it
    #[arg(value_name = "[PEER:]MODEL")]
    model: String,
}

/// Juju's fields in Juju's order; `incomplete` alone is ours.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown<'a> {
    name: String,
    short_name: &'a str,
    model_uuid: &'a str,
    model_type: &'a str,
    controller_uuid: &'a str,
    controller_name: &'a str,
    is_controller: bool,
    owner: &'a str,
    cloud: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    region: &'a str,
    #[serde(rename = "type")]
    cloud_type: &'a str,
    life: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    incomplete: Option<&'a str>,
    status: Status<'a>,
    users: BTreeMap<&'a str, User<'a>>,
    sla: &'a str,
    agent_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<Credential<'a>>,
    supported_features: [Feature<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Status<'a> {
    current: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    migration: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    migration_start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    migration_end: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct User<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    display_name: &'a str,
    access: &'a str,
    last_connection: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Credential<'a> {
    name: &'a str,
    owner: &'a str,
    cloud: &'a str,
    validity_check: &'a str,
}

#[derive(Serialize)]
struct Feature<'a> {
    name: &'a str,
    description: &'a str,
    version: &'a str,
}

impl ShowModelArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let answer = context.ask(&Request::ShowModel { model: self.model })?;
        let Response::Model(model) = answer else { return Err(client::unexpected()) };
        // Juju has no table for this either: what it prints is YAML.
        let format = if context.format == Format::Json { Format::Json } else { Format::Yaml };
        super::put(&format.render(&tree(&model, now_ms()), String::new));
        Ok(Exit::Done)
    }
}

fn tree(model: &ModelDetail, now_ms: u64) -> serde_json::Value {
    let summary = &model.summary;
    let migration = model.migration.as_ref();
    let mut credential = model.credential.split('/');
    let credential = match (credential.next(), credential.next(), credential.next()) {
        (Some(owner), Some(cloud), Some(name)) => {
            let validity_check = if model.credential_valid { "valid" } else { "invalid" };
            Some(Credential { name, owner, cloud, validity_check })
        }
        _ => None,
    };
    let users = model.users.iter().map(|user| {
        let last_connection = if user.last_connection.is_empty() { "never connected" } else { &user.last_connection };
        (user.name.as_str(), User { display_name: &user.display_name, access: &user.access, last_connection })
    });
    let shown = Shown {
        name: format!("{}/{}", summary.owner, summary.name),
        short_name: &summary.name,
        model_uuid: &summary.uuid,
        model_type: &model.model_type,
        controller_uuid: &model.controller_uuid,
        controller_name: &model.controller_name,
        is_controller: summary.is_controller,
        owner: &summary.owner,
        cloud: &summary.cloud,
        region: &summary.region,
        cloud_type: &summary.cloud_type,
        life: "alive",
        incomplete: (!model.complete).then_some("binaries that the description names are not here"),
        status: Status {
            current: &summary.status,
            message: &model.status_message,
            since: model.status_since_ms.map(|since| ago(since, now_ms)),
            migration: migration.map(|migration| migration.note.as_str()),
            migration_start: migration.map(|migration| ago(migration.started_ms, now_ms)),
            migration_end: migration.and_then(|migration| migration.ended_ms).map(|end| ago(end, now_ms)),
        },
        users: users.collect(),
        sla: "unsupported",
        agent_version: &model.agent_version,
        credential,
        supported_features: [Feature {
            name: "juju",
            description: "the version of Juju used by the model",
            version: &model.agent_version,
        }],
    };
    serde_json::json!({ summary.name.clone(): shown })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::control::view::{ModelMigration, ModelSummary, UserView};
    use crate::cli::output::Format;

    const NOW_MS: u64 = 1_760_000_000_000;

    fn model() -> ModelDetail {
        ModelDetail {
            summary: ModelSummary {
                name: "test".into(),
                owner: "admin".into(),
                uuid: "3850c8cc-0cd0-4d53-8a6d-591b63024141".into(),
                cloud: "localhost".into(),
                region: "localhost".into(),
                cloud_type: "lxd".into(),
                status: "available".into(),
                ..ModelSummary::default()
            },
            model_type: "iaas".into(),
            agent_version: "3.1.0".into(),
            controller_uuid: "f06afa86-3461-42bb-86ed-6c2f5d7b0ac7".into(),
            controller_name: "localhost-localhost".into(),
            status_since_ms: Some(NOW_MS - 5 * 3_600_000),
            users: vec![UserView {
                name: "admin".into(),
                display_name: "admin".into(),
                access: "admin".into(),
                last_connection: "2 minutes ago".into(),
            }],
            credential: "admin/localhost/localhost".into(),
            credential_valid: true,
            complete: true,
            ..ModelDetail::default()
        }
    }

    fn shown(model: &ModelDetail) -> String {
        Format::Yaml.render(&tree(model, NOW_MS), String::new)
    }

    #[test]
    fn a_model_is_shown_as_juju_shows_it_to_the_byte() {
        assert_eq!(
            shown(&model()),
            "test:
  name: admin/test
  short-name: test
  model-uuid: 3850c8cc-0cd0-4d53-8a6d-591b63024141
  model-type: iaas
  controller-uuid: f06afa86-3461-42bb-86ed-6c2f5d7b0ac7
  controller-name: localhost-localhost
  is-controller: false
  owner: admin
  cloud: localhost
  region: localhost
  type: lxd
  life: alive
  status:
    current: available
    since: 5 hours ago
  users:
    admin:
      display-name: admin
      access: admin
      last-connection: 2 minutes ago
  sla: unsupported
  agent-version: 3.1.0
  credential:
    name: localhost
    owner: admin
    cloud: localhost
    validity-check: valid
  supported-features:
  - name: juju
    description: the version of Juju used by the model
    version: 3.1.0
"
        );
    }

    #[test]
    fn a_running_migration_is_shown_in_the_status() {
        let mut model = model();
        model.status_since_ms = Some(NOW_MS - 300_000);
        model.migration = Some(ModelMigration {
            id: String::new(),
            note: "validating, waiting for agents to report back".into(),
            started_ms: NOW_MS - 10_000,
            ended_ms: None,
        });
        assert!(shown(&model).contains(
            "  status:
    current: available
    since: 5 minutes ago
    migration: validating, waiting for agents to report back
    migration-start: 10 seconds ago
"
        ));
    }

    #[test]
    fn a_failed_migration_keeps_its_cause_and_its_end() {
        let cause = "aborted, removing model from target controller: model data transfer failed, \
                     failed to migrate binaries: cannot upload charms: EOF";
        let mut model = model();
        model.status_message = format!("migrating: {cause}");
        model.migration = Some(ModelMigration {
            id: String::new(),
            note: cause.into(),
            started_ms: NOW_MS - 60_000,
            ended_ms: Some(NOW_MS - 30_000),
        });
        let shown = shown(&model);
        assert!(shown.contains(&format!("    message: 'migrating: {cause}'\n    since: 5 hours ago\n")), "{shown}");
        assert!(shown.contains(&format!("    migration: '{cause}'\n    migration-start: 1 minute ago\n")), "{shown}");
        assert!(shown.contains("    migration-end: 30 seconds ago\n"), "{shown}");
    }

    #[test]
    fn a_model_without_its_binaries_says_so() {
        let incomplete = ModelDetail { complete: false, ..model() };
        assert!(shown(&incomplete).contains("  incomplete: binaries that the description names are not here\n"));
    }
}
