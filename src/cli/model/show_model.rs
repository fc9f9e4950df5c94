//! `modelferry show-model`: one model in detail, in Juju's layout.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::from::From;
use super::status;
use crate::agent::control::view::ModelView;
use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::{Format, ago, ago_rfc3339};
use crate::clock::now_ms;
use crate::controller::status::named::Named;

const HELP: Help = Help {
    examples: &[
        "modelferry show-model shop-eu",
        "modelferry show-model east:shop-eu --format json",
        "modelferry show-model shop-eu --held",
        "modelferry show-model --from dump.yaml",
    ],
    exits: exit::ASKING_PEER,
    juju: Some("juju show-model"),
};

/// Show a model
///
/// In Juju's layout: what it is, whose it is, who may use it, and how its migration stands, or why the last one failed.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct ShowModelArgs {
    /// The model: name, owner/name or UUID; of another controller with CONTROLLER: before it
    #[arg(value_name = "[CONTROLLER:]MODEL", required_unless_present = "from", conflicts_with = "from")]
    model: Option<String>,
    #[command(flatten)]
    from: From,
    /// Show the copy that `migrate --hold-reap` keeps here of a model that has moved
    #[arg(long, conflicts_with = "from")]
    held: bool,
}

/// Juju's fields in Juju's order; `incomplete` alone is ours.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown<'a> {
    name: String,
    short_name: &'a str,
    model_uuid: &'a str,
    model_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    controller_uuid: &'a str,
    controller_name: &'a str,
    is_controller: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    cloud: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    region: &'a str,
    #[serde(rename = "type")]
    cloud_type: &'a str,
    life: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    incomplete: Option<String>,
    status: Status<'a>,
    users: BTreeMap<&'a str, User<'a>>,
    #[serde(skip_serializing_if = "Named::is_empty")]
    machines: Named<Machine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sla: Option<&'a str>,
    agent_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<Credential<'a>>,
    supported_features: [Feature<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Status<'a> {
    current: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
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
    last_connection: String,
}

#[derive(Serialize)]
struct Machine {
    cores: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Credential<'a> {
    name: &'a str,
    owner: &'a str,
    cloud: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    validity_check: &'a str,
}

#[derive(Serialize)]
struct Feature<'a> {
    name: &'a str,
    description: &'a str,
    version: &'a str,
}

impl ShowModelArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let model = match (self.from.model(context)?, self.model) {
            (Some(model), _) => model,
            (None, model) => {
                match context.ask(&Request::ShowModel { model: model.unwrap_or_default(), held: self.held })? {
                    Response::Model(model) => *model,
                    _ => return Err(client::unexpected()),
                }
            }
        };
        let now = now_ms();
        // Juju has no table for this either: what it prints is YAML.
        let format = if context.format == Format::Json { Format::Json } else { Format::Yaml };
        context.put(&format.render(&tree(&model, now), String::new));
        // What is to be done is no part of the document, which scripts read.
        let path = format!("{}/{}", model.details.row.owner, model.details.row.name);
        if let Some(failed) = status::failed(&model, &path) {
            context.remark(format!("\n{}{}", failed.told(now), failed.next()).trim_end());
        }
        Ok(Exit::Done)
    }
}

