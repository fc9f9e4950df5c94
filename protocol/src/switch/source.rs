//! The source's machine. `Committed` is the commit point: the instant its record is durable.

use super::relay::{self, RelayInput};
use super::{Cause, Handover, Head, Ignored, Outcome, Profile, Root};
use crate::call::KeptReply;
use crate::codec::{Bytes, Decode, Encode, wire_enum};
use crate::ids::{Epoch, JournalId};
use crate::limits::EPOCH_FORCED_STEP;
use crate::message::{Commit, End, Message, Sealed, Switch};

/// Frozen until the snapshot is taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Freezing {
    /// Unix milliseconds at which the source gives up. A wrong clock makes that early or late, never unsafe.
    pub deadline_ms: u64,
}

/// The snapshot is sealed; the target imports it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Frozen {
    /// What is handed over.
    pub root: Root,
    /// As in [`Freezing`].
    pub deadline_ms: u64,
}

/// The target's signature under its vote, kept as evidence.
pub type Signature = Bytes<64>;

/// The source has given the model away; the target may not know it yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Committed {
    /// What was handed over.
    pub root: Root,
    /// The target's signed vote. Empty where a Juju controller decided without having been answered.
    pub vote: Signature,
    /// What the target's controller is to be told.
    pub handover: Handover,
}

/// The target has taken the model into service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Handed {
    /// What was handed over.
    pub root: Root,
    /// What `AdoptResources` returned there: a Juju controller that calls it here is told the same, as often as it does.
    pub reply: KeptReply,
}

/// The target handed the model back after the commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Reclaiming {
    /// What had been handed over.
    pub root: Root,
    /// Why the target dropped it.
    pub cause: Cause,
}

wire_enum! {
    /// State of a migration at its source.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    pub enum SourceState {
        /// The model is live; its binaries travel ahead.
        0x01 = Offered,
        /// The controller is told to freeze the model and to export it.
        0x02 = Freezing(Freezing),
        /// The model is frozen; the rest travels, the target imports.
        0x03 = Frozen(Frozen),
        /// THE COMMIT POINT is behind: only the target can give the model back, and none that a Juju controller chose.
        0x04 = Committed(Committed),
        /// The target owns the model; redirects and logs follow.
        0x05 = Handed(Handed),
        /// The frozen copy is being deleted.
        0x06 = Reaping(Root),
        /// Done: the model lives elsewhere. Kept for ever.
        0x07 = Moved(Root),
        /// Given up before the commit; the controller is told to thaw the model.
        0x08 = Aborting(Cause),
        /// Given up; the model is live as it was. Kept for ever.
        0x09 = Aborted(Cause),
        /// The target gave the model back; the controller is told to thaw it.
        0x0a = Reclaiming(Reclaiming),
        /// Given back; the model is live at this epoch. Kept for ever.
        0x0b = Reclaimed(Epoch),
        /// The operator takes the model back, as the target is destroyed; the controller is told to thaw it.
        0x0e = Seizing(Reclaiming),
        /// A Juju controller decides; its calls are taken in and passed on. This and `Answered`: [`super::relay`].
        0x0c = Relaying(super::relay::Relaying),
        /// The controller was told that the target is ready; its decision is awaited.
        0x0d = Answered(super::relay::Answered),
    }
}

/// A migration at its source, as the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct SourceRecord {
    /// What does not change.
    pub head: Head,
    /// What does.
    pub state: SourceState,
}

/// What the source does next, one at a time, until it is done or refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceCommand {
    /// Freeze the model, export it, seal the snapshot.
    Freeze,
    /// Make the model live again.
    Thaw,
    /// Redirect the model's users, let its log follow it, and hold the copy for as long as was asked.
    HandOver,
    /// Delete the frozen copy.
    Reap,
}

