//! Options of a migration that the operator chooses at its begin.

use std::time::Duration;

use modelferry_protocol::record::When;

use crate::config::Rate;

/// What an operator may choose about a migration.
#[derive(Debug, Clone, Copy)]
pub struct MigrateOptions {
    /// For how long the model may be frozen before the source gives up.
    pub freeze_max: Duration,
    /// When the model may be frozen.
    pub freeze: When,
    /// Unix milliseconds after which the migration is given up, if the model has not been frozen by then.
    pub until_ms: Option<u64>,
    /// What may be sent for it; any amount without.
    pub bwlimit: Option<Rate>,
    /// Whether the model's log is left behind.
    pub skip_log: bool,
    /// For how long the source keeps its copy once the target has the model.
    pub reap_hold: Duration,
}

impl MigrateOptions {
    /// Returns the options of a migration that goes as fast as it can, at once, its log included, and whose source is
    /// reaped when it is done.
    pub fn new(freeze_max: Duration) -> Self {
        Self {
            freeze_max,
            freeze: When::Ready,
            until_ms: None,
            bwlimit: None,
            skip_log: false,
            reap_hold: Duration::ZERO,
        }
    }
}
