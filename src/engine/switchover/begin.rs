//! Begins a migration at its source.

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Knowledge, ModelFacts};
use modelferry_protocol::record::{Body, Entry, Orders};
use modelferry_protocol::switch::source::{SourceRecord, SourceState};
use modelferry_protocol::switch::{Head, Profile, Terms};
use tokio::sync::oneshot;

use super::source::state::SourceTask;
use crate::config::Rate;
use crate::engine::base::entry::entry;
use crate::engine::base::error::EngineError;
use crate::engine::migration::id::id_of;
use crate::engine::migration::mailbox::options::MigrateOptions;
use crate::engine::migration::tracking::history::History;
use crate::engine::peer::ownership;
use crate::engine::peer::reach::Reach;
use crate::engine::plan;
use crate::engine::precopy::record as precopy;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::engine::view::{FindingView, MigrationView};
use crate::link::Peer;

impl Engine {
    /// Begins to migrate a model to the controller beside `peer`, and returns as soon as that is durable.
    ///
    /// Errors: [`EngineError::Prechecks`] if something stands against it; nothing has changed then.
    pub async fn migrate(
        &self,
        model: ModelUuid,
        peer: &str,
        options: MigrateOptions,
        actor: &str,
    ) -> Result<MigrationView, EngineError> {
        let core = &self.0;
        self.refuse_if_halted()?;
        self.refuse_if_busy(model)?;
        if !options.reap_hold.is_zero() && core.profile() == Profile::Gateway {
            return Err(EngineError::Unheld);
        }
        self.refuse_if_held_for_good(model).await?;
        let (peer, knowledge, facts, controller) = self.judged(model, peer).await?;
        let journal = core.parts.journal.clone();
        Core::blocking(move || journal.ensure_reserve()).await?;

        let mid = MigrationId(*uuid::Uuid::new_v4().as_bytes());
        let terms = Terms {
            mid,
            model,
            attempt: 0,
            name: facts.name,
            owner: facts.owner,
            peer: Text::cut(&peer.name),
            controller,
            freeze_ms_max: u64::try_from(options.freeze_max.as_millis()).unwrap_or(u64::MAX),
            skip_log: options.skip_log,
            reap_hold_ms: u64::try_from(options.reap_hold.as_millis()).unwrap_or(u64::MAX),
        };
        let orders = Orders {
            freeze: options.freeze,
            until_ms: options.until_ms,
            bits_per_second_max: options.bwlimit.map(Rate::bits),
            ..Orders::none(mid)
        };
        let given = orders.clone();
        let Begun { terms, record, history, adopted } =
            record_offer(core, terms, orders, peer.pin, knowledge, actor).await?;
        adopted.iter().for_each(|adopted| precopy::ended(core, adopted));
        let tracked = core.track(terms, record.head.peer, LastRecord::Source(record.clone()), history);
        tracked.set_begun_here();
        tracked.set_orders(given);
        let view = tracked.view();
        tokio::spawn(SourceTask::new(core.clone(), tracked, record).run());
        Ok(view)
    }

    /// Asks both controllers whether the model can move, and returns what the begin of a migration needs of the answers.
    ///
    /// Errors: [`EngineError::Prechecks`] if something stands against it.
    async fn judged(
        &self,
        model: ModelUuid,
        peer: &str,
    ) -> Result<(Peer, Knowledge, ModelFacts, ControllerCard), EngineError> {
        let core = &self.0;
        let mut reach = self.reach(peer).await?;
        let facts = core.parts.reader.examine(model, None).await?.facts;
        let judgement = loop {
            match reach.hear(plan::judge(core, &reach.conversation, model, None)).await {
                Err(EngineError::Unanswered(closed)) => reach.again(closed).await?,
                found => break found?,
            }
        };
        let failed: Vec<_> = judgement.findings.into_iter().filter(FindingView::is_failure).collect();
        if !failed.is_empty() {
            return Err(EngineError::Prechecks(failed));
        }
        let Reach { peer, conversation, .. } = reach;
        let controller = conversation.session.hello().controller.clone();
        Ok((peer, judgement.knowledge, facts, controller))
    }
}

/// A migration whose first records are durable.
struct Begun {
    terms: Terms,
    record: SourceRecord,
    history: History,
    /// The last record of the pre-copy that it goes on with.
    adopted: Option<Entry>,
}

/// Makes the first records of a migration durable.
///
/// Errors: [`EngineError::Busy`], [`EngineError::InHand`], [`EngineError::NotOffered`]; nothing has changed then.
async fn record_offer(
    core: &Core,
    mut terms: Terms,
    orders: Orders,
    peer: Pin,
    knowledge: Knowledge,
    actor: &str,
) -> Result<Begun, EngineError> {
    let (mid, model) = (terms.mid, terms.model);
    let (own, journal, in_hand) = (core.parts.link.pin(), core.parts.journal.id(), core.in_hand.clone());
    let profile = core.profile();
    let (decided, begun) = oneshot::channel();
    let actor = actor.to_owned();
    core.fail_at(peer, "source", "Offered", "before");
    core.decide::<EngineError>(move |ledger| {
        if let Some(busy) = ledger.busy(model) {
            let id = ledger.terms(busy).map_or_else(|| busy.to_string(), id_of);
            return Err(EngineError::Busy { model: terms.name.to_string(), id });
        }
        if in_hand.has(model) {
            return Err(EngineError::InHand(model));
        }
        terms.attempt = ownership::attempt(ledger, model, &knowledge);
        let epoch_to = ownership::offer_epoch(ledger, own, model, &knowledge)?;
        let head = Head { mid, model, epoch_to, peer, journal, profile };
        let record = SourceRecord { head, state: SourceState::Offered };
        let mut entries = vec![entry(&actor, Body::Terms(terms.clone())), entry(&actor, Body::Source(record.clone()))];
        if orders != Orders::none(mid) {
            entries.insert(1, entry(&actor, Body::Orders(orders)));
        }
        let evidence = ownership::evidence(ledger, mid, model, &terms.peer, &knowledge);
        entries.splice(1..1, evidence.map(|body| entry("peer", body)));
        let mut history = History::default();
        entries.iter().for_each(|entry| history.apply(entry));
        // In the same step, so that the two never send the same bytes side by side, also after a crash.
        let adopted = precopy::adopt(ledger, &terms, peer);
        entries.extend(adopted.clone());
        let _ = decided.send(Begun { terms, record, history, adopted });
        Ok(entries)
    })
    .await?;
    core.fail_at(peer, "source", "Offered", "after");
    Ok(begun.await.expect("sent before the entries were made durable"))
}
