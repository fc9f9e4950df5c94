//! `ApplicationOffers` 4 and 5: what the models offer to others.

use serde_json::Value;

use super::model_manager::description;
use crate::controller::description::Description;
use crate::controller::description::application::Application;
use crate::controller::description::relation::{Offer, Relation};
use crate::controller::embedded::api::caller::{Caller, reply};
use crate::controller::embedded::api::statuses::full_status::relation_status;
use crate::controller::embedded::records::record::ModelRecord;
use crate::controller::embedded::records::user_record::ModelAccess;
use crate::juju::params::common::{EntityStatus, Results};
use crate::juju::params::offers::{OfferConnection, OfferDetails, OfferFilter, OfferFilters, OfferUser};
use crate::juju::params::status::{DetailedStatus, RemoteEndpoint};
use crate::juju::params::tag;
use crate::juju::rpc::{RpcCall, RpcError};

pub(in crate::controller::embedded::api) fn answer(caller: &Caller, call: &RpcCall) -> Result<Value, RpcError> {
    match call.method.as_str() {
        "ListApplicationOffers" | "FindApplicationOffers" => {
            let OfferFilters { filters } = call.params()?;
            reply(&list(caller, &filters)?)
        }
        _ => Err(RpcError::unknown_method(call)),
    }
}

fn list(caller: &Caller, filters: &[OfferFilter]) -> Result<Results<OfferDetails>, RpcError> {
    let mut found = Vec::new();
    for (record, access) in caller.models_of(caller.user()?, caller.is_superuser()?)? {
        let fits = |filter: &&OfferFilter| fits_model(filter, &record);
        let filters: Vec<&OfferFilter> = filters.iter().filter(fits).collect();
        if access < ModelAccess::Read || filters.is_empty() {
            continue;
        }
        let Some(told) = description(caller, &record)? else { continue };
        for application in &told.applications {
            let offers = application.offers.iter();
            let named = offers.filter(|offer| filters.iter().any(|filter| fits_offer(filter, application, offer)));
            found.extend(named.map(|offer| details(&record, &told, application, offer)));
        }
    }
    Ok(Results { results: found })
}

/// Compares with what a filter says, if it says anything.
fn is(wanted: &str, told: &str) -> bool {
    wanted.is_empty() || wanted == told
}

fn fits_model(filter: &OfferFilter, record: &ModelRecord) -> bool {
    is(&filter.model_name, &record.name)
        && is(&filter.owner_name, &record.owner)
        && is(&filter.model_qualifier, &record.owner)
}

fn fits_offer(filter: &OfferFilter, application: &Application, offer: &Offer) -> bool {
    is(&filter.offer_name, &offer.offer_name) && is(&filter.application_name, &application.name)
}

fn status(relation: &Relation) -> EntityStatus {
    let DetailedStatus { status, info, since, .. } = relation_status(relation);
    EntityStatus { status, info, since, ..EntityStatus::default() }
}

fn details(record: &ModelRecord, told: &Description, application: &Application, offer: &Offer) -> OfferDetails {
    let endpoints = offer.endpoints.iter().map(|(alias, endpoint)| {
        let declared = application.charm_endpoint(endpoint);
        RemoteEndpoint {
            name: alias.clone(),
            role: declared.map(|declared| declared.role.clone()).unwrap_or_default(),
            interface: declared.map(|declared| declared.interface.clone()).unwrap_or_default(),
            limit: 0,
        }
    });
    let connections = told.offer_connections.iter().filter(|connection| connection.offer_uuid == offer.offer_uuid);
    let connections = connections.map(|connection| {
        let relation = told.relations.iter().find(|relation| relation.key == connection.relation_key);
        let end = relation.and_then(|it| it.endpoints.iter().find(|end| end.application_name == application.name));
        OfferConnection {
            source_model_tag: tag::model(&connection.source_model_uuid),
            relation_id: relation.map_or(0, |relation| relation.id),
            username: connection.user_name.clone(),
            endpoint: end.map(|end| end.name.clone()).unwrap_or_default(),
            status: relation.map(status).unwrap_or_default(),
            ingress_subnets: Vec::new(),
        }
    });
    OfferDetails {
        source_model_tag: tag::model(&record.uuid.to_string()),
        offer_uuid: offer.offer_uuid.clone(),
        offer_url: format!("{}/{}.{}", record.owner, record.name, offer.offer_name),
        offer_name: offer.offer_name.clone(),
        application_description: String::new(),
        endpoints: endpoints.collect(),
        users: offer
            .acl
            .iter()
            .map(|(user, access)| OfferUser { user: user.clone(), access: access.clone(), ..OfferUser::default() })
            .collect(),
        application_name: application.name.clone(),
        charm_url: application.charm_url.clone(),
        connections: connections.collect(),
    }
}
