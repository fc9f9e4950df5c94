//! `modelferry pause`: stop sending for a migration until it is resumed.

use clap::Args;

use crate::agent::control::{Failure, Order, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::plain;

const HELP: Help = Help { examples: &["modelferry pause shop-eu"], exits: exit::DECIDING, juju: None };

/// Stop a migration's, or a pre-copy's, transfer for a while; its model is live
///
/// What has arrived stays on the other side. It goes on with `resume`, and stays paused across restarts until then; a
/// cutover that is due meanwhile waits for it. Once the model is frozen this is refused.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct PauseArgs {
    /// The migration's ID, or its model
    id: String,
}

impl PauseArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let answer = context.ask(&Request::Order { id: self.id, order: Order::Pause {} })?;
        let Response::Migration(migration) = answer else { return Err(client::unexpected()) };
        context.print(&migration, || {
            let id = plain(&migration.id);
            let what = if migration.moves() { "Migration" } else { "Pre-copy" };
            format!("{what} \"{id}\" is paused; its model is live. Go on with `modelferry resume {id}`.\n")
        });
        Ok(Exit::Done)
    }
}