pub(in crate::cli) fn tree(model: &ModelView, now_ms: u64) -> serde_json::Value {
    let details = &model.details;
    let row = &details.row;
    let migration = model.migration.as_ref();
    let users = details.users.iter().map(|user| {
        let seen = user.last_connection.as_deref();
        let last_connection = seen.map_or_else(|| "never connected".to_owned(), |at| ago_rfc3339(at, now_ms));
        (user.name.as_str(), User { display_name: &user.display_name, access: &user.access, last_connection })
    });
    let missing = details.binaries.saturating_sub(details.binaries_held);
    let shown = Shown {
        name: format!("{}/{}", row.owner, row.name),
        short_name: &row.name,
        model_uuid: &row.uuid,
        model_type: &row.model_type,
        controller_uuid: &details.controller_uuid,
        controller_name: &details.controller_name,
        is_controller: row.is_controller,
        owner: status::has_owner(model).then_some(&row.owner),
        cloud: &row.cloud,
        region: &row.region,
        cloud_type: &row.cloud_type,
        life: "alive",
        incomplete: row
            .incomplete
            .then(|| format!("{missing} of {} binaries that the description names are not here", details.binaries)),
        status: Status {
            current: &row.status,
            message: status::message(model),
            reason: status::reason(model),
            since: (details.since_ms > 0).then(|| ago(details.since_ms, now_ms)),
            migration: migration.map(|migration| migration.note.as_str()),
            migration_start: migration.map(|migration| ago(migration.started_ms, now_ms)),
            migration_end: migration.and_then(|migration| migration.ended_ms).map(|end| ago(end, now_ms)),
        },
        users: users.collect(),
        machines: details.cores.iter().map(|(id, cores)| (id.to_owned(), Machine { cores: *cores })).collect(),
        sla: status::has_owner(model).then(|| status::sla(model)),
        agent_version: &details.agent_version,
        credential: details.credential.as_ref().map(|credential| Credential {
            name: &credential.name,
            owner: &credential.owner,
            cloud: &credential.cloud,
            validity_check: &credential.validity,
        }),
        supported_features: [Feature {
            name: "juju",
            description: "the version of Juju used by the model",
            version: &details.agent_version,
        }],
    };
    serde_json::json!({ row.name.clone(): shown })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::control::view::ModelMigration;
    use crate::cli::model::status::tests::model as plain_model;
    use crate::controller::embedded::view::{CredentialView, ModelUserView};

    const NOW_MS: u64 = 1_760_000_000_000;

    fn model() -> ModelView {
        let mut model = plain_model();
        let details = &mut model.details;
        details.row.name = "test".into();
        details.row.uuid = "3850c8cc-0cd0-4d53-8a6d-591b63024141".into();
        details.row.cloud = "localhost".into();
        details.row.cloud_type = "lxd".into();
        details.agent_version = "3.1.0".into();
        details.controller_uuid = "f06afa86-3461-42bb-86ed-6c2f5d7b0ac7".into();
        details.controller_name = "localhost-localhost".into();
        details.since_ms = NOW_MS - 5 * 3_600_000;
        details.users = vec![ModelUserView {
            name: "admin".into(),
            display_name: "admin".into(),
            access: "admin".into(),
            last_connection: Some("2025-10-09T08:51:20Z".into()),
        }];
        details.credential = Some(CredentialView {
            name: "localhost".into(),
            owner: "admin".into(),
            cloud: "localhost".into(),
            validity: "valid".into(),
        });
        model
    }

    fn shown(model: &ModelView) -> String {
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
        model.details.since_ms = NOW_MS - 300_000;
        model.details.row.status = "busy".into();
        model.migration = Some(ModelMigration {
            note: "validating, waiting for agents to report back".into(),
            started_ms: NOW_MS - 10_000,
            ..ModelMigration::default()
        });
        assert!(shown(&model).contains(
            "  status:
    current: busy
    message: 'migrating: validating, waiting for agents to report back'
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
        model.migration = Some(ModelMigration {
            note: cause.into(),
            started_ms: NOW_MS - 60_000,
            ended_ms: Some(NOW_MS - 30_000),
            ..ModelMigration::default()
        });
        let shown = shown(&model);
        assert!(shown.contains(&format!("    message: 'migrating: {cause}'\n    since: 5 hours ago\n")), "{shown}");
        assert!(shown.contains(&format!("    migration: '{cause}'\n    migration-start: 1 minute ago\n")), "{shown}");
        assert!(shown.contains("    migration-end: 30 seconds ago\n"), "{shown}");
    }

    #[test]
    fn a_model_without_its_binaries_says_so() {
        let mut model = model();
        (model.details.row.incomplete, model.details.binaries) = (true, 3);
        assert!(shown(&model).contains("  incomplete: 3 of 3 binaries that the description names are not here\n"));
    }
}
