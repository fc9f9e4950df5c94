//! `modelferry completion`: what shells need to complete our words.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::exit::{self, Exit};
use crate::agent::control::Failure;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = exit::ALONE)]
pub struct CompletionArgs {
    /// The shell
    shell: Shell,
}

impl CompletionArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "modelferry", &mut script);
        super::put(&String::from_utf8_lossy(&script));
        Ok(Exit::Done)
    }
}
