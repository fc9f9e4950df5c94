//! One migration: transfer, switchover, recovery, progress. And all of them together.

mod base;
mod migration;
mod peer;
mod plan;
mod precopy;
mod relay;
pub mod retention;
mod switchover;
mod transfer;
pub mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::ledger::Standing;
use modelferry_protocol::plan::{Answer, Question};
pub use modelferry_protocol::record::When;
use modelferry_protocol::record::{Body, Orders, Precopy};
use modelferry_protocol::switch::source::{SourceRecord, SourceState};
use modelferry_protocol::switch::{Cause, Head, Profile, Terms};
use tokio::sync::{mpsc, oneshot, watch};

use self::base::core::{Core, entry};
pub use self::base::core::{EngineParts, QueryHandler};
pub use self::base::error::{EngineError, ErrorKind, causes};
pub use self::base::in_hand::Held;
pub use self::base::settings::{Process, Settings};
pub use self::base::{failpoint, packed};
use self::migration::history::History;
pub use self::migration::options::MigrateOptions;
use self::migration::tracked::{Event, Tracked, id_of};
pub use self::migration::{orders, status_text};
pub use self::peer::reach::PEER_WITHIN;
use self::peer::reach::Reach;
use self::peer::{claims, dispatch, identity, ownership};
pub use self::plan::verify::HandedOver;
pub use self::retention as stock;
use self::retention::remote_backup;
use self::switchover::gateway::{self, Asked};
pub use self::switchover::redo;
pub use self::switchover::resolve::Resolution;
use self::switchover::resolve::SETTLE_WITHIN;
use self::switchover::source::SourceTask;
use self::view::{FindingView, KeptView, MigrationView, PlanView, TotalsView};
use crate::config::Rate;
use crate::link::NewSession;

/// How often progress is shown while bytes move.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);

/// Carries models to and from the controller beside this agent.
#[derive(Clone)]
pub struct Engine(Arc<Core>);

impl Engine {
    /// Starts it: unfinished migrations go on from their last durable record, and peers are listened to.
    ///
    /// Errors: [`EngineError::Journal`] if the journal cannot be read.
    pub async fn start(parts: EngineParts, sessions: mpsc::Receiver<NewSession>) -> Result<Self, EngineError> {
        let core = Arc::new(Core::new(parts));
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
        tokio::spawn(retention::tend(core.clone()));
        Ok(Self(core))
    }

    /// Asks both controllers for everything that would stop a migration. Changes nothing.
    ///
    /// Errors: [`EngineError`] if one of them cannot be asked.
    pub async fn plan(&self, model: ModelUuid, peer: &str) -> Result<PlanView, EngineError> {
        self.refuse_if_held_for_good(model).await?;
        let mut reach = self.reach(peer).await?;
        loop {
            match reach.hear(plan::plan(&self.0, &reach.conversation, model, peer)).await {
                Err(EngineError::Unanswered(closed)) => reach.again(closed).await?,
                planned => return planned,
            }
        }
    }

    /// Asks what models have together, and what of it is with the peer already. Changes nothing.
    ///
    /// Errors: as [`Engine::plan`].
    pub async fn totals(&self, models: &[ModelUuid], peer: &str) -> Result<TotalsView, EngineError> {
        let mut reach = self.reach(peer).await?;
        loop {
            match reach.hear(plan::totals(&self.0, &reach.conversation, models)).await {
                Err(EngineError::Unanswered(closed)) => reach.again(closed).await?,
                told => return told,
            }
        }
    }

    /// Lets a peer keep a copy of a live model, until it is removed there. The model goes on meanwhile.
    ///
    /// Errors: [`EngineError`] if the peer cannot be asked, or does not keep it.
    pub async fn keep(&self, model: ModelUuid, peer: &str) -> Result<KeptView, EngineError> {
        let reach = self.reach(peer).await?;
        reach.lives().await?;
        let Reach { peer, conversation, .. } = reach;
        remote_backup::keep(&self.0, &peer, conversation, model).await
    }

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
        self.refuse_if_held_for_good(model).await?;
        let mut reach = self.reach(peer).await?;
        let facts = core.parts.reader.examine(model, None).await?.facts;
        let judgement = loop {
            match reach.hear(plan::judge(core, &reach.conversation, model, None)).await {
                Err(EngineError::Unanswered(closed)) => reach.again(closed).await?,
                found => break found?,
            }
        };
        let Reach { peer, conversation, .. } = reach;
        let knowledge = judgement.knowledge;
        let failed: Vec<_> = judgement.findings.into_iter().filter(FindingView::is_failure).collect();
        if !failed.is_empty() {
            return Err(EngineError::Prechecks(failed));
        }
        let journal = core.parts.journal.clone();
        Core::blocking(move || journal.ensure_reserve()).await?;

