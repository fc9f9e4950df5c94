//! `modelferry peers`: list the agents that this one is paired with.

use clap::Args;

use crate::agent::control::view::{PeerView, RightsView};
use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::{Table, byte_count};

const HELP: Help = Help {
    examples: &["modelferry peers", "modelferry peers --format yaml"],
    exits: exit::ASKING,
    juju: Some("juju controllers"),
};

/// List the agents that this one is paired with
///
/// With the controller beside each, whether the link to it is up, and its round trip, or why it is down; and what it may do here,
/// which `peer set` changes.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct PeersArgs {}

impl PeersArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Response::Peers(peers) = context.ask(&Request::Peers {})? else { return Err(client::unexpected()) };
        context.print(&peers, || match table(&peers) {
            table if table.is_empty() => "No peers. Pair with `modelferry pair offer` on one host.\n".to_owned(),
            table => format!("{}\n{}", table.render(), rights(&peers).render()),
        });
        Ok(Exit::Done)
    }
}

/// Returns what peers may do here as a table.
pub(super) fn rights(peers: &[PeerView]) -> Table {
    let mut table = Table::new(&["Peer", "Receive", "Send", "Keep", "Read", "Quota", "Models"]);
    for PeerView { name, rights, .. } in peers {
        let switch = |is_on: bool| if is_on { "on" } else { "off" }.to_owned();
        let RightsView { receive, send, keep, read, models, quota_bytes } = rights;
        let quota = quota_bytes.map_or_else(|| "none".to_owned(), byte_count);
        let models = if models.is_empty() { "all".to_owned() } else { models.join(" ") };
        table.row([name.clone(), switch(*receive), switch(*send), switch(*keep), switch(*read), quota, models]);
    }
    table
}

/// Returns the peers as a table.
pub(in crate::cli) fn table(peers: &[PeerView]) -> Table {
    let mut table = Table::new(&["Peer", "Controller", "Cloud/Region", "Version", "Address", "Link"]);
    for peer in peers {
        let controller = peer.controller.as_ref();
        let of = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
        let link = match (peer.connected, peer.rtt_ms) {
            (true, Some(rtt)) => format!("up, {rtt:.0} ms"),
            (true, None) => "up".to_owned(),
            (false, _) => match (&peer.trouble, &peer.next) {
                (Some(why), Some(next)) => format!("down: {why}; {next}"),
                (Some(why), None) => format!("down: {why}"),
                (None, _) => "down".to_owned(),
            },
        };
        table.row([
            peer.name.clone(),
            of(controller.map(|c| c.name.clone())),
            of(controller.map(|c| crate::cli::output::cloud::cloud_region(&c.cloud, &c.region))),
            of(controller.map(|c| c.version.clone())),
            of(Some(peer.address.clone())),
            link,
        ]);
    }
    table
}
