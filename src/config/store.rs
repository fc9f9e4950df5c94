//! The `[store]` table.

use std::time::Duration;

use serde::Deserialize;

use super::parse_age;
use super::size::parse_size;
use super::table::{table, values};
use super::value::checked;

/// Default retention of unneeded blobs, 14 days: a model that left comes back within two weeks, or not at all.
const RETENTION_DEFAULT: Duration = Duration::from_secs(14 * 24 * 3600);

/// Limits for unneeded blobs, which the store keeps because they make later transfers smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreConfig {
    /// Time to keep a blob after it was last needed.
    pub retention: Duration,
    /// Maximum total bytes; `None`: unlimited.
    pub quota_bytes: Option<u64>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { retention: RETENTION_DEFAULT, quota_bytes: None }
    }
}

table! {
    /// Limits for binaries that are no longer needed. The store keeps them because they make later transfers smaller.
    [Default] pub(super) struct StoreTable in "store" {
        /// How long to keep a binary after it was last needed.
        retention: Option<Age> => "14d",
        /// The maximum total size of these binaries.
        quota: Option<Size> => "(no bound)",
    }
}

values! {
    Age: "a duration, or `0s`";
    Size: "a size";
}

impl StoreTable {
    pub(super) fn into_config(self) -> StoreConfig {
        let retention = self.retention.map_or(RETENTION_DEFAULT, |age| age.0);
        StoreConfig { retention, quota_bytes: self.quota.map(|size| size.0) }
    }
}

checked!(
    /// A duration, possibly zero and possibly in days.
    Age(Duration),
    parse_age
);
checked!(
    /// A size in bytes.
    Size(u64),
    parse_size
);
