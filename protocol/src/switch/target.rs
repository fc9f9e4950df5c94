//! The target's machine. In `Prepared` it does nothing by itself, for ever.

use super::outcome::{Ignored, Outcome, key_of};
use crate::call::{KeptReply, Params};
use crate::codec::{Decode, Encode, wire_enum};
use crate::ids::{Epoch, Hash};
use crate::limits::EPOCH_FORCED_STEP;
use crate::message::{Activated, End, Message, MigrationKey, Vote};
use crate::migration::{CommitStamp, Handover, Head, Profile, Root};
use crate::text::Cause;

/// Why, and what for, an import was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Dropping {
    /// The snapshot, if this side has voted on it: only then may the model be live by this migration.
    pub root: Option<Root>,
    /// Why.
    pub cause: Cause,
}

/// The controller is told to stage what was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Staging {
    /// The snapshot.
    pub root: Root,
    /// Whether the controller has imported the model already. If not, the import may have been sent since this was recorded.
    pub imported: bool,
}

/// The source has given the model away.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Activating {
    /// The snapshot.
    pub root: Root,
    /// What the controller is to be told.
    pub handover: Handover,
    /// The source's signature under the commit: should the source forget it, this proves it.
    pub stamp: CommitStamp,
}

/// Users write to the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Live {
    /// The snapshot.
    pub root: Root,
    /// What the controller is to be told when it takes over the cloud's resources.
    pub adopt: Params,
    /// Who asserted that the source is destroyed, and why, if the model was taken without the source's word.
    pub forced: Option<Cause>,
}

/// The model is in service here for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Active {
    /// The snapshot.
    pub root: Root,
    /// What `AdoptResources` returned, which the source's controller is told.
    pub reply: KeptReply,
}

/// The model was taken without the source's word: the operator says that the source is destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Seizure {
    /// The snapshot.
    pub root: Root,
    /// Who asserted that, and why.
    pub cause: Cause,
}

wire_enum! {
    /// State of a migration at its target.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    pub enum TargetState {
        /// Chunks arrive.
        0x01 = Receiving,
        /// Everything is here and proven; the controller is told to stage it.
        0x02 = Staging(Staging),
        /// Staged, and promised to be kept until the source decides.
        0x03 = Prepared(Root),
        /// The source has committed; the controller is told to activate.
        0x04 = Activating(Activating),
        /// The model is live here, and the controller has taken over what belongs to it. Kept for ever.
        0x05 = Active(Active),
        /// The controller is told to discard what is staged.
        0x06 = Dropping(Dropping),
        /// Nothing is left. A tombstone, kept for ever: this migration is never accepted again.
        0x07 = Dropped(Cause),
        /// The operator takes the model into service without the source's word; the controller is told to activate.
        0x08 = Seizing(Seizure),
        /// The model is live here, by force. Kept for ever.
        0x09 = Seized(Seizure),
        /// The rest of the model is still on its way. The controller is told to import the description with this hash: once
        /// this is recorded the import may have been sent, and where its outcome is not known it has failed.
        0x0a = Importing(Hash),
        /// The controller has imported the description with this hash. Each upload is performed there as soon as its bytes have arrived.
        0x0b = Imported(Hash),
        /// The model is live here: users write to it, so it is never given back. The controller is told to take over the
        /// cloud's resources.
        0x0c = Live(Live),
    }
}

/// A migration at its target, as the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct TargetRecord {
    /// What does not change.
    pub head: Head,
    /// What does.
    pub state: TargetState,
}

/// What the target does next, until it is done or refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetCommand {
    /// Import the description ahead of the rest.
    Import,
    /// Import what is not imported yet, upload and validate, without going live.
    Stage,
    /// Take the model into service.
    Activate,
    /// Take over the cloud's resources of the live model.
    Adopt,
    /// Delete the copy, and see it gone.
    Discard,
}

