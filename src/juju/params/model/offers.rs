//! `ApplicationOffers` 4 and 5.

use serde::{Deserialize, Serialize};

use crate::juju::params::statuses::status::RemoteEndpoint;
use crate::juju::params::values::common::EntityStatus;

/// `OfferFilters`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OfferFilters {
    /// An offer is listed that passes one of them.
    #[serde(rename = "Filters", alias = "filters")]
    pub filters: Vec<OfferFilter>,
}

/// `OfferFilter`. What is empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct OfferFilter {
    /// 3.x: the owner of the model.
    pub owner_name: String,
    /// 4.x: the same.
    pub model_qualifier: String,
    /// The model.
    pub model_name: String,
    /// The offer.
    pub offer_name: String,
    /// The application.
    pub application_name: String,
}

/// `ApplicationOfferAdminDetails`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct OfferDetails {
    /// The model.
    pub source_model_tag: String,
    /// The offer's own UUID.
    pub offer_uuid: String,
    /// `owner/model.offer`.
    pub offer_url: String,
    /// The offer.
    pub offer_name: String,
    /// For people.
    pub application_description: String,
    /// What it offers.
    pub endpoints: Vec<RemoteEndpoint>,
    /// Who may use it.
    pub users: Vec<OfferUser>,
    /// The application.
    pub application_name: String,
    /// Its charm.
    pub charm_url: String,
    /// Who uses it.
    pub connections: Vec<OfferConnection>,
}

/// `OfferUserDetails`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct OfferUser {
    /// The user.
    pub user: String,
    /// For people.
    pub display_name: String,
    /// `read`, `consume` or `admin`.
    pub access: String,
}

/// `OfferConnection`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct OfferConnection {
    /// The model that consumes the offer.
    pub source_model_tag: String,
    /// The relation.
    pub relation_id: i64,
    /// Who made it.
    pub username: String,
    /// The endpoint.
    pub endpoint: String,
    /// How the relation stands.
    pub status: EntityStatus,
    /// Where its requests come from.
    pub ingress_subnets: Vec<String>,
}
