//! `modelferry controllers`: the agent's own controller, and those of its peers.

use clap::Args;
use serde_json::json;

use crate::agent::control::view::ControllerView;
use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::Table;

const HELP: Help = Help {
    examples: &["modelferry controllers", "modelferry controllers --format yaml"],
    exits: exit::ASKING,
    juju: Some("juju controllers"),
};

/// List the agent's controller and those of its peers
///
/// A peer's controller is listed under the peer's name, which is what DEST means. The agent's own is marked.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct ControllersArgs {}

impl ControllersArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Response::Controllers(controllers) = context.ask(&Request::Controllers {})? else {
            return Err(client::unexpected());
        };
        context.print(&tree(&controllers), || table(&controllers, context.paint));
        Ok(Exit::Done)
    }
}

/// Returns the controllers in Juju's layout, each by the name that DEST means.
fn tree(controllers: &[ControllerView]) -> serde_json::Value {
    let mut shown = serde_json::Map::new();
    let mut current = None;
    for controller in controllers {
        let mut fields = serde_json::Map::new();
        let mut put = |key: &str, value: serde_json::Value| {
            if !matches!(&value, serde_json::Value::String(text) if text.is_empty()) {
                fields.insert(key.to_owned(), value);
            }
        };
        if controller.peer.is_none() {
            put("access", json!("superuser"));
            current = Some(&controller.name);
        }
        put("controller-uuid", json!(controller.uuid));
        put("api-endpoints", json!(controller.addresses));
        put("ca-cert", json!(controller.ca_cert));
        put("cloud", json!(controller.cloud));
        put("region", json!(controller.region));
        put("agent-version", json!(controller.version));
        if let Some(count) = controller.model_count {
            put("model-count", json!(count));
        }
        put("ca-fingerprint", json!(controller.ca_fingerprint));
        let name = controller.peer.as_ref().unwrap_or(&controller.name);
        shown.insert(name.clone(), serde_json::Value::Object(fields));
    }
    json!({ "controllers": shown, "current-controller": current })
}

fn table(controllers: &[ControllerView], color: bool) -> String {
    let columns = ["Controller", "Model", "User", "Access", "Cloud/Region", ">Models", ">Nodes", ">HA", "Version"];
    let mut table = Table::new(&columns);
    for controller in controllers {
        let name = controller.peer.clone().unwrap_or_else(|| format!("{}*", controller.name));
        let models = controller.model_count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let cloud = crate::cli::output::cloud::cloud_region(&controller.cloud, &controller.region);
        let access = if controller.peer.is_none() { "superuser" } else { "-" };
        let cells = [&name, "-", "-", access, &cloud, &models, "-", "-", &controller.version];
        table.row(cells);
    }
    table.render_in(color)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_listed_as_juju_lists_them() {
        let own = ControllerView {
            name: "src".into(),
            cloud: "localhost".into(),
            region: "localhost".into(),
            version: "3.6.23".into(),
            model_count: Some(2),
            ..ControllerView::default()
        };
        let other = ControllerView { peer: Some("west".into()), model_count: None, ..own.clone() };
        assert_eq!(
            table(&[own, other], false),
            "Controller  Model  User  Access     Cloud/Region         Models  Nodes  HA  Version\n\
             src*        -      -     superuser  localhost/localhost       2      -   -  3.6.23\n\
             west        -      -     -          localhost/localhost       -      -   -  3.6.23\n"
        );
    }
}