        let (mid, journal_id) = (MigrationId(*uuid::Uuid::new_v4().as_bytes()), core.parts.journal.id());
        let mut terms = Terms {
            mid,
            model,
            attempt: 0,
            name: facts.name,
            owner: facts.owner,
            peer: Text::cut(&peer.name),
            controller: conversation.session.hello().controller.clone(),
            freeze_ms_max: u64::try_from(options.freeze_max.as_millis()).unwrap_or(u64::MAX),
            skip_log: options.skip_log,
            reap_hold_ms: u64::try_from(options.reap_hold.as_millis()).unwrap_or(u64::MAX),
        };
        let (decided, begun) = oneshot::channel();
        let actor = actor.to_owned();
        let orders = Orders {
            freeze: options.freeze,
            until_ms: options.until_ms,
            bits_per_second_max: options.bwlimit.map(Rate::bits),
            ..Orders::none(mid)
        };
        let given = orders.clone();
        let in_hand = core.in_hand.clone();
        core.fail_at(peer.pin, "source", "Offered", "before");
        let own = core.parts.link.pin();
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
            let head = Head { mid, model, epoch_to, peer: peer.pin, journal: journal_id, profile: Profile::Embedded };
            let record = SourceRecord { head, state: SourceState::Offered };
            let mut entries =
                vec![entry(&actor, Body::Terms(terms.clone())), entry(&actor, Body::Source(record.clone()))];
            if orders != Orders::none(mid) {
                entries.insert(1, entry(&actor, Body::Orders(orders)));
            }
            let evidence = ownership::evidence(ledger, mid, model, &terms.peer, &knowledge);
            entries.splice(1..1, evidence.map(|body| entry("peer", body)));
            let mut history = History::default();
            entries.iter().for_each(|entry| history.apply(entry));
            // In the same step, so that the two never send the same bytes side by side, also after a crash.
            let adopted = precopy::adopt(ledger, &terms, peer.pin);
            entries.extend(adopted.clone());
            let _ = decided.send((terms, record, history, adopted));
            Ok(entries)
        })
        .await?;
        core.fail_at(peer.pin, "source", "Offered", "after");
        let (terms, record, history, adopted) = begun.await.expect("sent before the entries were made durable");
        adopted.iter().for_each(|adopted| precopy::ended(core, adopted));
        let tracked = core.track(terms, record.head.peer, Standing::Source(record.clone()), history);
        tracked.set_orders(given);
        let view = tracked.view();
        tokio::spawn(SourceTask::new(core.clone(), tracked, record).run());
        Ok(view)
    }

    /// Ends a pre-copy, or a migration before its commit point; the model is live again when this returns, or soon after.
    ///
    /// Errors: [`EngineError::TooLate`] after the commit point, [`EngineError::Ended`] at rest.
    pub async fn abort(&self, mid: MigrationId, actor: &str) -> Result<MigrationView, EngineError> {
        self.refuse_if_halted()?;
        let tracked = self.tracked(mid)?;
        let ended = || self.ended(&tracked, Asked::Abort);
        let mailbox = tracked.mailbox().ok_or_else(ended)?;
        let (reply, answer) = oneshot::channel();
        let cause = Cause::cut(format!("aborted by operator ({actor})"));
        let event = Event::Abort { cause, actor: actor.to_owned(), reply };
        mailbox.send(event).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())??;
        Ok(tracked.view())
    }

    /// Deletes the source's copy of a model that has moved now: ends a hold, or tries again at once what failed.
    /// Returns the migration as it is once that is done, or after a while.
    ///
    /// `skip_log`: whether what is left of the log is given up.
    /// Errors: [`EngineError::Unresolvable`] before the target has the model, and while its log follows it;
    /// [`EngineError::Ended`] at rest.
    pub async fn reap(&self, mid: MigrationId, skip_log: bool, actor: &str) -> Result<MigrationView, EngineError> {
        self.refuse_if_halted()?;
        let tracked = self.tracked(mid)?;
        let ended = || self.ended(&tracked, Asked::Reap);
        let mailbox = tracked.mailbox().ok_or_else(ended)?;
        let (reply, answer) = oneshot::channel();
        mailbox.send(Event::Reap { skip_log, actor: actor.to_owned(), reply }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())??;
        let mut changes = tracked.watch();
        let settled = changes.wait_for(|view| view.ended_ms.is_some() || view.is_reap_failing());
        let _ = tokio::time::timeout(SETTLE_WITHIN, settled).await;
        Ok(tracked.view())
    }

    /// Returns every migration this agent knows, and every pre-copy from here, newest first.
    pub fn migrations(&self) -> Vec<MigrationView> {
        let mut views: Vec<_> = self.0.all_tracked().iter().map(|tracked| tracked.view()).collect();
        views.sort_by_key(|view| std::cmp::Reverse(view.started_ms));
        views
    }

    /// Returns a migration, or a pre-copy.
    pub fn migration(&self, mid: MigrationId) -> Option<MigrationView> {
        self.0.tracked(mid).map(|tracked| tracked.view())
    }

    /// Lets a migration's changes be watched.
    pub fn watch(&self, mid: MigrationId) -> Option<watch::Receiver<MigrationView>> {
        self.0.tracked(mid).map(|tracked| tracked.watch())
    }

    /// Asks a peer's control socket something that only reads.
    ///
    /// Errors: [`EngineError`] if the peer cannot be asked, or refuses.
    pub async fn query(&self, peer: &str, json: &str) -> Result<String, EngineError> {
        let mut reach = self.reach(peer).await?;
        let failed = |text: String| EngineError::Peer { peer: peer.to_owned(), text };
        let question = Text::new(json).map_err(|error| failed(format!("the question is too long: {error}")))?;
        let answer = loop {
            let asking = async { Ok(reach.conversation.ask(Question::Query(question.clone())).await?) };
            match reach.hear(asking).await {
                Err(EngineError::Unanswered(closed)) => reach.again(closed).await?,
                answered => break answered?,
            }
        };
        match answer {
            Answer::Json(bytes) => {
                let text = Core::blocking(move || packed::unpack(&bytes)).await;
                text.map_err(|error| {
                    tracing::error!(peer, "an answer cannot be read: {error}");
                    failed("its answer cannot be read; run the same version of modelferry on both hosts".to_owned())
                })
            }
            Answer::Failed(text) => Err(failed(text.into_string())),
            _ => Err(failed("it answered another question".into())),
        }
    }

    fn tracked(&self, mid: MigrationId) -> Result<Arc<Tracked>, EngineError> {
        self.0.tracked(mid).ok_or_else(|| EngineError::UnknownMigration(mid.to_string()))
    }

    /// Returns why a migration that has ended does not do what an operator asks.
    fn ended(&self, tracked: &Tracked, asked: Asked) -> EngineError {
        let id = tracked.id();
        let standing = self.0.parts.journal.ledger(|ledger| ledger.standing(tracked.terms.mid).cloned());
        let relayed = match &standing {
            Some(Standing::Source(record)) => gateway::refusal(record, asked, &id),
            Some(Standing::Target(_)) | None => None,
        };
        relayed.unwrap_or_else(|| EngineError::Ended { id, state: tracked.view().state })
    }

    fn refuse_if_halted(&self) -> Result<(), EngineError> {
        self.0.halted().map_or(Ok(()), |why| Err(EngineError::Halted(why)))
    }

    /// Refuses what concerns a model that is held here and that no migration will ever put back into service.
    async fn refuse_if_held_for_good(&self, model: ModelUuid) -> Result<(), EngineError> {
        self.held_for_good(model).await.map_or(Ok(()), Err)
    }

    fn refuse_if_busy(&self, model: ModelUuid) -> Result<(), EngineError> {
        let busy = self.0.parts.journal.ledger(|ledger| {
            let mid = ledger.busy(model)?;
            Some((mid, ledger.standing(mid).cloned()))
        });
        let Some((mid, standing)) = busy else { return Ok(()) };
        let Some(tracked) = self.0.tracked(mid) else { return Ok(()) };
        let id = id_of(&tracked.terms);
        if let Some(Standing::Source(record)) = standing
            && let Some(error) = gateway::refusal(&record, Asked::Steer, &id)
        {
            return Err(error);
        }
        Err(EngineError::Busy { model: tracked.terms.name.to_string(), id })
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
    let mut known: Vec<(Terms, Standing, Orders)> = core.parts.journal.ledger(|ledger| {
        let with_terms = |(mid, standing): (MigrationId, &Standing)| {
            Some((ledger.terms(mid)?.clone(), standing.clone(), ledger.orders(mid)))
        };
        ledger.standings().filter_map(with_terms).collect()
    });
    // In the order in which they began: that is the order of the queue.
    known.sort_by_key(|(terms, ..)| histories.get(&terms.mid).map_or(0, |history| history.started_ms));
    for (terms, standing, orders) in known {
        let history = histories.remove(&terms.mid).unwrap_or_default();
        let tracked = core.track(terms, standing.peer(), standing.clone(), history);
        tracked.set_orders(orders);
        switchover::resume(core, tracked, standing);
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
        tokio::spawn(dispatch::converse(core.clone(), new));
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
