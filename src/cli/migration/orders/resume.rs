//! `modelferry resume`: go on with a migration that was paused.

use clap::Args;

use crate::agent::control::{Failure, Order, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::plain;

const HELP: Help = Help { examples: &["modelferry resume shop-eu"], exits: exit::DECIDING, juju: None };

/// Go on with a migration, or a pre-copy, that was paused
///
/// Nothing that has arrived is sent again.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct ResumeArgs {
    /// The migration's ID, or its model
    id: String,
}

impl ResumeArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let answer = context.ask(&Request::Order { id: self.id, order: Order::Resume {} })?;
        let Response::Migration(migration) = answer else { return Err(client::unexpected()) };
        let what = if migration.moves() { "Migration" } else { "Pre-copy" };
        context.print(&migration, || format!("{what} \"{}\" goes on.\n", plain(&migration.id)));
        Ok(Exit::Done)
    }
}
