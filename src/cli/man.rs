//! `modelferry man`: writes the manual pages, for packages.

use std::path::PathBuf;

use clap::Args;

use super::exit::{self, Exit};
use super::help::Help;
use crate::agent::control::{Failure, FailureKind};

const HELP: Help = Help {
    examples: &["modelferry man /usr/share/man/man1"],
    exits: exit::ALONE,
    juju: Some("juju documentation, which writes Markdown"),
};

/// Write the manual pages into a directory
///
/// For those who make packages: a page for every command, with what its --help says.
#[derive(Debug, Args)]
#[command(hide = true, after_long_help = HELP)]
pub struct ManArgs {
    /// An existing directory
    dir: PathBuf,
}

impl ManArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        clap_mangen::generate_to(super::command(), &self.dir).map_err(|error| {
            Failure::new(
                FailureKind::Refused,
                format!("cannot write manual pages into {}: {error}", self.dir.display()),
            )
            .hint("name a directory that exists and that you may write to")
        })?;
        Ok(Exit::Done)
    }
}
