//! State of the retention: the running prune, and the result of the last one.

use std::collections::HashSet;

use modelferry_protocol::ids::MigrationId;
use parking_lot::Mutex;

use super::view::StoreUse;

/// What the engine keeps in mind of its store.
#[derive(Default)]
pub struct RetentionState {
    /// Held while there is a prune.
    pub(super) pruning: tokio::sync::Mutex<()>,
    pub(super) last: Mutex<Option<StoreUse>>,
    /// Ended migrations that have left no secrets here, since this agent was started.
    pub(super) wiped: Mutex<HashSet<MigrationId>>,
}

impl RetentionState {
    pub(super) fn note(&self, found: StoreUse) {
        *self.last.lock() = Some(found);
    }
}
