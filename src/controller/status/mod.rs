//! What Juju's `status` shows of a model's inside, built out of its description.
//!
//! The types are Juju's own document, key by key and in Juju's order: what is told over the control socket
//! and the link is what `status --format yaml` prints, and the tables are made of the same.

pub mod application;
pub mod file;
mod info;
pub mod machine;
pub mod named;
pub mod relation;
pub mod storage;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::info::{Base, StatusInfo};

use self::application::{ApplicationStatus, Saas};
use self::machine::MachineStatus;
use self::named::Named;
use self::relation::{OfferStatus, RelationLine};
use self::storage::StorageStatus;
use super::description::Description;

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
