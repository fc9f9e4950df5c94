//! What is spoken with the controller: versions of its facades, each ascending, and words of its answers.

/// Versions of `MigrationTarget` that take a model description, ascending.
pub(super) const MIGRATION_TARGET: &[u32] = &[4, 5, 6, 7];
pub(super) const MODEL_MANAGER: &[u32] = &[9, 10, 11];
/// Versions of `Cloud` that are spoken.
pub(super) const CLOUD: &[u32] = &[7, 8];
/// The access that a migration needs.
pub(super) const SUPERUSER: &str = "superuser";
