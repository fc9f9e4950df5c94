//! The target's machine. In `Prepared` it does nothing by itself, for ever.

use super::{Cause, Head, Ignored, Outcome, Profile, Root};
use crate::codec::{Decode, Encode, wire_enum};
use crate::ids::{Epoch, MigrationId};
use crate::limits::{EPOCH_FORCED_STEP, EPOCH_MAX};
use crate::message::{End, Message, Rooted, Switch, Vote};

/// Why, and what for, an import was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Dropping {
    /// The snapshot, if this side has voted on it: only then may the model be live by this migration.
    pub root: Option<Root>,
    /// Why.
    pub cause: Cause,
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
        0x02 = Staging(Root),
        /// Staged, and promised to be kept until the source decides.
        0x03 = Prepared(Root),
        /// The source has committed; the controller is told to activate.
        0x04 = Activating(Root),
        /// The model is live here. Kept for ever.
        0x05 = Active(Root),
        /// The controller is told to discard what is staged.
        0x06 = Dropping(Dropping),
        /// Nothing is left. A tombstone, kept for ever: this migration is never accepted again.
        0x07 = Dropped(Cause),
        /// The operator takes the model into service without the source's word; the controller is told to activate.
        0x08 = Seizing(Seizure),
        /// The model is live here, by force. Kept for ever.
        0x09 = Seized(Seizure),
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
    /// Import, upload and validate, without going live.
    Stage,
    /// Take the model into service.
    Activate,
    /// Delete the staged copy.
    Discard,
}

/// What happens to a target.
#[derive(Debug, Clone, Copy)]
pub enum TargetInput<'a> {
    /// The source said something.
    Heard(&'a Message),
    /// Every blob of the snapshot with this root is here, proven and durable.
    Complete(Root),
    /// [`TargetCommand::Stage`] or [`TargetCommand::Activate`] is done.
    Done,
    /// [`TargetCommand::Discard`] is done.
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

/// Why an offer was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferRefused {
    /// This migration ended here once; a tombstone stands.
    #[error("migration ended here before: {0}")]
    Tombstone(Cause),
    /// The offer is older than what is known about the model's ownership.
    #[error("offered epoch {offered} is not newer than the known epoch {known} of this model")]
    Epoch {
        /// What was offered.
        offered: Epoch,
        /// The largest that is known to have been owned.
        known: Epoch,
    },
    /// The epoch leaves no room for the ones that must follow it.
    #[error("offered epoch {offered} is beyond the largest, {EPOCH_MAX}")]
    EpochTooLarge {
        /// What was offered.
        offered: Epoch,
    },
    /// Another migration of this model is unfinished here.
    #[error("model is being migrated already, by migration {0}")]
    Busy(MigrationId),
}

impl TargetInput<'_> {
    /// Returns the input's name, as in [`super::table`]: that of a message for one that was heard.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Heard(message) => message.name(),
            Self::Complete(_) => "Complete",
            Self::Done => "Done",
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
            Self::Staging(root) | Self::Prepared(root) | Self::Activating(root) | Self::Active(root) => Some(*root),
            Self::Seizing(seizure) | Self::Seized(seizure) => Some(seizure.root),
            Self::Dropping(dropping) => dropping.root,
            Self::Receiving | Self::Dropped(_) => None,
        }
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
            TargetState::Active(_) => self.head.epoch_to,
            // Should the source come back after all, it is the one that loses.
            TargetState::Seized(_) => self.head.epoch_to.saturating_add(EPOCH_FORCED_STEP),
            _ => 0,
        }
    }
}

