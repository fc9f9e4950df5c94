//! Records of pre-copies and their effects.

use std::sync::Arc;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::record::{Adoption, Body, Entry, PrecopyState};
use modelferry_protocol::switch::{Cause, Terms};

use crate::engine::base::entry::entry;
use crate::engine::migration::mailbox::event::Event;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::migration::tracking::tracked_state::TrackedState;
use crate::engine::shared::core::Core;

/// Counts what a pre-copy has come to: that the peer holds it all is heard, and on record, before the last of its
/// acknowledgements has been looked at.
pub fn come_to(tracked: &Tracked, state: &PrecopyState) {
    if let PrecopyState::Copied(bytes) = state {
        tracked.counters.begin(*bytes);
        tracked.counters.add_held(*bytes);
    }
}

/// Makes the record by which a migration goes on with what a pre-copy of its model to its peer has brought, if one runs.
pub fn adopt(ledger: &Ledger, terms: &Terms, peer: Pin) -> Option<Entry> {
    let precopy = ledger.copying(terms.model, peer)?;
    let by = Adoption { mid: terms.mid, attempt: terms.attempt };
    Some(entry("agent", Body::Precopy(precopy.with(PrecopyState::Adopted(by)))))
}

/// Ends a pre-copy whose last record has been made durable.
pub fn ended(core: &Core, last: &Entry) {
    let Body::Precopy(precopy) = &last.body else { return };
    let Some(tracked) = core.tracked(precopy.mid) else { return };
    come_to(&tracked, &precopy.state);
    tracked.stand(TrackedState::Precopy(precopy.state.clone()), |history| history.apply(last));
    tracing::info!(precopy = %tracked.id(), state = precopy.state.name(), "recorded");
    // Its task hears nothing more, and so it ends.
    tracked.close_mailbox();
}

/// Ends the pre-copies of a model that has moved elsewhere: what they would bring is nobody's to hand over any more. One
/// that misses it learns as much of the controller on its next connection.
pub async fn left(core: &Core, terms: &Terms) {
    let is_of = |tracked: &Arc<Tracked>| tracked.is_precopy() && tracked.terms.model == terms.model;
    for mailbox in core.all_tracked().iter().filter(|tracked| is_of(tracked)).filter_map(|tracked| tracked.mailbox()) {
        let cause = Cause::cut(format!("the model has moved to {}", &*terms.peer));
        // One whose task is about to end needs no telling.
        let _ = mailbox.send(Event::Failed(cause)).await;
    }
}
