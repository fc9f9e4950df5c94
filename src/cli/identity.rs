//! `modelferry identity`: who the agent is.

use clap::Subcommand;

use super::exit::{self, Exit};
use super::{Context, client, plain};
use crate::agent::control::{Failure, Request, Response};

/// Show who the agent is
#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// Print the agent's pin, its journal and where it listens
    #[command(after_help = exit::ASKING)]
    Show {},
}

impl IdentityCommand {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
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
