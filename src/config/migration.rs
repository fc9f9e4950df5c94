//! The `[migration]` table.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::table::table;
use super::value::Span;

/// Default limit of a freeze, 10 minutes: an operator's coffee break, not a night.
pub(super) const MAX_FREEZE_DEFAULT: Duration = Duration::from_secs(600);
/// Default limit of a freeze where a real controller drives the migration, 30 minutes: its agents have 15 minutes to report in
/// each of two phases.
pub(super) const MAX_FREEZE_RELAYED_DEFAULT: Duration = Duration::from_secs(1800);
/// Default maximum age of the target's vote when the source decides, 5 s: two round trips of a bad link. The source
/// asks a target again that has been silent for longer.
const COMMIT_FRESHNESS_DEFAULT: Duration = Duration::from_secs(5);
/// Default number of migrations that copy at once. Two: while one waits for its disk, the other fills the link.
pub const PARALLEL_MAX_DEFAULT: usize = 2;
/// Default time after which an undecided migration is shown in doubt, 30 s. Every switchover is undecided for a round
/// trip; only one that stays so needs an operator.
pub const IN_DOUBT_AFTER_DEFAULT: Duration = Duration::from_secs(30);

/// Default limits of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationConfig {
    /// Maximum duration of a freeze, after which the migration is given up.
    pub max_freeze: Duration,
    /// Maximum age of the target's vote when the source decides.
    pub commit_freshness: Duration,
    /// Maximum number of migrations from this host that copy at once. Others wait in a queue.
    pub max_parallel: usize,
    /// Time after which an undecided migration is shown in doubt.
    pub in_doubt_after: Duration,
}

impl Default for MigrationConfig {
    fn default() -> Self {
        Self {
            max_freeze: MAX_FREEZE_DEFAULT,
            commit_freshness: COMMIT_FRESHNESS_DEFAULT,
            max_parallel: PARALLEL_MAX_DEFAULT,
            in_doubt_after: IN_DOUBT_AFTER_DEFAULT,
        }
    }
}

table! {
    /// Limits of migrations from and to this host.
    [Default] pub(super) struct MigrationTable in "migration" {
        /// How long a model may stay frozen before its migration is given up; 30 minutes unless said otherwise where a real
        /// controller drives the migration. `migrate --max-freeze` overrides it.
        max_freeze: Option<Span> => "10m",
        /// The maximum age of the target's vote when the source decides. If the target has been silent for longer, the
        /// source asks it again first.
        commit_freshness: Option<Span> => "5s",
        /// How many migrations from this host copy at once. The others wait in a queue.
        max_parallel: Option<NonZeroUsize> => "2",
        /// How long a migration may be undecided before `status` shows it in doubt. Every switchover is undecided for a round
        /// trip.
        in_doubt_after: Option<Span> => "30s",
    }
}

impl MigrationTable {
    /// `max_freeze`: the default.
    pub(super) fn into_config(self, max_freeze: Duration) -> MigrationConfig {
        MigrationConfig {
            max_freeze: self.max_freeze.map_or(max_freeze, |span| span.0),
            commit_freshness: self.commit_freshness.map_or(COMMIT_FRESHNESS_DEFAULT, |span| span.0),
            max_parallel: self.max_parallel.map_or(PARALLEL_MAX_DEFAULT, NonZeroUsize::get),
            in_doubt_after: self.in_doubt_after.map_or(IN_DOUBT_AFTER_DEFAULT, |span| span.0),
        }
    }
}
