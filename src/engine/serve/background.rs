//! Runs what a peer asks in the background, and reports which migrations of others go first.

use std::sync::Arc;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::plan::Question;

use crate::disk::background::{Ahead, Lane};
use crate::engine::base::budget::Work;
use crate::engine::shared::core::Core;

/// Returns the budget of a peer for a kind of work.
pub fn lane(core: &Arc<Core>, peer: Pin, work: Work) -> Arc<Lane> {
    let weak = Arc::downgrade(core);
    core.workload.lane(peer, work, move || weak.upgrade().map_or(Ahead::Nothing, |core| ahead(&core, peer)))
}

/// Returns the kind of work that a question is.
pub fn kind(question: &Question) -> Work {
    match question {
        Question::Query(_) => Work::Query,
        Question::Keep(_)
        | Question::Precopy(_)
        | Question::DryRun(_)
        | Question::Rebuild(_)
        | Question::TakeLog(_) => Work::Staging,
        _ => Work::Question,
    }
}

/// Reports what goes before the work of `peer`: the migrations with others.
fn ahead(core: &Core, peer: Pin) -> Ahead {
    let others = core.all_tracked().into_iter().filter(|tracked| tracked.peer != peer);
    others.map(|tracked| tracked.ahead()).max().unwrap_or(Ahead::Nothing)
}
