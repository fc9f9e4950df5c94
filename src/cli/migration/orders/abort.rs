//! `modelferry abort`: give a migration up.

use clap::Args;

use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::plain;

const HELP: Help = Help {
    examples: &["modelferry abort shop-eu", "modelferry abort 5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862:0"],
    exits: exit::DECIDING,
    juju: None,
};

/// Give a migration up: the model stays live on its source
///
/// Works at once in every state before the switchover is decided, also while the peer cannot be reached, which is told
/// later. After the decision it is refused: too late, committed. On the target's host it works until the target has voted. A
/// pre-copy is given up as well; what it has brought stays
/// over there, and is not sent again should it be wanted after all.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct AbortArgs {
    /// The migration's ID, or its model
    id: String,
}

impl AbortArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let answer = context.ask(&Request::Abort { id: self.id })?;
        let Response::Migration(migration) = answer else { return Err(client::unexpected()) };
        context.print(&migration, || {
            if !migration.moves() {
                let id = plain(&migration.id);
                return format!("Pre-copy \"{id}\" is given up; what has arrived stays over there.\n");
            }
            format!(
                "Aborting migration \"{}\": model \"{}/{}\" stays on its source.\n",
                plain(&migration.id),
                plain(&migration.owner),
                plain(&migration.model)
            )
        });
        Ok(Exit::Done)
    }
}
