//! Relations within the model and beyond it.

use super::machines::status;
use crate::sample::facts::OWNER;
use crate::sample::kit::Sample;
use crate::sample::layout::{DATABASE, LOGS, Layout, SHOP, TELEMETRY};
use crate::sample::seed::Seed;
use crate::sample::yaml::{Node, map};

/// The key of the relation between shop and database.
const SHOP_DATABASE: &str = "shop:db postgresql:database";

struct End {
    application: &'static str,
    name: &'static str,
    role: &'static str,
    interface: &'static str,
    scope: &'static str,
}

/// Returns the wrapped list of relations.
pub(in crate::sample) fn relations(sample: &Sample, layout: &Layout) -> Node {
    let mut seed = Seed::new(sample.seed, "relations");
    let end = |application, name, role, interface| End { application, name, role, interface, scope: "global" };
    let beside =
        |application, role| End { application, name: "juju-info", role, interface: "juju-info", scope: "container" };
    let relations = [
        ("postgresql:database-peers", vec![end(DATABASE, "database-peers", "peer", "postgresql_peers")]),
        (
            SHOP_DATABASE,
            vec![
                end(SHOP, "db", "requirer", "postgresql_client"),
                end(DATABASE, "database", "provider", "postgresql_client"),
            ],
        ),
        ("telemetry:juju-info postgresql:juju-info", vec![beside(TELEMETRY, "requirer"), beside(DATABASE, "provider")]),
        (
            "shop:logging logs:logging",
            vec![end(SHOP, "logging", "requirer", "loki_push_api"), end(LOGS, "logging", "provider", "loki_push_api")],
        ),
    ];
    let relations = relations.iter().enumerate().map(|(id, (key, ends))| {
        map! {
            "id": id,
            "key": key,
            "endpoints": Node::wrapped(2, "endpoints", ends.iter().map(|end| endpoint(end, layout)).collect()),
            "suspended": false,
            "suspended-reason": "",
            "status": status("joined", None, 80, &mut seed),
        }
    });
    Node::wrapped(3, "relations", relations.collect())
}

fn endpoint(end: &End, layout: &Layout) -> Node {
    let settings = |address: &str| {
        map! {
            "egress-subnets": format!("{address}/32"),
            "ingress-address": address,
            "private-address": address,
        }
    };
    let mut units: Vec<(&str, Node)> =
        layout.units(end.application).iter().map(|unit| (unit.name.as_str(), settings(&unit.address))).collect();
    if end.application == LOGS {
        units.push(("logs/0", settings("10.99.0.21")));
    }
    let leader = layout.units(end.application).first();
    let data = leader.map(|unit| format!("{{\"endpoints\":\"{}:5432\",\"read-only\":\"false\"}}", unit.address));
    let provides = end.role == "provider" && end.scope == "global" && data.is_some();
    map! {
        "application-name": end.application,
        "name": end.name,
        "role": end.role,
        "interface": end.interface,
        "optional": false,
        "limit": 0u32,
        "scope": end.scope,
        "unit-settings": Node::keyed(units),
        "application-settings": if provides { map! { "data": data } } else { Node::Map(vec![]) },
    }
}

/// What one model knows of others: tokens, networks, connections to its offers, controllers.
pub(in crate::sample) fn across(sample: &Sample) -> Node {
    let mut seed = Seed::new(sample.seed, "across");
    let entity = |id: &str, token: String| map! { "id": id, "token": token, "macaroon": "" };
    let entities =
        vec![entity("application-postgresql", seed.uuid()), entity("relation-shop.logging#logs.logging", seed.uuid())];
    let network = map! {
        "id": "shop:db postgresql:database:ingress:default",
        "relation-key": SHOP_DATABASE,
        "cidrs": ["10.80.0.0/24"],
    };
    let connection = map! {
        "offer-uuid": offer_uuid(sample),
        "relation-id": 1u32,
        "relation-key": SHOP_DATABASE,
        "user-name": if sample.home.has_guests { "bob" } else { OWNER },
        "source-model-uuid": seed.uuid(),
    };
    let controller = map! {
        "id": seed.uuid(),
        "alias": "watchtower",
        "addrs": ["10.99.0.11:17070", "10.99.0.12:17070"],
        "ca-cert": "-----BEGIN CERTIFICATE-----\nMIIBdrill\n-----END CERTIFICATE-----\n",
        "models": [logs_model(sample)],
    };
    map! {
        "remote-entities": Node::wrapped(1, "remote-entities", entities),
        "relation-networks": Node::wrapped(1, "relation-networks", vec![network]),
        "offer-connections": Node::wrapped(1, "offer-connections", vec![connection]),
        "external-controllers": Node::wrapped(1, "external-controllers", vec![controller]),
    }
}

/// Returns the offer's UUID, which application and connection both name.
pub(super) fn offer_uuid(sample: &Sample) -> String {
    Seed::new(sample.seed, "offer").uuid()
}

/// Returns the UUID of the model that offers the logs.
pub(super) fn logs_model(sample: &Sample) -> String {
    Seed::new(sample.seed, "logs model").uuid()
}

/// Returns the wrapped list of consumed offers.
pub(in crate::sample) fn remote_applications(sample: &Sample) -> Node {
    let mut seed = Seed::new(sample.seed, "remote applications");
    let endpoint = map! { "name": "logging", "role": "provider", "interface": "loki_push_api" };
    let application = map! {
        "name": LOGS,
        "offer-uuid": seed.uuid(),
        "url": "watchtower:admin/logs.loki",
        "source-model-uuid": logs_model(sample),
        "consume-version": 1u32,
        "macaroon": "[{\"c\":[],\"l\":\"juju\",\"i64\":\"AAAA\",\"s64\":\"AAAA\"}]",
        "endpoints": Node::wrapped(1, "endpoints", vec![endpoint]),
        "spaces": Node::wrapped(1, "spaces", vec![]),
        "status": status("active", None, 85, &mut seed),
    };
    Node::wrapped(3, "remote-applications", vec![application])
}
