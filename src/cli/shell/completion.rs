//! `modelferry completion`: print the completion script for a shell.

use clap::Args;
use clap_complete::Shell;

use super::complete;
use crate::agent::control::Failure;
use crate::cli::Context;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;

const HELP: Help = Help {
    examples: &[
        "modelferry completion bash > /etc/bash_completion.d/modelferry",
        "modelferry completion fish > ~/.config/fish/completions/modelferry.fish",
    ],
    exits: exit::ALONE,
    juju: None,
};

/// Print a completion script for a shell
///
/// It completes commands and options, and the names that the running agent knows: models, also those behind
/// `CONTROLLER:`, controllers, peers, migrations and backups. Without an agent there are no names.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct CompletionArgs {
    /// The shell
    shell: Shell,
}

impl CompletionArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.put(&String::from_utf8_lossy(&complete::script(&self.shell.to_string())));
        Ok(Exit::Done)
    }
}
