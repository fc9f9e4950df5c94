//! The command `demo`: its options and its help. The floor above plays it (`crate::demo`).

use std::path::PathBuf;

use clap::Args;

use super::Context;
use super::base::exit::{self, Exit};
use super::base::help::Help;
use super::input::link_spec::LinkSpec;
use super::input::number::whole;
use crate::agent::control::Failure;

const HELP: Help = Help {
    examples: &[
        "modelferry demo",
        "modelferry demo --link 20mbit,100ms,1% --interrupt",
        "modelferry demo --description model.yaml --blobs blobs --keep",
        "modelferry demo --write-model sample",
        "modelferry demo --real --programs bin",
    ],
    exits: &[
        (Exit::Done, "everything that was claimed is true"),
        (Exit::Refused, "it is not, or the demo could not run"),
        exit::USAGE,
    ],
    juju: None,
};

/// Plays the demo with the options of its command line.
pub type Play = fn(DemoArgs, &Context) -> Result<Exit, Failure>;

/// Watch a live model move between two agents on this host, over a thin link, with agents killed on the way
///
/// The agents are processes of this program, the commands shown are those that are run, and what is claimed is measured
/// from outside. Nothing of it touches an agent that runs on this host already.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct DemoArgs {
    /// The link between the agents: rate, round trip, loss; `none` for no link at all
    #[arg(long, value_name = "SPEC", default_value = "100mbit,80ms")]
    pub(crate) link: LinkSpec,
    /// Bytes of all binaries together
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    pub(crate) size: u64,
    /// Kill each agent once more, at random
    #[arg(long)]
    pub(crate) interrupt: bool,
    /// Move this model instead: a description as Juju writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) description: Option<PathBuf>,
    /// The binaries that the description names, laid out as `embedded export` does; made up without
    #[arg(long, value_name = "DIR", requires = "description")]
    pub(crate) blobs: Option<PathBuf>,
    /// Only write the model into this directory, and play nothing: model.yaml and blobs, for `embedded import` on any agent
    /// that runs on its defaults
    #[arg(long, value_name = "DIR", conflicts_with_all = ["description", "keep", "interrupt", "link"])]
    pub(crate) write_model: Option<PathBuf>,
    /// Between Juju's own programs instead: out of Juju 3.6's migration master, into Juju 4.1's API server
    #[arg(long, conflicts_with_all = ["description", "keep", "interrupt", "write_model"])]
    pub(crate) real: bool,
    /// Where those programs are: master, server41, client41; `$INTEROP_BIN` without
    #[arg(long, value_name = "DIR", requires = "real")]
    pub(crate) programs: Option<PathBuf>,
    /// Leave everything running afterwards, until Ctrl-C
    #[arg(long)]
    pub(crate) keep: bool,
    /// Whatever looks random follows from it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole)]
    pub(crate) seed: u64,
}

/// Reads a size such as `64MiB`.
fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size; write it like 64MiB");
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" | "K" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).filter(|bytes| (1 << 20..=1 << 40).contains(bytes)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_with_its_unit() {
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert!(parse_size("64 parsecs").is_err());
        assert!(parse_size("1KiB").is_err(), "too small for anything to be seen");
        assert!(parse_size("99999999999GiB").is_err());
    }
}
