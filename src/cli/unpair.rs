//! `modelferry unpair`: forget a peer.

use clap::Args;

use super::exit::{self, Exit};
use super::help::Help;
use super::output::plain;
use super::{Context, client};
use crate::agent::control::{Failure, Request, Response};

const HELP: Help =
    Help { examples: &["modelferry unpair west"], exits: exit::ASKING, juju: Some("juju unregister CONTROLLER") };

/// Forget a peer: its key is trusted no longer
///
/// Refused while a migration with that peer has not ended. Nothing is said to the other side: unpair there as well.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct UnpairArgs {
    /// The peer, as `peers` lists it
    peer: String,
}

impl UnpairArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Response::Done = context.ask(&Request::Unpair { peer: self.peer.clone() })? else {
            return Err(client::unexpected());
        };
        context.print(&serde_json::json!({ "unpaired": self.peer }), || {
            format!("\"{}\" is forgotten here. Unpair on the other host as well.\n", plain(&self.peer))
        });
        Ok(Exit::Done)
    }
}
