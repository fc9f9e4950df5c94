//! What an input leads to.

use crate::message::{Message, MigrationKey};
use crate::migration::Head;

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

/// Returns the key of the migration that a message is about, if it is the one of `head`.
pub(super) fn key_of(head: &Head, message: &Message) -> Result<MigrationKey, Ignored> {
    let key = message.key().ok_or(Ignored::NotExpected)?;
    if key.mid != head.mid {
        return Err(Ignored::OtherMigration);
    }
    if key.journal == head.journal { Ok(key) } else { Err(Ignored::OtherJournal) }
}
