//! Relations, and what crosses the model's border: offers, consumed applications, other controllers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::status::{Status, status};
use super::wire::{list, listed, or_default};

/// A relation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Relation {
    /// Its number.
    pub id: i64,
    /// `webapp:db postgresql:database`.
    pub key: String,
    /// Its ends: one of a peer relation, else two.
    #[serde(deserialize_with = "list")]
    pub endpoints: Vec<Endpoint>,
    /// Whether somebody has suspended it.
    pub suspended: bool,
    /// What it reports.
    #[serde(deserialize_with = "status")]
    pub status: Status,
}

/// An end of a relation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Endpoint {
    /// The application, of this model or consumed.
    pub application_name: String,
    /// The endpoint's name in its charm.
    pub name: String,
    /// `provider`, `requirer`, `peer`.
    pub role: String,
    /// What is spoken over it.
    pub interface: String,
    /// `global`, or `container` between a principal and its subordinate.
    pub scope: String,
    /// Units that have joined.
    #[serde(rename = "unit-settings", deserialize_with = "keys")]
    pub units_joined: BTreeSet<String>,
}

/// Reads a map's keys alone: the settings of a relation are secret and nobody's business here.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
    struct Keys(PhantomData<()>);

    impl<'de> Visitor<'de> for Keys {
        type Value = BTreeSet<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut keys = BTreeSet::new();
            while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                keys.insert(key);
            }
            Ok(keys)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BTreeSet::new())
        }
    }

    deserializer.deserialize_any(Keys(PhantomData))
}

/// Something that an application offers to other models.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Offer {
    /// Its identity.
    pub offer_uuid: String,
    /// Its name.
    pub offer_name: String,
    /// The application that offers.
    pub application_name: String,
    /// Endpoints, by the names under which they are offered.
    #[serde(deserialize_with = "or_default")]
    pub endpoints: BTreeMap<String, String>,
    /// Who may `read`, `consume` or `admin` it.
    #[serde(deserialize_with = "or_default")]
    pub acl: BTreeMap<String, String>,
}

/// A model elsewhere that consumes an offer of this one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct OfferConnection {
    /// The offer.
    pub offer_uuid: String,
    /// The relation here.
    pub relation_key: String,
    /// Who consumes.
    pub user_name: String,
    /// The consuming model.
    pub source_model_uuid: String,
}

/// An application of another model that this one consumes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct RemoteApplication {
    /// Its name here.
    pub name: String,
    /// The offer.
    pub url: String,
    /// The model that offers.
    pub source_model_uuid: String,
    /// Whether it stands for a consumer of this model's offers.
    pub is_consumer_proxy: bool,
    /// Its endpoints.
    #[serde(deserialize_with = "list")]
    pub endpoints: Vec<RemoteEndpoint>,
    /// What it reports.
    #[serde(deserialize_with = "status")]
    pub status: Status,
}

/// An endpoint of a consumed application.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RemoteEndpoint {
    /// Its name.
    pub name: String,
    /// `provider`, `requirer`.
    pub role: String,
    /// What is spoken over it.
    pub interface: String,
}

/// A controller that holds models which this one has relations with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ExternalController {
    /// Its UUID.
    pub id: String,
    /// What it is called here.
    pub alias: String,
    /// `host:port` of its API.
    #[serde(deserialize_with = "or_default")]
    pub addrs: Vec<String>,
    /// Its models.
    #[serde(deserialize_with = "or_default")]
    pub models: Vec<String>,
}

/// What stands for something of this model in others, or of others in this.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RemoteEntity {
    /// Tag of what it stands for.
    pub id: String,
}

listed!(
    RemoteEntity = "remote-entities" by |entity| &entity.id,
    Relation = "relations" by |relation| &relation.key,
    Endpoint = "endpoints" by |endpoint| &endpoint.application_name,
    // Old offers have no UUID, and new ones may have no name but that.
    Offer = "offers" by |offer| if offer.offer_name.is_empty() { &offer.offer_uuid } else { &offer.offer_name },
    OfferConnection = "offer-connections" by |connection| &connection.offer_uuid,
    RemoteApplication = "remote-applications" by |remote| &remote.name,
    RemoteEndpoint = "endpoints" by |endpoint| &endpoint.name,
    ExternalController = "external-controllers" by |controller| &controller.id,
);
