//! `modelferry cutover`: freeze a model that was held, and let it move.

use clap::Args;
use jiff::Zoned;

use crate::agent::control::{Failure, FailureKind, Order, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::input::moment;
use crate::cli::migration::follow;
use crate::cli::output::plain;

const HELP: Help = Help {
    examples: &["modelferry cutover shop-eu", "modelferry cutover shop-eu --until +30m --wait"],
    exits: exit::FOLLOWING,
    juju: None,
};

/// Let a migration that waits freeze its model and move it
///
/// For what was begun with `migrate --hold`, or with `--at` and should not wait for its hour. Both sides check once
/// more, the link must be up and everything must have travelled ahead; what is lacking is tried again until --until, or
/// for an hour. If it is still lacking then, nothing has been frozen, and the migration ends with the cause.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct CutoverArgs {
    /// The migration's ID, or its model
    id: String,
    /// Try until then: 22:00, 2026-11-23T02:00Z or +30m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Follow the migration to its end
    #[arg(long)]
    wait: bool,
}

impl CutoverArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let usage = |text: String| Failure::new(FailureKind::Usage, text).state("nothing has changed");
        let now = Zoned::now();
        let until = self.until.as_deref().map(|until| moment::after(until, &now, "now")).transpose().map_err(usage)?;
        let order = Order::Cutover { until_ms: until.map(moment::unix_ms) };
        let Response::Migration(migration) = context.ask(&Request::Order { id: self.id, order })? else {
            return Err(client::unexpected());
        };
        if self.wait {
            return follow::follow(context, &migration.id, None);
        }
        context.print(&migration, || {
            format!("Migration \"{}\" cuts over as soon as both sides agree.\n", plain(&migration.id))
        });
        Ok(Exit::Done)
    }
}
