//! `modelferry agent`: the daemon.

use clap::Args;

use crate::agent::control::{Failure, FailureKind};
use crate::cli::Context;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;

const HELP: Help = Help {
    examples: &["modelferry agent", "modelferry agent --config /etc/modelferry/modelferry.toml"],
    exits: exit::SERVING,
    juju: None,
};

/// Run the agent beside a controller, in the foreground
///
/// Without --config it runs on defaults. It logs to the journal under systemd, else to standard error, and
/// tells systemd when it is ready.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct AgentArgs {}

impl AgentArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut config = match context.configuration(context.config.as_deref()) {
            Ok(config) => config,
            Err(failure) => {
                context.fail(&failure);
                return Ok(Exit::BadConfig);
            }
        };
        if let Some(socket) = &context.socket {
            config.socket = socket.clone();
        }
        match crate::agent::run(config, &context.environment) {
            Ok(()) => Ok(Exit::Done),
            Err(error) => {
                let failure = Failure::new(FailureKind::Refused, crate::engine::causes(&error)).hint(error.hint());
                let exit = context.fail(&failure);
                Ok(if error.is_config() { Exit::BadConfig } else { exit })
            }
        }
    }
}
