//! `modelferry peer`: change what a peer may do here.

use clap::{Args, Subcommand, ValueEnum};

use super::peers::rights;
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;

const HELP: Help = Help { examples: &["modelferry peer set west --keep on"], exits: exit::ASKING, juju: None };

const SET: Help = Help {
    examples: &[
        "modelferry peer set west --keep on",
        "modelferry peer set west --receive off",
        "modelferry peer set west --models 'web-*' ann/db",
        "modelferry peer set west --models '*'",
        "modelferry peer set west --quota 200GiB",
    ],
    exits: exit::ASKING,
    juju: None,
};

/// Change what a peer may do here
///
/// A new peer sends and gets models, has no copies kept here, and reads only models that were exchanged with it. `peers` shows
/// what each may do.
#[derive(Debug, Subcommand)]
#[command(after_long_help = HELP)]
pub enum PeerCommand {
    Set(SetArgs),
}

/// Whether a right is given.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl Switch {
    fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// Give a peer rights on this host, or take them away
///
/// What is not named stays as it is; `peers` shows it. It holds from the next request of the peer on, also after a restart, and
/// until the peer is unpaired. A model that is on its way is checked once more before it is frozen.
#[derive(Debug, Args)]
#[command(after_long_help = SET)]
pub struct SetArgs {
    /// The peer, as `peers` lists it
    peer: String,
    /// Take models from it, and bytes ahead of them [default: on]
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    receive: Option<Switch>,
    /// Let models be sent to it [default: on]
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    send: Option<Switch>,
    /// Keep copies of its models, as `backup create MODEL PEER` there asks for [default: off]
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    keep: Option<Switch>,
    /// Let it read every model of this controller, and not only those that were exchanged with it [default: off]
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    read: Option<Switch>,
    /// Exchange only models with these names with it, globs such as 'web-*' or 'ann/*'; '*' means all
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    models: Option<Vec<String>>,
    /// Let migrations and copies from it hold so much of the disk here at once, such as 50GiB; `none` sets no bound [default: none]
    #[arg(long, value_name = "SIZE|none")]
    quota: Option<String>,
}

impl PeerCommand {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Self::Set(args) = self;
        args.run(context)
    }
}

impl SetArgs {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Self { peer, receive, send, keep, read, models, quota } = self;
        let [receive, send, keep, read] = [receive, send, keep, read].map(|right| right.map(Switch::is_on));
        if [receive, send, keep, read].iter().all(Option::is_none) && models.is_none() && quota.is_none() {
            let failure = Failure::new(FailureKind::Usage, "nothing is to be changed");
            return Err(failure
                .hint("name a right, such as `modelferry peer set PEER --keep on`; `modelferry peers` shows them"));
        }
        let answer = context.ask(&Request::PeerSet { peer, receive, send, keep, read, models, quota })?;
        let Response::Peers(peers) = answer else { return Err(client::unexpected()) };
        context.print(&peers, || rights(&peers).render());
        Ok(Exit::Done)
    }
}
