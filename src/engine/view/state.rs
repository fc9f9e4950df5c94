//! The durable states, by name.

use std::fmt;

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::record::PrecopyState;
use modelferry_protocol::switch::source::SourceState;
use modelferry_protocol::switch::target::TargetState;
use serde::{Deserialize, Serialize};

/// The durable state of a migration or pre-copy, without what the state holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named and described in the protocol's specification")]
pub enum State {
    Offered,
    Freezing,
    Frozen,
    Relaying,
    Answered,
    Committed,
    Handed,
    Reaping,
    Moved,
    Aborting,
    Aborted,
    Reclaiming,
    Reclaimed,
    Seizing,
    Receiving,
    Importing,
    Imported,
    Staging,
    Prepared,
    Activating,
    Live,
    Active,
    Seized,
    Dropping,
    Dropped,
    Copying,
    Copied,
    Adopted,
    Failed,
    /// One that a newer agent has and this one does not know.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl From<&LastRecord> for State {
    fn from(last: &LastRecord) -> Self {
        match last {
            LastRecord::Source(record) => Self::from(&record.state),
            LastRecord::Target(record) => Self::from(&record.state),
        }
    }
}

impl From<&SourceState> for State {
    fn from(state: &SourceState) -> Self {
        match state {
            SourceState::Offered => Self::Offered,
            SourceState::Freezing(_) => Self::Freezing,
            SourceState::Frozen(_) => Self::Frozen,
            SourceState::Relaying(_) => Self::Relaying,
            SourceState::Answered(_) => Self::Answered,
            SourceState::Committed(_) => Self::Committed,
            SourceState::Handed(_) => Self::Handed,
            SourceState::Reaping(_) => Self::Reaping,
            SourceState::Moved(_) => Self::Moved,
            SourceState::Aborting(_) => Self::Aborting,
            SourceState::Aborted(_) => Self::Aborted,
            SourceState::Reclaiming(_) => Self::Reclaiming,
            SourceState::Reclaimed(_) => Self::Reclaimed,
            SourceState::Seizing(_) => Self::Seizing,
        }
    }
}

impl From<&TargetState> for State {
    fn from(state: &TargetState) -> Self {
        match state {
            TargetState::Receiving => Self::Receiving,
            TargetState::Importing(_) => Self::Importing,
            TargetState::Imported(_) => Self::Imported,
            TargetState::Staging(_) => Self::Staging,
            TargetState::Prepared(_) => Self::Prepared,
            TargetState::Activating(_) => Self::Activating,
            TargetState::Live(_) => Self::Live,
            TargetState::Active(_) => Self::Active,
            TargetState::Seizing(_) => Self::Seizing,
            TargetState::Seized(_) => Self::Seized,
            TargetState::Dropping(_) => Self::Dropping,
            TargetState::Dropped(_) => Self::Dropped,
        }
    }
}

impl From<&PrecopyState> for State {
    fn from(state: &PrecopyState) -> Self {
        match state {
            PrecopyState::Copying => Self::Copying,
            PrecopyState::Copied(_) => Self::Copied,
            PrecopyState::Adopted(_) => Self::Adopted,
            PrecopyState::Aborted(_) => Self::Aborted,
            PrecopyState::Failed(_) => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_written_as_the_protocol_names_it() {
        let names = [SourceState::TAGS, TargetState::TAGS, PrecopyState::TAGS].concat();
        for (_, name) in names {
            let state: State = serde_json::from_str(&format!("\"{name}\"")).unwrap();
            assert_ne!(state, State::Unknown, "{name}");
            assert_eq!(
                (state.to_string(), serde_json::to_string(&state).unwrap()),
                (name.to_owned(), format!("\"{name}\""))
            );
        }
    }

    #[test]
    fn a_state_of_a_newer_agent_is_read_as_unknown() {
        assert_eq!(serde_json::from_str::<State>("\"Pondering\"").unwrap(), State::Unknown);
    }
}
