//! State of the retention: the running prune, and the result of the last one.

use std::collections::HashSet;

use modelferry_protocol::ids::MigrationId;
use parking_lot::Mutex;

use crate::engine::view::store::StoreUse;

/// What the engine keeps in mind of its store.
#[derive(Default)]
pub struct RetentionState {
    /// Held while there is a prune.
    pub(in crate::engine) pruning: tokio::sync::Mutex<()>,
    pub(in crate::engine) last: Mutex<Option<StoreUse>>,
    /// Ended migrations that have left no secrets here, since this agent was started.
    pub(in crate::engine) wiped: Mutex<HashSet<MigrationId>>,
}

impl RetentionState {
    pub(in crate::engine) fn note(&self, found: StoreUse) {
        *self.last.lock() = Some(found);
    }
}
