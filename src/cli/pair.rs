//! `modelferry pair`: make two agents trust each other.

use clap::Subcommand;
use modelferry_protocol::limits::PORT_DEFAULT;

use super::exit::{self, Exit};
use super::help::Help;
use super::{Context, client, plain};
use crate::agent::control::{Failure, Request, Response};

const HELP: Help = Help {
    examples: &[
        "modelferry pair offer --as west",
        "modelferry pair accept ZKTX-PJQE-7Z8D-DRZM-~ east.example.net --as east",
    ],
    exits: exit::ASKING_PEER,
    juju: Some("juju login HOST -c NAME"),
};

const OFFER: Help =
    Help { examples: &["modelferry pair offer", "modelferry pair offer --as west"], exits: exit::ASKING, juju: None };

const ACCEPT: Help = Help {
    examples: &[
        "modelferry pair accept ZKTX-PJQE-7Z8D-DRZM-~ east.example.net --as east",
        "modelferry pair accept ZKTX-PJQE-7Z8D-DRZM-~ 192.0.2.7:17171",
    ],
    exits: exit::ASKING_PEER,
    juju: Some("juju login HOST -c NAME"),
};

/// Make two agents trust each other, by a one-time code
///
/// `pair offer` on one host prints a code, `pair accept` on the other takes it. From then on each knows the other's key
/// and nobody else's, and the name given here is what DEST means in `migrate`.
#[derive(Debug, Subcommand)]
#[command(after_long_help = HELP)]
pub enum PairCommand {
    /// Open an offer, and print the code for the other host
    ///
    /// The code is good once, for ten minutes, and until the next offer. It needs no secrecy afterwards.
    #[command(after_long_help = OFFER)]
    Offer {
        /// What the other agent will be called here, as DEST of `migrate`
        #[arg(long = "as", value_name = "NAME")]
        name: Option<String>,
    },
    /// Complete the pairing that the other host offered
    ///
    /// This side has to reach the other; the other need not reach this one, now or later. The port is 17171 unless
    /// another is named.
    #[command(after_long_help = ACCEPT)]
    Accept {
        /// The code that `pair offer` printed
        code: String,
        /// The other host
        #[arg(value_name = "HOST[:PORT]")]
        address: String,
        /// What the other agent will be called here, as DEST of `migrate`
        #[arg(long = "as", value_name = "NAME")]
        name: Option<String>,
    },
}

impl PairCommand {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Offer { name } => {
                let answer = context.ask(&Request::PairOffer { name })?;
                let Response::Offer(offer) = answer else { return Err(client::unexpected()) };
                let host = Some(context.environment.host_name.as_str()).filter(|name| !name.is_empty());
                let port = if offer.port == PORT_DEFAULT { String::new() } else { format!(":{}", offer.port) };
                context.print(&offer, || {
                    format!(
                        "Within {} minutes, run on the other host:\n\n  modelferry pair accept {} {}{port}\n",
                        offer.seconds / 60,
                        offer.code,
                        plain(host.unwrap_or("HOST")),
                    )
                });
            }
            Self::Accept { code, address, name } => {
                let answer = context.ask(&Request::PairAccept { code, address, name })?;
                let Response::Paired(paired) = answer else { return Err(client::unexpected()) };
                context.print(&paired, || format!("Paired with \"{}\", pin {}.\n", plain(&paired.name), paired.pin));
            }
        }
        Ok(Exit::Done)
    }
}
