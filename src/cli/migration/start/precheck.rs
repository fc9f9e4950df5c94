//! `modelferry precheck`: everything that would stop a migration, and nothing changed.

use clap::Args;
use serde_json::{Value, json};

use super::models_named;
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::Format;
use crate::cli::output::plain;
use crate::cli::texts::plan_text;
use crate::engine::view::{Level, PlanView, TotalsView, fixes};

const HELP: Help = Help {
    examples: &["modelferry precheck shop-eu west", "modelferry precheck --all west --format json"],
    exits: &[
        (Exit::Done, "nothing stands against it, though there may be warnings"),
        (Exit::Refused, "something does, or with --strict a warning; nothing has changed"),
        exit::USAGE,
        exit::STOPPED,
        exit::PEER_UNREACHABLE,
    ],
    juju: Some("juju migrate --dry-run MODEL CONTROLLER, from 3.6.13 on"),
};

/// Check everything that would stop a migration; nothing changes
///
/// Both controllers are asked. Every finding is printed, with the command that mends it, and so is what the
/// migration would cost: bytes to send, time, freeze, and whether there is a way back. The same as
/// `migrate --dry-run`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, override_usage = "modelferry precheck [OPTIONS] <MODEL>... <DEST>\n       \
    modelferry precheck [OPTIONS] --all <DEST>")]
pub struct PrecheckArgs {
    /// The models (name, owner/name or UUID), and then the peer whose controller they would go to
    #[arg(value_name = "MODEL... DEST", required = true, num_args = 1..)]
    names: Vec<String>,
    /// All models of this controller
    #[arg(long)]
    all: bool,
    /// Also refuse what only deserves a warning
    #[arg(long)]
    strict: bool,
}

impl PrecheckArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        check(context, self.names, self.all, self.strict)
    }
}

/// Prechecks models, prints what was found, and tells how the command ends.
pub(in crate::cli) fn check(context: &Context, names: Vec<String>, all: bool, strict: bool) -> Result<Exit, Failure> {
    let (models, peer) = models_named::resolve(context, names, all)?;
    // A list stays a list, also when a controller has one model only.
    let is_list = all || models.len() > 1;
    let (mut exit, mut plans, mut trees) = (Exit::Done, Vec::new(), Vec::new());
    let mut models = models.into_iter().peekable();
    while let Some(model) = models.next() {
        let plan = context.ask(&Request::Precheck { model: model.clone(), peer: peer.clone() });
        let ended = match plan {
            Ok(Response::Plan(plan)) => {
                if context.format == Format::Tabular {
                    context.put(&plan_text::text(&plan, crate::clock::now_ms()));
                } else {
                    trees.push(serde_json::to_value(&plan).unwrap_or_default());
                }
                let ended = verdict(context, &plan, strict, is_list);
                plans.push(plan);
                ended
            }
            Ok(_) => return Err(client::unexpected()),
            Err(failure) => {
                let ended = if context.format != Format::Tabular && is_list {
                    trees.push(json!({ "model": model, "ok": false, "error": failure }));
                    Exit::of(&failure)
                } else if is_list {
                    context.fail(&failure.clone().of_model(&model))
                } else {
                    context.fail(&failure)
                };
                if models.peek().is_some() && context.gives_up(&failure) {
                    exit = exit.graver(ended);
                    break;
                }
                ended
            }
        };
        exit = exit.graver(ended);
    }
    if context.format != Format::Tabular {
        match (is_list, trees.pop()) {
            (true, last) => context.print(&trees.into_iter().chain(last).collect::<Vec<Value>>(), String::new),
            (false, Some(only)) => context.print(&only, String::new),
            (false, None) => {}
        }
    } else if is_list {
        let totals = if plans.len() > 1 { Some(totals(context, &plans, peer)?) } else { None };
        context.put(&plan_text::summary(&plans, totals.as_deref()));
    }
    Ok(exit)
}

/// Asks what all the models have together: what several of them have travels once.
fn totals(context: &Context, plans: &[Box<PlanView>], peer: String) -> Result<Box<TotalsView>, Failure> {
    let models = plans.iter().map(|plan| plan.model_uuid.clone()).collect();
    match context.ask(&Request::Totals { models, peer })? {
        Response::Totals(totals) => Ok(totals),
        _ => Err(client::unexpected()),
    }
}

/// Says how the plan of one model ends. `named`: whether it has to say which model that is.
fn verdict(context: &Context, plan: &PlanView, strict: bool, named: bool) -> Exit {
    let against = |level: Level| level == Level::Fail || strict && level == Level::Warn;
    let causes: Vec<_> = plan.findings.iter().filter(|finding| against(finding.level)).collect();
    let stands = !plan.ok || !causes.is_empty();
    if context.format != Format::Tabular {
        return if stands { Exit::Refused } else { Exit::Done };
    }
    let path = format!("{}/{}", plan.owner, plan.model);
    if !stands {
        let of_which = if named { format!(" for model \"{}\"", plain(&path)) } else { String::new() };
        context.remark(&format!("Dry run successful{of_which}: migration can proceed"));
        return Exit::Done;
    }
    let message = causes.first().map_or_else(|| "the migration cannot proceed".to_owned(), |cause| cause.complaint());
    let mut failure = Failure::new(FailureKind::Refused, message)
        .state(format!("nothing has changed; model \"{}\" is live where it was", plan.model));
    let fixes = fixes(causes.iter().copied());
    if !fixes.is_empty() {
        failure = failure.hint(format!("To resolve this:\n  {}", fixes.join("\n  ")));
    }
    if named {
        failure = failure.of_model(&path);
    }
    context.fail(&failure)
}
