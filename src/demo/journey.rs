//! The journey: precheck, its fix, the transfer with its kills, the cut-over.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::control::ask;
use super::kills::{Kill, Moment, Side};
use super::narration::{Narration, Show};
use super::stage::Stage;
use super::users::Users;
use super::{Trouble, kills};
use crate::agent::control::{Request, Response};
use crate::cli::demo::DemoArgs;
use crate::cli::output::byte_count;
use crate::engine::view::{Bytes, MigrationView, Stand, State};

/// How often the migration is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long a migration may make no progress at all before the demo calls it failed.
const STUCK_AFTER: Duration = Duration::from_secs(120);
/// How long the users go on at the destination.
const AFTERMATH: Duration = Duration::from_millis(300);
/// Times that a precheck may name another thing to be fixed.
const FIXES_MAX: usize = 8;

/// What there was to see of the journey.
#[derive(Debug)]
pub(super) struct Journey {
    /// From the order to the end on the source.
    pub(super) took: Duration,
    /// The migration, as the source saw it last.
    pub(super) migration: MigrationView,
    /// Plain bytes of all chunks that were sent, over all lives of the source's agent.
    pub(super) sent: u64,
    /// Bytes that were on the destination before.
    pub(super) reused: u64,
    /// Bytes of the model and its binaries. An agent of the source that was killed once all of them had arrived has none left
    /// to count.
    pub(super) total: u64,
    /// How many agents were killed.
    pub(super) kills: usize,
    /// Whether the source's agent was among them while bytes travelled: what it counted last nobody has seen.
    pub(super) is_uncertain: bool,
}

/// Asks whether the model would arrive, and types what the answer says until it would.
pub(super) async fn precheck(stage: &Stage, narration: &mut Narration<'_>) -> Result<(), Trouble> {
    narration.step("Would it arrive? Nothing is changed by asking");
    let model = &stage.model.name;
    for user in fixable_users(stage).skip(1) {
        stage.dst.run(&["embedded", "user", "add", user]).await?;
    }
    for _ in 0..FIXES_MAX {
        let plan = narration.run(&stage.src, &["precheck", model, "dst"], Show::Errors).await?;
        if plan.status.success() {
            return Ok(());
        }
        // What it prints as the fix is typed as it stands, on the host that it is for.
        let request = Request::Precheck { model: model.clone(), peer: "dst".into() };
        let plan = match ask(&stage.src.socket, &request).await? {
            Response::Plan(plan) => plan,
            other => return Err(Trouble::new(format!("a precheck was answered with {other:?}"))),
        };
        let fix = plan.findings.iter().filter(|finding| finding.is_failure()).map(|finding| &finding.fix);
        // Behind it stands, as a shell passes over it, which host that is.
        let command = |fix: &str| fix.split(" # ").next().unwrap_or_default().to_owned();
        let fix = fix.filter_map(|fix| fix.strip_prefix("modelferry ").map(command)).next();
        let fix =
            fix.ok_or_else(|| Trouble::new("the precheck refuses the model and names no command that mends it"))?;
        narration.run_ok(&stage.dst, &fix.split_whitespace().collect::<Vec<_>>(), Show::All).await?;
    }
    Err(Trouble::new("the precheck is never content"))
}

/// Users that the destination lacks; one is left for the precheck to find.
fn fixable_users(stage: &Stage) -> impl Iterator<Item = &str> {
    let told = &stage.model.told;
    let users = told.users.iter().map(|user| user.name.as_str()).filter(|name| *name != told.owner);
    let (local, external): (Vec<_>, Vec<_>) = users.partition(|name| !name.contains('@'));
    local.into_iter().chain(external)
}

