//! Consumed applications, offers and relations, in Juju's tables.

use crate::cli::output::{Paint, Table};
use crate::controller::status::ModelStatus;

/// Returns what is consumed of other models.
pub(super) fn saas(inside: &ModelStatus) -> Table {
    let mut table = Table::new(&["SAAS", "Status", "Store", "URL"]).paint(&[("Status", Paint::Status)]);
    for (name, saas) in inside.application_endpoints.iter() {
        let (store, url) = saas.url.split_once(':').unwrap_or(("local", &saas.url));
        table.row([name, &saas.application_status.current, store, url]);
    }
    table
}

/// Returns what is offered to other models; of an offer with several endpoints, the others follow below.
pub(super) fn offers(inside: &ModelStatus) -> Table {
    let columns = ["Offer", "Application", "Charm", "Rev", "Connected", "Endpoint", "Interface", "Role"];
    let mut table = Table::new(&columns);
    for (name, offer) in inside.offers.iter() {
        let (charm, revision) = offer.charm_name();
        let revision = revision.map(|revision| revision.to_string()).unwrap_or_default();
        let connected = format!("{}/{}", offer.active_connected_count, offer.total_connected_count);
        for (index, (endpoint, declared)) in offer.endpoints.iter().enumerate() {
            let head = [name, offer.application.as_str(), charm, revision.as_str(), connected.as_str()];
            let head = if index == 0 { head } else { [""; 5] };
            table.row(head.into_iter().chain([endpoint, declared.interface.as_str(), declared.role.as_str()]));
        }
    }
    table
}

/// Returns the relations.
pub(super) fn relations(inside: &ModelStatus) -> Table {
    let mut table = Table::new(&["Integration provider", "Requirer", "Interface", "Type", "Message"]);
    for relation in &inside.relations {
        // That a relation is joined goes without saying.
        let status = match (relation.status.as_str(), relation.message.as_str()) {
            ("joined", _) => String::new(),
            (status, "") => status.to_owned(),
            (status, message) => format!("{status}  {}", super::cut::cut(message)),
        };
        table.row([&relation.provider, &relation.requirer, &relation.interface, &relation.kind, &status]);
    }
    table
}
