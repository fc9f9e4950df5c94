//! The ids of migrations and pre-copies, as operators type them.

use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::switch::Terms;

/// Returns Juju's form of a migration's id.
pub fn id_of(terms: &Terms) -> String {
    migration_id(terms.model, terms.attempt)
}

/// Returns Juju's form of a migration's id.
pub fn migration_id(model: ModelUuid, attempt: u32) -> String {
    format!("{model}:{attempt}")
}

/// Returns a pre-copy's id in a form like it, which no migration has.
pub fn precopy_id(model: ModelUuid, number: u32) -> String {
    format!("{model}:p{number}")
}
