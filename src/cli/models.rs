//! `modelferry models`: the models of a controller.

use clap::Args;

use super::exit::{self, Exit};
use super::output::Table;
use super::{Context, client, plain};
use crate::agent::control::view::ModelSummary;
use crate::agent::control::{Failure, Request, Response};

/// The owner whose models Juju names without their owner.
const OWN_USER: &str = "admin";

/// List the models of the agent's controller, or of a peer's
#[derive(Debug, Args)]
#[command(after_help = exit::ASKING)]
pub struct ModelsArgs {
    /// The agent's own controller, or a peer; the agent's own by default
    #[arg(short, long)]
    controller: Option<String>,
}

impl ModelsArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let answer = context.ask(&Request::Models { controller: self.controller })?;
        let Response::Models { controller, models } = answer else { return Err(client::unexpected()) };
        context.print(&models, || table(&controller, &models));
        Ok(Exit::Done)
    }
}

fn table(controller: &str, models: &[ModelSummary]) -> String {
    let columns = ["Model", "Cloud/Region", "Type", "Status", ">Machines", ">Units", "Access", "Last connection"];
    let mut table = Table::new(&columns);
    for model in models {
        let name = if model.owner == OWN_USER { model.name.clone() } else { format!("{}/{}", model.owner, model.name) };
        let units = if model.unit_count == 0 { "-".to_owned() } else { model.unit_count.to_string() };
        let cloud = super::cloud_region(&model.cloud, &model.region);
        let machines = model.machine_count.to_string();
        // Whoever may use the socket is the controller's admin; nobody else ever logs in.
        table.row([&name, &cloud, &model.cloud_type, &model.status, &machines, &units, "admin", "never connected"]);
    }
    format!("Controller: {}\n\n{}", plain(controller), table.render())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_listed_as_juju_lists_them() {
        let controller = ModelSummary {
            name: "controller".into(),
            owner: "admin".into(),
            cloud: "localhost".into(),
            region: "localhost".into(),
            cloud_type: "lxd".into(),
            status: "available".into(),
            machine_count: 1,
            unit_count: 1,
            is_controller: true,
            ..ModelSummary::default()
        };
        let test = ModelSummary {
            name: "test".into(),
            owner: "bob".into(),
            machine_count: 0,
            unit_count: 0,
            ..controller.clone()
        };
        assert_eq!(
            table("localhost-localhost", &[controller, test]),
            "Controller: localhost-localhost\n\n\
             Model       Cloud/Region         Type  Status     Machines  Units  Access  Last connection\n\
             controller  localhost/localhost  lxd   available         1      1  admin   never connected\n\
             bob/test    localhost/localhost  lxd   available         0      -  admin   never connected\n"
        );
    }
}
