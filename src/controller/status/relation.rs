//! Relations and offers, as `status` shows them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::named::Named;
use crate::controller::description::Description;
use crate::controller::description::application::charm_name;
use crate::controller::description::relation::{Endpoint, Relation};

/// The other end of a relation, as an application shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Related {
    /// The application there; of a peer relation, the same.
    pub related_application: String,
    /// What is spoken.
    pub interface: String,
    /// `global`, or `container` between a principal and its subordinate.
    pub scope: String,
}

/// An endpoint of what is offered or consumed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointStatus {
    /// What is spoken over it.
    pub interface: String,
    /// `provider`, `requirer`.
    pub role: String,
}

/// Something that is offered to other models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct OfferStatus {
    /// The application that offers.
    pub application: String,
    /// Its charm's URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub charm: String,
    /// Consumers.
    #[serde(skip_serializing_if = "is_zero")]
    pub total_connected_count: u64,
    /// Consumers whose relation is joined.
    #[serde(skip_serializing_if = "is_zero")]
    pub active_connected_count: u64,
    /// Endpoints, by the names under which they are offered.
    pub endpoints: Named<EndpointStatus>,
}

impl OfferStatus {
    /// Returns its charm's name and revision.
    pub fn charm_name(&self) -> (&str, Option<i64>) {
        charm_name(&self.charm)
    }
}

/// A relation, as Juju's table has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct RelationLine {
    /// `postgresql:database`.
    pub provider: String,
    /// `webapp:db`; of a peer relation, the same.
    pub requirer: String,
    /// What is spoken.
    pub interface: String,
    /// `regular`, `peer`, `subordinate`.
    pub kind: String,
    /// `joined`, `joining`, `suspended`.
    pub status: String,
    /// What there is to say about it.
    pub message: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Returns what an application, of this model or consumed, is related to.
pub(super) fn related(description: &Description, application: &str) -> Named<Vec<Related>> {
    let mut related: BTreeMap<String, Vec<Related>> = BTreeMap::new();
    for relation in &description.relations {
        let (here, there): (Vec<&Endpoint>, Vec<&Endpoint>) =
            relation.endpoints.iter().partition(|end| end.application_name == application);
        for end in &here {
            // Of a peer relation, or one of an application with itself, the other end is here as well.
            let others = if there.is_empty() { &here } else { &there };
            let list = related.entry(end.name.clone()).or_default();
            list.extend(others.iter().map(|other| Related {
                related_application: other.application_name.clone(),
                interface: end.interface.clone(),
                scope: scope(relation).to_owned(),
            }));
        }
    }
    let sorted = related.into_iter().map(|(endpoint, mut list)| {
        list.sort();
        list.dedup();
        (endpoint, list)
    });
    sorted.collect()
}

/// A relation is as narrow as its narrower end.
fn scope(relation: &Relation) -> &'static str {
    if relation.endpoints.iter().any(|end| end.scope == "container") { "container" } else { "global" }
}

/// Returns the relations, by provider and requirer.
pub(super) fn lines(description: &Description) -> Vec<RelationLine> {
    let mut lines: Vec<RelationLine> = description.relations.iter().map(line).collect();
    lines.sort();
    lines
}

fn line(relation: &Relation) -> RelationLine {
    let of_role = |role: &str| relation.endpoints.iter().find(|end| end.role == role || end.role == "peer");
    let (provider, requirer) = (of_role("provider"), of_role("requirer"));
    let name =
        |end: Option<&Endpoint>| end.map(|end| format!("{}:{}", end.application_name, end.name)).unwrap_or_default();
    let application = |end: Option<&Endpoint>| end.map(|end| end.application_name.clone());
    let kind = if scope(relation) == "container" {
        "subordinate"
    } else if application(provider) == application(requirer) {
        "peer"
    } else {
        "regular"
    };
    RelationLine {
        provider: name(provider),
        requirer: name(requirer),
        interface: provider.or(requirer).map(|end| end.interface.clone()).unwrap_or_default(),
        kind: kind.to_owned(),
        status: status(relation).to_owned(),
        message: relation.status.message.clone(),
    }
}

/// Old documents have no status of a relation; whether it is suspended they all say.
fn status(relation: &Relation) -> &str {
    match relation.status.value.as_str() {
        "" if relation.suspended => "suspended",
        "" => "joined",
        value => value,
    }
}

/// Returns what the model offers.
pub(super) fn offers(description: &Description) -> Named<OfferStatus> {
    let offers = description.applications.iter().flat_map(|application| {
        application.offers.iter().map(move |offer| {
            let connections = description.offer_connections.iter();
            let connected: Vec<&str> = connections
                .filter(|connection| connection.offer_uuid == offer.offer_uuid)
                .map(|connection| connection.relation_key.as_str())
                .collect();
            let joined = |key: &&&str| {
                description.relations.iter().any(|relation| relation.key == ***key && status(relation) == "joined")
            };
            let endpoints = offer.endpoints.iter().map(|(alias, endpoint)| {
                let declared = application.charm_endpoint(endpoint);
                let shown = EndpointStatus {
                    interface: declared.map(|declared| declared.interface.clone()).unwrap_or_default(),
                    role: declared.map(|declared| declared.role.clone()).unwrap_or_default(),
                };
                (alias.clone(), shown)
            });
            let status = OfferStatus {
                application: application.name.clone(),
                charm: application.charm_url.clone(),
                total_connected_count: connected.len() as u64,
                active_connected_count: connected.iter().filter(joined).count() as u64,
                endpoints: endpoints.collect(),
            };
            (offer.offer_name.clone(), status)
        })
    });
    offers.collect()
}
