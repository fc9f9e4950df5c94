//! The last record of a migration, on either side.

use super::source::{SourceRecord, SourceState};
use super::target::{Dropping, TargetRecord, TargetState};
use crate::ids::{Epoch, MigrationId, ModelUuid, Pin};
use crate::migration::{Head, Root};

/// The last record of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LastRecord {
    /// This agent is its source.
    Source(SourceRecord),
    /// This agent is its target.
    Target(TargetRecord),
}

impl LastRecord {
    /// Returns what does not change.
    pub fn head(&self) -> &Head {
        match self {
            Self::Source(record) => &record.head,
            Self::Target(record) => &record.head,
        }
    }

    /// Returns the state's name.
    pub fn state_name(&self) -> &'static str {
        match self {
            Self::Source(record) => record.state.name(),
            Self::Target(record) => record.state.name(),
        }
    }

    /// Returns the model.
    pub fn model(&self) -> ModelUuid {
        self.head().model
    }

    /// Reports whether nothing more will happen.
    pub fn is_at_rest(&self) -> bool {
        match self {
            Self::Source(record) => record.is_at_rest(),
            Self::Target(record) => record.is_at_rest(),
        }
    }

    /// Returns the migration.
    pub fn mid(&self) -> MigrationId {
        self.head().mid
    }

    /// Returns the agent on the other side.
    pub fn peer(&self) -> Pin {
        self.head().peer
    }

    /// Returns the snapshot that was sealed, where the record knows it.
    pub fn root(&self) -> Option<Root> {
        match self {
            Self::Source(record) => record.state.root(),
            Self::Target(record) => record.state.root(),
        }
    }

    /// Reports whether the model is in service here once this is recorded; nothing where the record does not tell: a
    /// copy that comes and goes changes nothing about what was here before.
    pub(crate) fn is_live(&self) -> Option<bool> {
        match self {
            Self::Source(record) => {
                Some(matches!(record.state, SourceState::Offered | SourceState::Aborted(_) | SourceState::Reclaimed(_)))
            }
            Self::Target(record) => match record.state {
                TargetState::Live(_) | TargetState::Active(_) | TargetState::Seized(_) => Some(true),
                _ => None,
            },
        }
    }

    /// Reports whether the model is known to have left from here.
    pub(crate) fn moves_away(&self) -> bool {
        use SourceState::{Handed, Moved, Reaping};
        matches!(self, Self::Source(record) if matches!(record.state, Handed(_) | Reaping(_) | Moved(_)))
    }

    /// Reports whether a target deletes what has come of an offer that it has not voted on.
    pub(crate) fn drops_without_vote(&self) -> bool {
        let state = match self {
            Self::Source(_) => return false,
            Self::Target(record) => &record.state,
        };
        matches!(state, TargetState::Dropping(Dropping { root: None, .. }))
    }

    pub(crate) fn owned_epoch(&self) -> Epoch {
        match self {
            Self::Source(record) => record.owned_epoch(),
            Self::Target(record) => record.owned_epoch(),
        }
    }
}
