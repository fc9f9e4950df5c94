//! `modelferry migrate`: move models to another controller.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Zoned;

use super::{begin, models_named, precheck};
use crate::agent::control::{Failure, FailureKind, Request, Schedule};
use crate::cli::Context;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::input::moment;
use crate::cli::model::backup;
use crate::cli::output::plain;
use crate::config::{Rate, parse_duration};
use crate::engine::orders::local;
use crate::engine::view::OrdersView;

const HELP: Help = Help {
    examples: &[
        "modelferry migrate shop-eu west",
        "modelferry migrate shop-eu west --wait --max-freeze 90s",
        "modelferry migrate shop-eu west --hold-reap 24h",
        "modelferry migrate shop-eu west --backup shop-eu.tar.zst",
        "modelferry migrate --all west --bwlimit 20mbit",
        "modelferry migrate shop-eu west --at 22:00 --until 06:00",
        "modelferry migrate shop-eu west --hold",
        "modelferry migrate shop-eu west --dry-run",
    ],
    exits: exit::FOLLOWING,
    juju: Some("juju migrate MODEL CONTROLLER"),
};

/// Move models to the controller beside a peer
///
/// The models stay live while their binaries travel, and are frozen only for the last step. The command ends
/// as soon as the migrations have begun; `wait` or --wait follows them. Of many, `max-parallel` in the configuration (2)
/// copy at once, and the rest is queued. TIME is such as 22:00 (the next, local time), 2026-11-23T02:00Z, +2h or +7d; one
/// that has passed is refused. Of several models, the gravest exit code counts: 4, 7, 3, 6, 1.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, override_usage = "modelferry migrate [OPTIONS] <MODEL>... <DEST>\n       \
    modelferry migrate [OPTIONS] --all <DEST>")]
pub struct MigrateArgs {
    /// The models (name, owner/name or UUID), and then the peer whose controller they go to
    #[arg(value_name = "MODEL... DEST", required = true, num_args = 1..)]
    names: Vec<String>,
    /// All models of this controller
    #[arg(long)]
    all: bool,
    /// Follow the migrations to their end
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// Check everything that would stop the migrations, and change nothing; the same as `precheck`
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: also refuse what only deserves a warning
    #[arg(long, requires = "dry_run")]
    strict: bool,
    /// Write the model into this archive first, as `backup create` does; without it nothing is begun
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    backup: Option<PathBuf>,
    /// Give a migration up when its model has been frozen for this long, such as 90s or 10m
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    max_freeze: Option<Duration>,
    /// Freeze the model at this time and not before; its binaries travel ahead at once
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with_all = ["hold", "dry_run"])]
    at: Option<String>,
    /// Freeze the model only when `cutover` asks for it; its binaries travel ahead at once
    #[arg(long, conflicts_with = "dry_run")]
    hold: bool,
    /// Give the migration up if the model could not be frozen by then: nothing has been frozen, and the cause is kept.
    /// Without it an hour after --at; a time of day, or +D, counts from --at, and a time of day is at most 12 hours later
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Send at most so much for this migration, such as 20mbit, also after a restart; `limit` is for all together
    #[arg(long, value_name = "RATE", value_parser = Rate::of_migration, conflicts_with = "dry_run")]
    bwlimit: Option<Rate>,
    /// Leave the model's log behind: the copy here is deleted as soon as the model is live over there
    #[arg(long)]
    skip_logs: bool,
    /// Keep the copy here for so long after the model has moved, such as 30m or 7d; `reap` ends that early. Nobody
    /// can use the copy, and it cannot be made live again; `status -m`, `show-model`, `embedded get`, `embedded
    /// export` and `backup create` take it with --held. A Juju controller deletes its copy by itself: refused there
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    hold_reap: Option<Duration>,
}

impl MigrateArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.dry_run {
            return precheck::check(context, self.names, self.all, self.strict);
        }
        let wrong = |text| Failure::new(FailureKind::Usage, text).state("nothing has changed");
        let schedule = self.schedule(&Zoned::now()).map_err(wrong)?;
        let (models, peer) = models_named::resolve(context, self.names, self.all)?;
        if let Some(file) = &self.backup {
            let [model] = models.as_slice() else {
                return Err(Failure::new(FailureKind::Usage, "one archive holds one model, and several are named")
                    .state("nothing has changed")
                    .hint("write them with `modelferry backup create --all DIR` first"));
            };
            // Failing here ends the command before anything has begun.
            let made = backup::archive(context, model, file, backup::Written::NEW)?;
            context.remark(&backup::said(&made));
        }
        let request = |model| Request::Migrate {
            model,
            peer: peer.clone(),
            freeze_ms_max: self.max_freeze.map(|freeze| freeze.as_millis() as u64),
            schedule: schedule.clone(),
            skip_log: self.skip_logs,
            reap_hold_ms: self.hold_reap.map_or(0, |hold| hold.as_millis() as u64),
        };
        begin::each(context, &models, request, self.wait, |migration| {
            context.remark(&format!("Migration started with ID \"{}\"", plain(&migration.id)));
            migration.orders.iter().for_each(|orders| scheduled(context, orders, &migration.id));
        })
    }

    /// Reads the times.
    ///
    /// Errors: a sentence that says what would be right.
    fn schedule(&self, now: &Zoned) -> Result<Schedule, String> {
        let at = self.at.as_deref().map(|at| moment::after(at, now, "now")).transpose()?;
        let at_zoned = at.map(|at| at.to_zoned(now.time_zone().clone()));
        let until = self.until.as_deref().map(|until| match &at_zoned {
            Some(at) => moment::until(until, at),
            None => moment::after(until, now, "now"),
        });
        let until = until.transpose()?;
        Ok(Schedule {
            at_ms: at.map(moment::unix_ms),
            hold: self.hold,
            until_ms: until.map(moment::unix_ms),
            bwlimit: self.bwlimit.map(|rate| rate.to_string()),
        })
    }
}

/// Says when a migration is cut over, if that is not at once.
fn scheduled(context: &Context, orders: &OrdersView, id: &str) {
    let until =
        orders.until_ms.map_or_else(String::new, |until_ms| format!(", or not at all after {}", local(until_ms)));
    if let Some(at_ms) = orders.cutover_at_ms {
        context.remark(&format!("The model stays live until {}; it is frozen then{until}.", local(at_ms)));
    } else if orders.held {
        context.remark(&format!("The model stays live until `modelferry cutover {}`{until}.", plain(id)));
    }
}
