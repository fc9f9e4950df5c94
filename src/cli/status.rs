//! `modelferry status`: the agent, or with `-m` a model in Juju's layout.

use std::fmt::Write;

use clap::Args;
use serde_json::json;

use super::exit::{self, Exit};
use super::output::{Table, ago, clock, now_ms};
use super::{Context, client, doubt, model_tables, peers, plain};
use crate::agent::control::view::{ModelView, StatusView, is_in_doubt};
use crate::agent::control::{Failure, Request, Response};

/// Characters of a note at most, as in Juju.
const NOTE_CHARS_MAX: usize = 120;

/// Show the agent: what is in doubt, what runs, its peers; or a model
#[derive(Debug, Args)]
#[command(after_help = exit::ASKING)]
pub struct StatusArgs {
    /// A model instead: name, owner/name or UUID; of a peer's controller with PEER: before it
    #[arg(short, long, value_name = "[PEER:]MODEL")]
    model: Option<String>,
}

impl StatusArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let now = now_ms();
        match self.model {
            Some(model) => {
                let answer = context.ask(&Request::ShowModel { model })?;
                let Response::Model(model) = answer else { return Err(client::unexpected()) };
                context.print(&tree(&model, now), || model_text(&model, now));
            }
            None => {
                let Response::Status(status) = context.ask(&Request::Status {})? else {
                    return Err(client::unexpected());
                };
                context.print(&status, || agent_text(&status, now));
            }
        }
        Ok(Exit::Done)
    }
}

/// Cuts a note as Juju does.
fn note(text: &str) -> String {
    if text.chars().count() <= NOTE_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(NOTE_CHARS_MAX - 3).chain("...".chars()).collect()
}

/// Returns what a model's status adds in words: what its migration does, or why it failed.
pub(super) fn message(model: &ModelView) -> String {
    let migration = model.migration.as_ref();
    migration.map_or_else(String::new, |migration| format!("migrating: {}", migration.note))
}

/// Returns a model's support level as Juju prints it.
pub(super) fn sla(model: &ModelView) -> &str {
    if model.details.sla.is_empty() { "unsupported" } else { &model.details.sla }
}

fn tree(model: &ModelView, now_ms: u64) -> serde_json::Value {
    let (details, row) = (&model.details, &model.details.row);
    let mut status = json!({ "current": row.status });
    let message = message(model);
    if !message.is_empty() {
        status["message"] = json!(message);
    }
    status["since"] = json!(ago(details.since_ms, now_ms));
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
    shown["model-status"] = status;
    shown["sla"] = json!(sla(model));
    json!({
        "model": shown,
        "machines": model_tables::machines_tree(model),
        "applications": model_tables::applications_tree(model),
        "controller": { "timestamp": clock(now_ms) },
    })
}

fn model_text(model: &ModelView, now_ms: u64) -> String {
    let (details, row) = (&model.details, &model.details.row);
    let cloud = super::cloud_region(&row.cloud, &row.region);
    let time = clock(now_ms);
    let note = note(&message(model));
    let mut columns = vec!["Model", "Controller", "Cloud/Region", "Version", "SLA", "Timestamp"];
    let mut cells =
        vec![row.name.as_str(), &details.controller_name, &cloud, &details.agent_version, sla(model), &time];
    if !note.is_empty() {
        columns.push("Notes");
        cells.push(&note);
    }
    let mut table = Table::new(&columns);
    table.row(cells);
    let mut text = table.render();
    let inside = model_tables::tables(model);
    if inside.is_empty() {
        let _ = write!(text, "\nModel \"{}/{}\" is empty.\n", plain(&row.owner), plain(&row.name));
    }
    for table in inside {
        let _ = write!(text, "\n{table}");
    }
    text
}

