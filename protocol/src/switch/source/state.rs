//! The source's states, what follows from each by itself, and what can happen to it.

use crate::call::{Arguments, KeptReply, Params};
use crate::codec::{Decode, Encode, wire_enum};
use crate::ids::Epoch;
use crate::message::{Commit, End, Message, MigrationKey, Sealed, Vote};
use crate::migration::{CommitStamp, Handover, Head, Profile, Root, Signature};
use crate::text::Cause;

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

/// The controller's calls are taken in and passed on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Relaying {
    /// What is handed over, once the controller has sent all of it.
    pub root: Option<Root>,
    /// Unix milliseconds at which this side gives up, so that the controller does.
    pub deadline_ms: u64,
}

/// The controller was told that the target is ready, or is about to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Answered {
    /// What is handed over.
    pub root: Root,
    /// The target's signed vote.
    pub vote: Signature,
    /// The arguments of the controller's `Activate` call: the target's controller is to be told the same.
    pub arguments: Arguments,
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
        /// A Juju controller decides; its calls are taken in and passed on. This and `Answered`: [`crate::switch::relay`].
        0x0c = Relaying(Relaying),
        /// The controller was told that the target is ready; its decision is awaited.
        0x0d = Answered(Answered),
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

/// What the controller has shown to be recorded on its side, by a call or by the status of its migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence<'a> {
    /// SUCCESS: there is no way back for it. With the parameters of `AdoptResources`, if that call showed it.
    Success(Option<&'a Params>),
    /// ABORT: the model is, or will be, back in its service.
    Abort,
    /// DONE: it has deleted its copy.
    Done,
}

/// What the controller does to a relaying source.
#[derive(Debug, Clone, Copy)]
pub enum RelayInput<'a> {
    /// The controller has sent everything; the snapshot has this root.
    Sealed(Root),
    /// The controller calls `Activate`. `vote`: the target's, checked and fresh, if it is held.
    Activate {
        /// The call's arguments.
        arguments: &'a Arguments,
        /// The vote.
        vote: Option<&'a Vote>,
    },
    /// The controller has decided.
    Shown(Evidence<'a>),
}

impl RelayInput<'_> {
    /// Returns the input's name, as in [`crate::switch::table`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sealed(_) => "Sealed",
            Self::Activate { .. } => "Activate",
            Self::Shown(Evidence::Success(_)) => "ShownSuccess",
            Self::Shown(Evidence::Abort) => "ShownAbort",
            Self::Shown(Evidence::Done) => "ShownDone",
        }
    }
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
    /// Returns the input's name, as in [`crate::switch::table`]: that of a message for one that was heard.
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
    let key = MigrationKey::of(&record.head);
    match &record.state {
        SourceState::Offered | SourceState::Freezing(_) | SourceState::Relaying(Relaying { root: None, .. }) => {
            Some(Message::offer_of(&record.head))
        }
        SourceState::Frozen(Frozen { root, .. })
        | SourceState::Relaying(Relaying { root: Some(root), .. })
        | SourceState::Answered(Answered { root, .. }) => Some(Message::Seal(Sealed::asking(key, *root))),
        SourceState::Committed(Committed { root, handover, .. }) => {
            let (epoch_to, handover) = (record.head.epoch_to, handover.clone());
            let stamp = CommitStamp::default();
            Some(Message::Commit(Commit { key, root: *root, epoch_to, handover, stamp }))
        }
        SourceState::Handed(_) | SourceState::Moved(_) => Some(Message::Finished(key)),
        SourceState::Aborting(cause) | SourceState::Aborted(cause) => {
            Some(Message::Abort(End { key, cause: cause.clone() }))
        }
        SourceState::Reaping(_) | SourceState::Reclaiming(_) | SourceState::Seizing(_) | SourceState::Reclaimed(_) => {
            None
        }
    }
}
