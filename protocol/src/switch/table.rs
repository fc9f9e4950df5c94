//! The transitions of the three machines, as data: what the journal may hold after what.
//!
//! The machines are functions, see [`super::source::on`] and [`super::target::on`]; these tables list every step that they
//! make, and no other. `SPEC.md` has the same tables, `tests/transitions.rs` compares the three, and a journal that holds
//! any other step is refused.

use super::last_record::LastRecord;
use crate::ids::MigrationId;
use crate::migration::Profile;

/// Some transitions with one input and one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Names of the states that it leads from. None: the migration begins with it.
    pub from: &'static [&'static str],
    /// Name of the input, see `SourceInput::name` and `TargetInput::name`.
    pub input: &'static str,
    /// Name of the state that it leads to.
    pub to: &'static str,
}

const fn step(from: &'static [&'static str], input: &'static str, to: &'static str) -> Transition {
    Transition { from, input, to }
}

/// Of a source that decides by itself.
pub const SOURCE_EMBEDDED: &[Transition] = &[
    step(&[], "Begin", "Offered"),
    step(&["Offered"], "Ready", "Freezing"),
    step(&["Freezing"], "FrozenAs", "Frozen"),
    step(&["Frozen"], "Prepared", "Committed"),
    step(&["Offered", "Freezing", "Frozen"], "Dropped", "Aborting"),
    step(&["Offered", "Freezing", "Frozen"], "Refused", "Aborting"),
    step(&["Offered", "Freezing", "Frozen"], "Abort", "Aborting"),
    step(&["Aborting"], "Done", "Aborted"),
    step(&["Committed"], "Activated", "Handed"),
    step(&["Committed"], "Dropped", "Reclaiming"),
    step(&["Committed"], "Seize", "Seizing"),
    step(&["Reclaiming", "Seizing"], "Done", "Reclaimed"),
    step(&["Handed"], "Done", "Reaping"),
    step(&["Reaping"], "Done", "Moved"),
];

/// Of a source beside a Juju controller that decides.
pub const SOURCE_GATEWAY: &[Transition] = &[
    step(&[], "Begin", "Offered"),
    step(&["Offered"], "Ready", "Relaying"),
    step(&["Relaying"], "Sealed", "Relaying"),
    step(&["Relaying"], "Activate", "Answered"),
    step(&["Relaying", "Answered"], "ShownSuccess", "Committed"),
    step(&["Relaying", "Answered"], "ShownAbort", "Aborted"),
    step(&["Offered", "Relaying"], "Dropped", "Aborted"),
    step(&["Offered", "Relaying"], "Refused", "Aborted"),
    step(&["Offered", "Relaying"], "Abort", "Aborted"),
    step(&["Committed"], "Activated", "Handed"),
    step(&["Handed"], "ShownDone", "Moved"),
];

/// Of a target.
pub const TARGET: &[Transition] = &[
    step(&[], "Offer", "Receiving"),
    step(&["Receiving"], "Import", "Importing"),
    step(&["Importing"], "Done", "Imported"),
    step(&["Receiving", "Imported"], "Complete", "Staging"),
    step(&["Imported"], "Complete", "Dropping"),
    step(&["Staging"], "Done", "Prepared"),
    step(&["Receiving", "Importing", "Imported", "Staging", "Prepared"], "Abort", "Dropping"),
    step(&["Receiving", "Importing", "Imported", "Staging"], "Drop", "Dropping"),
    step(&["Prepared"], "Commit", "Activating"),
    step(&["Prepared", "Activating"], "Renounce", "Dropping"),
    step(&["Prepared"], "Seize", "Seizing"),
    step(&["Activating", "Seizing"], "Done", "Live"),
    step(&["Live"], "Adopted", "Active"),
    step(&["Live"], "Adopted", "Seized"),
    step(&["Dropping"], "Discarded", "Dropped"),
    step(&["Dropping"], "FoundLive", "Live"),
    step(&["Dropping"], "FoundLive", "Dropped"),
];

/// Returns the table that the migration of `last` follows.
pub fn of(last: &LastRecord) -> &'static [Transition] {
    match last {
        LastRecord::Source(record) => match record.head.profile {
            Profile::Embedded => SOURCE_EMBEDDED,
            Profile::Gateway => SOURCE_GATEWAY,
        },
        LastRecord::Target(_) => TARGET,
    }
}

/// A record that no step of its machine leads to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalStep {
    /// The two states do not follow one another.
    #[error("migration {mid} cannot go from `{from}` to `{to}`")]
    States {
        /// The migration.
        mid: MigrationId,
        /// Name of the last state.
        from: &'static str,
        /// Name of the state that was to follow.
        to: &'static str,
    },
    /// A migration does not begin so.
    #[error("migration {mid} cannot begin with `{to}`")]
    Beginning {
        /// The migration.
        mid: MigrationId,
        /// Name of the state that was to be the first.
        to: &'static str,
    },
    /// What never changes in a migration is another: its side, model, peer, epoch, journal, or who decides.
    #[error("migration {mid} went from `{from}` to `{to}` of another side, model, epoch, peer, journal or profile")]
    Head {
        /// The migration.
        mid: MigrationId,
        /// Name of the last state.
        from: &'static str,
        /// Name of the state that was to follow.
        to: &'static str,
    },
}

/// Checks that `next` may follow `last`, the last record of the same migration; nothing if it is to be the first.
///
/// Errors: [`IllegalStep`].
pub fn check(last: Option<&LastRecord>, next: &LastRecord) -> Result<(), IllegalStep> {
    let (mid, to) = (next.mid(), next.state_name());
    let Some(last) = last else {
        let begins = |step: &Transition| step.from.is_empty() && step.to == to;
        return if of(next).iter().any(begins) { Ok(()) } else { Err(IllegalStep::Beginning { mid, to }) };
    };
    let from = last.state_name();
    let same_side = matches!(
        (last, next),
        (LastRecord::Source(_), LastRecord::Source(_)) | (LastRecord::Target(_), LastRecord::Target(_))
    );
    if !same_side || last.head() != next.head() {
        return Err(IllegalStep::Head { mid, from, to });
    }
    let leads = |step: &Transition| step.from.contains(&from) && step.to == to;
    if of(next).iter().any(leads) { Ok(()) } else { Err(IllegalStep::States { mid, from, to }) }
}
