//! `modelferry verify`: compare the model that arrived with what was handed over.

use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;

use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::plain;
use crate::cli::output::{Table, byte_count};
use crate::config::parse_duration;
use crate::engine::view::{FindingView, Level, VerifyView};

/// The pause between two looks; a look that takes longer is paused for as long.
const PAUSE: Duration = Duration::from_secs(2);

const HELP: Help = Help {
    examples: &[
        "modelferry verify shop-eu",
        "modelferry verify shop-eu --wait 5m",
        "modelferry verify 5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862:0 --format yaml",
    ],
    exits: &[
        (Exit::Done, "everything is as it was handed over"),
        (Exit::Refused, "refused: the migration has not moved its model, or the model has left again"),
        exit::USAGE,
        (Exit::InDoubt, "not known yet on both sides whether the model moved; or the agent has stopped acting"),
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
    /// Look again until everything is there and every agent is connected, for so long at most, such as 90s or 10m
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    wait: Option<Duration>,
}

impl VerifyArgs {
    #[expect(
        clippy::disallowed_methods,
        reason = "a command feeds no watchdog, and no event tells that agents are connected"
    )]
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let begun = Instant::now();
        let seen = loop {
            let looked = Instant::now();
            let answer = context.ask(&Request::Verify { id: self.id.clone() })?;
            let Response::Verified(seen) = answer else { return Err(client::unexpected()) };
            if is_settled(seen.ok, &seen.findings) || self.wait.is_none_or(|wait| begun.elapsed() >= wait) {
                break seen;
            }
            sleep(PAUSE.max(looked.elapsed()));
        };
        context.print(&seen, || text(&seen));
        if seen.ok {
            return Ok(Exit::Done);
        }
        let wrong = seen.findings.iter().filter(|finding| finding.is_failure());
        let wrong: Vec<&str> = wrong.map(|finding| finding.text.as_str()).collect();
        if context.format == crate::cli::output::Format::Tabular {
            let failure = Failure::new(
                FailureKind::Refused,
                format!("model \"{}\" is not whole: {}", seen.model, wrong.join("; ")),
            )
            .state("nothing has been changed by looking")
            .hint("take what is missing from a backup, or from the old controller while it still has it");
            context.fail(&failure);
        }
        Ok(Exit::Attention)
    }
}

/// Reports whether another look would find nothing better: all is there, and no agent is missing.
fn is_settled(ok: bool, findings: &[FindingView]) -> bool {
    ok && findings.iter().all(|finding| finding.check != "agents" || finding.level == Level::Pass)
}

fn text(seen: &VerifyView) -> String {
    let mut table = Table::new(&["Check", "Result", "Finding"]);
    for finding in &seen.findings {
        table.row([finding.check.as_str(), finding.level.as_str(), &finding.text]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_that_are_not_connected_yet_are_waited_for_and_other_warnings_are_not() {
        let settled = |ok: bool, level: Level, check: &str| {
            let (check, text, fix) = (check.to_owned(), String::new(), String::new());
            is_settled(ok, &[FindingView { level, check, text, fix, side: None }])
        };
        assert!(settled(true, Level::Pass, "agents") && settled(true, Level::Warn, "offers"));
        assert!(!settled(true, Level::Warn, "agents") && !settled(false, Level::Fail, "units"));
    }
}
