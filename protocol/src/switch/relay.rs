//! The source's machine where an unmodified Juju controller decides (profile Gateway).
//!
//! The agent answers the controller's migration master as the target would. Two pure functions of the last
//! durable record share the work: [`super::source::on`] tells what an input leads to, [`answer`] what a call is told. A
//! reply is derived from the durable record alone, so nothing is promised to the controller that a crash
//! could take back: `Answered` is on disk before `Activate` succeeds, and `Handed` before `AdoptResources`.
//!
//! While the model is live and its binaries travel ahead the record is `Offered`, as with an embedded controller. There is no
//! command: the controller freezes, thaws and reaps by itself, once it was asked to migrate the model.

use super::outcome::{Ignored, Outcome, key_of};
pub use super::source::state::{Answered, Evidence, RelayInput, Relaying};
use super::source::state::{Committed, Handed, SourceInput, SourceRecord, SourceState, says};
use crate::call::Arguments;
use crate::message::{End, Message, MigrationKey};
use crate::migration::{Handover, Signature};
use crate::text::Cause;

/// A call of the source controller's migration master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasterCall {
    /// Any that brings a part of the model, or checks what was brought.
    Stage,
    /// The last before the controller decides.
    Activate,
    /// `AdoptResources`: the first after it has decided for the target.
    Adopt,
    /// The controller has decided against it.
    Abort,
}

/// What a call is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayReply {
    /// It is done.
    Done,
    /// Nothing yet: the call waits until the outcome is certain.
    Hold,
    /// It has failed, for this reason.
    Failed(&'static str),
}

/// Returns what the controller's call is told in the state of `record`, once [`on`] leads to no other.
pub fn reply(record: &SourceRecord, call: MasterCall) -> RelayReply {
    use SourceState::*;
    let ended = RelayReply::Failed("the migration was aborted");
    let decided = RelayReply::Failed("the migration has succeeded, it cannot be aborted any more");
    match (&record.state, call) {
        (Relaying(relaying), MasterCall::Stage) if relaying.root.is_none() => RelayReply::Done,
        (Aborted(_), MasterCall::Abort) => RelayReply::Done,
        (Aborted(_), _) => ended,
        (_, MasterCall::Stage) => RelayReply::Failed("the migration takes nothing more in"),

        (Relaying(_), _) => RelayReply::Hold,
        (Answered(_) | Committed(_) | Handed(_), MasterCall::Activate) => RelayReply::Done,
        (Answered(_) | Committed(_), MasterCall::Adopt) | (Answered(_), MasterCall::Abort) => RelayReply::Hold,
        (Handed(_) | Moved(_), MasterCall::Adopt) => RelayReply::Done,
        (Committed(_) | Handed(_), MasterCall::Abort) => decided,
        (Moved(_), MasterCall::Abort) => RelayReply::Done,
        (Moved(_), MasterCall::Activate) => RelayReply::Failed("the migration is done"),

        (Offered, _) => RelayReply::Failed("the migration has not begun"),

        // The states of an embedded controller, to which nobody calls.
        (Freezing(_) | Frozen(_) | Reaping(_), _) => RelayReply::Hold,
        (Aborting(_) | Reclaiming(_) | Seizing(_) | Reclaimed(_), _) => ended,
    }
}

/// Returns what `input` leads to in the state of `record`, which is of profile Gateway.
pub(super) fn on(record: &SourceRecord, input: SourceInput<'_>) -> Outcome<SourceState> {
    use SourceState::*;
    match (&record.state, input) {
        (_, SourceInput::Heard { message, .. }) => heard(record, message),
        (_, SourceInput::Relayed(relayed)) => on_relayed(record, relayed),

        // The model is live until the controller is asked to migrate it, and it is asked only once this is durable: a call of
        // its migration master always finds the record that answers it.
        (Offered, SourceInput::Ready { deadline_ms }) => {
            Outcome::Record(Relaying(self::Relaying { root: None, deadline_ms }))
        }
        (Offered | Relaying(_), SourceInput::Abort(cause)) => Outcome::Record(Aborted(cause.clone())),
        // The controller has been answered: it may have recorded SUCCESS already, and cannot take that back.
        (Answered(_), SourceInput::Abort(_)) => Outcome::Ignore(Ignored::NotRevocable),
        (Committed(_) | Handed(_) | Moved(_), SourceInput::Abort(_)) => Outcome::Ignore(Ignored::Committed),

        // Only the controller can take the model back, and it does so by itself or not at all.
        (Relaying(_) | Answered(_) | Committed(_), SourceInput::Seize(_)) => Outcome::Ignore(Ignored::NotRevocable),

        // The controller freezes, thaws and deletes by itself: nothing of that is this agent's to do, or to report.
        _ => Outcome::Ignore(Ignored::NotExpected),
    }
}

