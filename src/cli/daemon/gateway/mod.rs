//! `modelferry gateway`: the certificate by which the gateway poses as a Juju controller.

mod csr;
mod sign;

use clap::Subcommand;

use crate::agent::control::Failure;
use crate::cli::Context;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;

const HELP: Help = Help {
    examples: &["modelferry gateway csr --key gateway.key > gateway.csr", "sudo modelferry gateway sign gateway.csr"],
    exits: exit::ALONE,
    juju: None,
};

/// Get the gateway a certificate of the destination's CA
///
/// A Juju source controller is given the gateway's address in the place of the destination's, and verifies its certificate. With
/// one that the destination's own CA has signed, agents and consumers of offers keep a CA that stays true after the move. Without,
/// the agent makes a CA of its own, and `modelferry precheck` says what that costs.
#[derive(Debug, Subcommand)]
#[command(after_long_help = HELP)]
pub enum GatewayCommand {
    Csr(csr::CsrArgs),
    Sign(sign::SignArgs),
}

impl GatewayCommand {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Csr(args) => args.run(context),
            Self::Sign(args) => args.run(context),
        }
    }
}
