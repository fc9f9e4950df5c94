//! The three applications: a database with everything, a local charm, a subordinate.

use super::charms;
use super::machines::{constraints, history, status};
use super::relations::offer_uuid;
use super::resources::{resources_version, revision};
use super::units::units;
use crate::sample::facts::DATA_MIB;
use crate::sample::kit::{Made, Resource, Sample};
use crate::sample::layout::{DATABASE, Layout, SHOP, TELEMETRY};
use crate::sample::seed::Seed;
use crate::sample::yaml::{Node, map};

/// An application's fixed facts.
struct Application {
    name: &'static str,
    charm_url: &'static str,
    channel: &'static str,
    bindings: &'static [(&'static str, &'static str)],
}

const APPLICATIONS: [Application; 3] = [
    Application {
        name: DATABASE,
        charm_url: charms::DATABASE_URL,
        channel: "16/stable",
        bindings: &[("", "1"), ("database", "1"), ("database-peers", "1"), ("replication", "2")],
    },
    Application {
        name: SHOP,
        charm_url: charms::SHOP_URL,
        channel: "latest/stable",
        bindings: &[("", "2"), ("db", "1"), ("logging", "1")],
    },
    Application { name: TELEMETRY, charm_url: charms::TELEMETRY_URL, channel: "1/stable", bindings: &[("", "1")] },
];

/// Returns the wrapped list of applications.
pub(in crate::sample) fn applications(sample: &Sample, layout: &Layout, made: &Made) -> Node {
    let mut seed = Seed::new(sample.seed, "applications");
    let version = if sample.document == 11 { 13 } else { 14 };
    let applications = APPLICATIONS.iter();
    let applications = applications.map(|application| one(application, sample, layout, made, &mut seed)).collect();
    Node::wrapped(version, "applications", applications)
}

fn one(application: &Application, sample: &Sample, layout: &Layout, made: &Made, seed: &mut Seed) -> Node {
    let &Application { name, charm_url, channel, bindings } = application;
    let (database, subordinate) = (name == DATABASE, name == TELEMETRY);
    let resources = made.resources_of(name);
    map! {
        "name": name,
        "type": "iaas",
        "subordinate": subordinate.then_some(true),
        "charm-url": charm_url,
        "cs-channel": channel,
        "charm-mod-version": 1u32,
        "exposed": (name == SHOP).then_some(true),
        "exposed-endpoints": (name == SHOP).then(exposed),
        "status": status("active", None, 60, seed),
        "status-history": history(&[("waiting", Some("installing agent")), ("active", None)], 50, seed),
        "endpoint-bindings": Node::keyed(bindings.iter().map(|(endpoint, space)| (endpoint, Node::from(space)))),
        "settings": if database { settings() } else { Node::Map(vec![]) },
        "application-config": map! { "trust": true },
        "leader": layout.units(name).first().map(|unit| unit.name.clone()),
        "leadership-settings": Node::Map(vec![]),
        "units": units(name, sample, layout, made, seed),
        "resources": Node::wrapped(
            resources_version(sample),
            "resources",
            resources.iter().map(|resource| resource_node(resource, sample, seed)).collect(),
        ),
        "annotations": (name == SHOP).then(|| map! { "gui-x": "480", "gui-y": "210" }),
        "constraints": constraints(),
        "storage-directives": database.then(|| directives(sample)),
        "has-resources": (!resources.is_empty()).then_some(true),
        "opened-port-ranges": map! { "version": 1u32, "machine-port-ranges": Node::Map(vec![]) },
        "offers": database.then(|| offers(sample)),
        "charm-origin": origin(application, made, seed),
        "charm-metadata": charms::metadata(name),
        "charm-manifest": charms::manifest(),
        "charm-actions": charms::actions(name),
        "charm-configs": charms::configs(name),
    }
}

fn exposed() -> Node {
    let all = map! {
        "version": 1u32,
        "expose-to-spaces": ["2"],
        "expose-to-cidrs": ["0.0.0.0/0", "::/0"],
    };
    Node::keyed([("", all)])
}

fn settings() -> Node {
    map! { "max-connections": 400u32, "plugin-pg_trgm-enable": true, "profile": "production" }
}

fn directives(sample: &Sample) -> Node {
    map! { "pgdata": map! { "version": 1u32, "pool": sample.home.pool, "size": DATA_MIB, "count": 1u32 } }
}

fn offers(sample: &Sample) -> Node {
    let offer = map! {
        "offer-uuid": offer_uuid(sample),
        "offer-name": "orders",
        "endpoints": map! { "database": "database" },
        "acl": acl(sample),
        "application-name": DATABASE,
        "application-description": "Orders and stock",
    };
    Node::wrapped(2, "offers", vec![offer])
}

fn acl(sample: &Sample) -> Node {
    let owner = map! { "admin": "admin" };
    if sample.home.has_guests { owner.and(map! { "bob": "consume", "everyone@external": "read" }) } else { owner }
}

fn origin(application: &Application, made: &Made, seed: &mut Seed) -> Node {
    let local = application.charm_url.starts_with("local:");
    let revision: u32 = application.charm_url.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    map! {
        "version": 2u32,
        "source": if local { "local" } else { "charm-hub" },
        "id": if local { String::new() } else { seed.letters(ALPHABET, 32) },
        "hash": if local { String::new() } else { made.charms[application.name].sha256.clone() },
        "revision": revision,
        "channel": if local { "" } else { application.channel },
        "platform": "amd64/ubuntu/24.04/stable",
    }
}

fn resource_node(resource: &Resource<'_>, sample: &Sample, seed: &mut Seed) -> Node {
    map! {
        "name": resource.name,
        "application-revision": revision(resource, sample, seed),
        "charmstore-revision": revision(resource, sample, seed),
    }
}
