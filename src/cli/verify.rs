//! `modelferry verify`: compare the model that arrived with what was handed over.

use clap::Args;

use super::exit::{self, Exit};
use super::help::Help;
use super::output::plain;
use super::output::{Table, byte_count};
use super::{Context, client};
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::engine::view::VerifyView;

const HELP: Help = Help {
    examples: &["modelferry verify shop-eu", "modelferry verify 5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862:0 --format yaml"],
    exits: &[
        (Exit::Done, "everything is as it was handed over"),
        (Exit::Refused, "refused: the migration has not moved its model, or the model has left again"),
        exit::USAGE,
        exit::STOPPED,
        (Exit::Unreachable, "the agent, or the peer where the model is, cannot be reached"),
        (Exit::Attention, "something is missing or differs"),
    ],
    juju: None,
};

/// Prove that a model arrived as it was handed over
///
/// Works on either side; the target's agent looks. It hashes every blob again, compares the model description with the
/// one that both sides voted on, counts every kind of entity against it, and looks for every write that was
/// acknowledged before the model moved. Nothing changes.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct VerifyArgs {
    /// The migration's ID, or its model
    id: String,
}

impl VerifyArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let answer = context.ask(&Request::Verify { id: self.id })?;
        let Response::Verified(seen) = answer else { return Err(client::unexpected()) };
        context.print(&seen, || text(&seen));
        if seen.ok {
            return Ok(Exit::Done);
        }
        let wrong = seen.findings.iter().filter(|finding| finding.level == "fail");
        let wrong: Vec<&str> = wrong.map(|finding| finding.text.as_str()).collect();
        if context.format == super::output::Format::Tabular {
            let failure = Failure::new(
                FailureKind::Refused,
                format!("model \"{}\" is not whole: {}", seen.model, wrong.join("; ")),
            )
            .state("the model is where it was; nothing has been changed")
            .hint("take what is missing from a backup, or from the old controller while it still has it");
            context.fail(&failure);
        }
        Ok(Exit::Attention)
    }
}

fn text(seen: &VerifyView) -> String {
    let mut table = Table::new(&["Check", "Result", "Finding"]);
    for finding in &seen.findings {
        table.row([&finding.check, &finding.level, &finding.text]);
    }
    let verdict = if seen.ok { "whole" } else { "NOT whole" };
    format!(
        "Model \"{}\" of migration \"{}\" is {verdict}: {} of {} blobs proven, {}\n\n{}",
        plain(&seen.model),
        plain(&seen.id),
        seen.blobs_proven,
        seen.blobs,
        byte_count(seen.bytes),
        table.render()
    )
}
