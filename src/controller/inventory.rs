//! What a controller has, for a comparison with what the journal says.

use std::collections::{BTreeMap, BTreeSet};

use modelferry_protocol::ids::{MigrationId, ModelUuid};
use serde::{Deserialize, Serialize};

/// Where a model is, as the controller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelLocation {
    /// In service here.
    Live,
    /// Here, and held for a migration.
    Frozen,
    /// On its way here: not in service.
    Arriving,
    /// Elsewhere.
    Gone,
}

/// How the migration master of a Juju controller brings a model straight into this controller: no agent knows that migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Brought {
    /// Who the master logged in as, and from which address: `admin from 10.0.0.9`.
    pub by: String,
    /// When its import began, Unix milliseconds.
    pub since_ms: u64,
    /// Whether all of the model is here, and only its activation is missing.
    pub is_complete: bool,
}

impl Brought {
    /// Returns how far the model is, and who brings it; "is" stands before it.
    pub fn note(&self) -> String {
        let by = format!("by a Juju controller, which logged in as {}", self.by);
        if self.is_complete { format!("imported {by}, and not activated yet") } else { format!("being imported {by}") }
    }
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its UUID.
    pub uuid: ModelUuid,
    /// `owner/name`.
    pub path: String,
    /// Where it is.
    pub place: ModelLocation,
    /// The migration that holds it.
    pub mid: Option<MigrationId>,
    /// The migration that made it live here, if one did.
    pub came: Option<MigrationId>,
    /// Whether it was handed over, and its users are sent on: nobody may put it back into service here.
    pub is_handed: bool,
    /// How a Juju controller brings it, if one does.
    pub brought: Option<Brought>,
}

/// Everything that the controller has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Its models, those that left among them.
    pub models: BTreeMap<ModelUuid, Held>,
    /// Migrations that have ended here.
    pub ended: BTreeSet<MigrationId>,
    /// Models that an operator removed, and of which the journal may not know that yet.
    pub removed: BTreeSet<ModelUuid>,
    /// Of each model that lacks some, how many of its blobs are not in the store.
    pub lacking: BTreeMap<String, usize>,
}
