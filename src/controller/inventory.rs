//! What a controller has, for a comparison with what the journal says.

use std::collections::{BTreeMap, BTreeSet};

use modelferry_protocol::ids::{MigrationId, ModelUuid};

/// Where a model is, as the controller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In service here.
    Live,
    /// Here, and held for a migration.
    Frozen,
    /// On its way here: not in service.
    Arriving,
    /// Elsewhere.
    Gone,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its UUID.
    pub uuid: ModelUuid,
    /// `owner/name`.
    pub path: String,
    /// Where it is.
    pub place: Place,
    /// The migration that holds it.
    pub mid: Option<MigrationId>,
    /// The migration that made it live here, if one did.
    pub came: Option<MigrationId>,
    /// Whether it was handed over, and its users are sent on: nobody may put it back into service here.
    pub is_handed: bool,
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
