//! The switchover: two machines, one on each side, as pure functions of their last durable record.
//!
//! `next(record)` is the command to carry out, `says(record)` the message to repeat while nothing
//! changes, `on(record, input)` what an input leads to. A crash loses nothing but the input: after it
//! the same functions go on from the same record, so recovery is normal progress.
//!
//! The design, its promises and its invariants: `SPEC.md`, "Switchover".

pub mod message;
mod offer;
pub mod relay;
pub mod source;
pub mod table;
pub mod target;

use crate::call::{Arguments, Params};
use crate::codec::{Decode, Encode, wire_enum};
use crate::ids::{Epoch, Hash, JournalId, MigrationId, ModelUuid, Pin};
use crate::message::Message;
use crate::snapshot::Name;

/// Why something ended, in words for people. The first cause of a migration is never overwritten.
pub type Cause = crate::codec::Text<{ crate::limits::TEXT_BYTES_MAX }>;

wire_enum! {
    /// Who decides on the source side.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Profile {
        /// The source agent: its embedded controller obeys it. The target's vote can be given back.
        0x01 = Embedded,
        /// An unmodified Juju controller: the source agent relays. The target's vote is irrevocable.
        0x02 = Gateway,
    }
}

/// What every record of one migration repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Head {
    /// The migration.
    pub mid: MigrationId,
    /// The model.
    pub model: ModelUuid,
    /// The epoch at which the target will own the model.
    pub epoch_to: Epoch,
    /// The agent on the other side.
    pub peer: Pin,
    /// The *source's* journal: only there does a missing record mean that nothing was decided.
    pub journal: JournalId,
    /// Who decides.
    pub profile: Profile,
}

/// What the source's controller tells the target's when it hands the model over, as it wrote it. Empty where the source
/// has nothing to tell: the target's adapter then makes it of what it knows about the source's controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct Handover {
    /// The arguments of `Activate`.
    pub activate: Arguments,
    /// The parameters of `AdoptResources`. Empty also where the controller's decision was seen before that call came.
    pub adopt: Params,
}

impl Handover {
    /// Makes the handover of the calls' arguments, as far as they are known.
    pub fn of(activate: &Arguments, adopt: Option<&Params>) -> Self {
        Self { activate: activate.clone(), adopt: adopt.cloned().unwrap_or_default() }
    }
}

/// What an input leads to.
#[expect(clippy::large_enum_variant, reason = "one lives at a time, on the stack of whoever asked")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<State> {
    /// This state is to be made durable; nothing derived from it may be said before that.
    Record(State),
    /// This message answers the input; nothing changes.
    Reply(Message),
    /// Nothing changes; to be counted and logged.
    Ignore(Ignored),
}

/// Why an input changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// It is of another migration.
    #[error("of another migration")]
    OtherMigration,
    /// It names another snapshot.
    #[error("of another snapshot")]
    OtherRoot,
    /// It names another epoch.
    #[error("of another epoch")]
    OtherEpoch,
    /// It names another journal than the source's.
    #[error("of another journal")]
    OtherJournal,
    /// It tells what is known already, or asks for what is not due yet.
    #[error("not expected in this state")]
    NotExpected,
    /// The vote is older than the commit allows; it is asked for again.
    #[error("the vote is too old")]
    Stale,
    /// The commit point has passed: an abort comes too late.
    #[error("too late, committed")]
    Committed,
    /// This profile does not allow it.
    #[error("not allowed while a Juju controller decides")]
    NotRevocable,
}

/// The facts about a migration that people ask for, written before its first record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Terms {
    /// The migration.
    pub mid: MigrationId,
    /// The model.
    pub model: ModelUuid,
    /// Counts the attempts to migrate this model, from 0: with the UUID it makes Juju's form of id.
    pub attempt: u32,
    /// The model's name.
    pub name: Name,
    /// The model's owner.
    pub owner: Name,
    /// What this side calls the other agent.
    pub peer: Name,
    /// The other side's controller.
    pub controller: crate::message::ControllerCard,
    /// Milliseconds that the model may stay frozen before the source gives up.
    pub freeze_ms_max: u64,
    /// Whether the model's log is left behind.
    pub skip_log: bool,
    /// Milliseconds for which the source keeps its copy once the target has the model.
    pub reap_hold_ms: u64,
}

/// A root with the migration's other facts left to the head.
pub type Root = Hash;
