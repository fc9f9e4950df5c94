//! `modelferry show-migration`: one migration in detail, with its records.

use std::fmt::Write;
use std::time::Duration;

use clap::Args;

use crate::agent::control::view::is_freezing;
use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::plain;
use crate::cli::output::{Table, ago, byte_count, span, utc};
use crate::cli::texts::aftermath::{FROZEN, Failed};
use crate::clock::now_ms;
use crate::controller::gateway::Way;
use crate::engine::orders::local;
use crate::engine::view::{Bytes, Direction, EventView, GatewayUseView, MigrationView, Stand};

const HELP: Help = Help {
    examples: &[
        "modelferry show-migration shop-eu",
        "modelferry show-migration 5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862:0 --format json",
        "modelferry show-migration shop-eu --proof > commit.proof",
    ],
    exits: exit::ASKING,
    juju: Some("juju show-model MODEL, whose status tells of the last migration"),
};

/// Show a migration, or a pre-copy, and how it came to be where it is
///
/// Its state, what it waits for, what has travelled, the cause if it failed and what to do then; and every record that
/// the journal has of it, with who asked for it. Of a model that left a Juju controller: who still comes by the gateway, agents,
/// users and consumers of its offers, and since when nobody does.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct ShowMigrationArgs {
    /// The migration's ID, or its model
    id: String,
    /// Print what this side has decided, signed: to be carried to the other side where the link is dead
    #[arg(long)]
    proof: bool,
}

impl ShowMigrationArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.proof {
            let Response::Proof(proof) = context.ask(&Request::ShowProof { id: self.id })? else {
                return Err(client::unexpected());
            };
            context.print(&serde_json::json!({ "proof": proof }), || proof.clone());
            return Ok(Exit::Done);
        }
        let answer = context.ask(&Request::ShowMigration { id: self.id })?;
        let Response::History { migration, events, gateway } = answer else { return Err(client::unexpected()) };
        let tree = serde_json::json!({ "migration": migration, "events": events, "gateway": gateway });
        context.print(&tree, || {
            let shown = gateway.as_ref().map(|gateway| visitors(gateway, now_ms()));
            text(&migration, &events, now_ms()) + &shown.unwrap_or_default()
        });
        Ok(Exit::Done)
    }
}

/// Tells what has travelled, as far as it was counted.
fn carried(direction: Direction, bytes: &Bytes, now_ms: u64) -> String {
    let since = bytes.counted_from_ms.map(|from_ms| ago(from_ms, now_ms));
    if let (Some(since), 0) = (&since, bytes.total) {
        return format!("not counted: the agent was started {since}");
    }
    let [held, total, reused] = [bytes.held, bytes.total, bytes.reused].map(byte_count);
    let mut text = format!("{held} of {total} held, {reused} ");
    text += if since.is_some() { "there when the agent was started or found since" } else { "reused" };
    if direction == Direction::Source {
        let [sent, wire] = [bytes.sent, bytes.sent_wire].map(byte_count);
        let _ = write!(text, ", {sent} sent as {wire} on the wire");
    }
    if let Some(since) = since {
        let _ = write!(text, ", counted since the agent was started {since}");
    }
    text
}

/// Shows who still needs the gateway, or since when nobody does.
fn visitors(gateway: &GatewayUseView, now_ms: u64) -> String {
    if gateway.visitors.is_empty() {
        return "\nNobody has come by the gateway for this model.\n".to_owned();
    }
    let mut table = Table::new(&["By the gateway", "From", "What", "Last"]);
    for visitor in &gateway.visitors {
        let way = match (visitor.way, visitor.connections) {
            (Way::Redirected, _) => "sent to the destination".to_owned(),
            (Way::Carried, 0) => "was carried".to_owned(),
            (Way::Carried, open) => format!("carried now, {open} connections"),
        };
        let last = if visitor.connections > 0 { "now".to_owned() } else { ago(visitor.last_ms, now_ms) };
        table.row([&visitor.who, &visitor.from, &way, &last]);
    }
    let since =
        gateway.unused_since_ms.map(|since_ms| format!("Nobody has used the gateway since {}.\n", utc(since_ms)));
    format!("\n{}{}", table.render(), since.unwrap_or_default())
}

fn text(migration: &MigrationView, events: &[EventView], now_ms: u64) -> String {
    let direction = match migration.direction {
        Direction::Source => "to",
        Direction::Target => "from",
    };
    let mut lines = vec![
        (if migration.moves() { "migration" } else { "pre-copy" }, migration.id.clone()),
        ("mid", migration.mid.clone()),
        ("model", format!("{}/{} ({})", migration.owner, migration.model, migration.model_uuid)),
        (direction, format!("controller \"{}\" of peer \"{}\"", migration.controller, migration.peer)),
        ("state", migration.state.to_string()),
        ("note", migration.note.clone()),
    ];
    lines.extend(migration.waiting.clone().map(|waiting| ("waiting", waiting)));
    if let Some(orders) = &migration.orders {
        lines.extend(orders.cutover_at_ms.map(|at_ms| ("cutover", format!("not before {}", local(at_ms)))));
        if orders.held {
            lines.push(("cutover", format!("with `modelferry cutover {}`", migration.id)));
        }
        lines.extend(
            orders.until_ms.map(|until_ms| ("given up", format!("if it is not frozen by {}", local(until_ms)))),
        );
        lines.extend(orders.bwlimit.clone().map(|rate| ("bwlimit", rate)));
    }
    lines.extend(migration.cause.clone().map(|cause| ("cause", cause)));
    lines.extend(migration.reap_due_ms.map(|due_ms| ("reap due at", utc(due_ms))));
    lines.push(("started", ago(migration.started_ms, now_ms)));
    lines.extend(migration.ended_ms.map(|ended| ("ended", ago(ended, now_ms))));
    if is_freezing(migration) {
        lines.push(("meanwhile", format!("model is {FROZEN}")));
    }
    lines.extend(migration.frozen_ms.map(|ms| ("frozen for", span(Duration::from_millis(ms)))));
    lines.push(("bytes", carried(migration.direction, &migration.bytes, now_ms)));
    lines.extend(migration.root.clone().map(|root| ("root", root)));
    lines.push(("source agent", migration.source_pin.clone()));
    lines.push(("target agent", migration.target_pin.clone()));
    let mut text = lines.iter().fold(String::new(), |mut text, (key, value)| {
        let _ = writeln!(text, "{key}: {}", plain(value));
        text
    });
    if let (Stand::Reverted, Direction::Source, Some(ended_ms)) =
        (migration.stand, migration.direction, migration.ended_ms)
        && migration.moves()
    {
        let model = format!("{}/{}", migration.owner, migration.model);
        let cause = migration.cause.as_deref();
        let failed = Failed {
            id: &migration.id,
            model: &model,
            peer: &migration.peer,
            cause,
            ended_ms,
            is_precopy: !migration.moves(),
        };
        let _ = write!(text, "\n{}{}", failed.told(now_ms), failed.again());
    }
    let mut table = Table::new(&["Time", "Who", "What"]);
    for event in events {
        table.row([&utc(event.time_ms), &event.actor, &event.text]);
    }
    let _ = write!(text, "\n{}", table.render());
    text
}
