//! `modelferry models`: the models of a controller.

use clap::Args;
use serde_json::json;

use super::from::From;
use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::plain;
use crate::cli::output::{Paint, Table, ago_rfc3339};
use crate::clock::now_ms;
use crate::controller::embedded::view::ModelRow;

/// The owner whose models Juju names without their owner.
const OWN_USER: &str = "admin";

const HELP: Help = Help {
    examples: &["modelferry models", "modelferry models -c east --format yaml", "modelferry models --from dump.yaml"],
    exits: exit::ASKING_PEER,
    juju: Some("juju models"),
};

/// List the models of the agent's controller, or of a peer's
///
/// The table is Juju's. YAML and JSON tell of each model whether it is in service, frozen, or on its way here.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct ModelsArgs {
    /// The agent's own controller, or a peer; the agent's own by default
    #[arg(short, long, conflicts_with = "from")]
    controller: Option<String>,
    #[command(flatten)]
    from: From,
}

impl ModelsArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (controller, models, hidden) = match self.from.model(context)? {
            Some(model) => (model.details.controller_name, vec![model.details.row], None),
            None => match context.ask(&Request::Models { controller: self.controller })? {
                Response::Models { controller, models, hidden } => (controller, models, hidden),
                _ => return Err(client::unexpected()),
            },
        };
        let now = now_ms();
        let mut shown = tree(&controller, &models, now);
        if let Some(hidden) = &hidden {
            shown["hidden"] = json!(hidden);
        }
        context.print(&shown, || {
            let hidden = hidden.map_or_else(String::new, |hidden| format!("\n{}\n", plain(&hidden)));
            table(&controller, &models, now, context.paint) + &hidden
        });
        Ok(Exit::Done)
    }
}

/// Returns the models in Juju's layout. What is ours, and what Juju counts in its table alone, comes last.
pub(in crate::cli) fn tree(controller: &str, models: &[ModelRow], now_ms: u64) -> serde_json::Value {
    let models = models.iter().map(|model| {
        let mut shown = json!({
            "name": format!("{}/{}", model.owner, model.name),
            "short-name": model.name,
            "model-uuid": model.uuid,
            "model-type": model.model_type,
            "controller-name": controller,
            "is-controller": model.is_controller,
            "owner": model.owner,
            "cloud": model.cloud,
        });
        if !model.region.is_empty() {
            shown["region"] = json!(model.region);
        }
        shown["type"] = json!(model.cloud_type);
        shown["life"] = json!("alive");
        shown["status"] = json!({ "current": model.status });
        shown["access"] = json!(model.access);
        shown["last-connection"] = json!(last_connection(model, now_ms));
        shown["machines"] = json!(model.machines);
        shown["units"] = json!(model.units);
        shown["state"] = json!(model.state);
        shown["incomplete"] = json!(model.incomplete);
        shown
    });
    json!({ "models": models.collect::<Vec<_>>() })
}

fn last_connection(model: &ModelRow, now_ms: u64) -> String {
    model.last_connection.as_deref().map_or_else(|| "never connected".to_owned(), |at| ago_rfc3339(at, now_ms))
}

pub(in crate::cli) fn table(controller: &str, models: &[ModelRow], now_ms: u64, color: bool) -> String {
    let columns = ["Model", "Cloud/Region", "Type", "Status", ">Machines", ">Units", "Access", "Last connection"];
    let mut table = Table::new(&columns).paint(&[("Status", Paint::Status)]);
    for model in models {
        let name = if model.owner == OWN_USER { model.name.clone() } else { format!("{}/{}", model.owner, model.name) };
        let units = if model.units == 0 { "-".to_owned() } else { model.units.to_string() };
        let cloud = crate::cli::output::cloud::cloud_region(&model.cloud, &model.region);
        let machines = model.machines.to_string();
        let seen = last_connection(model, now_ms);
        table.row([&name, &cloud, &model.cloud_type, &model.status, &machines, &units, &model.access, &seen]);
    }
    format!("Controller: {}\n\n{}", plain(controller), table.render_in(color))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::embedded::view::ModelState;

    fn row(name: &str, owner: &str) -> ModelRow {
        ModelRow {
            name: name.into(),
            owner: owner.into(),
            uuid: String::new(),
            model_type: "iaas".into(),
            cloud: "localhost".into(),
            region: "localhost".into(),
            cloud_type: "lxd".into(),
            status: "available".into(),
            machines: 0,
            units: 0,
            access: "admin".into(),
            last_connection: None,
            state: ModelState::Live,
            incomplete: false,
            is_controller: false,
        }
    }

    #[test]
    fn models_are_listed_as_juju_lists_them() {
        let seen = Some("2025-10-09T08:52:20Z".to_owned());
        let controller = ModelRow { machines: 1, units: 1, last_connection: seen, ..row("controller", "admin") };
        assert_eq!(
            table("localhost-localhost", &[controller, row("test", "bob")], 1_760_000_000_000, false),
            "Controller: localhost-localhost\n\n\
             Model       Cloud/Region         Type  Status     Machines  Units  Access  Last connection\n\
             controller  localhost/localhost  lxd   available         1      1  admin   1 minute ago\n\
             bob/test    localhost/localhost  lxd   available         0      -  admin   never connected\n"
        );
    }
}
