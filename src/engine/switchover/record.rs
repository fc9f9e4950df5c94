//! Writes the next record of a migration and reports it to peers.

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::record::Body;
use modelferry_protocol::switch::source::SourceState;

use crate::engine::base::entry::entry;
use crate::engine::migration::id::id_of;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::peer::report;
use crate::engine::precopy::record as precopy;
use crate::engine::shared::core::Core;

/// Makes a migration's next record durable, and shows it.
pub async fn record(core: &Core, tracked: &Tracked, actor: &str, last: LastRecord) {
    let body = match last.clone() {
        LastRecord::Source(record) => Body::Source(record),
        LastRecord::Target(record) => Body::Target(record),
    };
    let entry = entry(actor, body);
    let (side, state) = name_of(&last);
    core.fail_at(tracked.peer, side, state, "before");
    core.append(entry.clone()).await;
    core.fail_at(tracked.peer, side, state, "after");
    tracing::info!(migration = %id_of(&tracked.terms), state, "recorded");
    let has_left = matches!(&last, LastRecord::Source(record) if matches!(record.state, SourceState::Handed(_)));
    let is_settled = has_left || last.is_at_rest();
    tracked.stand(last, |history| history.apply(&entry));
    if has_left {
        precopy::left(core, &tracked.terms).await;
    }
    // Who serves the model has changed for everybody, and somebody else may have a copy of it.
    if is_settled && core.halted().is_none() {
        report::tell_all(core).await;
    } else {
        report::tell(core, tracked.peer).await;
    }
}

/// Returns the side that a record is of, and its state.
fn name_of(last: &LastRecord) -> (&'static str, &'static str) {
    match last {
        LastRecord::Source(record) => ("source", record.state.name()),
        LastRecord::Target(record) => ("target", record.state.name()),
    }
}
