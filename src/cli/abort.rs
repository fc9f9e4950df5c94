//! `modelferry abort`: give a migration up.

use clap::Args;

use super::exit::{self, Exit};
use super::{Context, client, plain};
use crate::agent::control::{Failure, Request, Response};

/// Give a migration up: the model stays live on its source
///
/// Possible until the switchover is decided; after that it is refused.
#[derive(Debug, Args)]
#[command(after_help = exit::FOLLOWING)]
pub struct AbortArgs {
    /// The migration's ID, or its model
    id: String,
}

impl AbortArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let answer = context.ask(&Request::Abort { id: self.id })?;
        let Response::Migration(migration) = answer else { return Err(client::unexpected()) };
        context.print(&migration, || {
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
