//! Starts the engine: recovery from the journal, and the tasks that run as long as the agent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::record::{Orders, Precopy};
use modelferry_protocol::switch::Terms;
use tokio::sync::mpsc;

use super::{claims, connection as serve, identity};
use crate::engine::base::error::EngineError;
use crate::engine::migration::tracking::history::History;
use crate::engine::precopy::start as precopy;
use crate::engine::shared::core::{Core, EngineParts};
use crate::engine::shared::engine::Engine;
use crate::engine::{retention, switchover};
use crate::link::NewSession;

/// How often progress is shown while bytes move.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);

impl Engine {
    /// Starts it: unfinished migrations go on from their last durable record, and peers are listened to.
    ///
    /// Errors: [`EngineError::Journal`] if the journal cannot be read.
    pub async fn start(parts: EngineParts, sessions: mpsc::Receiver<NewSession>) -> Result<Self, EngineError> {
        let core = Arc::new(Core::new(parts));
        if let Some(relayed) = &core.parts.relayed {
            relayed.destinations.load(core.parts.link.peers().into_iter().map(|peer| peer.pin));
        }
        // Before anything goes on: what was found once holds, whether that peer can be reached or not.
        if let Some(halted) = core.parts.journal.ledger(|ledger| ledger.halted().cloned()) {
            core.halt(halted.text.into_string());
        }
        recover(&core).await?;
        switchover::conflict::resume(&core);
        tokio::spawn(claims::keep_witness(core.clone()));
        tokio::spawn(identity::follow(core.clone()));
        tokio::spawn(listen(core.clone(), sessions));
        tokio::spawn(publish(core.clone()));
        tokio::spawn(Self(core.clone()).keep_learning());
        tokio::spawn(retention::tend(core.clone()));
        Ok(Self(core))
    }
}

/// Follows every migration and every pre-copy in the journal, and lets the unfinished ones go on.
async fn recover(core: &Arc<Core>) -> Result<(), EngineError> {
    let journal = core.parts.journal.clone();
    let entries = Core::blocking(move || journal.entries(None)).await?;
    let mut histories: BTreeMap<MigrationId, History> = BTreeMap::new();
    for (_, entry) in &entries {
        if let Some(mid) = entry.body.mid() {
            histories.entry(mid).or_default().apply(entry);
        }
    }
    let mut known: Vec<(Terms, LastRecord, Orders)> = core.parts.journal.ledger(|ledger| {
        let with_terms = |(mid, last): (MigrationId, &LastRecord)| {
            Some((ledger.terms(mid)?.clone(), last.clone(), ledger.orders(mid)))
        };
        ledger.last_records().filter_map(with_terms).collect()
    });
    // In the order in which they began: that is the order of the queue.
    known.sort_by_key(|(terms, ..)| histories.get(&terms.mid).map_or(0, |history| history.started_ms));
    for (terms, last, orders) in known {
        let history = histories.remove(&terms.mid).unwrap_or_default();
        let tracked = core.track(terms, last.peer(), last.clone(), history);
        tracked.set_orders(orders);
        switchover::resume(core, tracked, last);
    }
    let mut precopies: Vec<(Precopy, Orders)> = core
        .parts
        .journal
        .ledger(|ledger| ledger.precopies().map(|precopy| (precopy.clone(), ledger.orders(precopy.mid))).collect());
    precopies.sort_by_key(|(precopy, _)| histories.get(&precopy.mid).map_or(0, |history| history.started_ms));
    for (precopy, orders) in precopies {
        precopy::follow(core, &precopy, orders, histories.remove(&precopy.mid).unwrap_or_default());
    }
    core.all_tracked().iter().for_each(|tracked| tracked.counted_from(crate::clock::now_ms()));
    Ok(())
}

async fn listen(core: Arc<Core>, mut sessions: mpsc::Receiver<NewSession>) {
    while let Some(new) = sessions.recv().await {
        tokio::spawn(serve::serve_session(core.clone(), new));
    }
}

async fn publish(core: Arc<Core>) {
    let mut tick = tokio::time::interval(PUBLISH_INTERVAL);
    loop {
        tick.tick().await;
        for tracked in core.all_tracked().iter().filter(|tracked| tracked.mailbox().is_some()) {
            tracked.publish_under(core.parts.link.paused(tracked.peer).map(|pause| pause.to_string()));
        }
    }
}
