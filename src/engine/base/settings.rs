//! Settings of an engine, and what it takes from its process: the clock, and how to stop.

use std::time::Duration;

use super::error::causes;
use crate::clock::now_ms;
use crate::config::{IN_DOUBT_AFTER_DEFAULT, PARALLEL_MAX_DEFAULT, Patches, StoreConfig};
use crate::journal::JournalError;

/// How long things may take, and how much may be under way.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// A vote may be at most this old when the commit record is written.
    pub commit_freshness: Duration,
    /// How long a migration may be undecided before it is shown to be in doubt. Nothing is decided by it.
    pub in_doubt_after: Duration,
    /// Plain bytes sent and not yet durable on the target, per migration, at most: what a kill makes to be sent again.
    pub window_bytes: u32,
    /// Migrations whose binaries travel ahead at once.
    pub parallel_max: usize,
    /// Free bytes that must stay on the disk beside what a migration brings.
    pub disk_reserve_bytes: u64,
    /// Whether binaries may be sent as patches.
    pub patches: Patches,
    /// How long what nobody needs stays in the store, and how much of it.
    pub store: StoreConfig,
    /// The process around the engine.
    pub process: Process,
}

/// What an engine takes from the process it runs in, so that a simulation can put another in its place.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Returns the wall clock in Unix milliseconds. Only the freeze budget is decided by it, which may end early
    /// or late without harm.
    pub clock: fn() -> u64,
    /// Ends the process because the journal failed.
    pub stop: fn(&JournalError) -> !,
}

impl Default for Process {
    fn default() -> Self {
        Self { clock: now_ms, stop }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            commit_freshness: Duration::from_secs(5),
            in_doubt_after: IN_DOUBT_AFTER_DEFAULT,
            // 1 Gbit/s at 150 ms, and the time that a sync takes; a slower link gets a smaller one.
            window_bytes: 32 << 20,
            parallel_max: PARALLEL_MAX_DEFAULT,
            disk_reserve_bytes: 64 << 20,
            patches: Patches::Off,
            store: StoreConfig::default(),
            process: Process::default(),
        }
    }
}

/// Exit code of a process whose journal failed: EX_IOERR.
const EXIT_JOURNAL: i32 = 74;

/// Ends the process. After a failed sync nothing on this disk can be believed until a restart has read it
/// again: no retry, no further message.
fn stop(error: &JournalError) -> ! {
    tracing::error!("the journal failed, stopping at once: {}", causes(error));
    std::process::exit(EXIT_JOURNAL);
}
