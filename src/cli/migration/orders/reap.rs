//! `modelferry reap`: delete the source's copy of a model that has moved.

use clap::Args;

use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Ending, Exit};
use crate::cli::base::help::Help;
use crate::cli::migration::follow;
use crate::cli::output::plain;
use crate::engine::view::Stand;

const HELP: Help = Help {
    examples: &["modelferry reap shop-eu", "modelferry reap 5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862:0 --skip-logs"],
    exits: REAPING,
    juju: None,
};

/// How it can end: a copy that cannot be deleted is no reason to say that nothing has changed.
const REAPING: &[Ending] =
    &[exit::DONE, exit::REFUSED, exit::USAGE, exit::STOPPED, exit::UNREACHABLE, exit::TIMED_OUT, exit::ATTENTION];

/// Delete this side's copy of a model that has moved, now
///
/// Ends the hold of `migrate --hold-reap`, or tries a deletion that failed again at once. Refused before the other
/// side has said that the model is live there, and, without --skip-logs, until the model's log has followed it.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct ReapArgs {
    /// The migration's ID, or its model
    id: String,
    /// Give up what is left of the model's log here
    #[arg(long)]
    skip_logs: bool,
}

impl ReapArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let answer = context.ask(&Request::Reap { id: self.id, skip_log: self.skip_logs })?;
        let Response::Migration(migration) = answer else { return Err(client::unexpected()) };
        if migration.is_reap_failing() {
            return Ok(follow::attention(context, &migration));
        }
        context.print(&migration, || {
            let model = format!("{}/{}", plain(&migration.owner), plain(&migration.model));
            match migration.stand {
                Stand::Moved => format!("The copy of model \"{model}\" here is deleted; its users are sent on.\n"),
                _ => format!("The copy of model \"{model}\" here is being deleted.\n"),
            }
        });
        Ok(Exit::of_migration(&migration))
    }
}
