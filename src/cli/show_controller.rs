//! `modelferry show-controller`: a controller by itself.

use clap::Args;
use serde::Serialize;

use super::exit::{self, Exit};
use super::output::Format;
use super::{Context, client};
use crate::agent::control::view::ControllerView;
use crate::agent::control::{Failure, Request, Response};

/// Show a controller: the agent's own, or a peer's
#[derive(Debug, Args)]
#[command(after_help = exit::ASKING)]
pub struct ShowControllerArgs {
    /// The agent's own controller, or a peer; the agent's own by default
    controller: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Details<'a> {
    controller_uuid: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    api_endpoints: &'a [String],
    cloud: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    region: &'a str,
    #[serde(rename = "type")]
    cloud_type: &'a str,
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
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let answer = context.ask(&Request::ShowController { controller: self.controller })?;
        let Response::Controller(controller) = answer else { return Err(client::unexpected()) };
        // Juju has no table for this either: what it prints is YAML.
        let format = if context.format == Format::Json { Format::Json } else { Format::Yaml };
        super::put(&format.render(&tree(&controller), String::new));
        Ok(Exit::Done)
    }
}

fn tree(controller: &ControllerView) -> serde_json::Value {
    let name = controller.peer.as_ref().unwrap_or(&controller.name);
    let details = Details {
        controller_uuid: &controller.uuid,
        api_endpoints: &controller.addresses,
        cloud: &controller.cloud,
        region: &controller.region,
        cloud_type: &controller.cloud_type,
        agent_version: &controller.version,
        identity_url: &controller.identity_url,
        ca_fingerprint: &controller.ca_fingerprint,
        ca_cert: &controller.ca_cert,
        note: &controller.note,
    };
    serde_json::json!({ name: { "details": details } })
}
