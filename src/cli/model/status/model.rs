//! A model: its line, the tables below it, and the tree that YAML and JSON are made of.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::cut::cut_note;
use super::{applications, machines, related, storage};
use crate::agent::control::view::{ModelStatusView, ModelView};
use crate::cli::output::cloud::cloud_region;
use crate::cli::output::plain;
use crate::cli::output::{Table, clock, date};
use crate::cli::texts::aftermath::{FROZEN, Failed};

/// Which tables are shown that Juju shows only on demand.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::cli::model) struct Sections {
    pub relations: bool,
    pub storage: bool,
}

/// Returns what a model's status adds in words: what its migration does or why it failed, or else what its
/// controller says.
pub(in crate::cli) fn message(model: &ModelView) -> String {
    match &model.migration {
        Some(migration) => format!("migrating: {}", migration.note),
        None => model.details.message.clone(),
    }
}

/// Returns why a model's status is as it is, where Juju has a place for it and more is to be said.
pub(in crate::cli) fn reason(model: &ModelView) -> &'static str {
    if model.migration.as_ref().is_some_and(|migration| migration.frozen) { FROZEN } else { "" }
}

/// Reports whether a model's version is one whose client shows owner and support level: Juju 4 has neither.
pub(in crate::cli) fn has_owner(model: &ModelView) -> bool {
    let major = model.details.agent_version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_none_or(|major| major < 4)
}

/// Returns a model's support level as Juju prints it.
pub(in crate::cli) fn sla(model: &ModelView) -> &str {
    if model.details.sla.is_empty() { "unsupported" } else { &model.details.sla }
}

/// Returns the model as YAML and JSON show it, in Juju's order.
pub(in crate::cli::model) fn tree(status: &ModelStatusView, now_ms: u64) -> Value {
    let model = &status.model;
    let (details, row) = (&model.details, &model.details.row);
    let mut current = Map::new();
    let since = if details.since_ms == 0 { String::new() } else { date(details.since_ms) };
    for (key, value) in [
        ("current", row.status.clone()),
        ("message", message(model)),
        ("reason", reason(model).to_owned()),
        ("since", since),
    ] {
        if !value.is_empty() {
            current.insert(key.to_owned(), json!(value));
        }
    }
    let mut shown = json!({
        "name": row.name,
        "type": row.model_type,
        "controller": details.controller_name,
        "cloud": row.cloud,
    });
    if !row.region.is_empty() {
        shown["region"] = json!(row.region);
    }
    shown["version"] = json!(details.agent_version);
    shown["model-status"] = Value::Object(current);
    if has_owner(model) {
        shown["sla"] = json!(sla(model));
    }
    let mut tree = json!({ "model": shown });
    let inside = serde_json::to_value(&status.inside).expect("a model's inside has text for keys");
    for (key, value) in inside.as_object().into_iter().flatten() {
        // Juju shows relations with the applications, and by themselves in its tables alone.
        if key != "relations" {
            tree[key] = value.clone();
        }
    }
    tree["controller"] = json!({ "timestamp": clock(now_ms) });
    tree
}

/// Returns the model's line and tables.
pub(in crate::cli::model) fn text(status: &ModelStatusView, sections: Sections, now_ms: u64, color: bool) -> String {
    let (model, inside) = (&status.model, &status.inside);
    let (details, row) = (&model.details, &model.details.row);
    let cloud = cloud_region(&row.cloud, &row.region);
    let time = clock(now_ms);
    let note = cut_note(&message(model));
    let mut cells = vec![
        ("Model", row.name.as_str()),
        ("Controller", &details.controller_name),
        ("Cloud/Region", &cloud),
        ("Version", &details.agent_version),
    ];
    if has_owner(model) {
        cells.push(("SLA", sla(model)));
    }
    cells.push(("Timestamp", &time));
    if !note.is_empty() {
        cells.push(("Notes", &note));
    }
    let mut table = Table::new(&cells.iter().map(|(column, _)| *column).collect::<Vec<_>>());
    table.row(cells.iter().map(|(_, cell)| cell));
    let mut text = table.render_in(color);
    text.push_str(&remarks(model, now_ms));
    let caas = row.model_type == "caas";
    let mut tables = vec![related::saas(inside), applications::applications(inside, caas)];
    tables.push(applications::units(inside, caas));
    if !caas {
        tables.push(machines::machines(inside));
    }
    tables.push(related::offers(inside));
    if sections.relations {
        tables.push(related::relations(inside));
    }
    if sections.storage {
        tables.push(storage::storage(&inside.storage));
    }
    for table in tables.iter().filter(|table| !table.is_empty()) {
        let _ = write!(text, "\n{}", table.render_in(color));
    }
    if inside.is_empty() {
        let _ = write!(text, "\nModel \"{}/{}\" is empty.\n", plain(&row.owner), plain(&row.name));
    }
    text
}

/// Tells what the note has no room for: that applications run on while the model is frozen, or what failed
/// and what to do about it.
fn remarks(model: &ModelView, now_ms: u64) -> String {
    let row = &model.details.row;
    let path = format!("{}/{}", row.owner, row.name);
    if model.migration.as_ref().is_some_and(|migration| migration.frozen) {
        return format!("\nModel \"{}\" is {FROZEN}.\n", plain(&path));
    }
    failed(model, &path).map_or_else(String::new, |failed| format!("\n{}{}", failed.told(now_ms), failed.next()))
}

/// Returns a model's migration, if it has failed.
pub(in crate::cli) fn failed<'a>(model: &'a ModelView, path: &'a str) -> Option<Failed<'a>> {
    let migration = model.migration.as_ref()?;
    let ended_ms = migration.ended_ms?;
    let cause = migration.cause.as_deref();
    Some(Failed { id: &migration.id, model: path, peer: &migration.peer, cause, ended_ms, is_precopy: false })
}
