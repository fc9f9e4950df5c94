//! What a journal holds: the two machines' records, and the facts that people ask for.

use crate::codec::{Decode, Encode, wire_enum};
use crate::ids::MigrationId;
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
    }
}

impl Body {
    /// Returns the migration that the record is about.
    pub fn mid(&self) -> MigrationId {
        match self {
            Self::Source(record) => record.head.mid,
            Self::Target(record) => record.head.mid,
            Self::Terms(terms) => terms.mid,
            Self::Note(note) => note.mid,
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
