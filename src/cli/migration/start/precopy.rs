//! `modelferry precopy`: copy models' bytes ahead of migrations that may come.

use clap::Args;

use super::{begin, models_named};
use crate::agent::control::{Failure, Request};
use crate::cli::Context;
use crate::cli::base::exit::{self, Ending, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::plain;
use crate::config::Rate;

/// Commands that follow a pre-copy to its end.
const PRECOPYING: &[Ending] = &[
    (Exit::Done, "done; or accepted, where nobody waits; or adopted by a migration"),
    exit::REFUSED,
    exit::USAGE,
    (
        Exit::Reverted,
        "ended before everything was there; what has arrived stays over there, and the model is live here",
    ),
    exit::PEER_UNREACHABLE,
    exit::TIMED_OUT,
];

const HELP: Help = Help {
    examples: &[
        "modelferry precopy shop-eu west",
        "modelferry precopy shop-eu warehouse west --bwlimit 20mbit",
        "modelferry precopy --all west",
        "modelferry precopy shop-eu west --wait",
    ],
    exits: PRECOPYING,
    juju: None,
};

/// Copy live models' bytes to a peer, ahead of migrations that may come
///
/// Nothing is reserved, checked or promised over there, and nothing changes here: the model stays live, and can be
/// migrated anywhere meanwhile. A `migrate` to the same peer adopts what has arrived, so that only what has changed since
/// is sent. The command ends as soon as the pre-copies have begun; they go on by themselves, also after restarts and cuts of
/// the link, one at a time to each peer, and let whatever migrates go first. Again, it sends only what has changed since.
/// They have IDs in `migrations`, for `wait`, `pause`, `resume` and `abort`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, override_usage = "modelferry precopy [OPTIONS] <MODEL>... <DEST>\n       \
    modelferry precopy [OPTIONS] --all <DEST>")]
pub struct PrecopyArgs {
    /// The models (name, owner/name or UUID), and then the peer whose controller they may go to
    #[arg(value_name = "MODEL... DEST", required = true, num_args = 1..)]
    names: Vec<String>,
    /// All models of this controller
    #[arg(long)]
    all: bool,
    /// Follow the pre-copies to their end
    #[arg(long)]
    wait: bool,
    /// Send at most so much for each of them, such as 20mbit, also after a restart; `limit` is for all together
    #[arg(long, value_name = "RATE", value_parser = Rate::of_migration)]
    bwlimit: Option<Rate>,
}

impl PrecopyArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (models, peer) = models_named::resolve(context, self.names, self.all)?;
        let bwlimit = self.bwlimit.map(|rate| rate.to_string());
        let request = |model| Request::Precopy { model, peer: peer.clone(), bwlimit: bwlimit.clone() };
        begin::each(context, &models, request, self.wait, |precopy| {
            context.remark(&format!("Pre-copy started with ID \"{}\"", plain(&precopy.id)));
        })
    }
}
