//! Storage: a volume and a filesystem for every database unit, and the pool they come from.

use super::machines::{history, status};
use crate::sample::facts::DATA_MIB;
use crate::sample::kit::Sample;
use crate::sample::layout::{Layout, Unit};
use crate::sample::seed::Seed;
use crate::sample::yaml::{Node, map};

/// Returns volumes, filesystems, storages and pools, in this order.
pub(in crate::sample) fn storage(sample: &Sample, layout: &Layout) -> Node {
    let mut seed = Seed::new(sample.seed, "storage");
    let units = &layout.database;
    let volumes = units.iter().map(|unit| volume(unit, sample, &mut seed)).collect();
    let filesystems = units.iter().map(|unit| filesystem(unit, sample, &mut seed)).collect();
    let pool = map! { "name": sample.home.pool, "provider": sample.home.pool_provider, "attributes": map! { "volume-type": "ssd" } };
    map! {
        "volumes": Node::wrapped(1, "volumes", volumes),
        "filesystems": Node::wrapped(1, "filesystems", filesystems),
        "storages": Node::wrapped(
            if sample.document > 12 { 4 } else { 3 },
            "storages",
            units.iter().map(|unit| instance(unit, sample)).collect(),
        ),
        "storage-pools": Node::wrapped(1, "pools", vec![pool]),
    }
}

fn volume(unit: &Unit, sample: &Sample, seed: &mut Seed) -> Node {
    let attachment = host(unit, sample).and(map! {
        "provisioned": true,
        "read-only": false,
        "device-name": "vdb",
        "device-link": "",
        "bus-address": "",
    });
    map! {
        "id": unit.number.to_string(),
        "storage-id": format!("pgdata/{}", unit.number),
        "provisioned": true,
        "size": DATA_MIB,
        "pool": sample.home.pool,
        "volume-id": seed.uuid(),
        "persistent": true,
        "status": status("attached", None, 45, seed),
        "status-history": history(&[("pending", None), ("attached", None)], 35, seed),
        "attachments": attachments(attachment, sample),
        "attachmentplans": Node::wrapped(1, "attachmentplans", vec![]),
    }
}

fn filesystem(unit: &Unit, sample: &Sample, seed: &mut Seed) -> Node {
    let attachment = host(unit, sample).and(map! {
        "provisioned": true,
        "mount-point": "/var/lib/postgresql",
        "read-only": false,
    });
    map! {
        "id": unit.number.to_string(),
        "storage-id": format!("pgdata/{}", unit.number),
        "volume-id": unit.number.to_string(),
        "provisioned": true,
        "size": DATA_MIB,
        "pool": sample.home.pool,
        "filesystem-id": format!("filesystem-{}", unit.number),
        "status": status("attached", None, 46, seed),
        "status-history": history(&[("pending", None), ("attached", None)], 36, seed),
        "attachments": attachments(attachment, sample),
    }
}

fn host(unit: &Unit, sample: &Sample) -> Node {
    if sample.document > 12 {
        map! { "host-machine-id": &unit.machine }
    } else {
        map! { "host-id": &unit.machine }
    }
}

fn attachments(attachment: Node, sample: &Sample) -> Node {
    Node::wrapped(if sample.document > 12 { 3 } else { 2 }, "attachments", vec![attachment])
}

fn instance(unit: &Unit, sample: &Sample) -> Node {
    let owner = format!("unit-{}", unit.name.replace('/', "-"));
    map! {
        "id": format!("pgdata/{}", unit.number),
        "kind": "filesystem",
        "owner": (sample.document < 13).then_some(owner),
        "unit-owner": (sample.document > 12).then(|| unit.name.clone()),
        "name": "pgdata",
        "attachments": [&unit.name],
        "constraints": map! { "pool": sample.home.pool, "size": DATA_MIB },
    }
}