/// Moves the model, kills agents on the way, and follows it to its end.
pub(super) async fn travel(
    stage: &mut Stage,
    args: &DemoArgs,
    users: &Users,
    narration: &mut Narration<'_>,
) -> Result<Journey, Trouble> {
    narration.step("Move it, while a reader and a writer use it 100 times a second, and kill an agent at 40 %");
    let begun_at = Instant::now();
    let model = stage.model.name.clone();
    narration.run_ok(&stage.src, &["migrate", &model, "dst"], Show::All).await?;
    let id = newest(stage).await?;
    let mut watch = Watch::new(kills::plan(args.interrupt, args.seed));
    let migration = loop {
        if let Some(migration) = look(stage, &id).await {
            watch.note(&migration);
            if watch.total == 0 && migration.bytes.total > 0 {
                watch.total = migration.bytes.total;
                narration.begin_transfer(watch.total);
            }
            narration.progress(watch.arrived, migration.bytes.rate);
            if matches!(migration.stand, Stand::Moved | Stand::Reverted) {
                break migration;
            }
            if let Some(kill) = watch.due() {
                perform(kill, stage, &watch, narration).await?;
                if watch.killed == 1 {
                    narration.run(&stage.src, &["status", "-m", &model], Show::First(2)).await?;
                }
            }
        } else if stage.src.has_ended() {
            return Err(Trouble::new("agent src has ended by itself"));
        }
        if watch.changed_at.elapsed() > STUCK_AFTER {
            return Err(Trouble::new(format!("the migration has not moved for {} s", STUCK_AFTER.as_secs())));
        }
        sleep(LOOK_AGAIN).await;
    };
    let took = begun_at.elapsed();
    narration.end_transfer();
    if migration.stand == Stand::Reverted {
        let cause = migration.cause.unwrap_or_default();
        return Err(Trouble::new(format!("the migration was given up, and the model is live on src: {cause}")));
    }
    // The cut-over was quicker than these: they come right after it, and must change nothing either.
    while let Some(kill) = watch.late() {
        perform(kill, stage, &watch, narration).await?;
    }
    // The users go on for a moment, so that there is something to see at the destination.
    let _ = timeout(STUCK_AFTER, async {
        while users.notes().writes_at_destination < 10 {
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
    sleep(AFTERMATH).await;
    let notes = users.notes();
    narration.remark(format_args!(
        "cut over: frozen for {} as its users saw it; reads failed: {}, writes refused: {}",
        notes.freeze_window().map_or("no time".into(), |window| format!("{} ms", window.as_millis())),
        notes.reads_failed,
        notes.writes_refused
    ));
    let (is_uncertain, total) = (watch.reused_before.is_some(), watch.total.max(migration.bytes.total));
    Ok(Journey {
        took,
        sent: watch.sent(),
        reused: watch.reused(),
        total,
        kills: watch.killed,
        is_uncertain,
        migration,
    })
}

async fn newest(stage: &Stage) -> Result<String, Trouble> {
    match ask(&stage.src.socket, &Request::Migrations {}).await? {
        Response::Migrations(migrations) => migrations
            .first()
            .map(|migration| migration.id.clone())
            .ok_or_else(|| Trouble::new("the agent knows of no migration")),
        other => Err(Trouble::new(format!("a list of migrations was answered with {other:?}"))),
    }
}

async fn look(stage: &Stage, id: &str) -> Option<MigrationView> {
    match ask(&stage.src.socket, &Request::ShowMigration { id: id.to_owned() }).await {
        Ok(Response::History { migration, .. }) => Some(*migration),
        _ => None,
    }
}

/// What has been seen of the migration so far.
struct Watch {
    kills: std::collections::VecDeque<Kill>,
    killed: usize,
    total: u64,
    /// What agents of the source counted that have been killed since.
    sent_before: u64,
    reused_before: Option<u64>,
    /// Bytes that have arrived: whatever is being asked and counted anew, they stay there.
    arrived: u64,
    last: Bytes,
    state: Option<State>,
    arrived_at: Option<Instant>,
    changed_at: Instant,
}

impl Watch {
    fn new(kills: Vec<Kill>) -> Self {
        Self {
            kills: kills.into(),
            killed: 0,
            total: 0,
            sent_before: 0,
            reused_before: None,
            arrived: 0,
            last: Bytes::default(),
            state: None,
            arrived_at: None,
            changed_at: Instant::now(),
        }
    }

    fn note(&mut self, migration: &MigrationView) {
        let bytes = migration.bytes;
        // An agent that was killed counts from nothing when it is back.
        if bytes.counted_from_ms != self.last.counted_from_ms {
            self.sent_before += self.last.sent;
            // The new one cannot tell what was there before from what the old one has sent.
            self.reused_before.get_or_insert(self.last.reused);
        }
        self.arrived = self.arrived.max(bytes.held);
        if bytes.held != self.last.held || bytes.sent != self.last.sent || Some(migration.state) != self.state {
            self.changed_at = Instant::now();
        }
        if bytes.total > 0 && self.arrived >= bytes.total {
            self.arrived_at.get_or_insert_with(Instant::now);
        }
        self.last = bytes;
        self.state = Some(migration.state);
    }

    fn sent(&self) -> u64 {
        self.sent_before + self.last.sent
    }

    fn reused(&self) -> u64 {
        self.reused_before.unwrap_or(self.last.reused)
    }

    /// Returns a kill that the end of the migration has overtaken, once.
    fn late(&mut self) -> Option<Kill> {
        let kill = self.kills.pop_front()?;
        self.killed += 1;
        Some(kill)
    }

    /// Returns the kill that is due, once.
    fn due(&mut self) -> Option<Kill> {
        let (arrived, total) = (self.arrived, self.total);
        let is_due = |kill: &Kill| match kill.moment {
            Moment::Share(share) => total > 0 && arrived as f64 >= share * total as f64,
            Moment::AfterTransfer(after) => self.arrived_at.is_some_and(|arrived| arrived.elapsed() >= after),
        };
        let kill = *self.kills.front().filter(|kill| is_due(kill))?;
        self.kills.pop_front();
        self.killed += 1;
        // Being dead is no standstill.
        self.changed_at = Instant::now();
        Some(kill)
    }
}

async fn perform(kill: Kill, stage: &mut Stage, watch: &Watch, narration: &Narration<'_>) -> Result<(), Trouble> {
    let agent = match kill.side {
        Side::Source => &mut stage.src,
        Side::Destination => &mut stage.dst,
    };
    let id = agent.id().unwrap_or_default();
    agent.kill().await?;
    narration.line(format_args!(
        "  {}$ kill -9 {id}    at {} %, {} of {} had arrived",
        agent.name,
        watch.arrived * 100 / watch.total.max(1),
        byte_count(watch.arrived),
        byte_count(watch.total)
    ));
    let back = agent.start().await?;
    narration.remark(format_args!("{} is back after {:.2} s and goes on where it was", agent.name, back.as_secs_f64()));
    Ok(())
}
