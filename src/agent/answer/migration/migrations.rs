//! Handles requests about migrations and pre-copies: precheck, totals, migrate, precopy, order, abort, reap, show, watch. The engine
//! decides; this file resolves names and maps errors.

use std::time::Duration;

use modelferry_protocol::ids::ModelUuid;

use crate::agent::answer::RequestHandler;
use crate::agent::control::{Failure, FailureKind, Order, Response, Schedule};
use crate::agent::socket::server::Client;
use crate::clock::now_ms;
use crate::config::Rate;
use crate::engine::orders::{CUTOVER_WITHIN, Change, local};
use crate::engine::view::{Direction, MigrationView, Stand};
use crate::engine::{EngineError, MigrateOptions, When};

/// Interval at which `watch` sends an unchanged view again: what the client shows as elapsed and remaining time goes on.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);

fn is_at_rest(view: &MigrationView) -> bool {
    view.ended_ms.is_some()
}

fn usage(text: String) -> Failure {
    Failure::new(FailureKind::Usage, text).state("nothing has changed")
}

/// Parses the rate cap of a migration or pre-copy; `None` means no cap.
///
/// `what`: "migration" or "pre-copy", for the error text.
/// Errors: `Usage` for a malformed rate, and for 0, because a transfer that begins paused never ends.
fn cap(rate: Option<&str>, what: &str) -> Result<Option<Rate>, Failure> {
    let rate = rate.map(str::parse::<Rate>).transpose().map_err(|error| usage(error.to_string()))?;
    if rate.is_some_and(Rate::is_pause) {
        let text = format!("a {what} that may send nothing never ends");
        return Err(usage(text).hint("begin it, and then pause it with `modelferry pause ID`"));
    }
    Ok(rate)
}

/// Refuses a deadline (`until_ms`) that is not after the earliest freeze (`begins_ms`).
fn ends_after(until_ms: Option<u64>, begins_ms: u64) -> Result<(), Failure> {
    match until_ms.filter(|until_ms| *until_ms <= begins_ms) {
        None => Ok(()),
        Some(until_ms) => Err(usage(format!(
            "the cutover is to be tried until {}, and that is not after {}",
            local(until_ms),
            local(begins_ms)
        ))),
    }
}

/// Adds the schedule to the options. `--at` and `--hold` exclude each other; `--until` needs one of them. With `--at` alone the
/// deadline is [`CUTOVER_WITHIN`] later.
///
/// Errors: `Usage`.
fn scheduled(schedule: &Schedule, options: MigrateOptions) -> Result<MigrateOptions, Failure> {
    let bwlimit = cap(schedule.bwlimit.as_deref(), "migration")?;
    let freeze = match (schedule.at_ms, schedule.hold) {
        (Some(_), true) => {
            return Err(usage("a migration waits for an hour or for `cutover`, not for both".to_owned()));
        }
        (Some(at_ms), false) => When::At(at_ms),
        (None, true) => When::Held,
        (None, false) if schedule.until_ms.is_some() => {
            return Err(usage(
                "--until needs --at or --hold: without them the model is frozen as soon as its binaries are there"
                    .to_owned(),
            )
            .hint("say --at TIME, or --hold"));
        }
        (None, false) => When::Ready,
    };
    let within = |at_ms: u64| at_ms.saturating_add(CUTOVER_WITHIN.as_millis() as u64);
    let until_ms = schedule.until_ms.or(schedule.at_ms.map(within));
    ends_after(until_ms, schedule.at_ms.unwrap_or(0).max(now_ms()))?;
    Ok(MigrateOptions { freeze, until_ms, bwlimit, ..options })
}

impl RequestHandler {
    /// Finds a model on the controller beside this agent.
    ///
    /// Errors: `Refused` if the name's `controller:` prefix is another agent's; `NotFound`.
    pub(in crate::agent::answer) async fn model_here(&self, named: &str) -> Result<ModelUuid, Failure> {
        let own = self.local.card().name;
        let model = match named.split_once(':') {
            None => named,
            Some((controller, model)) if controller == &*own => model,
            Some((controller, _)) => {
                let message = format!("model {named} is on controller {controller}, and this agent is beside {own}");
                return Err(Failure::new(FailureKind::Refused, message)
                    .state("nothing has changed")
                    .hint(format!("run the command on the host of {controller}'s agent")));
            }
        };
        self.local.find(model).await.map_err(|error| self.refusal_of_controller(&error))
    }

    fn refused(&self, error: EngineError) -> Failure {
        self.refusal_of_engine(&error)
    }

    pub(in crate::agent::answer) async fn precheck(&self, model: &str, peer: &str) -> Result<Response, Failure> {
        let model = self.model_here(model).await?;
        let plan = self.engine()?.plan(model, &self.destination(peer)).await.map_err(|error| self.refused(error))?;
        Ok(Response::Plan(Box::new(plan)))
    }

    /// Returns the total bytes of several models, and how many the peer already holds. A blob that two models share counts once.
    pub(in crate::agent::answer) async fn totals(&self, models: &[String], peer: &str) -> Result<Response, Failure> {
        let mut found = Vec::with_capacity(models.len());
        for model in models {
            found.push(self.model_here(model).await?);
        }
        let peer = self.destination(peer);
        let totals = self.engine()?.totals(&found, &peer).await.map_err(|error| self.refused(error))?;
        Ok(Response::Totals(Box::new(totals)))
    }

