//! State of a target's task that its record does not hold.

use std::collections::BTreeMap;

use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::{Call, Snapshot};

use crate::engine::switchover::task::Task;

/// What a target keeps in mind beside its record.
#[derive(Default)]
pub struct Target {
    /// The snapshot that was sealed, while its blobs arrive.
    pub sealed: Option<(Hash, Snapshot)>,
    /// Of the last seal heard: the vote repeats it. None is known after a restart.
    pub nonce: u64,
    /// Whether the import that the record calls for was not sent yet: known to the process that has recorded it.
    pub unsent: bool,
    /// The import that is to be performed ahead of the rest, as the source wrote it. None is known after a restart.
    pub import: Option<Call>,
    /// Calls that the source wants performed ahead of the seal, by its ids, as long as they are not answered.
    pub asked: BTreeMap<u64, Call>,
}

/// The task of one migration at its target.
pub type TargetTask = Task<Target>;
