//! `modelferry wait`: follow a migration to its end.

use std::time::Duration;

use clap::Args;

use super::follow;
use crate::agent::control::Failure;
use crate::cli::Context;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::config::parse_duration;

const HELP: Help = Help {
    examples: &["modelferry wait shop-eu", "modelferry wait 5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862:0 --timeout 10m"],
    exits: exit::FOLLOWING,
    juju: None,
};

/// Wait until a migration, or a pre-copy, has ended, one way or the other
///
/// Without --timeout it also ends when the migration has been in doubt for 30 seconds.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct WaitArgs {
    /// The migration's ID, or its model
    id: String,
    /// How long to wait, such as 90s or 10m
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

impl WaitArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        follow::follow(context, &self.id, self.timeout)
    }
}