    pub(in crate::agent::answer) async fn migrate(
        &self,
        model: &str,
        peer: &str,
        options: MigrateOptions,
        schedule: &Schedule,
        actor: &str,
    ) -> Result<Response, Failure> {
        let model = self.model_here(model).await?;
        let options = scheduled(schedule, options)?;
        let peer = self.destination(peer);
        let begun = self.engine()?.migrate(model, &peer, options, actor).await.map_err(|error| self.refused(error))?;
        Ok(Response::Migration(Box::new(begun)))
    }

    pub(in crate::agent::answer) async fn precopy(
        &self,
        model: &str,
        peer: &str,
        bwlimit: Option<&str>,
        actor: &str,
    ) -> Result<Response, Failure> {
        let model = self.model_here(model).await?;
        let bwlimit = cap(bwlimit, "pre-copy")?;
        let peer = self.destination(peer);
        let begun = self.engine()?.precopy(model, &peer, bwlimit, actor).await.map_err(|error| self.refused(error))?;
        Ok(Response::Migration(Box::new(begun)))
    }

    pub(in crate::agent::answer) async fn abort(&self, id: &str, actor: &str) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let mid = engine.find(id).map_err(|error| self.refused(error))?;
        let aborted = engine.abort(mid, actor).await.map_err(|error| {
            let mut failure = self.refused(error);
            // An abort after the commit is in doubt only until the other side has answered; then it is a plain refusal.
            let undecided = engine.migration(mid).is_some_and(|view| view.stand == Stand::Undecided);
            if failure.kind == FailureKind::InDoubt && !undecided {
                failure.kind = FailureKind::Refused;
            }
            failure
        })?;
        self.refuse_if_lost(&aborted).await?;
        Ok(Response::Migration(Box::new(aborted)))
    }

    /// Returns a failure if the aborted migration's model no longer exists here, so that the client does not report that it stays.
    async fn refuse_if_lost(&self, aborted: &MigrationView) -> Result<(), Failure> {
        if !aborted.moves() || aborted.direction == Direction::Target {
            return Ok(());
        }
        let found = self.model_here(&aborted.model_uuid).await;
        let Some(failure) = found.err().filter(|failure| failure.kind == FailureKind::NotFound) else { return Ok(()) };
        let message =
            format!("migration \"{}\" is given up, and its model is not here: {}", aborted.id, failure.message);
        Err(Failure::new(failure.kind, message)
            .state("the migration did not delete the model; this agent does not know who did")
            .hint("see `modelferry models` and `modelferry backup list`"))
    }

    /// Applies an order (pause, resume, cutover) to an unfinished migration before its model is frozen. Pause and resume also apply to
    /// a pre-copy.
    pub(in crate::agent::answer) async fn order(
        &self,
        id: &str,
        order: Order,
        actor: &str,
    ) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let found = if let Order::Cutover { .. } = order { engine.find_migration(id) } else { engine.find(id) };
        let mid = found.map_err(|error| self.refused(error))?;
        let change = match order {
            Order::Pause {} => Change::Pause,
            Order::Resume {} => Change::Resume,
            Order::Cutover { until_ms } => {
                ends_after(until_ms, now_ms())?;
                Change::Cutover { until_ms }
            }
        };
        let ordered = engine.order(mid, change, actor).await.map_err(|error| self.refused(error))?;
        Ok(Response::Migration(Box::new(ordered)))
    }

    pub(in crate::agent::answer) async fn reap(
        &self,
        id: &str,
        skip_log: bool,
        actor: &str,
    ) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let mid = engine.find_migration(id).map_err(|error| self.refused(error))?;
        let reaped = engine.reap(mid, skip_log, actor).await.map_err(|error| self.refused(error))?;
        Ok(Response::Migration(Box::new(reaped)))
    }

    pub(in crate::agent::answer) async fn show_migration(&self, id: &str) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let mid = engine.find(id).map_err(|error| self.refused(error))?;
        let events = engine.events(mid).await.map_err(|error| self.refused(error))?;
        match engine.migration(mid) {
            Some(migration) => {
                let gateway = engine.gateway_use(mid).await;
                Ok(Response::History { migration: Box::new(migration), events, gateway })
            }
            None => Err(self.refused(EngineError::UnknownMigration(id.to_owned()))),
        }
    }

    /// Sends the client the migration's view on each change, and at least every [`WATCH_INTERVAL`], until the migration has ended.
    pub(in crate::agent::answer) async fn watch(&self, id: &str, client: &mut Client) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let mid = engine.find(id).map_err(|error| self.refused(error))?;
        let unknown = || self.refused(EngineError::UnknownMigration(id.to_owned()));
        let mut changes = engine.watch(mid).ok_or_else(unknown)?;
        loop {
            let view = changes.borrow_and_update().clone();
            if is_at_rest(&view) {
                return Ok(Response::Migration(Box::new(view)));
            }
            if client.update(&Response::Update(Box::new(view))).await.is_err() {
                return Err(Failure::new(FailureKind::Unreachable, "the watcher is gone"));
            }
            // After an interval without a change the same view is sent again.
            if let Ok(Err(_)) = tokio::time::timeout(WATCH_INTERVAL, changes.changed()).await {
                return Err(Failure::new(FailureKind::Unreachable, "the agent stops"));
            }
        }
    }
}
