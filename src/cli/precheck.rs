//! `modelferry precheck`: everything that would stop a migration, and nothing changed.

use std::fmt::Write;

use clap::Args;

use super::exit::{self, Exit};
use super::output::{Table, byte_count};
use super::{Context, client, plain};
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::engine::view::PlanView;

/// Check everything that would stop a migration; nothing changes
#[derive(Debug, Args)]
#[command(after_help = exit::ASKING)]
pub struct PrecheckArgs {
    /// The models: name, owner/name or UUID
    #[arg(value_name = "MODEL", required = true, num_args = 1..)]
    models: Vec<String>,
    /// The peer whose controller they would go to
    #[arg(value_name = "DEST")]
    peer: String,
    /// Also refuse what only deserves a warning
    #[arg(long)]
    strict: bool,
}

impl PrecheckArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        check(context, &self.models, &self.peer, self.strict)
    }
}

/// Prechecks each model, prints what was found, and tells how the command ends.
pub(super) fn check(context: &Context, models: &[String], peer: &str, strict: bool) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for model in models {
        let plan = context.ask(&Request::Precheck { model: model.clone(), peer: peer.to_owned() });
        let ended = match plan {
            Ok(Response::Plan(plan)) => report(context, &plan, strict),
            Ok(_) => return Err(client::unexpected()),
            Err(failure) => context.fail(&failure),
        };
        exit = exit.graver(ended);
    }
    Ok(exit)
}

fn report(context: &Context, plan: &PlanView, strict: bool) -> Exit {
    let against = |level: &str| level == "fail" || strict && level == "warn";
    let causes: Vec<_> = plan.findings.iter().filter(|finding| against(&finding.level)).collect();
    if context.format != super::output::Format::Tabular {
        context.print(plan, String::new);
        return if plan.ok && causes.is_empty() { Exit::Done } else { Exit::Refused };
    }
    super::put(&text(plan));
    if plan.ok && causes.is_empty() {
        context.remark("Dry run successful: migration can proceed");
        return Exit::Done;
    }
    let message = causes.first().map_or("the migration cannot proceed", |cause| cause.text.as_str());
    let mut failure = Failure::new(FailureKind::Refused, format!("prechecks failed: {message}"))
        .state(format!("nothing has changed; model \"{}\" is live where it was", plan.model));
    let fixes: Vec<&str> = causes.iter().map(|cause| cause.fix.as_str()).filter(|fix| !fix.is_empty()).collect();
    if !fixes.is_empty() {
        failure = failure.hint(format!("To resolve this:\n  {}", fixes.join("\n  ")));
    }
    context.fail(&failure)
}

fn text(plan: &PlanView) -> String {
    let mut table = Table::new(&["Check", "Result", "Finding"]);
    for finding in &plan.findings {
        // Juju breaks some of these into lines; a table has one for each.
        let text: Vec<&str> = finding.text.split_whitespace().collect();
        table.row([finding.check.as_str(), &finding.level, &text.join(" ")]);
    }
    let mut text = format!(
        "Model \"{}\" to controller \"{}\" of peer \"{}\"\n\n{}\n",
        plain(&plan.model),
        plain(&plan.controller),
        plain(&plan.peer),
        table.render()
    );
    let _ = writeln!(
        text,
        "To move: {}, of which {} are there already; round trip {:.0} ms",
        byte_count(plan.bytes_total),
        byte_count(plan.bytes_held),
        plan.rtt_ms
    );
    text
}
