//! Machines, the container, and what every status looks like.

use crate::sample::binaries::Binary;
use crate::sample::facts::{AGENT_BINARY, DATA_MIB};
use crate::sample::kit::Sample;
use crate::sample::layout::{CONTAINER, Layout, address_of};
use crate::sample::seed::Seed;
use crate::sample::yaml::{Node, map};

/// Returns the wrapped list of machines.
pub(in crate::sample) fn machines(sample: &Sample, layout: &Layout, tools: &Binary) -> Node {
    let mut seed = Seed::new(sample.seed, "machines");
    let machines = (0..layout.machines).map(|number| {
        let children =
            if number == 0 { vec![machine(sample, layout, CONTAINER, vec![], tools, &mut seed)] } else { vec![] };
        machine(sample, layout, &number.to_string(), children, tools, &mut seed)
    });
    Node::wrapped(if sample.document == 11 { 3 } else { 4 }, "machines", machines.collect())
}

fn machine(
    sample: &Sample,
    layout: &Layout,
    id: &str,
    containers: Vec<Node>,
    binary: &Binary,
    seed: &mut Seed,
) -> Node {
    let contained = id == CONTAINER;
    let hostname = format!("juju-{}-{}", &sample.uuid[..6.min(sample.uuid.len())], id.replace('/', "-"));
    let database = layout.database.iter().find(|unit| unit.machine == id);
    let address = address_of(id);
    map! {
        "id": id,
        "nonce": format!("machine-{}:{}", id.replace('/', "-"), seed.uuid()),
        "password-hash": seed.password_hash(),
        "placement": contained.then_some("lxd:0"),
        "hostname": (sample.document > 11).then_some(hostname),
        "instance": instance(seed),
        "base": "ubuntu@24.04/stable",
        "container-type": contained.then_some("lxd"),
        "status": status("started", None, 40, seed),
        "status-history": history(&[("pending", None), ("started", None)], 30, seed),
        "provider-addresses": [addressed(&address, "provider")],
        "machine-addresses": [addressed(&address, "machine"), loopback()],
        "preferred-public-address": addressed(&address, "provider"),
        "preferred-private-address": addressed(&address, "provider"),
        "tools": tools(binary),
        "jobs": ["host-units"],
        "supported-containers": ["lxd"],
        "containers": containers,
        "opened-port-ranges": opened(database.map(|unit| unit.name.as_str())),
        "annotations": (id == "0").then(|| map! { "gui-x": "120", "gui-y": "80" }),
        "constraints": constraints(),
        "block-devices": Node::wrapped(2, "block-devices", database.map(|_| block_device(seed)).into_iter().collect()),
    }
}

fn instance(seed: &mut Seed) -> Node {
    map! {
        "version": 6u32,
        "instance-id": seed.uuid(),
        "status": status("running", Some("ACTIVE"), 20, seed),
        "status-history": history(&[("allocating", Some("Starting")), ("running", Some("ACTIVE"))], 10, seed),
        "modification-status": status("applied", None, 25, seed),
        "architecture": "amd64",
        "memory": 8192u32,
        "root-disk": 20480u32,
        "cores": 4u32,
        "availability-zone": ["zone-a", "zone-b"][seed.below(2) as usize],
        "virt-type": "virtual-machine",
    }
}

fn block_device(seed: &mut Seed) -> Node {
    let serial = seed.uuid()[..20].to_owned();
    map! {
        "name": "vdb",
        "links": [format!("/dev/disk/by-id/virtio-{serial}")],
        "uuid": seed.uuid(),
        "serial-id": serial,
        "size": DATA_MIB,
        "fs-type": "ext4",
        "in-use": true,
        "mount-point": "/var/lib/postgresql",
    }
}

fn opened(unit: Option<&str>) -> Node {
    let range = map! { "from-port": 5432u32, "to-port": 5432u32, "protocol": "tcp" };
    let ranges = unit.map(|unit| {
        let endpoints = Node::keyed([("", Node::List(vec![range]))]);
        (unit, map! { "unit-port-ranges": endpoints })
    });
    map! { "version": 1u32, "machine-port-ranges": Node::keyed(ranges) }
}

fn addressed(value: &str, origin: &str) -> Node {
    map! {
        "version": 2u32,
        "value": value,
        "type": "ipv4",
        "scope": "local-cloud",
        "origin": origin,
        "spaceid": "1",
    }
}

fn loopback() -> Node {
    map! { "version": 2u32, "value": "127.0.0.1", "type": "ipv4", "scope": "local-machine", "origin": "machine" }
}

/// Returns the agent binary as a machine or unit names it.
pub(in crate::sample) fn tools(binary: &Binary) -> Node {
    map! {
        "version": 2u32,
        "tools-version": AGENT_BINARY,
        "url": "",
        "sha256": &binary.sha256,
        "size": binary.bytes,
    }
}

/// Returns the constraints that every machine, application and unit has.
pub(super) fn constraints() -> Node {
    map! {
        "version": 5u32,
        "architecture": "amd64",
        "cores": 4u32,
        "memory": 8192u32,
        "root-disk": 20480u32,
        "spaces": ["internal"],
        "zones": ["zone-a", "zone-b"],
    }
}

fn point(value: &str, message: Option<&str>, second: u32, seed: &mut Seed) -> Node {
    map! { "value": value, "message": message, "updated": seed.time(second), "neverset": false }
}

/// Returns a status, as it is since `second`.
pub(in crate::sample) fn status(value: &str, message: Option<&str>, second: u32, seed: &mut Seed) -> Node {
    map! { "version": 2u32, "status": point(value, message, second, seed) }
}

/// Returns a history of statuses, ten seconds apart.
pub(in crate::sample) fn history(points: &[(&str, Option<&str>)], second: u32, seed: &mut Seed) -> Node {
    let points = points.iter().zip(0u32..);
    let points = points.map(|(&(value, message), at)| point(value, message, second + 10 * at, seed)).collect();
    Node::wrapped(2, "history", points)
}
