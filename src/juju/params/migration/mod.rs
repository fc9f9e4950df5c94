//! Parameters of a migration: the target's facade, and a model as newer controllers send it.

pub mod migration_target;
pub mod serialized_model;