/// What happens to a target.
#[derive(Debug, Clone, Copy)]
pub enum TargetInput<'a> {
    /// The source said something.
    Heard(&'a Message),
    /// The source wants the description with this hash imported, and it is here, proven and durable.
    Import(Hash),
    /// Every blob of the snapshot with this root is here, proven and durable.
    Complete {
        /// The root.
        root: Root,
        /// The description that it names.
        description: Hash,
    },
    /// [`TargetCommand::Import`], [`TargetCommand::Stage`] or [`TargetCommand::Activate`] is done.
    Done,
    /// [`TargetCommand::Adopt`] is done, and this is what the controller returned.
    Adopted(&'a KeptReply),
    /// [`TargetCommand::Discard`] is done: nothing of the copy is left, as was *seen*. That the controller said so is not
    /// enough: Juju's answers while the copy is still there, and can still be activated.
    Discarded,
    /// [`TargetCommand::Discard`] was refused because the model is live.
    FoundLive,
    /// This side gives up by itself: validation failed, disk full, idle too long, operator.
    Drop(&'a Cause),
    /// The operator gives the token back.
    Renounce(&'a Cause),
    /// The operator asserts that the source is destroyed, and never acts again: the last resort.
    Seize(&'a Cause),
}

impl TargetInput<'_> {
    /// Returns the input's name, as in [`super::table`]: that of a message for one that was heard.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Heard(message) => message.name(),
            Self::Import(_) => "Import",
            Self::Complete { .. } => "Complete",
            Self::Done => "Done",
            Self::Adopted(_) => "Adopted",
            Self::Discarded => "Discarded",
            Self::FoundLive => "FoundLive",
            Self::Drop(_) => "Drop",
            Self::Renounce(_) => "Renounce",
            Self::Seize(_) => "Seize",
        }
    }
}

impl TargetState {
    /// Returns the root of what is, or was to be, handed over, where the state knows it.
    pub fn root(&self) -> Option<Root> {
        match self {
            Self::Staging(staging) => Some(staging.root),
            Self::Prepared(root) => Some(*root),
            Self::Activating(activating) => Some(activating.root),
            Self::Live(live) => Some(live.root),
            Self::Active(active) => Some(active.root),
            Self::Seizing(seizure) | Self::Seized(seizure) => Some(seizure.root),
            Self::Dropping(dropping) => dropping.root,
            Self::Receiving | Self::Importing(_) | Self::Imported(_) | Self::Dropped(_) => None,
        }
    }
}

impl TargetState {
    /// Reports whether an operator has taken the model without the source's word.
    pub fn is_forced(&self) -> bool {
        matches!(self, Self::Seizing(_) | Self::Seized(_) | Self::Live(Live { forced: Some(_), .. }))
    }
}

impl TargetRecord {
    /// Returns the record that follows this one.
    pub fn with(&self, state: TargetState) -> Self {
        Self { head: self.head, state }
    }

    /// Reports whether nothing more will happen.
    pub fn is_at_rest(&self) -> bool {
        matches!(self.state, TargetState::Active(_) | TargetState::Dropped(_) | TargetState::Seized(_))
    }

    /// Returns the epoch at which this record proves the model to have been owned; 0 if it proves none:
    /// an offer that came to nothing owns nothing, so the retry may offer the same epoch again.
    pub fn owned_epoch(&self) -> Epoch {
        match self.state {
            TargetState::Live(Live { forced: None, .. }) | TargetState::Active(_) => self.head.epoch_to,
            // Should the source come back after all, it is the one that loses.
            TargetState::Live(Live { forced: Some(_), .. }) | TargetState::Seized(_) => {
                self.head.epoch_to.saturating_add(EPOCH_FORCED_STEP)
            }
            _ => 0,
        }
    }
}

/// Returns the command to carry out in the state of `record`, if any.
pub fn next(record: &TargetRecord) -> Option<TargetCommand> {
    match record.state {
        TargetState::Importing(_) => Some(TargetCommand::Import),
        TargetState::Staging(_) => Some(TargetCommand::Stage),
        TargetState::Activating(_) | TargetState::Seizing(_) => Some(TargetCommand::Activate),
        TargetState::Live(_) => Some(TargetCommand::Adopt),
        TargetState::Dropping(_) => Some(TargetCommand::Discard),
        TargetState::Receiving
        | TargetState::Imported(_)
        | TargetState::Prepared(_)
        | TargetState::Active(_)
        | TargetState::Dropped(_)
        | TargetState::Seized(_) => None,
    }
}

/// Returns the message to say on entering the state of `record`, and, unless it is at rest, on reconnect
/// and again and again. At rest nothing is repeated: whoever still needs an answer asks.
///
/// The vote of [`TargetState::Prepared`] is signed, and echoes a nonce: the caller adds both.
pub fn says(record: &TargetRecord) -> Option<Message> {
    let key = MigrationKey::of(&record.head);
    match &record.state {
        TargetState::Receiving | TargetState::Importing(_) | TargetState::Imported(_) | TargetState::Staging(_) => {
            Some(Message::Progress(key))
        }
        TargetState::Prepared(root) => Some(Message::Prepared(Vote::unsigned(key, *root))),
        TargetState::Active(Active { root, reply }) => {
            Some(Message::Activated(Activated { key, root: *root, reply: reply.clone() }))
        }
        TargetState::Seized(Seizure { root, .. }) => {
            Some(Message::Activated(Activated { key, root: *root, reply: KeptReply::default() }))
        }
        TargetState::Dropped(cause) => Some(Message::Dropped(End { key, cause: cause.clone() })),
        // Of a model that is live the source hears once everything is done that its own controller waits for.
        TargetState::Activating(_) | TargetState::Live(_) | TargetState::Seizing(_) | TargetState::Dropping(_) => None,
    }
}

/// Returns what `input` leads to in the state of `record`.
pub fn on(record: &TargetRecord, input: TargetInput<'_>) -> Outcome<TargetState> {
    use TargetState::*;
    match (&record.state, input) {
        (_, TargetInput::Heard(message)) => heard(record, message),

        (Receiving, TargetInput::Import(description)) => Outcome::Record(Importing(description)),
        (Importing(description), TargetInput::Done) => Outcome::Record(Imported(*description)),
        (Receiving, TargetInput::Complete { root, .. }) => {
            Outcome::Record(Staging(self::Staging { root, imported: false }))
        }
        // What was imported ahead is what is handed over, or nothing is.
        (Imported(imported), TargetInput::Complete { root, description }) if *imported == description => {
            Outcome::Record(Staging(self::Staging { root, imported: true }))
        }
        (Imported(_), TargetInput::Complete { .. }) => {
            drop(None, &Cause::cut("another description was imported than the one that is handed over"))
        }
        (Staging(staging), TargetInput::Done) => Outcome::Record(Prepared(staging.root)),
        // An import that has failed, or may have, ends it: no controller says of a half imported model that it is one.
        (Receiving | Importing(_) | Imported(_) | Staging(_), TargetInput::Drop(cause)) => drop(None, cause),

        (Activating(activating), TargetInput::Done) => {
            let (root, adopt) = (activating.root, activating.handover.adopt.clone());
            Outcome::Record(Live(self::Live { root, adopt, forced: None }))
        }
        (Seizing(Seizure { root, cause }), TargetInput::Done) => {
            let forced = Some(cause.clone());
            Outcome::Record(Live(self::Live { root: *root, adopt: Params::default(), forced }))
        }
        (Live(self::Live { root, forced: Some(cause), .. }), TargetInput::Adopted(_)) => {
            Outcome::Record(Seized(Seizure { root: *root, cause: cause.clone() }))
        }
        (Live(self::Live { root, forced: None, .. }), TargetInput::Adopted(reply)) => {
            Outcome::Record(Active(self::Active { root: *root, reply: reply.clone() }))
        }

        (Prepared(root) | Activating(self::Activating { root, .. }), TargetInput::Renounce(cause)) => {
            match record.head.profile {
                Profile::Embedded => drop(Some(*root), cause),
                // A Juju source that has recorded SUCCESS cannot take the model back.
                Profile::Gateway => Outcome::Ignore(Ignored::NotRevocable),
            }
        }

        (Prepared(root), TargetInput::Seize(cause)) => {
            Outcome::Record(Seizing(Seizure { root: *root, cause: cause.clone() }))
        }

        (Dropping(dropping), TargetInput::Discarded) => Outcome::Record(Dropped(dropping.cause.clone())),
        // An activation that was sent before the drop has landed: the model is live, so it is ours.
        (Dropping(self::Dropping { root: Some(root), .. }), TargetInput::FoundLive) => {
            Outcome::Record(Live(self::Live { root: *root, adopt: Params::default(), forced: None }))
        }
        // Without a vote nobody can have activated it: what is live here is another's, and nothing of this
        // migration is left.
        (Dropping(self::Dropping { root: None, cause }), TargetInput::FoundLive) => {
            Outcome::Record(Dropped(cause.clone()))
        }

        _ => Outcome::Ignore(Ignored::NotExpected),
    }
}

fn drop(root: Option<Root>, cause: &Cause) -> Outcome<TargetState> {
    Outcome::Record(TargetState::Dropping(Dropping { root, cause: cause.clone() }))
}

fn heard(record: &TargetRecord, message: &Message) -> Outcome<TargetState> {
    use TargetState::*;
    if let Err(ignored) = key_of(&record.head, message) {
        return Outcome::Ignore(ignored);
    }
    match (&record.state, message) {
        (Prepared(root), Message::Commit(commit)) => {
            if commit.root != *root {
                Outcome::Ignore(Ignored::OtherRoot)
            } else if commit.epoch_to != record.head.epoch_to {
                Outcome::Ignore(Ignored::OtherEpoch)
            } else {
                let (handover, stamp) = (commit.handover.clone(), commit.stamp.clone());
                Outcome::Record(Activating(self::Activating { root: *root, handover, stamp }))
            }
        }
        (Receiving | Importing(_) | Imported(_) | Staging(_), Message::Abort(end)) => drop(None, &end.cause),
        (Prepared(root), Message::Abort(end)) => drop(Some(*root), &end.cause),
        (Staging(self::Staging { root, .. }) | Prepared(root), Message::Seal(seal)) if seal.root == *root => {
            reply(record)
        }
        (Staging(_) | Prepared(_), Message::Seal(_)) => Outcome::Ignore(Ignored::OtherRoot),
        // The seal of this migration: what it names is to be completed.
        (Receiving | Importing(_) | Imported(_), Message::Offer(_) | Message::Seal(_))
        | (Staging(_), Message::Offer(_)) => reply(record),
        (Active(_) | Seized(_), Message::Commit(_)) => reply(record),
        (Dropped(_), Message::Offer(_) | Message::Seal(_) | Message::Commit(_)) => reply(record),
        _ => Outcome::Ignore(Ignored::NotExpected),
    }
}

fn reply(record: &TargetRecord) -> Outcome<TargetState> {
    says(record).map_or(Outcome::Ignore(Ignored::NotExpected), Outcome::Reply)
}
