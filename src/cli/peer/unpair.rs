//! `modelferry unpair`: forget a peer.

use clap::Args;

use crate::agent::control::view::{LeftView, UnpairedView};
use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::plain;

const HELP: Help =
    Help { examples: &["modelferry unpair west"], exits: exit::ASKING, juju: Some("juju unregister CONTROLLER") };

/// Forget a peer: its key is trusted no longer
///
/// Cuts the link at once. Migrations and pre-copies with that peer are given up, except those that were decided or that this side
/// has voted on: they are named, and a proof of the other side still ends them. Nothing is said to the other side: unpair there
/// as well.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct UnpairArgs {
    /// The peer, as `peers` lists it
    peer: String,
}

impl UnpairArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let answer = context.ask(&Request::Unpair { peer: self.peer.clone() })?;
        let Response::Unpaired(UnpairedView { ended, left }) = answer else { return Err(client::unexpected()) };
        context.print(&serde_json::json!({ "unpaired": self.peer, "ended": ended, "left": left }), || {
            let mut text = format!("\"{}\" is forgotten here. Unpair on the other host as well.\n", plain(&self.peer));
            for id in &ended {
                text += &format!("Given up: \"{}\".\n", plain(id));
            }
            for LeftView { id, state, stands, next } in &left {
                let [id, state, stands, next] = [id, state, stands, next].map(|said| plain(said));
                text += &format!("Not ended: \"{id}\" ({state}): {stands}. What ends it here: {next}.\n");
            }
            text
        });
        Ok(Exit::Done)
    }
}