/// Returns the command to carry out in the state of `record`, if any.
pub fn next(record: &TargetRecord) -> Option<TargetCommand> {
    match record.state {
        TargetState::Staging(_) => Some(TargetCommand::Stage),
        TargetState::Activating(_) | TargetState::Seizing(_) => Some(TargetCommand::Activate),
        TargetState::Dropping(_) => Some(TargetCommand::Discard),
        TargetState::Receiving
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
    let switch = Switch::of(&record.head);
    match &record.state {
        TargetState::Receiving | TargetState::Staging(_) => Some(Message::Progress(switch)),
        TargetState::Prepared(root) => Some(Message::Prepared(Vote::unsigned(switch, *root))),
        TargetState::Active(root) | TargetState::Seized(Seizure { root, .. }) => {
            Some(Message::Activated(Rooted { switch, root: *root }))
        }
        TargetState::Dropped(cause) => Some(Message::Dropped(End { switch, cause: cause.clone() })),
        TargetState::Activating(_) | TargetState::Seizing(_) | TargetState::Dropping(_) => None,
    }
}

/// Returns what `input` leads to in the state of `record`.
pub fn on(record: &TargetRecord, input: TargetInput<'_>) -> Outcome<TargetState> {
    use TargetState::*;
    let drop =
        |root: Option<Root>, cause: &Cause| Outcome::Record(Dropping(self::Dropping { root, cause: cause.clone() }));
    match (&record.state, input) {
        (_, TargetInput::Heard(message)) => heard(record, message),

        (Receiving, TargetInput::Complete(root)) => Outcome::Record(Staging(root)),
        (Staging(root), TargetInput::Done) => Outcome::Record(Prepared(*root)),
        (Activating(root), TargetInput::Done) => Outcome::Record(Active(*root)),
        (Seizing(seizure), TargetInput::Done) => Outcome::Record(Seized(seizure.clone())),

        (Receiving | Staging(_), TargetInput::Drop(cause)) => drop(None, cause),

        (Prepared(root) | Activating(root), TargetInput::Renounce(cause)) => match record.head.profile {
            Profile::Embedded => drop(Some(*root), cause),
            // A Juju source that has recorded SUCCESS cannot take the model back.
            Profile::Gateway => Outcome::Ignore(Ignored::NotRevocable),
        },

        (Prepared(root), TargetInput::Seize(cause)) => {
            Outcome::Record(Seizing(Seizure { root: *root, cause: cause.clone() }))
        }

        (Dropping(dropping), TargetInput::Discarded) => Outcome::Record(Dropped(dropping.cause.clone())),
        // An activation that was sent before the drop has landed: the model is live, so it is ours.
        (Dropping(self::Dropping { root: Some(root), .. }), TargetInput::FoundLive) => Outcome::Record(Active(*root)),
        // Without a vote nobody can have activated it: what is live here is another's, and nothing of this
        // migration is left.
        (Dropping(self::Dropping { root: None, cause }), TargetInput::FoundLive) => {
            Outcome::Record(Dropped(cause.clone()))
        }

        _ => Outcome::Ignore(Ignored::NotExpected),
    }
}

fn heard(record: &TargetRecord, message: &Message) -> Outcome<TargetState> {
    use TargetState::*;
    let Some(switch) = message.switch() else { return Outcome::Ignore(Ignored::NotExpected) };
    if switch.mid != record.head.mid {
        return Outcome::Ignore(Ignored::OtherMigration);
    }
    if switch.journal != record.head.journal {
        return Outcome::Ignore(Ignored::OtherJournal);
    }
    match (&record.state, message) {
        (Prepared(root), Message::Commit(commit)) => {
            if commit.root != *root {
                Outcome::Ignore(Ignored::OtherRoot)
            } else if commit.epoch_to != record.head.epoch_to {
                Outcome::Ignore(Ignored::OtherEpoch)
            } else {
                Outcome::Record(Activating(*root))
            }
        }
        (Receiving | Staging(_), Message::Abort(end)) => {
            Outcome::Record(Dropping(self::Dropping { root: None, cause: end.cause.clone() }))
        }
        (Prepared(root), Message::Abort(end)) => {
            Outcome::Record(Dropping(self::Dropping { root: Some(*root), cause: end.cause.clone() }))
        }
        (Staging(root) | Prepared(root), Message::Seal(seal)) if seal.root == *root => reply(record),
        (Staging(_) | Prepared(_), Message::Seal(_)) => Outcome::Ignore(Ignored::OtherRoot),
        // The seal of this migration: what it names is to be completed.
        (Receiving, Message::Offer(_) | Message::Seal(_)) | (Staging(_), Message::Offer(_)) => reply(record),
        (Active(_) | Seized(_), Message::Commit(_)) => reply(record),
        (Dropped(_), Message::Offer(_) | Message::Seal(_) | Message::Commit(_)) => reply(record),
        _ => Outcome::Ignore(Ignored::NotExpected),
    }
}

fn reply(record: &TargetRecord) -> Outcome<TargetState> {
    says(record).map_or(Outcome::Ignore(Ignored::NotExpected), Outcome::Reply)
}

/// Returns the first record of a migration that `head` offers; the one that stands, if the same offer was
/// accepted before: an offer that comes late must not take a record back.
///
/// `known`: what this journal holds about the same migration. `epoch_known`: the largest epoch at which
/// this agent knows the model to have been owned. `busy`: another unfinished migration of the model here,
/// in either direction.
/// Errors: [`OfferRefused`].
pub fn accept(
    head: Head,
    known: Option<&TargetRecord>,
    epoch_known: Epoch,
    busy: Option<MigrationId>,
) -> Result<TargetRecord, OfferRefused> {
    match known {
        Some(TargetRecord { state: TargetState::Dropped(cause), .. }) => {
            return Err(OfferRefused::Tombstone(cause.clone()));
        }
        Some(record) if record.head == head => return Ok(record.clone()),
        Some(_) => return Err(OfferRefused::Busy(head.mid)),
        None => {}
    }
    if let Some(mid) = busy.filter(|mid| *mid != head.mid) {
        return Err(OfferRefused::Busy(mid));
    }
    if head.epoch_to <= epoch_known {
        return Err(OfferRefused::Epoch { offered: head.epoch_to, known: epoch_known });
    }
    if head.epoch_to > EPOCH_MAX {
        return Err(OfferRefused::EpochTooLarge { offered: head.epoch_to });
    }
    Ok(TargetRecord { head, state: TargetState::Receiving })
}
