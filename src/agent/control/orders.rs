//! Parameters of requests that steer a migration while its model is live.

use serde::{Deserialize, Serialize};

/// When a migration may freeze its model, and how fast it may send. Times are Unix milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Schedule {
    /// Earliest time of the freeze; default: as soon as the binaries are there.
    pub at_ms: Option<u64>,
    /// Whether the freeze waits for [`Order::Cutover`]. Excludes `at_ms`.
    pub hold: bool,
    /// Deadline of the freeze; afterwards the migration is given up. Needs `at_ms` or `hold`. Default: one hour after `at_ms`; none
    /// with `hold`.
    pub until_ms: Option<u64>,
    /// Rate cap of this migration, such as `20mbit`; absent: no cap. 0 is refused.
    pub bwlimit: Option<String>,
}

/// An operator's order to an unfinished migration or pre-copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// Stop sending until [`Order::Resume`].
    Pause {},
    /// Go on sending.
    Resume {},
    /// Freeze the model as soon as both sides agree.
    Cutover {
        /// Deadline of the freeze, Unix milliseconds. Default: the deadline the migration has, else one hour from now.
        until_ms: Option<u64>,
    },
}
