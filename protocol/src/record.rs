//! What a journal holds: the two machines' records, and the facts that people ask for.

use crate::codec::{Bounded, Decode, Encode, wire_enum};
use crate::ids::{Epoch, MigrationId, ModelUuid, Pin};
use crate::limits::TOMBSTONES_MAX;
use crate::message::ControllerCard;
use crate::snapshot::Name;
use crate::switch::source::SourceRecord;
use crate::switch::target::TargetRecord;
use crate::switch::{Cause, Terms};

/// A remark about a migration that decides nothing: who asked for what, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Note {
    /// The migration.
    pub mid: MigrationId,
    /// What happened.
    pub text: Cause,
}

/// The target's controller as its agent described it last, where that differs from the migration's [`Terms`]: the agent was
/// configured anew meanwhile. Written by the source before it sends the model's users there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Destination {
    /// The migration.
    pub mid: MigrationId,
    /// The controller.
    pub controller: ControllerCard,
}

/// A model was live on both sides, and is frozen here: a signature proves that the owner on the other side is the later one, or an
/// operator has chosen the copy there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Conflict {
    /// The model.
    pub model: ModelUuid,
    /// The agent on the other side.
    pub peer: Pin,
    /// The epoch here.
    pub epoch: Epoch,
    /// The epoch there.
    pub peer_epoch: Epoch,
    /// Why the copy here gives way: the proof of the other side, or an operator's choice.
    pub cause: Cause,
}

/// The copy of a model that had lost a conflict was deleted here.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Discarded {
    /// The model.
    pub model: ModelUuid,
    /// The agent that has it.
    pub peer: Pin,
    /// Why, in the operator's words.
    pub cause: Cause,
}

wire_enum! {
    /// What an alarm is about. Of one kind about one peer the last alarm holds.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum AlarmKind {
        /// The peer has another journal than before.
        0x01 = Journal,
        /// The peer has found its journal to have been set back.
        0x02 = SetBack,
        /// Two agents use one identity. The link to the peer is held back until the alarm is acknowledged.
        0x03 = Identity,
        /// This model is in service here, and the peer claims to serve it as well; nothing proves that the copy here has to give way.
        0x04 = Conflict(ModelUuid),
        /// The peer has met another agent with this agent's identity.
        0x05 = Cloned,
        /// `witness.toml` is missing: what each peer has shown of its journal is forgotten. About this agent itself.
        0x06 = Witness,
        /// The peer says of this agent's journal, or of its own, what no signature proves. What it says is not acted on.
        0x07 = Unproven,
    }
}

/// Something that an operator should know about a peer. It stands until it is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Alarm {
    /// The peer.
    pub peer: Pin,
    /// What it is about.
    pub kind: AlarmKind,
    /// What it is, in words.
    pub text: Cause,
}

/// An operator has seen the alarms about a peer, and their causes are gone.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Acknowledged {
    /// The peer.
    pub peer: Pin,
    /// Who says so, and why.
    pub cause: Cause,
}

/// An operator has put a model into service here that no migration brought: out of a backup, or because this copy of it
/// is to win over every other. Who does so asserts that no other copy is in service, or that every other one is to lose.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Restored {
    /// The model.
    pub model: ModelUuid,
    /// The epoch at which it is owned here from now on.
    pub epoch: Epoch,
    /// Who asserted it, and why.
    pub cause: Cause,
}

/// An operator has removed a model that was in service here. No epoch changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Removed {
    /// The model.
    pub model: ModelUuid,
    /// Who removed it.
    pub cause: Cause,
}

/// An operator has imported a model from its files that was [`Removed`] here before. No epoch changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Reimported {
    /// The model.
    pub model: ModelUuid,
    /// Who imported it.
    pub cause: Cause,
}

/// A peer has seen more of this journal than there is: it was set back. Nothing is decided by it any more.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Halted {
    /// The peer that has seen more.
    pub peer: Pin,
    /// The last sequence number that it has seen.
    pub seen: u64,
    /// What an operator should know.
    pub text: Cause,
}

/// The controller's CA has signed a certificate for the gateway of another agent: who shows it poses as this controller.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Signed {
    /// SHA-256 of the certificate, as people compare it.
    pub certificate: Name,
    /// The same of the CA.
    pub ca: Name,
    /// Until when it holds, Unix seconds.
    pub until_s: u64,
}

/// Migrations that were offered to this agent and came to nothing before it voted. They stand for all their records, which the
/// journal holds no more: such an id is never accepted again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Tombstones {
    /// The migrations.
    pub mids: Bounded<MigrationId, TOMBSTONES_MAX>,
}

wire_enum! {
    /// When a migration may freeze its model.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum When {
        /// As soon as the binaries have travelled ahead.
        #[default]
        0x01 = Ready,
        /// At a moment, Unix milliseconds; not before.
        0x02 = At(u64),
        /// When somebody asks for it; not before.
        0x03 = Held,
    }
}

/// Who has paused a migration, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Pause {
    /// Who asked for it.
    pub by: Name,
    /// Unix milliseconds.
    pub since_ms: u64,
}

