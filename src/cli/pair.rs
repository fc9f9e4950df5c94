//! `modelferry pair`: make two agents trust each other.

use clap::Subcommand;
use modelferry_protocol::limits::PORT_DEFAULT;

use super::exit::{self, Exit};
use super::{Context, client, plain};
use crate::agent::control::{Failure, Request, Response};

/// Make two agents trust each other, by a one-time code
#[derive(Debug, Subcommand)]
pub enum PairCommand {
    /// Open an offer, and print the code for the other host
    #[command(after_help = exit::ASKING)]
    Offer {
        /// What the other agent will be called here, as DEST of `migrate`
        #[arg(long = "as", value_name = "NAME")]
        name: Option<String>,
    },
    /// Complete the pairing that the other host offered
    #[command(after_help = exit::ASKING)]
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
