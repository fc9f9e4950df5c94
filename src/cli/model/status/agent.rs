//! The status of the agent: migrations in doubt, running, waiting and recently failed, and its peers.

use std::fmt::Write;
use std::time::Duration;

use super::cut::cut_note;
use crate::agent::control::view::{StatusView, is_freezing, is_in_doubt};
use crate::cli::base::exit::Exit;
use crate::cli::output::cloud::cloud_region;
use crate::cli::output::plain;
use crate::cli::output::{Paint, Table, ago, byte_count, clock, painted, span};
use crate::cli::peer::peers;
use crate::cli::texts::aftermath::{FROZEN, Failed};
use crate::cli::texts::doubt;
use crate::engine::retention::StoreUse;
use crate::engine::view::MigrationView;

/// What a doubt begins with.
const IN_DOUBT: &str = "IN DOUBT";

pub(super) fn text(status: &StatusView, now_ms: u64, color: bool) -> String {
    let (doubtful, sure): (Vec<_>, Vec<_>) =
        status.migrations.iter().partition(|migration| is_in_doubt(migration, now_ms));
    let mut text = String::new();
    for alarm in &status.alarms {
        let head = painted("ALARM", Paint::Alarm, color);
        let _ = writeln!(text, "{head}  {}: {}\n", plain(&alarm.kind), plain(&alarm.text));
    }
    for migration in &doubtful {
        let _ = writeln!(text, "{}\n", alarmed(&doubt::tell(migration, now_ms), color));
    }
    let controller = &status.controller;
    let cloud = cloud_region(&controller.cloud, &controller.region);
    let time = clock(now_ms);
    if !status.migrations.is_empty() {
        let columns = ["Model", "Controller", "Cloud/Region", "Version", "Timestamp", "Notes"];
        let mut table = Table::new(&columns);
        for migration in doubtful.iter().chain(&sure) {
            let what = if migration.moves() { "migrating" } else { "pre-copying" };
            let note = cut_note(&format!("{what}: {}", migration.notes()));
            table.row([&migration.model, &controller.name, &cloud, &controller.version, &time, &note]);
        }
        let _ = writeln!(text, "{}", table.render_in(color));
    }
    text.push_str(&held(status, now_ms));
    let mut table = Table::new(&["Controller", "Cloud/Region", "Version", "Agent", "Listen", "Timestamp"]);
    table.row([&controller.name, &cloud, &controller.version, &status.version, &status.listen, &time]);
    text.push_str(&table.render_in(color));
    match peers::table(&status.peers) {
        // An alarm may be about the peers themselves, or about models: to pair anew is not what mends it.
        peers if peers.is_empty() && !status.alarms.is_empty() => {
            text.push_str("\nNo peers; first mend the alarm above.\n")
        }
        peers if peers.is_empty() => {
            text.push_str("\nNo peers. Pair with `modelferry pair offer` on one host.\n");
        }
        peers => {
            let peers = peers.paint(&[("Link", Paint::Status)]);
            let _ = write!(text, "\n{}", peers.render_in(color));
        }
    }
    let strangers = turned_away(status, now_ms);
    if !strangers.is_empty() {
        let _ = write!(text, "\n{}", strangers.render_in(color));
    }
    if let Some(store) = &status.store {
        let _ = writeln!(text, "\nStore: {}", store_line(store));
    }
    let mut table = Table::new(&["Waiting", "ID", "Reason"]);
    for migration in sure {
        if let Some(reason) = &migration.waiting {
            table.row([&migration.model, &migration.id, reason]);
        }
    }
    if !table.is_empty() {
        let _ = write!(text, "\n{}", table.render_in(color));
    }
    for migration in &status.failed {
        let model = format!("{}/{}", migration.owner, migration.model);
        let failed = Failed {
            id: &migration.id,
            model: &model,
            peer: &migration.peer,
            cause: migration.cause.as_deref(),
            ended_ms: migration.ended_ms.unwrap_or(now_ms),
            is_precopy: !migration.moves(),
        };
        let _ = write!(text, "\n{}{}", failed.told(now_ms), failed.next());
    }
    text
}

/// Lists who dialled this agent without being its peer.
fn turned_away(status: &StatusView, now_ms: u64) -> Table {
    let mut table = Table::new(&["Turned away", "Times", "Last", "Reason"]);
    for stranger in &status.strangers {
        let last = ago(stranger.last_ms, now_ms);
        table.row([&stranger.address, &stranger.count.to_string(), &last, &stranger.reason]);
    }
    table
}

/// Lists the models here that nobody can write to now: each with who holds it, and for how long.
fn held(status: &StatusView, now_ms: u64) -> String {
    let mut text = String::new();
    for migration in status.migrations.iter().filter(|migration| is_freezing(migration)) {
        let since = migration
            .frozen_ms
            .map_or_else(String::new, |ms| format!(" It has been so for {}.", span(Duration::from_millis(ms))));
        let (owner, model) = (plain(&migration.owner), plain(&migration.model));
        let _ = writeln!(text, "Model \"{owner}/{model}\" is {FROZEN}.{since}\n");
    }
    for arrival in &status.arrivals {
        let (model, note, began) = (plain(&arrival.model), plain(&arrival.note), ago(arrival.since_ms, now_ms));
        let _ = writeln!(
            text,
            "Model \"{model}\" is {note}. It began {began}, and that controller decides what comes of it.\n"
        );
    }
    text
}

/// Tells how `status --check` ends.
pub(super) fn check(status: &StatusView, now_ms: u64) -> Exit {
    let StatusView { alarms, migrations, failed, peers, store, .. } = status;
    if !alarms.is_empty() || migrations.iter().any(|migration| is_in_doubt(migration, now_ms)) {
        return Exit::InDoubt;
    }
    let unprunable = store.as_ref().is_some_and(|store| store.trouble.is_some());
    let is_down = peers.iter().any(|peer| !peer.connected);
    let is_left = migrations.iter().any(MigrationView::needs_somebody);
    if unprunable || is_down || is_left || !failed.is_empty() { Exit::Attention } else { Exit::Done }
}

/// Tells in a line what the store held when it was last pruned.
fn store_line(store: &StoreUse) -> String {
    let bytes = format!("{} at {}", byte_count(store.bytes), clock(store.time_ms));
    match &store.trouble {
        None => {
            format!("{bytes}, of which nobody needed {}. See `modelferry store show`.", byte_count(store.idle_bytes))
        }
        Some(trouble) => {
            format!("{bytes}. Nothing of it is pruned, as it cannot be told who needs what: {}", plain(trouble))
        }
    }
}

/// Paints the words that a doubt begins with.
fn alarmed(doubt: &str, color: bool) -> String {
    match doubt.strip_prefix(IN_DOUBT) {
        Some(rest) => format!("{}{rest}", painted(IN_DOUBT, Paint::Alarm, color)),
        None => doubt.to_owned(),
    }
}
