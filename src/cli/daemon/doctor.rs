//! `modelferry doctor`: whether the agent can do with its controller what a migration needs.

use std::fmt::Write;

use clap::Args;

use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::plain;
use crate::cli::output::{Format, Table};
use crate::engine::view::{FindingView, Level, fixes};

const HELP: Help = Help {
    examples: &["modelferry doctor", "modelferry doctor --format yaml"],
    exits: &[
        (Exit::Done, "nothing stands in the way; warnings may be listed"),
        exit::REFUSED,
        exit::USAGE,
        exit::STOPPED,
        (Exit::Unreachable, "the agent cannot be reached"),
        (Exit::Attention, "something must be mended before a model can come"),
    ],
    juju: None,
};

/// Check the controller beside the agent
///
/// Looks whether the controller is reached, proves itself by its CA, lets the agent's user in with enough rights, runs a version
/// of Juju and facades that are driven, and has a clock that agrees. Each failure has the command or key that mends it. Nothing
/// changes.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct DoctorArgs {}

impl DoctorArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Self {} = self;
        let Response::Findings(findings) = context.ask(&Request::Doctor {})? else { return Err(client::unexpected()) };
        context.print(&findings, || text(&findings));
        let wrong: Vec<&FindingView> = findings.iter().filter(|finding| finding.is_failure()).collect();
        if wrong.is_empty() {
            return Ok(Exit::Done);
        }
        if context.format == Format::Tabular {
            let texts: Vec<&str> = wrong.iter().map(|finding| finding.text.as_str()).collect();
            let fixes = fixes(wrong.iter().copied());
            let failure = Failure::new(FailureKind::Refused, texts.join("; "))
                .state("no model can come to this controller until that is mended")
                .hint(format!("To resolve this:\n  {}", fixes.join("\n  ")));
            context.fail(&failure);
        }
        Ok(Exit::Attention)
    }
}

fn text(findings: &[FindingView]) -> String {
    let mut table = Table::new(&["Check", "Result", "Finding"]);
    for finding in findings {
        table.row([finding.check.as_str(), finding.level.as_str(), &finding.text]);
    }
    let mut text = table.render();
    for finding in findings.iter().filter(|finding| finding.level == Level::Warn && !finding.fix.is_empty()) {
        // Writing to a text cannot fail.
        let _ = write!(text, "\n{}: {}\n", plain(&finding.check), plain(&finding.fix));
    }
    text
}
