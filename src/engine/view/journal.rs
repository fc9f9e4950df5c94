//! Views of the journal and of alarms.

use serde::{Deserialize, Serialize};

/// A record of a migration, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EventView {
    /// The journal's sequence number.
    pub sequence: u64,
    /// Unix milliseconds.
    pub time_ms: u64,
    /// The migration it belongs to.
    pub migration: String,
    /// Who asked for it.
    pub actor: String,
    /// What happened.
    pub text: String,
}

/// Something that an operator should know whatever else happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AlarmView {
    /// A stable word for scripts: `halted`, `conflict`, `peer`.
    pub kind: String,
    /// What it is, and where to read on.
    pub text: String,
}

impl AlarmView {
    pub fn new(kind: &str, text: String) -> Self {
        Self { kind: kind.to_owned(), text }
    }
}

/// A journal that was read again and found whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AuditView {
    /// The journal's id.
    pub journal: String,
    /// Its records, each chained to the one before; the first to the journal's id.
    pub records: u64,
    /// The last record's checksum: it stands for all of them.
    pub last: String,
    /// Migrations that the records are about.
    pub migrations: u64,
    /// Of those, not at rest.
    pub unfinished: u64,
}
