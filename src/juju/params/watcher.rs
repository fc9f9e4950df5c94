//! `AllWatcher` 3 and `AllModelWatcher` 4, which 4.x no longer has.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `AllWatcherId`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct WatcherId {
    /// The watcher, to be named as the object of `Next` and `Stop`.
    pub watcher_id: String,
}

/// `AllWatcherNextResults`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NextResults {
    /// Each is what kind of thing changed, `change` or `remove`, and the thing.
    pub deltas: Vec<(String, String, Value)>,
}