/// What operators want of a migration as long as its model is live. Of a migration's orders the last hold.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Orders {
    /// The migration.
    pub mid: MigrationId,
    /// When the model may be frozen.
    pub freeze: When,
    /// Unix milliseconds after which it is not frozen any more, and the migration given up.
    pub until_ms: Option<u64>,
    /// Bits per second that may be sent for it; any amount without.
    pub bits_per_second_max: Option<u64>,
    /// Whether nothing is sent for it.
    pub paused: Option<Pause>,
}

impl Orders {
    /// Returns the orders of a migration that was given none.
    pub fn none(mid: MigrationId) -> Self {
        Self { mid, freeze: When::Ready, until_ms: None, bits_per_second_max: None, paused: None }
    }
}

/// The migration that goes on with what a pre-copy has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Adoption {
    /// The migration.
    pub mid: MigrationId,
    /// Which attempt to migrate the model it is.
    pub attempt: u32,
}

wire_enum! {
    /// How a pre-copy stands.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum PrecopyState {
        /// Its bytes travel, or wait until they can.
        0x01 = Copying,
        /// The peer holds all of them, so many, as the model was when the last connection began.
        0x02 = Copied(u64),
        /// A migration of the model to the same peer has begun.
        0x03 = Adopted(Adoption),
        /// An operator has given it up.
        0x04 = Aborted(Cause),
        /// It cannot be done.
        0x05 = Failed(Cause),
    }
}

/// A copy of a live model's bytes to the peer that it may go to one day. It reserves nothing and owns nothing: no step
/// of any migration depends on it. Of a pre-copy's records the last holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Precopy {
    /// Names it; a migration's never does.
    pub mid: MigrationId,
    /// The model.
    pub model: ModelUuid,
    /// Counts the pre-copies of this model, from 0.
    pub number: u32,
    /// The model's name.
    pub name: Name,
    /// The model's owner.
    pub owner: Name,
    /// The agent on the other side.
    pub peer: Pin,
    /// What that agent is called here.
    pub peer_name: Name,
    /// The name of the controller beside it.
    pub controller: Name,
    /// How it stands.
    pub state: PrecopyState,
}

impl Precopy {
    /// Returns the record that follows.
    pub fn with(&self, state: PrecopyState) -> Self {
        Self { state, ..self.clone() }
    }

    /// Reports whether it has ended, one way or the other.
    pub fn is_at_rest(&self) -> bool {
        self.state != PrecopyState::Copying
    }
}

wire_enum! {
    /// The content of a journal record.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Body {
        /// A step of a migration of which this agent is the source.
        0x01 = Source(SourceRecord),
        /// A step of a migration of which this agent is the target.
        0x02 = Target(TargetRecord),
        /// The facts of a migration, written before its first step.
        0x03 = Terms(Terms),
        /// A remark.
        0x04 = Note(Note),
        /// Two owners were met.
        0x05 = Conflict(Conflict),
        /// An alarm.
        0x06 = Alarm(Alarm),
        /// What operators want of a migration while its model is live.
        0x07 = Orders(Orders),
        /// A conflict was ended.
        0x08 = Discarded(Discarded),
        /// A step of a pre-copy that this agent sends.
        0x09 = Precopy(Precopy),
        /// The alarms about a peer were acknowledged.
        0x0a = Acknowledged(Acknowledged),
        /// A model was put into service that no migration brought.
        0x0b = Restored(Restored),
        /// This journal was set back.
        0x0c = Halted(Halted),
        /// A certificate was signed for a gateway.
        0x0d = Signed(Signed),
        /// A model was removed by hand.
        0x0e = Removed(Removed),
        /// A model that was removed by hand was imported again.
        0x0f = Reimported(Reimported),
        /// The target's controller describes itself in another way than before.
        0x10 = Destination(Destination),
        /// Offers that came to nothing, and of which nothing else is kept.
        0x11 = Tombstones(Tombstones),
    }
}

impl Body {
    /// Returns the migration, or the pre-copy, that the record is about, if it is about one.
    pub fn mid(&self) -> Option<MigrationId> {
        match self {
            Self::Source(record) => Some(record.head.mid),
            Self::Target(record) => Some(record.head.mid),
            Self::Terms(terms) => Some(terms.mid),
            Self::Note(note) => Some(note.mid),
            Self::Orders(orders) => Some(orders.mid),
            Self::Precopy(precopy) => Some(precopy.mid),
            Self::Destination(destination) => Some(destination.mid),
            Self::Conflict(_) | Self::Alarm(_) | Self::Discarded(_) => None,
            Self::Acknowledged(_) | Self::Restored(_) | Self::Halted(_) | Self::Signed(_) => None,
            Self::Removed(_) | Self::Reimported(_) | Self::Tombstones(_) => None,
        }
    }
}

/// A journal record: what happened, when, and at whose wish.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Unix milliseconds. Nothing is decided by it.
    pub time_ms: u64,
    /// Who asked for it: `uid 0`, `peer`, `agent`.
    pub actor: Name,
    /// What happened.
    pub body: Body,
}
