//! `modelferry migrate`: move models to another controller.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::exit::{self, Exit};
use super::help::Help;
use super::output::Format;
use super::{Context, backup, client, follow, models_named, plain, precheck};
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::config::parse_duration;

const HELP: Help = Help {
    examples: &[
        "modelferry migrate shop-eu west",
        "modelferry migrate shop-eu west --wait --max-freeze 90s",
        "modelferry migrate shop-eu west --hold-reap 24h",
        "modelferry migrate shop-eu west --backup shop-eu.tar.zst",
        "modelferry migrate --all west",
        "modelferry migrate shop-eu west --dry-run",
    ],
    exits: exit::FOLLOWING,
    juju: Some("juju migrate MODEL CONTROLLER"),
};

/// Move models to the controller beside a peer
///
/// The models stay live while their binaries travel, and are frozen only for the last step. The command ends
/// as soon as the migrations have begun; `wait` or --wait follows them. Of several models, the gravest exit code
/// counts: 4, 7, 3, 6, 1.
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
    /// Leave the model's log behind: the copy here is deleted as soon as the model is live over there
    #[arg(long)]
    skip_logs: bool,
    /// Keep the copy here for so long after the model has moved, such as 30m or 24h; `reap` ends that early. Nobody
    /// can use the copy, and it cannot be made live again: it is there to be looked at
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    hold_reap: Option<Duration>,
}

impl MigrateArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.dry_run {
            return precheck::check(context, self.names, self.all, self.strict);
        }
        let (models, peer) = models_named::resolve(context, self.names, self.all)?;
        if let Some(file) = &self.backup {
            let [model] = models.as_slice() else {
                return Err(Failure::new(FailureKind::Usage, "one archive holds one model, and several are named")
                    .state("nothing has changed")
                    .hint("write them with `modelferry backup create --all DIR` first"));
            };
            // Failing here ends the command before anything has begun.
            let made = backup::archive(context, model, file, false)?;
            context.remark(&backup::said(&made));
        }
        let mut exit = Exit::Done;
        let mut begun = Vec::new();
        for model in models {
            let request = Request::Migrate {
                model,
                peer: peer.clone(),
                freeze_ms_max: self.max_freeze.map(|freeze| freeze.as_millis() as u64),
                skip_log: self.skip_logs,
                reap_hold_ms: self.hold_reap.map_or(0, |hold| hold.as_millis() as u64),
            };
            match context.ask(&request) {
                Ok(Response::Migration(migration)) => {
                    context.remark(&format!("Migration started with ID \"{}\"", plain(&migration.id)));
                    // Whoever waits is told how it ends, not how it began.
                    if !self.wait && context.format != Format::Tabular {
                        context.print(&migration, String::new);
                    }
                    begun.push(migration.id);
                }
                Ok(_) => return Err(client::unexpected()),
                Err(failure) => exit = exit.graver(context.fail(&failure)),
            }
        }
        if self.wait {
            for id in begun {
                let ended = follow::follow(context, &id, None).unwrap_or_else(|failure| context.fail(&failure));
                exit = exit.graver(ended);
            }
        }
        Ok(exit)
    }
}
