//! What a journal holds: the two machines' records, and the facts that people ask for.

use crate::codec::{Decode, Encode, wire_enum};
use crate::ids::{Epoch, MigrationId, ModelUuid, Pin};
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

/// A model was live on both sides, and is frozen here, where its epoch is the smaller one.
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

/// Something that an operator should know about a peer. It decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Alarm {
    /// The peer.
    pub peer: Pin,
    /// What it is.
    pub text: Cause,
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
        /// A conflict was ended.
        0x07 = Discarded(Discarded),
    }
}

impl Body {
    /// Returns the migration that the record is about, if it is about one.
    pub fn mid(&self) -> Option<MigrationId> {
        match self {
            Self::Source(record) => Some(record.head.mid),
            Self::Target(record) => Some(record.head.mid),
            Self::Terms(terms) => Some(terms.mid),
            Self::Note(note) => Some(note.mid),
            Self::Conflict(_) | Self::Alarm(_) | Self::Discarded(_) => None,
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
