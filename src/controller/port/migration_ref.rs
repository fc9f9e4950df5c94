//! The migration that an effect belongs to.

use modelferry_protocol::ids::{MigrationId, ModelUuid};

/// A migration's effects name both, and act on the model only while it is in that migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationRef {
    /// The migration.
    pub mid: MigrationId,
    /// The model.
    pub model: ModelUuid,
}
