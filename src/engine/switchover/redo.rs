//! Repeats effects of migrations at the start of the agent, where the controller's database lacks them.
//!
//! The journal says what was promised; a database that was set back must not undo it. Every effect is conditional on its
//! migration, so that one which was performed changes nothing.

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::snapshot::{Arguments, Call};
use modelferry_protocol::switch::source::SourceState;
use modelferry_protocol::switch::target::TargetState;

use crate::controller::inventory::{Inventory, ModelLocation};
use crate::controller::port::{Arrival, ControllerError, Departure, MigrationRef};
use crate::journal::Journal;

/// Reports whether the model must not be in service here: it was frozen for good, or is until the migration ends.
fn is_held(last: &LastRecord) -> bool {
    use SourceState::{Committed, Frozen, Handed, Moved, Reaping};
    let LastRecord::Source(record) = last else { return false };
    matches!(record.state, Frozen(_) | Committed(_) | Handed(_) | Reaping(_) | Moved(_))
}

/// Repeats what the database lacks. What fails is reported by an alarm that compares the two.
pub async fn repeat(journal: &Journal, inventory: &Inventory, controller: &(impl Departure + Arrival)) {
    let at_rest: Vec<(MigrationRef, LastRecord)> = journal.ledger(|ledger| {
        let unknown = ledger.last_records().filter(|(mid, _)| !inventory.ended.contains(mid));
        let told = unknown.filter(|(_, last)| last.is_at_rest() || is_held(last));
        // A model that has come back since, or was restored, has not left.
        let last = told.filter(|(_, last)| !is_held(last) || !ledger.is_live(last.model()));
        last.map(|(mid, last)| (MigrationRef { mid, model: last.model() }, last.clone())).collect()
    });
    for (migration, last) in at_rest {
        let held = inventory.models.get(&migration.model);
        let place = held.map(|held| (held.place, held.mid == Some(migration.mid)));
        let is_sent_on = held.is_some_and(|held| held.is_handed);
        let card = || journal.ledger(|ledger| ledger.terms(migration.mid).map(|terms| terms.controller.clone()));
        let done: Result<(), ControllerError> = match (&last, place) {
            (LastRecord::Source(record), Some((ModelLocation::Frozen, true)))
                if matches!(record.state, SourceState::Aborted(_) | SourceState::Reclaimed(_)) =>
            {
                controller.thaw(migration).await
            }
            (LastRecord::Source(_), Some((ModelLocation::Live, _))) if is_held(&last) => {
                match controller.freeze(migration).await {
                    // The migration's task does so where it has not ended.
                    Ok(()) if last.is_at_rest() => controller.redirect(migration, &card().unwrap_or_default()).await,
                    done => done,
                }
            }
            (LastRecord::Source(_), Some((ModelLocation::Frozen, true)))
                if is_held(&last) && last.is_at_rest() && !is_sent_on =>
            {
                controller.redirect(migration, &card().unwrap_or_default()).await
            }
            (LastRecord::Target(record), Some((ModelLocation::Arriving, true)))
                if matches!(record.state, TargetState::Live(_) | TargetState::Active(_) | TargetState::Seized(_)) =>
            {
                controller.perform(migration, &Call::Activate(Arguments::default())).await.map(drop)
            }
            _ => continue,
        };
        match done {
            Ok(()) => {
                tracing::warn!(mid = %migration.mid, model = %migration.model, "repeated what the database did not know")
            }
            Err(error) => {
                tracing::error!(mid = %migration.mid, model = %migration.model, "cannot repeat a migration's effect: {error}");
            }
        }
    }
}
