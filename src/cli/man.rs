//! `modelferry man`: writes the manual pages, for packages.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::Cli;
use super::exit::{self, Exit};
use crate::agent::control::{Failure, FailureKind};

/// Write the manual pages into a directory
#[derive(Debug, Args)]
#[command(hide = true, after_help = exit::ALONE)]
pub struct ManArgs {
    /// An existing directory
    dir: PathBuf,
}

impl ManArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        clap_mangen::generate_to(Cli::command(), &self.dir).map_err(|error| {
            Failure::new(
                FailureKind::Refused,
                format!("cannot write manual pages into {}: {error}", self.dir.display()),
            )
            .hint("name a directory that exists and that you may write to")
        })?;
        Ok(Exit::Done)
    }
}
