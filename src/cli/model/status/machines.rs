//! Machines and containers, in Juju's table.

use super::cut::cut;
use crate::cli::output::{Paint, Table};
use crate::controller::status::machine::MachineStatus;
use crate::controller::status::named::Named;
use crate::controller::status::{Base, ModelStatus};

/// Returns the machines, each followed by the containers in it.
pub(super) fn machines(inside: &ModelStatus) -> Table {
    let table = Table::new(&["Machine", "State", "Address", "Inst id", "Base", "AZ", "Message"]);
    let mut table = table.paint(&[("State", Paint::Status), ("Address", Paint::Address)]);
    rows(&mut table, &inside.machines);
    table
}

fn rows(table: &mut Table, machines: &Named<MachineStatus>) {
    for (id, machine) in machines.iter() {
        let (state, message) = machine.state();
        let base = machine.base.as_ref().map(|Base { name, channel }| format!("{name}@{channel}")).unwrap_or_default();
        table.row([id, state, &machine.dns_name, machine.name(), &base, machine.zone(), &cut(message)]);
        rows(table, &machine.containers);
    }
}
