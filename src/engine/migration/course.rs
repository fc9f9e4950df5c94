//! What is followed: a migration at its last record, or a pre-copy at its own; and how it is shown.

use modelferry_protocol::ids::{Hash, ModelUuid};
use modelferry_protocol::ledger::Standing;
use modelferry_protocol::record::PrecopyState;
use modelferry_protocol::switch::source::SourceState;
use modelferry_protocol::switch::target::TargetState;

use super::id::{migration_id, precopy_id};
use super::status_text;
use crate::engine::view::{Bytes, Direction, Kind, Stand};

/// The last durable record of what is followed.
#[derive(Debug, Clone)]
pub enum Course {
    /// Of a migration.
    Migration(Standing),
    /// Of a pre-copy that leaves from here; what comes in for a peer's goes by the same, and has no record.
    Precopy(PrecopyState),
}

impl From<Standing> for Course {
    fn from(standing: Standing) -> Self {
        Self::Migration(standing)
    }
}

/// What can be seen of it.
pub struct Shown {
    pub kind: Kind,
    pub direction: Direction,
    pub state: &'static str,
    pub stand: Stand,
    pub root: Option<Hash>,
    pub note: String,
}

impl Course {
    /// Returns Juju's form of its id, the pre-copies of a model counted by themselves.
    pub fn id(&self, model: ModelUuid, number: u32) -> String {
        match self {
            Self::Migration(_) => migration_id(model, number),
            Self::Precopy(_) => precopy_id(model, number),
        }
    }

    /// Reports whether bytes have to go to the peer for it to get on.
    ///
    /// `after`: how far a source is that has handed its model over.
    pub fn sends(&self, bytes: &Bytes, after: &status_text::After) -> bool {
        // How many there are is not known before the first connection.
        let is_lacking = bytes.total == 0 || bytes.held < bytes.total;
        match self {
            Self::Migration(Standing::Source(record)) => match &record.state {
                SourceState::Offered => is_lacking,
                SourceState::Freezing(_) | SourceState::Frozen(_) => true,
                SourceState::Handed(_) => after.reap_due_ms.is_none(),
                _ => false,
            },
            Self::Migration(Standing::Target(_)) => false,
            Self::Precopy(state) => matches!(state, PrecopyState::Copying) && is_lacking,
        }
    }

    /// Returns what can be seen of it.
    ///
    /// `offered`: whether the target has taken the offer. `after`: how far a source is that has handed its model over.
    pub fn shown(&self, model: ModelUuid, offered: bool, bytes: &Bytes, after: &status_text::After) -> Shown {
        match self {
            Self::Migration(Standing::Source(record)) => {
                use SourceState::*;
                let stand = match &record.state {
                    Offered | Freezing(_) | Frozen(_) | Relaying(_) => Stand::Running,
                    Committed(_) | Answered(_) => Stand::Undecided,
                    Handed(_) | Reaping(_) | Aborting(_) | Reclaiming(_) | Seizing(_) => Stand::Finishing,
                    Moved(_) => Stand::Moved,
                    Aborted(_) | Reclaimed(_) => Stand::Reverted,
                };
                let note = status_text::of_source(&record.state, offered, bytes, after);
                let (kind, direction, root) = (Kind::Migration, Direction::Source, record.state.root());
                Shown { kind, direction, state: record.state.name(), stand, root, note }
            }
            Self::Migration(Standing::Target(record)) => {
                use TargetState::*;
                let stand = match &record.state {
                    Receiving | Importing(_) | Imported(_) | Staging(_) => Stand::Running,
                    Prepared(_) => Stand::Undecided,
                    Activating(_) | Live(_) | Dropping(_) | Seizing(_) => Stand::Finishing,
                    Active(_) | Seized(_) => Stand::Moved,
                    Dropped(_) => Stand::Reverted,
                };
                let note = status_text::of_target(&record.state, bytes);
                let (kind, direction, root) = (Kind::Migration, Direction::Target, record.state.root());
                Shown { kind, direction, state: record.state.name(), stand, root, note }
            }
            Self::Precopy(state) => {
                let stand = match state {
                    PrecopyState::Copying => Stand::Running,
                    PrecopyState::Copied(_) | PrecopyState::Adopted(_) => Stand::Copied,
                    PrecopyState::Aborted(_) | PrecopyState::Failed(_) => Stand::Reverted,
                };
                let note = status_text::of_precopy(state, model, bytes);
                let (kind, direction) = (Kind::Precopy, Direction::Source);
                Shown { kind, direction, state: state.name(), stand, root: None, note }
            }
        }
    }
}
