//! What stays the same for as long as a migration lasts.

use crate::call::{Arguments, Params};
use crate::card::ControllerCard;
use crate::codec::{Bytes, Decode, Encode, wire_enum};
use crate::ids::{Epoch, Hash, JournalId, MigrationId, ModelUuid, Pin};
use crate::text::Name;

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
    pub controller: ControllerCard,
    /// Milliseconds that the model may stay frozen before the source gives up.
    pub freeze_ms_max: u64,
    /// Whether the model's log is left behind.
    pub skip_log: bool,
    /// Milliseconds for which the source keeps its copy once the target has the model.
    pub reap_hold_ms: u64,
}

/// The source's signature under its commit. With a record's head and root it makes the source's proof of `commit`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct CommitStamp {
    /// When it was decided, Unix milliseconds, as the statement has it that is signed.
    pub time_ms: u64,
    /// Over [`Statement::signed_bytes`](crate::proof::Statement::signed_bytes). Empty until the source has signed.
    pub signature: Signature,
}

/// A root with the migration's other facts left to the head.
pub type Root = Hash;

/// The target's signature under its vote, kept as evidence.
pub type Signature = Bytes<64>;
