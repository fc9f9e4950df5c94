//! The times and the first failure of one migration, from its journal records.

use modelferry_protocol::record::{Body, Entry, PrecopyState};
use modelferry_protocol::switch::source::SourceState;
use modelferry_protocol::switch::target::TargetState;

/// The times and the first cause of a migration: a fold of its journal records, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Unix milliseconds of the first record.
    pub started_ms: u64,
    /// Unix milliseconds of the record at which it came to rest.
    pub ended_ms: Option<u64>,
    /// Unix milliseconds of the freeze.
    pub frozen_from_ms: Option<u64>,
    /// Unix milliseconds at which the model was live again, here or there.
    pub frozen_to_ms: Option<u64>,
    /// Unix milliseconds at which the source gave the model away.
    pub committed_ms: Option<u64>,
    /// Unix milliseconds at which the target was known to have the model.
    pub handed_ms: Option<u64>,
    /// When this side began waiting for the peer's decision, Unix milliseconds.
    pub undecided_since_ms: Option<u64>,
    /// Why it failed, if it did: the first cause, never a later one.
    pub cause: Option<String>,
}

impl History {
    /// Returns how long the model was frozen, or is by now, milliseconds; nothing before it was.
    pub fn frozen_ms(&self) -> Option<u64> {
        let to = self.frozen_to_ms.unwrap_or_else(crate::clock::now_ms);
        self.frozen_from_ms.map(|from| to.saturating_sub(from))
    }

    /// Applies the next record.
    pub fn apply(&mut self, entry: &Entry) {
        let now = entry.time_ms;
        if self.started_ms == 0 {
            self.started_ms = now;
        }
        match &entry.body {
            Body::Source(record) => {
                match &record.state {
                    SourceState::Freezing(_) | SourceState::Relaying(_) => {
                        self.frozen_from_ms = self.frozen_from_ms.or(Some(now))
                    }
                    SourceState::Handed(_) | SourceState::Aborted(_) | SourceState::Reclaimed(_) => {
                        self.frozen_to_ms = self.frozen_to_ms.or(Some(now));
                    }
                    _ => {}
                }
                match &record.state {
                    SourceState::Committed(_) => self.committed_ms = self.committed_ms.or(Some(now)),
                    SourceState::Handed(_) => self.handed_ms = self.handed_ms.or(Some(now)),
                    _ => {}
                }
                match &record.state {
                    SourceState::Aborting(cause) | SourceState::Aborted(cause) => self.fail(cause),
                    SourceState::Reclaiming(reclaiming) | SourceState::Seizing(reclaiming) => {
                        self.fail(&reclaiming.cause)
                    }
                    _ => {}
                }
                let undecided = matches!(record.state, SourceState::Committed(_) | SourceState::Answered(_));
                self.settle(now, undecided, record.is_at_rest());
            }
            Body::Target(record) => {
                match &record.state {
                    TargetState::Dropping(dropping) => self.fail(&dropping.cause),
                    TargetState::Seizing(seizure) => self.fail(&seizure.cause),
                    _ => {}
                }
                self.settle(now, matches!(record.state, TargetState::Prepared(_)), record.is_at_rest());
            }
            Body::Precopy(precopy) => {
                if let PrecopyState::Aborted(cause) | PrecopyState::Failed(cause) = &precopy.state {
                    self.fail(cause);
                }
                self.settle(now, false, precopy.is_at_rest());
            }
            Body::Terms(_) | Body::Note(_) | Body::Orders(_) | Body::Destination(_) => {}
            Body::Conflict(_) | Body::Alarm(_) | Body::Discarded(_) => {}
            Body::Acknowledged(_) | Body::Restored(_) | Body::Halted(_) | Body::Signed(_) => {}
            Body::Removed(_) | Body::Reimported(_) | Body::Tombstones(_) => {}
        }
    }

    fn fail(&mut self, cause: &str) {
        self.cause.get_or_insert_with(|| cause.to_owned());
    }

    fn settle(&mut self, now: u64, undecided: bool, at_rest: bool) {
        self.undecided_since_ms = undecided.then(|| self.undecided_since_ms.unwrap_or(now));
        self.ended_ms = at_rest.then(|| self.ended_ms.unwrap_or(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelferry_protocol::ids::{JournalId, MigrationId, ModelUuid, Pin};
    use modelferry_protocol::snapshot::Name;
    use modelferry_protocol::switch::source::SourceRecord;
    use modelferry_protocol::switch::{Cause, Head, Profile};

    #[test]
    fn the_first_cause_is_never_overwritten() {
        let head = Head {
            mid: MigrationId([1; 16]),
            model: ModelUuid([2; 16]),
            epoch_to: 1,
            peer: Pin([3; 32]),
            journal: JournalId([4; 16]),
            profile: Profile::Embedded,
        };
        let mut history = History::default();
        for cause in ["the disk is full", "aborted by operator"] {
            let state = SourceState::Aborting(Cause::cut(cause));
            let body = Body::Source(SourceRecord { head, state });
            history.apply(&Entry { time_ms: 1, actor: Name::default(), body });
        }
        assert_eq!(history.cause.as_deref(), Some("the disk is full"));
    }
}
