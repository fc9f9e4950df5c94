//! `modelferry reap`: delete the source's copy of a model that has moved.

use clap::Args;

use super::exit::{self, Exit};
use super::{Context, client, follow, plain};
use crate::agent::control::{Failure, Request, Response};
use crate::engine::view::Stand;

/// Delete this side's copy of a model that has moved, now
///
/// Ends the hold of `migrate --hold-reap`, or tries a deletion that failed again at once. Refused before the other
/// side has said that the model is live there, and, without --skip-logs, until the model's log has followed it.
#[derive(Debug, Args)]
#[command(after_help = exit::FOLLOWING)]
pub struct ReapArgs {
    /// The migration's ID, or its model
    id: String,
    /// Give up what is left of the model's log here
    #[arg(long)]
    skip_logs: bool,
}

impl ReapArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
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
