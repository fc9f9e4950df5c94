//! `modelferry migrations`: list the migrations that the journal knows.

use clap::Args;

use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::{Table, ago};
use crate::clock::now_ms;
use crate::engine::view::{Direction, MigrationView};

const HELP: Help = Help {
    examples: &["modelferry migrations", "modelferry migrations --format json"],
    exits: exit::ASKING,
    juju: None,
};

/// List the migrations that the journal knows, newest first
///
/// Those that run, that have moved their model, and that have failed, with the cause; from here and to here. And the
/// pre-copies from here, whose IDs have a `p` before their number.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct MigrationsArgs {}

impl MigrationsArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Response::Migrations(migrations) = context.ask(&Request::Migrations {})? else {
            return Err(client::unexpected());
        };
        context.print(&migrations, || table(&migrations, now_ms()));
        Ok(Exit::Done)
    }
}

fn table(migrations: &[MigrationView], now_ms: u64) -> String {
    if migrations.is_empty() {
        return "No migrations.\n".to_owned();
    }
    let mut table = Table::new(&["ID", "Model", "To/From", "State", "Started", "Note"]);
    for migration in migrations {
        let way = match migration.direction {
            Direction::Source => format!("to {}", migration.peer),
            Direction::Target => format!("from {}", migration.peer),
        };
        table.row([
            &migration.id,
            &format!("{}/{}", migration.owner, migration.model),
            &way,
            &migration.state.to_string(),
            &ago(migration.started_ms, now_ms),
            migration.cause.as_ref().or(migration.waiting.as_ref()).unwrap_or(&migration.note),
        ]);
    }
    table.render()
}