fn on_relayed(record: &SourceRecord, input: RelayInput<'_>) -> Outcome<SourceState> {
    use SourceState::*;
    match (&record.state, input) {
        (Relaying(relaying), RelayInput::Sealed(root)) if relaying.root.is_none() => {
            Outcome::Record(Relaying(self::Relaying { root: Some(root), ..relaying.clone() }))
        }
        (Relaying(self::Relaying { root: Some(root), .. }), RelayInput::Activate { arguments, vote: Some(vote) }) => {
            if vote.key != MigrationKey::of(&record.head) {
                Outcome::Ignore(Ignored::OtherMigration)
            } else if vote.root != *root {
                Outcome::Ignore(Ignored::OtherRoot)
            } else {
                let (vote, arguments) = (vote.signature.clone(), arguments.clone());
                Outcome::Record(Answered(self::Answered { root: *root, vote, arguments }))
            }
        }

        (Answered(answered), RelayInput::Shown(Evidence::Success(params))) => {
            let handover = Handover::of(&answered.arguments, params);
            Outcome::Record(Committed(self::Committed { root: answered.root, vote: answered.vote.clone(), handover }))
        }
        // No answer of ours led to it, so there is no vote; it is decided all the same, and not here.
        (Relaying(self::Relaying { root: Some(root), .. }), RelayInput::Shown(Evidence::Success(params))) => {
            let handover = Handover::of(&Arguments::default(), params);
            Outcome::Record(Committed(self::Committed { root: *root, vote: Signature::default(), handover }))
        }
        (Relaying(_) | Answered(_), RelayInput::Shown(Evidence::Abort)) => {
            Outcome::Record(Aborted(Cause::cut("aborted by the source controller")))
        }
        (Handed(handed), RelayInput::Shown(Evidence::Done)) => Outcome::Record(Moved(handed.root)),
        (Committed(_) | Handed(_), RelayInput::Shown(Evidence::Abort)) => Outcome::Ignore(Ignored::Committed),

        _ => Outcome::Ignore(Ignored::NotExpected),
    }
}

fn heard(record: &SourceRecord, message: &Message) -> Outcome<SourceState> {
    use SourceState::*;
    let key = match key_of(&record.head, message) {
        Ok(key) => key,
        Err(ignored) => return Outcome::Ignore(ignored),
    };
    let said = || says(record).map_or(Outcome::Ignore(Ignored::NotExpected), Outcome::Reply);
    match (&record.state, message) {
        (Offered | Relaying(_), Message::Dropped(end) | Message::Refused(end)) => {
            Outcome::Record(Aborted(end.cause.clone()))
        }
        (Committed(_), Message::Prepared(_)) => said(),
        (Committed(committed), Message::Activated(activated)) if activated.root == committed.root => {
            Outcome::Record(Handed(self::Handed { root: committed.root, reply: activated.reply.clone() }))
        }
        (Committed(_), Message::Activated(_)) => Outcome::Ignore(Ignored::OtherRoot),
        (Handed(_) | Moved(_), Message::Activated(_)) => Outcome::Reply(Message::Finished(key)),
        (Aborted(cause), Message::Prepared(_) | Message::Progress(_)) => {
            Outcome::Reply(Message::Abort(End { key, cause: cause.clone() }))
        }
        _ => Outcome::Ignore(Ignored::NotExpected),
    }
}
