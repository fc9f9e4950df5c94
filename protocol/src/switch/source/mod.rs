//! The source's machine. `Committed` is the commit point: the instant its record is durable.

mod embedded;
pub(super) mod state;

pub use self::state::{
    Committed, Freezing, Frozen, Handed, Reclaiming, SourceCommand, SourceInput, SourceRecord, SourceState, next, says,
};
use super::outcome::Outcome;
use super::relay;
use crate::ids::JournalId;
use crate::message::{End, Message, MigrationKey};
use crate::migration::Profile;
use crate::text::Cause;

/// Returns what `input` leads to in the state of `record`, whoever decides about its migration.
pub fn on(record: &SourceRecord, input: SourceInput<'_>) -> Outcome<SourceState> {
    match record.head.profile {
        Profile::Embedded => embedded::on(record, input),
        Profile::Gateway => relay::on(record, input),
    }
}

/// Returns the answer to a target's message about a migration that this journal does not know: presumed
/// abort, but only if it is the very journal that would know.
pub fn answer_unknown(key: MigrationKey, own: JournalId) -> Message {
    if key.journal == own {
        let cause = Cause::cut("the source has no record of this migration, so it was never decided");
        Message::Abort(End { key, cause })
    } else {
        Message::Unknown(key)
    }
}
