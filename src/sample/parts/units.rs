//! Units, with the state their agents keep.

use super::machines::{constraints, history, status, tools};
use super::resources::{resources_version, revision};
use crate::sample::kit::{Made, Sample};
use crate::sample::layout::{DATABASE, Layout, TELEMETRY, Unit};
use crate::sample::seed::Seed;
use crate::sample::yaml::{Node, map};

/// Returns the wrapped list of an application's units.
pub(in crate::sample) fn units(
    application: &str,
    sample: &Sample,
    layout: &Layout,
    made: &Made,
    seed: &mut Seed,
) -> Node {
    let units = layout.units(application).iter();
    Node::wrapped(3, "units", units.map(|unit| one(application, unit, sample, made, seed)).collect())
}

fn one(application: &str, unit: &Unit, sample: &Sample, made: &Made, seed: &mut Seed) -> Node {
    let database = application == DATABASE;
    let leader = unit.number == 0;
    let version = if database { "16.9" } else { "0.40.4" };
    // The first unit fetched the resources; the others have not needed them yet.
    let fetched = if leader { made.resources_of(application) } else { vec![] };
    let resources = fetched.iter().filter(|resource| resource.binary.is_some());
    let resources = resources
        .map(|resource| map! { "name": resource.name, "revision": revision(resource, sample, seed) })
        .collect();
    map! {
        "name": &unit.name,
        "machine": &unit.machine,
        "agent-status": status("idle", None, 100, seed),
        "agent-status-history": agent_history(seed),
        "workload-status": status("active", (leader && database).then_some("Primary"), 130, seed),
        "workload-status-history": history(
            &[("waiting", Some("waiting for machine")), ("maintenance", Some("installing")), ("active", None)],
            70,
            seed,
        ),
        "workload-version": version,
        "workload-version-history": history(&[(version, None)], 120, seed),
        "principal": (application == TELEMETRY).then(|| format!("{DATABASE}/{}", unit.number)),
        "subordinates": database.then(|| vec![format!("{TELEMETRY}/{}", unit.number)]),
        "password-hash": seed.password_hash(),
        "tools": tools(&made.tools),
        "meter-status-code": "NOT SET",
        "constraints": constraints(),
        "resources": Node::wrapped(resources_version(sample), "resources", resources),
        "payloads": Node::wrapped(1, "payloads", vec![]),
        "charm-state": database.then(|| map! { "peer-user": "replication" }),
        "relation-state": Node::Map(vec![("0".into(), "id: 0\nmembers: {}\n".into())]),
        "uniter-state": uniter_state(leader),
        "storage-state": database.then(|| format!("pgdata/{}: true\n", unit.number)),
    }
}

fn agent_history(seed: &mut Seed) -> Node {
    let hook = ("executing", Some("running update-status hook"));
    let idle = ("idle", None);
    history(&[hook, idle, hook, idle, hook, idle], 40, seed)
}

fn uniter_state(leader: bool) -> String {
    format!(
        "leader: {leader}\nstarted: true\nstopped: false\ninstalled: true\nstatuscode: \"\"\nop: continue\nopstep: pending\n"
    )
}
