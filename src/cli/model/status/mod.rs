//! `modelferry status`: the agent, or a model in Juju's layout.

mod agent;
mod applications;
mod cut;
mod machines;
pub mod model;
mod related;
mod storage;
#[cfg(test)]
pub(in crate::cli) mod tests;
mod watch;

use std::time::Duration;

use clap::Args;

use super::from::From;
use crate::agent::control::view::StatusView;
use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::Format;
use crate::clock::now_ms;
use crate::config::parse_duration;
use model::Sections;

pub(in crate::cli) use model::{failed, has_owner, message, reason, sla};

const HELP: Help = Help {
    examples: &[
        "modelferry status",
        "modelferry status -m shop-eu --relations --storage",
        "modelferry status -m east:shop-eu --format yaml",
        "modelferry status -m shop-eu --watch 5",
        "modelferry status -m shop-eu --held",
        "modelferry status --check",
        "modelferry status --from dump.yaml",
        "modelferry status --from 9f3c0b7e21aa",
        "watch --color -n 1 modelferry status --color",
    ],
    exits: &[
        (Exit::Done, "done; with --check, also: all is well"),
        exit::REFUSED,
        exit::USAGE,
        (Exit::InDoubt, "in doubt, or an alarm (--check); or the agent has stopped acting"),
        exit::PEER_UNREACHABLE,
        (Exit::Attention, "with --check: nothing is in doubt, but somebody should look"),
    ],
    juju: Some("juju status"),
};

/// Show the agent: what is in doubt, what runs, its peers; or a model
///
/// With -m, or --from, this is what `juju status` prints: the model's line, with Notes while it migrates, its
/// applications, units, machines and offers. Without, it is about the agent: what is in doubt comes first.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct StatusArgs {
    /// A model instead: name, owner/name or UUID; of another controller with CONTROLLER: before it
    #[arg(short, long, value_name = "[CONTROLLER:]MODEL", conflicts_with = "from")]
    model: Option<String>,
    #[command(flatten)]
    from: From,
    /// Show the copy that `migrate --hold-reap` keeps here of a model that has moved
    #[arg(long, requires = "model")]
    held: bool,
    /// End with 4 if something is in doubt or there is an alarm; else with 7 if somebody should look, as a migration
    /// or a pre-copy has failed within a day, a copy cannot be deleted or a log cannot follow, the store cannot be pruned, or a peer's link is down
    #[arg(long, conflicts_with_all = ["model", "from", "watch"])]
    check: bool,
    /// Show the model's relations in the tables; YAML and JSON have them always
    #[arg(long, visible_alias = "integrations")]
    relations: bool,
    /// Show the model's storage in the tables; YAML and JSON have it always
    #[arg(long)]
    storage: bool,
    /// Show it again and again, this many seconds apart
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = interval)]
    watch: Option<Duration>,
}

/// Reads an interval, a number of seconds or a duration with its unit.
fn interval(text: &str) -> Result<Duration, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { parse_duration(&format!("{text}s")) } else { parse_duration(text) }
}

impl StatusArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.check {
            let (status, now) = (agent_status(context)?, now_ms());
            context.print(&status, || agent::text(&status, now, context.paint));
            return Ok(agent::check(&status, now));
        }
        match self.watch {
            Some(interval) => watch::watch(context, interval, || self.text(context)),
            None => {
                context.put(&self.text(context)?);
                Ok(Exit::Done)
            }
        }
    }

    fn text(&self, context: &Context) -> Result<String, Failure> {
        let now = now_ms();
        let status = match (self.from.status(context)?, &self.model) {
            (Some(status), _) => status,
            (None, Some(model)) => {
                match context.ask(&Request::ModelStatus { model: model.clone(), held: self.held })? {
                    Response::ModelStatus(status) => *status,
                    _ => return Err(client::unexpected()),
                }
            }
            (None, None) => {
                let status = agent_status(context)?;
                return Ok(context.format.render(&status, || agent::text(&status, now, context.paint)));
            }
        };
        // Trees are made only where they are printed: a large model's takes as long as its tables.
        Ok(match context.format {
            Format::Tabular => {
                let sections = Sections { relations: self.relations, storage: self.storage };
                model::text(&status, sections, now, context.paint)
            }
            format => format.render(&model::tree(&status, now), String::new),
        })
    }
}

/// Asks the agent how it is.
fn agent_status(context: &Context) -> Result<Box<StatusView>, Failure> {
    match context.ask(&Request::Status {})? {
        Response::Status(status) => Ok(status),
        _ => Err(client::unexpected()),
    }
}
