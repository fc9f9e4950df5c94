//! Commands that begin a migration or a pre-copy, and the check before it.

mod begin;
pub mod migrate;
mod models_named;
pub mod precheck;
pub mod precopy;
