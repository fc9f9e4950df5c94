//! The description as a whole, in wire order.

use super::facts::{AGENT_VERSION, OWNER};
use super::kit::{Made, Sample};
use super::layout::{DATABASE, Layout, SHOP, TELEMETRY};
use super::parts::applications::applications;
use super::parts::machines::{history, machines, status};
use super::parts::{access, network, relations, storage};
use super::seed::Seed;
use super::yaml::{Node, map};

/// Returns the whole description.
pub(super) fn description(sample: &Sample, made: &Made) -> String {
    let layout = Layout::new(sample.machines);
    head(sample)
        .and(map! {
            "users": access::users(sample),
            "machines": machines(sample, &layout, &made.tools),
            "applications": applications(sample, &layout, made),
            "relations": relations::relations(sample, &layout),
        })
        .and(relations::across(sample))
        .and(map! {
            "spaces": network::spaces(sample),
            "link-layer-devices": network::devices(sample, &layout),
            "ip-addresses": network::addresses(&layout),
            "subnets": network::subnets(sample),
            "cloud-image-metadata": images(sample),
        })
        .and(history_of_model(sample))
        .and(work(sample))
        .and(map! {
            "authorized-keys": (sample.document > 12).then(|| Node::wrapped(1, "users-authorized-keys", vec![])),
            "ssh-host-keys": access::ssh_host_keys(sample, &layout),
            "sequences": sequences(&layout),
            "annotations": map! { "owner-team": "retail" },
            "constraints": map! { "version": 5u32, "architecture": "amd64" },
            "cloud": sample.home.cloud,
            "cloud-region": sample.home.region,
            "cloud-credential": access::credential(sample),
        })
        .and(storage::storage(sample, &layout))
        .and(map! {
            "firewall-rules": network::firewall(),
            "remote-applications": relations::remote_applications(sample),
            "secret-backend-id": sample.home.secret_backend,
            "secrets": access::secrets(sample),
            "remote-secrets": access::remote_secrets(sample),
            "sla": map! { "level": "", "owner": "", "credentials": "" },
            "meter-status": map! { "code": "NOT AVAILABLE", "info": "" },
            "password-hash": Seed::new(sample.seed, "model agent").password_hash(),
            "virtual-host-keys": (sample.document > 11).then(|| access::virtual_host_keys(&layout)),
        })
        .document()
}

fn head(sample: &Sample) -> Node {
    map! {
        "version": u32::from(sample.document),
        "agent-version": AGENT_VERSION,
        "type": "iaas",
        "owner": OWNER,
        "config": map! {
            "agent-stream": "released",
            "agent-version": AGENT_VERSION,
            "automatically-retry-hooks": true,
            "container-networking-method": "provider",
            "default-base": "",
            "firewall-mode": "instance",
            "logging-config": "<root>=INFO",
            "max-status-history-age": "336h",
            "name": &sample.name,
            "net-bond-reconfigure-delay": 17u32,
            "network": "net-internal",
            "no-proxy": "127.0.0.1,localhost,::1",
            "secret-backend": if sample.home.secret_backend.is_some() { "vault" } else { "auto" },
            "type": sample.home.cloud_type,
            "update-status-hook-interval": "5m",
            "uuid": &sample.uuid,
        },
        "blocks": map! { "destroy-model": "ask retail first" },
        "latest-tools": AGENT_VERSION,
        "environ-version": 2u32,
    }
}

fn images(sample: &Sample) -> Node {
    let image = map! {
        "stream": "released",
        "region": sample.home.region,
        "version": "24.04",
        "arch": "amd64",
        "virt-type": "",
        "root-storage-type": "",
        "date-created": 1_767_225_600_000_000_000u64,
        "source": "custom",
        "priority": 50u32,
        "image-id": Seed::new(sample.seed, "image").uuid(),
    };
    Node::wrapped(2, "cloudimagemetadata", vec![image])
}

/// The model's own status; the newest document leaves it out.
fn history_of_model(sample: &Sample) -> Node {
    if sample.document > 13 {
        return Node::Map(vec![]);
    }
    let mut seed = Seed::new(sample.seed, "model status");
    map! {
        "status": status("available", None, 5, &mut seed),
        "status-history": history(&[("available", None)], 5, &mut seed),
    }
}

/// An action that ran, and the operation it was part of.
fn work(sample: &Sample) -> Node {
    let mut seed = Seed::new(sample.seed, "work");
    let line = map! { "timestamp": seed.time(403), "message": "starting backup" };
    let action = map! {
        "id": "2",
        "receiver": "postgresql/0",
        "name": "create-backup",
        "operation": "1",
        "parameters": map! { "type": "full" },
        "parallel": false,
        "execution-group": "",
        "enqueued": seed.time(400),
        "started": seed.time(402),
        "completed": seed.time(430),
        "status": "completed",
        "message": "",
        "results": map! { "backup-status": "backup created" },
        "logs": Node::wrapped(1, "messages", vec![line]),
    };
    let operation = map! {
        "id": "1",
        "summary": "create-backup run on unit-postgresql-0",
        "enqueued": seed.time(400),
        "started": seed.time(402),
        "completed": seed.time(430),
        "status": "completed",
        "complete-task-count": 1u32,
        "spawned-task-count": 0u32,
    };
    map! {
        "actions": Node::wrapped(4, "actions", vec![action]),
        "operations": Node::wrapped(2, "operations", vec![operation]),
    }
}

fn sequences(layout: &Layout) -> Node {
    let databases = layout.database.len();
    Node::keyed([
        ("filesystem", Node::from(databases)),
        ("machine", layout.machines.into()),
        ("operation", 3u32.into()),
        (DATABASE, databases.into()),
        ("relation", 4u32.into()),
        (SHOP, layout.shop.len().into()),
        ("stores", databases.into()),
        (TELEMETRY, layout.telemetry.len().into()),
        ("volume", databases.into()),
    ])
}
