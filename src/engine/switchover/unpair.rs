//! Ends what runs with a peer that is paired no more.

use std::sync::Arc;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::record::{Acknowledged, Body};
use modelferry_protocol::switch::Cause;
use tokio::task::JoinSet;

use super::request::SETTLE_WITHIN;
use crate::engine::base::entry::{entry, of_operator};
use crate::engine::migration::gateway::Asked;
use crate::engine::migration::mailbox::event::Event;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::engine::view::MigrationView;

/// What became of the migrations and pre-copies that had not ended when their peer was unpaired.
#[derive(Debug, Default)]
pub struct Unpaired {
    /// They were given up: nothing had been promised. Their controllers may still have to follow.
    pub ended: Vec<MigrationView>,
    /// They go on, or wait for a proof that is carried by hand: they were decided, or this side has voted.
    pub left: Vec<MigrationView>,
}

impl Engine {
    /// Ends what runs with a peer whose link is cut: its alarms, which nobody could name it for any more, and every
    /// migration and pre-copy that this side has promised nothing about. What this side has promised stays, and its
    /// record keeps the peer's pin, by which a proof is checked.
    ///
    /// Returns within [`SETTLE_WITHIN`], also while a controller hangs: such a migration counts as given up, and is as soon
    /// as its controller has answered.
    pub async fn unpaired(&self, peer: Pin, actor: &str) -> Unpaired {
        let core = &self.0;
        if core.parts.journal.ledger(|ledger| ledger.alarms().any(|alarm| alarm.peer == peer)) {
            let cause = of_operator("the peer was unpaired", "", actor);
            core.append(entry(actor, Body::Acknowledged(Acknowledged { peer, cause }))).await;
        }
        let unfinished = |tracked: &Arc<Tracked>| tracked.peer == peer && !tracked.is_at_rest();
        let mut asked = JoinSet::new();
        for tracked in core.all_tracked().into_iter().filter(unfinished) {
            let (engine, actor) = (self.clone(), actor.to_owned());
            asked.spawn(async move {
                let is_taken = give_up(&engine, &tracked, &actor).await;
                (tracked, is_taken)
            });
        }
        let mut unpaired = Unpaired::default();
        let answered = async {
            while let Some(Ok((tracked, is_taken))) = asked.join_next().await {
                let kind = if is_taken { &mut unpaired.ended } else { &mut unpaired.left };
                kind.push(tracked.view());
            }
        };
        if tokio::time::timeout(SETTLE_WITHIN, answered).await.is_err() {
            // Their requests are in the mailboxes, and are taken when the controller has answered.
            asked.detach_all();
        }
        unpaired
    }
}

/// Asks the task of a migration or a pre-copy to give it up; reports whether it does.
async fn give_up(engine: &Engine, tracked: &Tracked, actor: &str) -> bool {
    let cause = Cause::cut(format!("its peer was unpaired by operator ({actor})"));
    engine.ask(tracked, Asked::Abort, |reply| Event::Abort { cause, actor: actor.to_owned(), reply }).await.is_ok()
}

/// Gives up a migration that a peer began while it was being unpaired: its offer was on its way.
pub fn refuse_unpaired(core: &Core, tracked: &Tracked) {
    if core.parts.link.peer_by_pin(tracked.peer).is_none()
        && let Some(mailbox) = tracked.mailbox()
    {
        // An empty mailbox of a task that has just begun.
        let _ = mailbox.try_send(Event::Failed(Cause::cut("its peer was unpaired")));
    }
}