/// What happens to a source.
#[derive(Debug, Clone, Copy)]
pub enum SourceInput<'a> {
    /// The target said something. `fresh`: a vote in it answers a seal sent within the commit's freshness.
    Heard {
        /// The message.
        message: &'a Message,
        /// Whether a vote may be acted upon.
        fresh: bool,
    },
    /// The target has answered the offer with a `Progress`, and holds the binaries but for what is read at
    /// the freeze. Before that answer a freeze would wait for a target that may know of no offer.
    Ready {
        /// Unix milliseconds at which a freeze beginning now must end.
        deadline_ms: u64,
    },
    /// The operator, a spent budget or a failure ends the attempt.
    Abort(&'a Cause),
    /// The operator asserts that the target is destroyed, and never acts again: the last resort.
    Seize(&'a Cause),
    /// [`SourceCommand::Freeze`] is done; the snapshot has this root.
    FrozenAs(Root),
    /// Any other command is done.
    Done,
    /// A Juju controller, which decides, has done something. Of profile Gateway alone.
    Relayed(RelayInput<'a>),
}

impl SourceInput<'_> {
    /// Returns the input's name, as in [`super::table`]: that of a message for one that was heard.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Heard { message, .. } => message.name(),
            Self::Ready { .. } => "Ready",
            Self::Abort(_) => "Abort",
            Self::Seize(_) => "Seize",
            Self::FrozenAs(_) => "FrozenAs",
            Self::Done => "Done",
            Self::Relayed(input) => input.name(),
        }
    }
}

impl SourceState {
    /// Returns the root of what is, or was to be, handed over, where the state knows it.
    pub fn root(&self) -> Option<Root> {
        match self {
            Self::Frozen(frozen) => Some(frozen.root),
            Self::Committed(committed) => Some(committed.root),
            Self::Handed(handed) => Some(handed.root),
            Self::Reaping(root) | Self::Moved(root) => Some(*root),
            Self::Reclaiming(reclaiming) | Self::Seizing(reclaiming) => Some(reclaiming.root),
            Self::Relaying(relaying) => relaying.root,
            Self::Answered(answered) => Some(answered.root),
            Self::Offered | Self::Freezing(_) | Self::Aborting(_) | Self::Aborted(_) | Self::Reclaimed(_) => None,
        }
    }
}

impl SourceRecord {
    /// Returns the record that follows this one.
    pub fn with(&self, state: SourceState) -> Self {
        Self { head: self.head, state }
    }

    /// Reports whether nothing more will happen.
    pub fn is_at_rest(&self) -> bool {
        matches!(self.state, SourceState::Moved(_) | SourceState::Aborted(_) | SourceState::Reclaimed(_))
    }

    /// Reports whether the commit point is behind, and no abort possible.
    pub fn is_committed(&self) -> bool {
        use SourceState::*;
        match self.state {
            Committed(_) | Handed(_) | Reaping(_) | Moved(_) => true,
            Reclaiming(_) | Reclaimed(_) | Seizing(_) => true,
            Offered | Freezing(_) | Frozen(_) | Relaying(_) | Answered(_) | Aborting(_) | Aborted(_) => false,
        }
    }

    /// Returns the largest epoch at which this record proves the model to have been owned, by either side.
    pub fn owned_epoch(&self) -> Epoch {
        match self.state {
            SourceState::Handed(_) | SourceState::Reaping(_) | SourceState::Moved(_) => self.head.epoch_to,
            SourceState::Reclaimed(epoch) => epoch,
            _ => self.head.epoch_to.saturating_sub(1),
        }
    }
}

/// Returns the command that the source's agent gives its controller in the state of `record`, if any. Under the profile
/// Gateway the agent gives none: there the Juju controller itself freezes, thaws and deletes the model.
pub fn next(record: &SourceRecord) -> Option<SourceCommand> {
    if record.head.profile == Profile::Gateway {
        return None;
    }
    match record.state {
        SourceState::Freezing(_) => Some(SourceCommand::Freeze),
        SourceState::Handed(_) => Some(SourceCommand::HandOver),
        SourceState::Reaping(_) => Some(SourceCommand::Reap),
        SourceState::Aborting(_) | SourceState::Reclaiming(_) | SourceState::Seizing(_) => Some(SourceCommand::Thaw),
        SourceState::Offered
        | SourceState::Frozen(_)
        | SourceState::Committed(_)
        | SourceState::Moved(_)
        | SourceState::Aborted(_)
        | SourceState::Reclaimed(_)
        | SourceState::Relaying(_)
        | SourceState::Answered(_) => None,
    }
}

