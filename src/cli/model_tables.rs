//! What is inside a model, in Juju's tables: applications, units, machines.

use serde_json::{Map, Value, json};

use super::output::Table;
use crate::agent::control::view::ModelView;

/// Returns the tables that are not empty, in Juju's order.
pub(super) fn tables(model: &ModelView) -> Vec<String> {
    let caas = model.details.row.model_type == "caas";
    let tables = [applications(model), units(model, caas), machines(model)];
    tables.iter().filter(|table| !table.is_empty()).map(Table::render).collect()
}

fn applications(model: &ModelView) -> Table {
    let columns = ["App", "Version", "Status", ">Scale", "Charm", "Channel", ">Rev", "Exposed", "Message"];
    let mut table = Table::new(&columns);
    for app in &model.applications {
        let (scale, revision) = (app.scale.to_string(), app.revision.to_string());
        let exposed = if app.exposed { "yes" } else { "no" };
        table.row([
            &app.name,
            &app.version,
            &app.status,
            &scale,
            &app.charm,
            &app.channel,
            &revision,
            exposed,
            &app.message,
        ]);
    }
    table
}

fn units(model: &ModelView, caas: bool) -> Table {
    let mut table = if caas {
        Table::new(&["Unit", "Workload", "Agent", "Address", "Ports", "Message"])
    } else {
        Table::new(&["Unit", "Workload", "Agent", "Machine", "Public address", "Ports", "Message"])
    };
    for unit in &model.units {
        let name = if unit.leader { format!("{}*", unit.name) } else { unit.name.clone() };
        let mut cells = vec![name.as_str(), &unit.workload, &unit.agent];
        if !caas {
            cells.push(&unit.machine);
        }
        cells.extend([unit.address.as_str(), "", &unit.message]);
        table.row(cells);
    }
    table
}

fn machines(model: &ModelView) -> Table {
    let mut table = Table::new(&["Machine", "State", "Address", "Inst id", "Base", "AZ", "Message"]);
    for machine in &model.machines {
        let cells = [
            &machine.id,
            &machine.state,
            &machine.address,
            &machine.instance,
            &machine.base,
            &machine.zone,
            &machine.message,
        ];
        table.row(cells);
    }
    table
}

/// Returns the machines as `status --format yaml` has them.
pub(super) fn machines_tree(model: &ModelView) -> Map<String, Value> {
    let machine = |machine: &crate::agent::control::view::MachineView| {
        let shown = json!({
            "juju-status": { "current": machine.state },
            "dns-name": machine.address,
            "instance-id": machine.instance,
            "base": machine.base,
        });
        (machine.id.clone(), shown)
    };
    model.machines.iter().map(machine).collect()
}

/// Returns the applications with their units as `status --format yaml` has them.
pub(super) fn applications_tree(model: &ModelView) -> Map<String, Value> {
    let mut tree = Map::new();
    for app in &model.applications {
        let units: Map<String, Value> = model
            .units
            .iter()
            .filter(|unit| unit.name.split('/').next() == Some(&app.name))
            .map(|unit| {
                let workload = json!({ "current": unit.workload, "message": unit.message });
                let shown = json!({
                    "workload-status": workload,
                    "juju-status": { "current": unit.agent },
                    "leader": unit.leader,
                    "machine": unit.machine,
                    "public-address": unit.address,
                });
                (unit.name.clone(), shown)
            })
            .collect();
        let shown = json!({
            "charm": app.charm,
            "charm-channel": app.channel,
            "charm-rev": app.revision,
            "scale": app.scale,
            "exposed": app.exposed,
            "application-status": { "current": app.status, "message": app.message },
            "units": units,
        });
        tree.insert(app.name.clone(), shown);
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::control::view::{ApplicationView, MachineView, UnitView};
    use crate::cli::status::tests::model;

    #[test]
    fn what_is_inside_a_model_is_listed_as_juju_lists_it() {
        let mut model = model();
        model.applications.push(ApplicationView {
            name: "testing".into(),
            status: "active".into(),
            scale: 1,
            charm: "dummy-storage".into(),
            message: "Stored token: /tmp/status".into(),
            ..ApplicationView::default()
        });
        model.units.push(UnitView {
            name: "testing/0".into(),
            leader: true,
            workload: "active".into(),
            agent: "idle".into(),
            machine: "0".into(),
            address: "10.51.45.186".into(),
            message: "Stored token: /tmp/status".into(),
        });
        model.machines.push(MachineView {
            id: "0".into(),
            state: "started".into(),
            address: "10.51.45.186".into(),
            instance: "juju-8bc94d-0".into(),
            base: "ubuntu@24.04".into(),
            zone: "jack".into(),
            message: "Running".into(),
        });
        assert_eq!(
            tables(&model),
            [
                "App      Version  Status  Scale  Charm          Channel  Rev  Exposed  Message\n\
                 testing           active      1  dummy-storage             0  no       Stored token: /tmp/status\n",
                "Unit        Workload  Agent  Machine  Public address  Ports  Message\n\
                 testing/0*  active    idle   0        10.51.45.186           Stored token: /tmp/status\n",
                "Machine  State    Address       Inst id        Base          AZ    Message\n\
                 0        started  10.51.45.186  juju-8bc94d-0  ubuntu@24.04  jack  Running\n",
            ]
        );
    }
}
