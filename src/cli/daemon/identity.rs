//! `modelferry identity`: the agent's pin, which is the hash of its key.

use clap::Subcommand;

use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::plain;

const HELP: Help = Help { examples: &["modelferry identity show"], exits: exit::ASKING, juju: None };

const SHOW: Help = Help {
    examples: &["modelferry identity show", "modelferry identity show --format json"],
    exits: exit::ASKING,
    juju: None,
};

/// Show who the agent is
///
/// An agent is its key. Peers know it by the key's hash, the pin, and by nothing else.
#[derive(Debug, Subcommand)]
#[command(after_long_help = HELP)]
pub enum IdentityCommand {
    /// Print the agent's pin, its journal and where it listens
    ///
    /// The pin is what the other host shows for this agent with `modelferry peers --format yaml`. The journal's id is a
    /// new one whenever the state directory is.
    #[command(after_long_help = SHOW)]
    Show {},
}

impl IdentityCommand {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Self::Show {} = self;
        let Response::Identity(identity) = context.ask(&Request::Identity {})? else {
            return Err(client::unexpected());
        };
        context.print(&identity, || {
            format!(
                "pin: {}\njournal: {}\nlisten: {}\nstate-dir: {}\n",
                identity.pin,
                identity.journal,
                identity.listen,
                plain(&identity.state_dir)
            )
        });
        Ok(Exit::Done)
    }
}