/// Returns the message to say on entering the state of `record`, and, unless it is at rest, on reconnect
/// and again and again. At rest nothing is repeated: whoever still needs an answer asks.
///
/// The seal of [`SourceState::Frozen`] carries the snapshot's bytes, which no record holds: the caller
/// adds them, and a nonce, to what this returns.
pub fn says(record: &SourceRecord) -> Option<Message> {
    let switch = Switch::of(&record.head);
    match &record.state {
        SourceState::Offered | SourceState::Freezing(_) => Some(Message::offer_of(&record.head)),
        SourceState::Frozen(Frozen { root, .. }) => Some(Message::Seal(Sealed::asking(switch, *root))),
        SourceState::Committed(Committed { root, handover, .. }) => {
            let (epoch_to, handover) = (record.head.epoch_to, handover.clone());
            Some(Message::Commit(Commit { switch, root: *root, epoch_to, handover }))
        }
        SourceState::Handed(_) | SourceState::Moved(_) => Some(Message::Finished(switch)),
        SourceState::Aborting(cause) | SourceState::Aborted(cause) => {
            Some(Message::Abort(End { switch, cause: cause.clone() }))
        }
        SourceState::Relaying(_) | SourceState::Answered(_) => relay::says(record),
        SourceState::Reaping(_) | SourceState::Reclaiming(_) | SourceState::Seizing(_) | SourceState::Reclaimed(_) => {
            None
        }
    }
}

/// Returns what `input` leads to in the state of `record`, whoever decides about its migration.
pub fn on(record: &SourceRecord, input: SourceInput<'_>) -> Outcome<SourceState> {
    match record.head.profile {
        Profile::Embedded => on_embedded(record, input),
        Profile::Gateway => relay::on(record, input),
    }
}

fn on_embedded(record: &SourceRecord, input: SourceInput<'_>) -> Outcome<SourceState> {
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
    let Some(switch) = message.switch() else { return Outcome::Ignore(Ignored::NotExpected) };
    if switch.mid != record.head.mid {
        return Outcome::Ignore(Ignored::OtherMigration);
    }
    if switch.journal != record.head.journal {
        return Outcome::Ignore(Ignored::OtherJournal);
    }
    match (&record.state, message) {
        // Given up: whatever the target still asks or tells, the answer is the same, and it is
        // the presumed one, so that it can never contradict an earlier silence.
        (Aborting(_) | Aborted(_), Message::Prepared(_) | Message::Progress(_)) => reply(record),
        // Reclaimed on a dropped token, the target is gone; reclaimed by force, it may come back and ask.
        (Reclaiming(_) | Seizing(_) | Reclaimed(_), Message::Prepared(_) | Message::Progress(_)) => {
            let cause = Cause::cut("the source has taken the model back");
            Outcome::Reply(Message::Abort(End { switch, cause }))
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

        (Handed(_) | Reaping(_) | Moved(_), Message::Activated(_)) => Outcome::Reply(Message::Finished(switch)),
        _ => Outcome::Ignore(Ignored::NotExpected),
    }
}

fn reply(record: &SourceRecord) -> Outcome<SourceState> {
    says(record).map_or(Outcome::Ignore(Ignored::NotExpected), Outcome::Reply)
}

/// Returns the answer to a target's message about a migration that this journal does not know: presumed
/// abort, but only if it is the very journal that would know.
pub fn answer_unknown(switch: Switch, own: JournalId) -> Message {
    if switch.journal == own {
        let cause = Cause::cut("the source has no record of this migration, so it was never decided");
        Message::Abort(End { switch, cause })
    } else {
        Message::Unknown(switch)
    }
}
