//! `modelferry wait`: follow a migration to its end.

use std::time::Duration;

use clap::Args;

use super::exit::{self, Exit};
use super::{Context, follow};
use crate::agent::control::Failure;
use crate::config::parse_duration;

/// Wait until a migration has ended, one way or the other
///
/// Without --timeout it also ends when the migration has been in doubt for 30 seconds.
#[derive(Debug, Args)]
#[command(after_help = exit::FOLLOWING)]
pub struct WaitArgs {
    /// The migration's ID, or its model
    id: String,
    /// How long to wait, such as 90s or 10m
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

impl WaitArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        follow::follow(context, &self.id, self.timeout)
    }
}
