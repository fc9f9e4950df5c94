//! What the description says of the charms themselves.

use crate::sample::layout::{DATABASE, SHOP, TELEMETRY};
use crate::sample::yaml::{Node, map};

/// A charm of Charmhub with file resources.
pub(in crate::sample) const DATABASE_URL: &str = "ch:amd64/postgresql-912";
/// A charm that somebody built and deployed from a file.
pub(in crate::sample) const SHOP_URL: &str = "local:noble/shop-7";
/// A subordinate charm of Charmhub.
pub(in crate::sample) const TELEMETRY_URL: &str = "ch:amd64/telemetry-61";

/// Returns the charm's metadata.
pub(in crate::sample) fn metadata(application: &str) -> Node {
    let database = application == DATABASE;
    let (provides, requires, peers) = match application {
        DATABASE => (
            Some(vec![endpoint("database", "provider", "postgresql_client", "global")]),
            vec![endpoint("replication", "requirer", "postgresql_async", "global")],
            Some(vec![endpoint("database-peers", "peer", "postgresql_peers", "global")]),
        ),
        SHOP => {
            let logging = endpoint("logging", "requirer", "loki_push_api", "global");
            (None, vec![endpoint("db", "requirer", "postgresql_client", "global"), logging], None)
        }
        _ => (None, vec![endpoint("juju-info", "requirer", "juju-info", "container")], None),
    };
    map! {
        "version": 1u32,
        "name": application,
        "summary": format!("Charmed {application}"),
        "description": "Made for a drill.\nNo such charm is published.\n",
        "subordinate": (application == TELEMETRY).then_some(true),
        "min-juju-version": "3.6.0",
        "assumes": "[\"juju >= 3.6.1\"]",
        "provides": provides.map(Node::Map),
        "requires": Node::Map(requires),
        "peers": peers.map(Node::Map),
        "extra-bindings": database.then(|| map! { "admin": "admin" }),
        "storage": database.then(storage),
        "resources": resources(application),
    }
}

fn endpoint(name: &str, role: &str, interface: &str, scope: &str) -> (String, Node) {
    let endpoint = map! {
        "name": name,
        "role": role,
        "interface": interface,
        "optional": false,
        "limit": 0u32,
        "scope": scope,
    };
    (name.to_owned(), endpoint)
}

fn storage() -> Node {
    map! {
        "pgdata": map! {
            "name": "pgdata",
            "description": "data",
            "type": "filesystem",
            "shared": false,
            "readonly": false,
            "count-min": 1u32,
            "count-max": 1u32,
            "minimum-size": 0u32,
            "location": "/var/lib/postgresql",
            "properties": Node::List(vec![]),
        },
    }
}

fn resources(application: &str) -> Node {
    let resource = |name: &str, kind: &str| {
        let path = if kind == "file" { format!("{name}.tar.zst") } else { String::new() };
        let resource = map! { "name": name, "type": kind, "path": path, "description": format!("the {name}") };
        (name.to_owned(), resource)
    };
    match application {
        DATABASE => Node::keyed([resource("backup-tool", "file"), resource("exporter-image", "oci-image")]),
        SHOP => Node::keyed([resource("assets", "file"), resource("empty", "file")]),
        _ => Node::keyed([resource("snap", "file")]),
    }
}

/// Returns where the charm runs.
pub(super) fn manifest() -> Node {
    let base = map! { "name": "ubuntu", "channel": "24.04/stable", "architectures": ["amd64"] };
    Node::wrapped(1, "bases", vec![base])
}

/// Returns the charm's actions.
pub(super) fn actions(application: &str) -> Node {
    let kind = map! { "default": "full", "type": "string" };
    let action = map! {
        "description": "Create a backup",
        "parallel": false,
        "execution-group": "",
        "parameters": map! { "properties": map! { "type": kind }, "type": "object" },
    };
    let actions = (application == DATABASE).then_some(("create-backup", action));
    map! { "version": 1u32, "actions": Node::keyed(actions) }
}

/// Returns the charm's settings.
pub(super) fn configs(application: &str) -> Node {
    let profile = map! { "type": "string", "default": "production", "description": "Memory profile" };
    let configs = (application == DATABASE).then_some(("profile", profile));
    map! { "version": 1u32, "configs": Node::keyed(configs) }
}
