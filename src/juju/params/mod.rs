//! Parameters and results, typed where this program must understand them: a module for each facade.
//!
//! Types derive serde's traits with `rename_all = "kebab-case"`, `#[serde(default)]` on the struct or on every list and flag, and
//! `skip_serializing_if` for what Juju omits: in results an `error` of none must be absent, as libjuju fails on null.
//! [`from_value`] brings in Go's rules for reading. `flatten` loses them: do not use it.

pub mod admin;
pub mod controller;
mod migration;
mod model;
mod statuses;
pub mod user_manager;
mod values;
pub mod watcher;

pub use migration::migration_target;
pub use migration::serialized_model;
pub use model::model_config;
pub use model::model_manager;
pub use model::offers;
pub use statuses::status;
pub use statuses::storage;
pub use values::bytes;
pub use values::common;
pub use values::golang::from_value;
pub use values::tag;

use serde::{Deserialize, Serialize};

use crate::juju::rpc::RpcError;

/// A tag that names something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// `model-UUID`, `user-NAME`, `machine-0` and others.
    #[serde(default)]
    pub tag: String,
}

/// Tags that name something: parameters of many calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entities {
    /// The tags. Results come in the same order.
    #[serde(default)]
    pub entities: Vec<Entity>,
}

/// A result that is only success or an error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorResult {
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RpcError>,
}

/// A result for each of several things.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorResults {
    /// In the order of the parameters.
    #[serde(default)]
    pub results: Vec<ErrorResult>,
}
