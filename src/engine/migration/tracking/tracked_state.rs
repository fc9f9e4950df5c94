//! The state of a tracked migration or pre-copy: its last durable record.

use modelferry_protocol::ids::{Hash, ModelUuid};
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::record::PrecopyState;
use modelferry_protocol::switch::source::SourceState;
use modelferry_protocol::switch::target::TargetState;

use crate::disk::background::Ahead;
use crate::engine::migration::id::{migration_id, precopy_id};
use crate::engine::migration::status_text;
use crate::engine::view::{Bytes, Direction, Kind, Stand, State};

/// The last durable record of what is followed.
#[derive(Debug, Clone)]
pub enum TrackedState {
    /// Of a migration.
    Migration(LastRecord),
    /// Of a pre-copy that leaves from here; what comes in for a peer's goes by the same, and has no record.
    Precopy(PrecopyState),
}

impl From<LastRecord> for TrackedState {
    fn from(last: LastRecord) -> Self {
        Self::Migration(last)
    }
}

impl TrackedState {
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
            Self::Migration(LastRecord::Source(record)) => match &record.state {
                SourceState::Offered => is_lacking,
                SourceState::Freezing(_) | SourceState::Frozen(_) => true,
                SourceState::Handed(_) => after.reap_due_ms.is_none(),
                _ => false,
            },
            Self::Migration(LastRecord::Target(_)) => false,
            Self::Precopy(state) => matches!(state, PrecopyState::Copying) && is_lacking,
        }
    }

    /// Returns what it is that has an id.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Migration(_) => Kind::Migration,
            Self::Precopy(_) => Kind::Precopy,
        }
    }

    /// Returns which side of it this agent is.
    pub fn direction(&self) -> Direction {
        match self {
            Self::Migration(LastRecord::Target(_)) => Direction::Target,
            Self::Migration(LastRecord::Source(_)) | Self::Precopy(_) => Direction::Source,
        }
    }

    /// Returns its state, without what that holds.
    pub fn state(&self) -> State {
        match self {
            Self::Migration(last) => State::from(last),
            Self::Precopy(state) => State::from(state),
        }
    }

    /// Returns what was sealed, once something was.
    pub fn root(&self) -> Option<Hash> {
        match self {
            Self::Migration(LastRecord::Source(record)) => record.state.root(),
            Self::Migration(LastRecord::Target(record)) => record.state.root(),
            Self::Precopy(_) => None,
        }
    }

    /// Returns how it stands.
    pub fn stand(&self) -> Stand {
        match self {
            Self::Migration(LastRecord::Source(record)) => {
                use SourceState::*;
                match &record.state {
                    Offered | Freezing(_) | Frozen(_) | Relaying(_) => Stand::Running,
                    Committed(_) | Answered(_) => Stand::Undecided,
                    Handed(_) | Reaping(_) | Aborting(_) | Reclaiming(_) | Seizing(_) => Stand::Finishing,
                    Moved(_) => Stand::Moved,
                    Aborted(_) | Reclaimed(_) => Stand::Reverted,
                }
            }
            Self::Migration(LastRecord::Target(record)) => {
                use TargetState::*;
                match &record.state {
                    Receiving | Importing(_) | Imported(_) | Staging(_) => Stand::Running,
                    Prepared(_) => Stand::Undecided,
                    Activating(_) | Live(_) | Dropping(_) | Seizing(_) => Stand::Finishing,
                    Active(_) | Seized(_) => Stand::Moved,
                    Dropped(_) => Stand::Reverted,
                }
            }
            Self::Precopy(state) => match state {
                PrecopyState::Copying => Stand::Running,
                PrecopyState::Copied(_) | PrecopyState::Adopted(_) => Stand::Copied,
                PrecopyState::Aborted(_) | PrecopyState::Failed(_) => Stand::Reverted,
            },
        }
    }

    /// Reports how much the work that others ask for has to wait for it.
    pub fn ahead(&self) -> Ahead {
        let is_frozen = match self {
            Self::Migration(LastRecord::Source(record)) => {
                use SourceState::*;
                matches!(&record.state, Freezing(_) | Frozen(_) | Committed(_) | Answered(_))
            }
            Self::Migration(LastRecord::Target(record)) => {
                use TargetState::*;
                matches!(&record.state, Importing(_) | Imported(_) | Staging(_) | Prepared(_) | Activating(_))
            }
            Self::Precopy(_) => return Ahead::Nothing,
        };
        match self.stand() {
            Stand::Running | Stand::Undecided | Stand::Finishing if is_frozen => Ahead::Freeze,
            Stand::Running | Stand::Undecided | Stand::Finishing => Ahead::Migration,
            _ => Ahead::Nothing,
        }
    }

    /// Reports whether it is a source whose target has the model, and whose own copy is not to be deleted yet.
    pub fn is_handed(&self) -> bool {
        matches!(self, Self::Migration(LastRecord::Source(record)) if matches!(record.state, SourceState::Handed(_)))
    }

    /// Reports whether it is a source that deletes its copy.
    pub fn is_reaping(&self) -> bool {
        matches!(self, Self::Migration(LastRecord::Source(record)) if matches!(record.state, SourceState::Reaping(_)))
    }

    /// Returns the note that describes it.
    ///
    /// `offered`: whether the target has taken the offer. `after`: how far a source is that has handed its model over.
    pub fn note(&self, model: ModelUuid, offered: bool, bytes: &Bytes, after: &status_text::After) -> String {
        match self {
            Self::Migration(LastRecord::Source(record)) => status_text::of_source(&record.state, offered, bytes, after),
            Self::Migration(LastRecord::Target(record)) => status_text::of_target(&record.state, bytes),
            Self::Precopy(state) => status_text::of_precopy(state, model, bytes),
        }
    }
}
