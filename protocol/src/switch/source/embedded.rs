//! What happens to a source that decides by itself, beside an embedded controller.

use super::state::{Committed, Freezing, Frozen, Handed, Reclaiming};
use super::state::{SourceInput, SourceRecord, SourceState, says};
use crate::limits::EPOCH_FORCED_STEP;
use crate::message::{End, Message};
use crate::migration::Handover;
use crate::switch::outcome::{Ignored, Outcome, key_of};
use crate::text::Cause;

/// Returns what `input` leads to in the state of `record`, which is of profile Embedded.
pub(super) fn on(record: &SourceRecord, input: SourceInput<'_>) -> Outcome<SourceState> {
    use SourceState::*;
    match (&record.state, input) {
        (_, SourceInput::Heard { message, fresh }) => heard(record, message, fresh),

        (Offered, SourceInput::Ready { deadline_ms }) => Outcome::Record(Freezing(self::Freezing { deadline_ms })),
        (Freezing(freezing), SourceInput::FrozenAs(root)) => {
            Outcome::Record(Frozen(self::Frozen { root, deadline_ms: freezing.deadline_ms }))
        }
        (Offered | Freezing(_) | Frozen(_), SourceInput::Abort(cause)) => Outcome::Record(Aborting(cause.clone())),
        (Aborting(_) | Aborted(_), SourceInput::Abort(_)) => Outcome::Ignore(Ignored::NotExpected),
        (_, SourceInput::Abort(_)) => Outcome::Ignore(Ignored::Committed),

        (Handed(handed), SourceInput::Done) => Outcome::Record(Reaping(handed.root)),
        (Reaping(root), SourceInput::Done) => Outcome::Record(Moved(*root)),
        (Aborting(cause), SourceInput::Done) => Outcome::Record(Aborted(cause.clone())),
        // A returned token leaves the source at e + 2 where it had offered e + 1.
        (Reclaiming(_), SourceInput::Done) => Outcome::Record(Reclaimed(record.head.epoch_to.saturating_add(1))),
        // Should the target come back after all, it is the one that loses.
        (Seizing(_), SourceInput::Done) => {
            Outcome::Record(Reclaimed(record.head.epoch_to.saturating_add(EPOCH_FORCED_STEP)))
        }

        (Committed(committed), SourceInput::Seize(cause)) => {
            Outcome::Record(Seizing(self::Reclaiming { root: committed.root, cause: cause.clone() }))
        }
        (_, SourceInput::Seize(_)) => Outcome::Ignore(Ignored::NotExpected),

        (_, SourceInput::Ready { .. } | SourceInput::FrozenAs(_) | SourceInput::Done | SourceInput::Relayed(_)) => {
            Outcome::Ignore(Ignored::NotExpected)
        }
    }
}

fn heard(record: &SourceRecord, message: &Message, fresh: bool) -> Outcome<SourceState> {
    use SourceState::*;
    let key = match key_of(&record.head, message) {
        Ok(key) => key,
        Err(ignored) => return Outcome::Ignore(ignored),
    };
    match (&record.state, message) {
        // Given up: whatever the target still asks or tells, the answer is the same, and it is
        // the presumed one, so that it can never contradict an earlier silence.
        (Aborting(_) | Aborted(_), Message::Prepared(_) | Message::Progress(_)) => reply(record),
        // Reclaimed on a dropped token, the target is gone; reclaimed by force, it may come back and ask.
        (Reclaiming(_) | Seizing(_) | Reclaimed(_), Message::Prepared(_) | Message::Progress(_)) => {
            let cause = Cause::cut("the source has taken the model back");
            Outcome::Reply(Message::Abort(End { key, cause }))
        }

        (Frozen(frozen), Message::Prepared(vote)) if vote.root == frozen.root => {
            if fresh {
                let (root, vote, handover) = (frozen.root, vote.signature.clone(), Handover::default());
                Outcome::Record(Committed(self::Committed { root, vote, handover }))
            } else {
                Outcome::Ignore(Ignored::Stale)
            }
        }
        (Frozen(_), Message::Prepared(_)) => Outcome::Ignore(Ignored::OtherRoot),
        (Frozen(_), Message::Progress(_)) => Outcome::Ignore(Ignored::NotExpected),
        (Offered | Freezing(_) | Frozen(_), Message::Dropped(end) | Message::Refused(end)) => {
            Outcome::Record(Aborting(end.cause.clone()))
        }

        (Committed(_), Message::Prepared(_)) => reply(record),
        (Committed(committed), Message::Activated(activated)) => {
            if activated.root == committed.root {
                let (root, reply) = (committed.root, activated.reply.clone());
                Outcome::Record(Handed(self::Handed { root, reply }))
            } else {
                Outcome::Ignore(Ignored::OtherRoot)
            }
        }
        (Committed(committed), Message::Dropped(end)) => {
            Outcome::Record(Reclaiming(self::Reclaiming { root: committed.root, cause: end.cause.clone() }))
        }

        (Handed(_) | Reaping(_) | Moved(_), Message::Activated(_)) => Outcome::Reply(Message::Finished(key)),
        _ => Outcome::Ignore(Ignored::NotExpected),
    }
}

fn reply(record: &SourceRecord) -> Outcome<SourceState> {
    says(record).map_or(Outcome::Ignore(Ignored::NotExpected), Outcome::Reply)
}
