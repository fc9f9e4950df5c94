//! What `status -m` shows of a model's inside, out of its description.

use crate::agent::control::view::{ApplicationView, MachineView, UnitView};
use crate::controller::description::Description;
use crate::controller::description::application::{Application, Unit};
use crate::controller::description::machine::Machine;

/// Returns a model's applications, units and machines.
pub(super) fn outline(description: &Description) -> (Vec<ApplicationView>, Vec<UnitView>, Vec<MachineView>) {
    let machines: Vec<&Machine> = description.all_machines().collect();
    let applications = description.applications.iter().map(application).collect();
    let mut units: Vec<(&Application, &Unit)> = description.all_units().collect();
    units.sort_by_key(|(application, _)| application.subordinate);
    let units = units.into_iter().map(|(application, unit)| unit_view(application, unit, &machines)).collect();
    (applications, units, machines.into_iter().map(machine).collect())
}

fn application(application: &Application) -> ApplicationView {
    let version = application.units.iter().map(|unit| &unit.workload_version).find(|version| !version.is_empty());
    let scale = if application.units.is_empty() {
        application.desired_scale.max(0) as u64
    } else {
        application.units.len() as u64
    };
    ApplicationView {
        name: application.name.clone(),
        version: version.cloned().unwrap_or_default(),
        status: application.status.value.clone(),
        message: application.status.message.clone(),
        scale,
        charm: charm_name(&application.charm_url).to_owned(),
        channel: application.charm_origin.channel.clone(),
        revision: application.charm_origin.revision,
        exposed: application.exposed,
    }
}

/// Returns the name in a charm's URL: of `ch:amd64/noble/postgresql-k8s-495` it is `postgresql-k8s`.
fn charm_name(url: &str) -> &str {
    let last = url.rsplit(['/', ':']).next().unwrap_or(url);
    match last.rsplit_once('-') {
        Some((name, revision)) if revision.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => last,
    }
}

fn unit_view(application: &Application, unit: &Unit, machines: &[&Machine]) -> UnitView {
    let container = unit.cloud_container.as_ref().and_then(|container| container.address.as_ref());
    let machine = machines.iter().find(|machine| machine.id == unit.machine);
    let address = container.map(|address| address.value.clone()).or_else(|| machine.map(|machine| address_of(machine)));
    UnitView {
        name: unit.name.clone(),
        leader: application.leader == unit.name,
        workload: unit.workload_status.value.clone(),
        agent: unit.agent_status.value.clone(),
        machine: unit.machine.clone(),
        address: address.unwrap_or_default(),
        message: unit.workload_status.message.clone(),
    }
}

fn address_of(machine: &Machine) -> String {
    let preferred = machine.preferred_public_address.as_ref().or(machine.preferred_private_address.as_ref());
    preferred.or(machine.provider_addresses.first()).map(|address| address.value.clone()).unwrap_or_default()
}

fn machine(machine: &Machine) -> MachineView {
    let instance = machine.instance.as_ref();
    MachineView {
        id: machine.id.clone(),
        state: machine.status.value.clone(),
        address: address_of(machine),
        instance: instance.map(|instance| instance.instance_id.clone()).unwrap_or_default(),
        // The risk of a base's channel is not shown where it is the usual one.
        base: machine.base.trim_end_matches("/stable").to_owned(),
        zone: instance.map(|instance| instance.availability_zone.clone()).unwrap_or_default(),
        message: instance.map(|instance| instance.status.message.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charms_name_is_told_from_its_url() {
        for (url, name) in [
            ("ch:amd64/noble/postgresql-k8s-495", "postgresql-k8s"),
            ("ch:amd64/ceph-mon-229", "ceph-mon"),
            ("local:noble/webapp-2", "webapp"),
            ("local:webapp", "webapp"),
        ] {
            assert_eq!(charm_name(url), name);
        }
    }
}
