//! `ModelConfig` 3.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `ModelConfigResults`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigResults {
    /// Settings by name.
    pub config: BTreeMap<String, ConfigValue>,
}

/// `ConfigValue`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigValue {
    /// The value.
    pub value: Value,
    /// `model`, `controller` or `default`: who set it.
    pub source: String,
}
