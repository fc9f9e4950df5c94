//! Parameters of requests that steer a migration while its model is live.

use serde::{Deserialize, Serialize};

/// When a migration may freeze its model, and how fast it may send. Times are Unix milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Schedule {
    /// Not before this.
    pub at_ms: Option<u64>,
    /// Not before somebody asks for it.
    pub hold: bool,
    /// After this not any more.
    pub until_ms: Option<u64>,
    /// What may be sent for it, such as `20mbit`; any amount if it is absent.
    pub bwlimit: Option<String>,
}

/// A change of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// Send nothing for it.
    Pause {},
    /// Go on sending.
    Resume {},
    /// Freeze the model as soon as both sides agree.
    Cutover {
        /// After this, Unix milliseconds, not any more.
        until_ms: Option<u64>,
    },
}
