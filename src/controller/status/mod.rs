//! What Juju's `status` shows of a model's inside, built out of its description.
//!
//! The types are Juju's own document, key by key and in Juju's order: what is told over the control socket
//! and the link is what `status --format yaml` prints, and the tables are made of the same.

pub mod application;
pub mod file;
pub mod machine;
pub mod named;
pub mod relation;
pub mod storage;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::application::{ApplicationStatus, Saas};
use self::machine::MachineStatus;
use self::named::Named;
use self::relation::{OfferStatus, RelationLine};
use self::storage::StorageStatus;
use super::description::Description;
use super::description::network::SpaceRef;
use super::description::status::Status;

/// What is inside a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ModelStatus {
    /// Its machines; their containers are in them.
    pub machines: Named<MachineStatus>,
    /// Its applications; their units are in them.
    pub applications: Named<ApplicationStatus>,
    /// Applications of other models that it consumes.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub application_endpoints: Named<Saas>,
    /// What it offers to other models.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub offers: Named<OfferStatus>,
    /// Its storage.
    pub storage: StorageStatus,
    /// Its relations, which Juju has in its tables alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<RelationLine>,
}

impl ModelStatus {
    /// Builds the status of the model that `description` describes.
    pub fn of(description: &Description) -> Self {
        Self {
            machines: machine::machines(description),
            applications: application::applications(description),
            application_endpoints: application::saas(description),
            offers: relation::offers(description),
            storage: storage::storage(description),
            relations: relation::lines(description),
        }
    }

    /// Reports whether there is nothing in the model that a status could show.
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty()
            && self.applications.is_empty()
            && self.application_endpoints.is_empty()
            && self.offers.is_empty()
    }
}

/// A status, as Juju prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusInfo {
    /// Juju's word: `started`, `active`, `idle`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current: String,
    /// What there is to say about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Since when, as Juju prints times: `29 Jan 2025 15:51:17Z`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub since: String,
    /// The version of the agent that reports it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
}

impl StatusInfo {
    /// Reports whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn of(status: &Status) -> Self {
        Self {
            current: status.value.clone(),
            message: status.message.clone(),
            since: juju_time(&status.updated),
            version: String::new(),
        }
    }

    fn of_agent(status: &Status, version: &str) -> Self {
        Self { version: version.to_owned(), ..Self::of(status) }
    }
}

/// What a machine or a charm runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// `ubuntu`.
    pub name: String,
    /// `24.04`; with its risk where that is not the usual one.
    pub channel: String,
}

impl Base {
    fn new(name: &str, channel: &str) -> Option<Self> {
        // The risk of a base's channel is not shown where it is the usual one.
        let channel = channel.trim_end_matches("/stable");
        (!name.is_empty() && !channel.is_empty()).then(|| Self { name: name.to_owned(), channel: channel.to_owned() })
    }
}

/// Returns a time out of a description as Juju prints it, in UTC; nothing for none, and for Go's zero time.
fn juju_time(rfc3339: &str) -> String {
    let time = rfc3339.parse::<Timestamp>().ok().filter(|time| time.as_millisecond() > 0);
    time.map_or_else(String::new, |time| time.strftime("%d %b %Y %H:%M:%SZ").to_string())
}

/// Returns the number of an agent's version: of `3.6.23-ubuntu-amd64` it is `3.6.23`.
fn version_number(tools: &str) -> &str {
    tools.split('-').next().unwrap_or(tools)
}

/// Returns the name of the space that a reference leads to; the reference itself where it leads nowhere.
fn space_name<'a>(description: &'a Description, reference: &'a str) -> &'a str {
    match description.space_of(reference) {
        SpaceRef::Named(name) => name,
        SpaceRef::Dangling | SpaceRef::Untold => reference,
    }
}