fn agent_text(status: &StatusView, now_ms: u64) -> String {
    let (doubtful, sure): (Vec<_>, Vec<_>) =
        status.migrations.iter().partition(|migration| is_in_doubt(migration, now_ms));
    let mut text = String::new();
    for alarm in &status.alarms {
        let _ = writeln!(text, "ALARM  {}: {}\n", plain(&alarm.kind), plain(&alarm.text));
    }
    for migration in doubtful {
        let _ = writeln!(text, "{}\n", doubt::tell(migration, now_ms));
    }
    let mut table = Table::new(&["Controller", "Cloud/Region", "Version", "Agent", "Listen", "Timestamp"]);
    let controller = &status.controller;
    let cloud = super::cloud_region(&controller.cloud, &controller.region);
    let time = clock(now_ms);
    table.row([&controller.name, &cloud, &controller.version, &status.version, &status.listen, &time]);
    text.push_str(&table.render());
    if !sure.is_empty() {
        let mut table = Table::new(&["Model", "Controller", "Cloud/Region", "Version", "Timestamp", "Notes"]);
        for migration in &sure {
            let note = note(&format!("migrating: {}", migration.note));
            table.row([&migration.model, &controller.name, &cloud, &controller.version, &time, &note]);
        }
        let _ = write!(text, "\n{}", table.render());
    }
    match peers::table(&status.peers) {
        peers if peers.is_empty() => {
            text.push_str("\nNo peers. Pair with `modelferry pair offer` on one host.\n");
        }
        peers => {
            let _ = write!(text, "\n{}", peers.render());
        }
    }
    let mut table = Table::new(&["Waiting", "ID", "Reason"]);
    for migration in sure {
        if let Some(reason) = &migration.waiting {
            table.row([&migration.model, &migration.id, reason]);
        }
    }
    if !table.is_empty() {
        let _ = write!(text, "\n{}", table.render());
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::agent::control::view::{ControllerView, ModelMigration, PeerView};
    use crate::controller::embedded::view::{ModelDetails, ModelRow, ModelState};
    use crate::engine::view::{Bytes, Direction, MigrationView, Stand};

    /// 2025-10-09 08:53:20 UTC.
    const NOW_MS: u64 = 1_760_000_000_000;

    /// An empty model in service.
    pub(in crate::cli) fn model() -> ModelView {
        let row = ModelRow {
            name: "cos".into(),
            owner: "admin".into(),
            uuid: String::new(),
            model_type: "iaas".into(),
            cloud: "cos-microk8s".into(),
            region: "localhost".into(),
            cloud_type: "kubernetes".into(),
            status: "available".into(),
            machines: 0,
            units: 0,
            access: "admin".into(),
            last_connection: None,
            state: ModelState::Live,
            incomplete: false,
            is_controller: false,
        };
        let details = ModelDetails {
            row,
            controller_name: "cos-microk8s-localhost".into(),
            controller_uuid: String::new(),
            agent_version: "3.1.10".into(),
            sla: String::new(),
            since_ms: NOW_MS,
            users: Vec::new(),
            credential: None,
            document_version: 11,
            description_bytes: 0,
            description_hash: String::new(),
            binaries: 0,
            binaries_held: 0,
            entries: 0,
            counts: Vec::new(),
            mid: None,
        };
        ModelView { details, migration: None, applications: Vec::new(), units: Vec::new(), machines: Vec::new() }
    }

    #[test]
    fn the_model_line_is_jujus_with_the_note_and_without() {
        let quiet = model();
        assert_eq!(
            model_text(&quiet, NOW_MS),
            "Model  Controller              Cloud/Region            Version  SLA          Timestamp\n\
             cos    cos-microk8s-localhost  cos-microk8s/localhost  3.1.10   unsupported  08:53:20Z\n\
             \nModel \"admin/cos\" is empty.\n"
        );
        let migration = ModelMigration {
            id: String::new(),
            note: "uploading model binaries into target controller".into(),
            started_ms: NOW_MS,
            ended_ms: None,
        };
        let busy = ModelView { migration: Some(migration), ..quiet };
        assert!(model_text(&busy, NOW_MS).starts_with(
            "Model  Controller              Cloud/Region            Version  SLA          Timestamp  Notes\n\
             cos    cos-microk8s-localhost  cos-microk8s/localhost  3.1.10   unsupported  08:53:20Z  migrating: \
             uploading model binaries into target controller\n"
        ));
    }

    #[test]
    fn a_long_note_is_cut_as_juju_cuts_it() {
        let long = format!("migrating: {}", "é".repeat(200));
        let cut = note(&long);
        assert_eq!(cut.chars().count(), 120);
        assert!(cut.ends_with("é..."));
        assert_eq!(note(&"x".repeat(120)), "x".repeat(120));
    }

    /// A migration that waits for its link.
    pub(in crate::cli) fn migration(stand: Stand) -> MigrationView {
        MigrationView {
            id: "3850c8cc-0cd0-4d53-8a6d-591b63024141:0".into(),
            mid: "00".repeat(16),
            model_uuid: "3850c8cc-0cd0-4d53-8a6d-591b63024141".into(),
            model: "prod".into(),
            owner: "admin".into(),
            direction: Direction::Source,
            peer: "west".into(),
            controller: "dst".into(),
            state: "Committed".into(),
            stand,
            note: "exporting model".into(),
            waiting: Some("the link to \"west\" is down".into()),
            cause: None,
            started_ms: NOW_MS - 60_000,
            ended_ms: None,
            undecided_since_ms: (stand == Stand::Undecided).then_some(NOW_MS - 45_000),
            frozen_ms: None,
            root: None,
            source_pin: "aa".repeat(32),
            target_pin: "bb".repeat(32),
            bytes: Bytes::default(),
        }
    }

    #[test]
    fn what_is_in_doubt_comes_first() {
        let status = StatusView {
            version: "0.1.0".into(),
            controller: ControllerView { name: "src".into(), cloud: "lxd".into(), ..ControllerView::default() },
            listen: "[::]:17171".into(),
            peers: vec![PeerView { name: "west".into(), ..PeerView::default() }],
            alarms: Vec::new(),
            migrations: vec![migration(Stand::Running), migration(Stand::Undecided)],
        };
        let text = agent_text(&status, NOW_MS);
        assert!(text.starts_with("IN DOUBT  model \"admin/prod\""), "{text}");
        assert!(text.contains("Committed, for 45 s: the link to \"west\" is down"), "{text}");
        assert!(text.contains("the operator of \"west\" must act:\n  here:"), "{text}");
        let typed = "modelferry resolve 3850c8cc-0cd0-4d53-8a6d-591b63024141:0 --proof commit.proof\n";
        assert!(text.contains(typed), "{text}");
        assert!(text.contains("  migrating: exporting model\n"), "{text}");
        assert!(text.contains("west  -           -             -        down  -\n"), "{text}");
        assert!(text.ends_with(
            "Waiting  ID                                      Reason\n\
             prod     3850c8cc-0cd0-4d53-8a6d-591b63024141:0  the link to \"west\" is down\n"
        ));
    }

    #[test]
    fn a_switchover_of_a_moment_is_not_called_in_doubt() {
        let fresh = MigrationView { undecided_since_ms: Some(NOW_MS - 100), ..migration(Stand::Undecided) };
        assert!(!is_in_doubt(&fresh, NOW_MS));
    }
}
