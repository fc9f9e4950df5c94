//! `modelferry show-controller`: one controller in detail.

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::agent::control::view::{ControllerModel, ControllerView};
use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::Format;

const HELP: Help = Help {
    examples: &["modelferry show-controller", "modelferry show-controller west --format json"],
    exits: exit::ASKING_PEER,
    juju: Some("juju show-controller"),
};

/// Show a controller: the agent's own, or a peer's
///
/// With the addresses of its API, its certificate and the fingerprint of that, as a redirect after a migration names it.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct ShowControllerArgs {
    /// The agent's own controller, or a peer; the agent's own by default
    controller: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Details<'a> {
    // Juju calls it one thing in YAML and another in JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controller_uuid: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    api_endpoints: &'a [String],
    cloud: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    region: &'a str,
    agent_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    identity_url: &'a str,
    ca_fingerprint: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    ca_cert: &'a str,
    /// Where Juju names what a controller runs on, an embedded one says that it runs nothing.
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
}

impl ShowControllerArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let answer = context.ask(&Request::ShowController { controller: self.controller })?;
        let Response::Controller(controller) = answer else { return Err(client::unexpected()) };
        // Juju has no table for this either: what it prints is YAML.
        let format = if context.format == Format::Json { Format::Json } else { Format::Yaml };
        context.put(&format.render(&tree(&controller, format), String::new));
        Ok(Exit::Done)
    }
}

fn tree(controller: &ControllerView, format: Format) -> serde_json::Value {
    let name = controller.peer.as_ref().unwrap_or(&controller.name);
    let details = Details {
        uuid: (format == Format::Json).then_some(&controller.uuid),
        controller_uuid: (format != Format::Json).then_some(&controller.uuid),
        api_endpoints: &controller.addresses,
        cloud: &controller.cloud,
        region: &controller.region,
        agent_version: &controller.version,
        identity_url: &controller.identity_url,
        ca_fingerprint: &controller.ca_fingerprint,
        ca_cert: &controller.ca_cert,
        note: &controller.note,
    };
    let mut shown = json!({ "details": details });
    if !controller.models.is_empty() {
        shown["models"] = controller.models.iter().map(|it| (it.name.clone(), model(it, format))).collect();
    }
    if controller.peer.is_none() {
        shown["account"] = json!({ "user": "admin", "access": "superuser" });
    }
    json!({ name: shown })
}

/// Returns a model as Juju shows it inside its controller.
fn model(model: &ControllerModel, format: Format) -> serde_json::Value {
    let uuid = if format == Format::Json { "uuid" } else { "model-uuid" };
    let mut shown = serde_json::Map::from_iter([(uuid.to_owned(), json!(model.uuid))]);
    let machines = (model.model_type != "caas").then_some(("machine-count", model.machines));
    let units = (model.model_type == "caas").then_some(("unit-count", model.units));
    // Juju leaves out what it does not know of, and no machine has no cores.
    let cores = (model.cores > 0).then_some(("core-count", model.cores));
    for (key, count) in [machines, units, cores].into_iter().flatten() {
        shown.insert(key.to_owned(), json!(count));
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller() -> ControllerView {
        ControllerView {
            name: "src".into(),
            uuid: "f06afa86-3461-42bb-86ed-6c2f5d7b0ac7".into(),
            addresses: vec!["10.0.0.1:17070".into()],
            cloud: "localhost".into(),
            region: "localhost".into(),
            cloud_type: "lxd".into(),
            version: "3.6.23".into(),
            ca_fingerprint: "93:73:AB".into(),
            ca_cert: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".into(),
            models: vec![
                ControllerModel { name: "controller".into(), uuid: "abc".into(), ..ControllerModel::default() },
                ControllerModel {
                    name: "bob/my-model".into(),
                    uuid: "def".into(),
                    machines: 2,
                    cores: 4,
                    ..ControllerModel::default()
                },
                ControllerModel {
                    name: "cos".into(),
                    uuid: "ghi".into(),
                    model_type: "caas".into(),
                    units: 6,
                    ..ControllerModel::default()
                },
            ],
            ..ControllerView::default()
        }
    }

    #[test]
    fn a_controller_is_shown_as_juju_shows_it_to_the_byte() {
        let shown = Format::Yaml.render(&tree(&controller(), Format::Yaml), String::new);
        assert_eq!(
            shown,
            "src:
  details:
    controller-uuid: f06afa86-3461-42bb-86ed-6c2f5d7b0ac7
    api-endpoints:
    - 10.0.0.1:17070
    cloud: localhost
    region: localhost
    agent-version: 3.6.23
    ca-fingerprint: 93:73:AB
    ca-cert: |
      -----BEGIN CERTIFICATE-----
      MIIB
      -----END CERTIFICATE-----
  models:
    controller:
      model-uuid: abc
      machine-count: 0
    bob/my-model:
      model-uuid: def
      machine-count: 2
      core-count: 4
    cos:
      model-uuid: ghi
      unit-count: 6
  account:
    user: admin
    access: superuser
"
        );
    }

    #[test]
    fn json_calls_the_uuid_as_juju_does_there() {
        let shown = tree(&controller(), Format::Json);
        assert_eq!(shown["src"]["details"]["uuid"], "f06afa86-3461-42bb-86ed-6c2f5d7b0ac7");
        assert!(shown["src"]["details"]["controller-uuid"].is_null());
        assert_eq!(
            shown["src"]["models"]["bob/my-model"],
            json!({ "uuid": "def", "machine-count": 2, "core-count": 4 })
        );
    }

    #[test]
    fn a_peers_controller_goes_by_the_peers_name_and_has_no_account() {
        let shown = tree(&ControllerView { peer: Some("west".into()), ..controller() }, Format::Yaml);
        assert!(shown["west"]["account"].is_null() && shown["west"]["details"].is_object(), "{shown}");
    }
}
