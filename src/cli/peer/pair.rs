//! `modelferry pair`: make two agents trust each other.

use std::io::{self, BufRead, IsTerminal, Read};

use clap::Subcommand;
use modelferry_protocol::limits::PORT_DEFAULT;

use crate::agent::control::view::OfferView;
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::base::spool::STANDARD_INPUT;
use crate::cli::output::plain;

const HELP: Help = Help {
    examples: &[
        "modelferry pair offer --as west",
        "modelferry pair accept 'ZKTX-PJQE-7Z8D-DRZM-~' east.example.net --as east",
    ],
    exits: exit::ASKING_PEER,
    juju: Some("juju login HOST -c NAME"),
};

/// Bytes of the line with the code. A code has 21 characters, and may stand in quotes.
const CODE_LINE_BYTES_MAX: u64 = 256;

const OFFER: Help =
    Help { examples: &["modelferry pair offer", "modelferry pair offer --as west"], exits: exit::ASKING, juju: None };

const ACCEPT: Help = Help {
    examples: &[
        "modelferry pair accept 'ZKTX-PJQE-7Z8D-DRZM-~' east.example.net --as east",
        "modelferry pair accept 'ZKTX-PJQE-7Z8D-DRZM-~' 192.0.2.7:17171",
        "modelferry pair accept - east.example.net --as east",
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
        /// The code that `pair offer` printed; - asks for it, or reads it from standard input, and keeps it out of the shell's
        /// history
        code: String,
        /// The other host
        #[arg(value_name = "HOST[:PORT]")]
        address: String,
        /// What the other agent will be called here, as DEST of `migrate`
        #[arg(long = "as", value_name = "NAME")]
        name: Option<String>,
    },
}

/// Reads the code from the first line of standard input. `asks`: whether a person types it.
fn code_of(input: &mut dyn BufRead, asks: bool) -> Result<String, Failure> {
    if asks {
        eprint!("Code that `modelferry pair offer` printed: ");
    }
    let mut line = String::new();
    let read = input.take(CODE_LINE_BYTES_MAX).read_line(&mut line);
    let usage = |text: String| Failure::new(FailureKind::Usage, text).state("nothing has changed");
    read.map_err(|error| usage(format!("the code cannot be read from standard input: {error}")))?;
    match line.trim() {
        "" => {
            Err(usage("standard input has no code".to_owned())
                .hint("type the code that `modelferry pair offer` printed"))
        }
        code => Ok(code.to_owned()),
    }
}

/// Says what to type on the other host. The code stands in quotes, as its last character may be one that a shell acts on.
///
/// `host_name`: this host's, which the other one may resolve.
fn offered(offer: &OfferView, host_name: &str) -> String {
    let mut addresses = offer.addresses.iter().map(|address| short(address));
    let first = addresses.next().unwrap_or_else(|| "HOST".to_owned());
    let others: Vec<String> =
        addresses.chain(Some(plain(host_name).into_owned()).filter(|name| !name.is_empty())).collect();
    let mut text = format!(
        "Within {} minutes, run on the other host:\n\n  modelferry pair accept '{}' {first}\n",
        offer.seconds / 60,
        offer.code
    );
    if !others.is_empty() {
        text.push_str(&format!(
            "\nIf {first} cannot be reached from there, put another address of this host in its place: {}.\n",
            others.join(", ")
        ));
    }
    text
}

/// Leaves out the port that is meant without one. Of an IPv6 address it is always named.
fn short(address: &str) -> String {
    let port = format!(":{PORT_DEFAULT}");
    match address.strip_suffix(&port) {
        Some(host) if !host.contains(':') => host.to_owned(),
        _ => address.to_owned(),
    }
}

impl PairCommand {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Offer { name } => {
                let answer = context.ask(&Request::PairOffer { name })?;
                let Response::Offer(offer) = answer else { return Err(client::unexpected()) };
                context.print(&offer, || offered(&offer, &context.environment.host_name));
            }
            Self::Accept { code, address, name } => {
                let code = if code == STANDARD_INPUT {
                    code_of(&mut io::stdin().lock(), io::stdin().is_terminal())?
                } else {
                    code
                };
                let answer = context.ask(&Request::PairAccept { code, address, name })?;
                let Response::Paired(paired) = answer else { return Err(client::unexpected()) };
                context.print(&paired, || format!("Paired with \"{}\", pin {}.\n", plain(&paired.name), paired.pin));
            }
        }
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_from_the_first_line_of_standard_input() {
        let read = |text: &str| code_of(&mut text.as_bytes(), false);
        assert_eq!(read("ZKTX-PJQE-7Z8D-DRZM-~\nmore\n").unwrap(), "ZKTX-PJQE-7Z8D-DRZM-~");
        assert_eq!(read("  'ZKTX-PJQE-7Z8D-DRZM-~'").unwrap(), "'ZKTX-PJQE-7Z8D-DRZM-~'");
        for nothing in ["", "\n", "   \n"] {
            assert_eq!(read(nothing).unwrap_err().kind, FailureKind::Usage);
        }
        assert!(read(&"x".repeat(1 << 20)).unwrap().len() as u64 <= CODE_LINE_BYTES_MAX);
    }

    #[test]
    fn an_offer_is_a_command_that_can_be_typed_as_it_is() {
        let offer = |addresses: &[&str]| OfferView {
            code: "ZKTX-PJQE-7Z8D-DRZM-~".into(),
            seconds: 600,
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        };
        let told = offered(&offer(&["192.0.2.7:17171", "[2001:db8::7]:17171"]), "east");
        assert!(told.contains("  modelferry pair accept 'ZKTX-PJQE-7Z8D-DRZM-~' 192.0.2.7\n"), "{told}");
        assert!(told.contains("in its place: [2001:db8::7]:17171, east.\n"), "{told}");
        let told = offered(&offer(&["127.0.0.1:4711"]), "");
        assert!(told.ends_with("pair accept 'ZKTX-PJQE-7Z8D-DRZM-~' 127.0.0.1:4711\n"), "{told}");
    }
}
