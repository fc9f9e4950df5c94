//! `status` as Juju prints it: samples of Juju's own, and a model of every kind of entity in every format.

use std::fs;

use super::cut::{cut, cut_note};
use super::model::{Sections, text, tree};
use super::*;
use crate::agent::control::view::{
    ArrivalView, ControllerView, ModelMigration, ModelStatusView, ModelView, PeerView, StatusView, StrangerView,
    is_in_doubt,
};
use crate::cli::output::clock;
use crate::controller::description::Description;
use crate::controller::inventory::Brought;
use crate::controller::status::ModelStatus;
use crate::engine::retention::StoreUse;
use crate::engine::view::{AlarmView, Bytes, Direction, Kind, MigrationView, Stand, State};

/// 2025-10-09 08:53:20 UTC.
const NOW_MS: u64 = 1_760_000_000_000;
const EVERYTHING: Sections = Sections { relations: true, storage: true };

/// An empty model in service.
pub(in crate::cli) fn model() -> ModelView {
    let mut description = Description::default();
    description.name = "cos".into();
    description.owner = "admin".into();
    description.cloud = "cos-microk8s".into();
    description.region = "localhost".into();
    description.cloud_type = "kubernetes".into();
    description.agent_version = "3.1.10".into();
    let mut model = ModelView::of_description(&description, "cos-microk8s-localhost");
    model.details.row.uuid = String::new();
    model.details.since_ms = NOW_MS;
    model.details.row.access = "admin".into();
    model
}

/// A migration that waits for its link.
pub(in crate::cli) fn migration(stand: Stand) -> MigrationView {
    MigrationView {
        kind: Kind::Migration,
        id: "3850c8cc-0cd0-4d53-8a6d-591b63024141:0".into(),
        mid: "00".repeat(16),
        model_uuid: "3850c8cc-0cd0-4d53-8a6d-591b63024141".into(),
        model: "prod".into(),
        owner: "admin".into(),
        direction: Direction::Source,
        peer: "west".into(),
        controller: "dst".into(),
        state: if stand == Stand::Undecided { State::Committed } else { State::Offered },
        stand,
        note: "exporting model".into(),
        waiting: Some("the link to \"west\" is down".into()),
        failing: None,
        orders: None,
        cause: None,
        started_ms: NOW_MS - 60_000,
        ended_ms: None,
        undecided_since_ms: (stand == Stand::Undecided).then_some(NOW_MS - 45_000),
        undecided_ms: None,
        in_doubt_after_ms: crate::engine::view::IN_DOUBT_AFTER_MS,
        reap_due_ms: None,
        frozen_ms: None,
        root: None,
        source_pin: "aa".repeat(32),
        target_pin: "bb".repeat(32),
        bytes: Bytes::default(),
    }
}

fn empty(model: ModelView) -> ModelStatusView {
    ModelStatusView { model, inside: ModelStatus::default() }
}

/// The status of a model that is described, on a controller of this name.
fn described(yaml: &str, controller: &str) -> ModelStatusView {
    let description = Description::parse(yaml.as_bytes()).unwrap();
    let model = ModelView::of_description(&description, controller);
    ModelStatusView { model, inside: ModelStatus::of(&description) }
}

fn tables(status: &ModelStatusView, sections: Sections) -> String {
    text(status, sections, NOW_MS, false)
}

#[test]
fn the_model_line_is_jujus_with_the_note_and_without() {
    let quiet = model();
    assert_eq!(
        tables(&empty(quiet.clone()), Sections::default()),
        "Model  Controller              Cloud/Region            Version  SLA          Timestamp\n\
         cos    cos-microk8s-localhost  cos-microk8s/localhost  3.1.10   unsupported  08:53:20Z\n\
         \nModel \"admin/cos\" is empty.\n"
    );
    let note = "uploading model binaries into target controller".to_owned();
    let migration = ModelMigration { note, started_ms: NOW_MS, ..ModelMigration::default() };
    let busy = empty(ModelView { migration: Some(migration), ..quiet });
    assert!(tables(&busy, Sections::default()).starts_with(
        "Model  Controller              Cloud/Region            Version  SLA          Timestamp  Notes\n\
         cos    cos-microk8s-localhost  cos-microk8s/localhost  3.1.10   unsupported  08:53:20Z  migrating: \
         uploading model binaries into target controller\n\n"
    ));
}

#[test]
fn a_long_note_is_cut_as_juju_cuts_it() {
    let long = format!("migrating: {}", "é".repeat(200));
    let shown = cut(&long);
    assert_eq!(shown.chars().count(), 120);
    assert!(shown.ends_with("é..."));
    assert_eq!(cut(&"x".repeat(120)), "x".repeat(120));
}

/// The note ended within the one command that would have ended the migration.
#[test]
fn a_command_in_a_note_is_never_cut() {
    let note =
        format!("migrating: controller: {}; `modelferry reap U:0 --skip-logs` leaves it behind", "é".repeat(100));
    let shown = cut_note(&note);
    assert!(shown.ends_with("`modelferry reap U:0 --skip-logs`..."), "{shown}");
    assert_eq!(cut_note(&"x".repeat(200)), cut(&"x".repeat(200)));
}

#[test]
fn a_model_on_kubernetes_is_jujus_own_sample_to_the_byte() {
    assert_eq!(
        tables(&described(include_str!("../golden/postgresql-k8s.yaml"), "maas-controller2"), EVERYTHING),
        "Model       Controller        Cloud/Region              Version  SLA          Timestamp\n\
         postgresql  maas-controller2  microk8s-cloud/localhost  3.5.7    unsupported  08:53:20Z\n\
         \n\
         App             Version  Status   Scale  Charm           Channel    Rev  Address         Exposed  Message\n\
         postgresql-k8s  14.15    waiting      2  postgresql-k8s  14/stable  495  10.152.183.158  no       waiting \
         for units to settle down\n\
         \n\
         Unit               Workload  Agent  Address       Ports  Message\n\
         postgresql-k8s/0   error     idle   10.1.119.200         hook failed: \"config-changed\"\n\
         postgresql-k8s/1*  error     idle   10.1.119.201         hook failed: \"config-changed\"\n"
    );
}

#[test]
fn a_model_of_juju_4_is_jujus_own_sample_to_the_byte() {
    assert_eq!(
        tables(&described(include_str!("../golden/dummy-storage.yaml"), "40"), EVERYTHING),
        "Model  Controller  Cloud/Region         Version  Timestamp\n\
         m      40          localhost/localhost  4.0.2.1  08:53:20Z\n\
         \n\
         App      Version  Status  Scale  Charm          Channel  Rev  Exposed  Message\n\
         testing           active      1  dummy-storage             0  no       Stored token: /tmp/status\n\
         \n\
         Unit        Workload  Agent  Machine  Public address  Ports  Message\n\
         testing/0*  active    idle   0        10.51.45.186           Stored token: /tmp/status\n\
         \n\
         Machine  State    Address       Inst id        Base          AZ    Message\n\
         0        started  10.51.45.186  juju-8bc94d-0  ubuntu@24.04  jack  Running\n\
         \n\
         Storage Unit  Storage ID  Type        Mountpoint  Size    Status    Message\n\
         \x20             multi-fs/0  filesystem              10 MiB  attached  \n"
    );
}

#[test]
fn units_whose_agents_left_are_counted_as_juju_counts_them() {
    let yaml = include_str!("../golden/dummy-storage.yaml").replace("value: idle", "value: lost");
    let shown = tables(&described(&yaml, "40"), Sections::default());
    assert!(shown.contains("active    0/1  dummy-storage"), "{shown}");
}

#[test]
fn what_juju_printed_sorted_shows_the_same_model() {
    // `juju dump-model` prints keys in alphabetical order and times in quotes; here by way of JSON, as there.
    let yaml = include_str!("../golden/postgresql-k8s.yaml");
    let in_order: std::collections::BTreeMap<String, serde_json::Value> = serde_saphyr::from_str(yaml).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let dump = dir.path().join("dump.yaml");
    let sorted = Format::Yaml.render(&in_order, String::new);
    assert!(sorted.starts_with("agent-version") && sorted.contains("'2025-02-11") | sorted.contains("\"2025-02-11"));
    fs::write(&dump, sorted).unwrap();
    let read = Description::parse(&fs::read(&dump).unwrap()).unwrap();
    assert_eq!(ModelStatus::of(&read), described(yaml, "").inside);
}

#[test]
fn the_wire_loses_nothing_of_a_status() {
    let status = described(include_str!("../golden/dummy-storage.yaml"), "40");
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<ModelStatusView>(&text).unwrap(), status);
}

#[test]
fn a_frozen_model_says_that_its_applications_run_on() {
    let migration = ModelMigration { note: "exporting model".into(), frozen: true, ..ModelMigration::default() };
    let frozen = empty(ModelView { migration: Some(migration), ..model() });
    let shown = tables(&frozen, Sections::default());
    assert!(shown.contains("applications keep running; hooks and changes wait"), "{shown}");
    let tree = tree(&frozen, NOW_MS);
    assert_eq!(tree["model"]["model-status"]["message"], "migrating: exporting model");
    assert!(tree["model"]["model-status"]["reason"].as_str().unwrap().contains("applications keep running"));
}

#[test]
fn a_failed_migration_tells_its_whole_cause_and_what_to_do() {
    let cause = format!("model data transfer failed, failed to migrate binaries: {}", "x".repeat(100));
    let migration = ModelMigration {
        id: "3850c8cc-0cd0-4d53-8a6d-591b63024141:0".into(),
        note: format!("aborted, removing model from target controller: {cause}"),
        started_ms: NOW_MS - 60_000,
        ended_ms: Some(NOW_MS - 30_000),
        cause: Some(cause.clone()),
        peer: "west".into(),
        ..ModelMigration::default()
    };
    let shown = tables(&empty(ModelView { migration: Some(migration), ..model() }), Sections::default());
    assert!(shown.contains("...\n"), "the note is cut: {shown}");
    let told = format!("failed 30 seconds ago: {cause}\nModel \"admin/cos\" is live on its source, as it was.\n");
    assert!(shown.contains(&told), "{shown}");
    assert!(shown.contains("`modelferry precheck admin/cos west`"), "{shown}");
}

fn agent_status() -> StatusView {
    StatusView {
        version: "0.1.0".into(),
        controller: ControllerView { name: "src".into(), cloud: "lxd".into(), ..ControllerView::default() },
        listen: "[::]:17171".into(),
        peers: vec![PeerView { name: "west".into(), ..PeerView::default() }],
        alarms: Vec::new(),
        migrations: Vec::new(),
        arrivals: Vec::new(),
        failed: Vec::new(),
        store: None,
        strangers: Vec::new(),
    }
}

#[test]
fn what_is_in_doubt_comes_first_and_then_what_runs() {
    let frozen = MigrationView { frozen_ms: Some(1_500), ..migration(Stand::Undecided) };
    let migrations = vec![migration(Stand::Running), frozen];
    let text = agent::text(&StatusView { migrations, ..agent_status() }, NOW_MS, false);
    assert!(text.starts_with("IN DOUBT  model \"admin/prod\""), "{text}");
    assert!(text.contains("Committed, for 45 s: the link to \"west\" is down"), "{text}");
    assert!(text.contains("the operator of \"west\" must act:\n  here:"), "{text}");
    let typed = "modelferry resolve 3850c8cc-0cd0-4d53-8a6d-591b63024141:0 --proof commit.proof\n";
    assert!(text.contains(typed), "{text}");
    let parts = [
        "IN DOUBT",
        "Model  Controller  Cloud/Region  Version  Timestamp  Notes\n",
        "  migrating: the link to \"west\" is down; exporting model\n",
        "Model \"admin/prod\" is frozen for its migration: applications keep running; hooks and changes wait",
        "It has been so for 1.5 s.",
        "Controller  Cloud/Region  Version  Agent",
        "west  -           -             -        -        down\n",
        "Waiting  ID",
    ];
    let found: Vec<usize> =
        parts.iter().map(|part| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"))).collect();
    assert!(found.is_sorted(), "{text}");
    assert!(text.ends_with(
        "Waiting  ID                                      Reason\n\
         prod     3850c8cc-0cd0-4d53-8a6d-591b63024141:0  the link to \"west\" is down\n"
    ));
}

#[test]
fn a_model_that_a_juju_controller_brings_is_shown_with_who_brings_it() {
    let note = |is_complete| Brought { by: "admin from 10.0.0.9".into(), since_ms: NOW_MS, is_complete }.note();
    let arrival = ArrivalView {
        model: "admin/prod".into(),
        uuid: String::new(),
        note: note(false),
        by: String::new(),
        since_ms: NOW_MS - 60_000,
    };
    let arrivals = vec![arrival.clone(), ArrivalView { note: note(true), ..arrival }];
    let text = agent::text(&StatusView { arrivals, ..agent_status() }, NOW_MS, false);
    let began = "It began 1 minute ago, and that controller decides what comes of it.\n";
    let by = "by a Juju controller, which logged in as admin from 10.0.0.9";
    assert!(text.contains(&format!("Model \"admin/prod\" is being imported {by}. {began}")), "{text}");
    assert!(text.contains(&format!("Model \"admin/prod\" is imported {by}, and not activated yet. {began}")), "{text}");
}

#[test]
fn what_failed_of_late_is_shown_without_being_asked_for() {
    let failed = MigrationView {
        cause: Some("aborted by operator".into()),
        ended_ms: Some(NOW_MS - 60_000),
        waiting: None,
        ..migration(Stand::Reverted)
    };
    let text = agent::text(&StatusView { failed: vec![failed], ..agent_status() }, NOW_MS, false);
    assert!(text.contains(":0\" failed 1 minute ago: aborted by operator\n"), "{text}");
    assert!(text.contains("`modelferry migrate admin/prod west`"), "{text}");
}

#[test]
fn monitoring_is_told_of_doubt_before_what_deserves_attention() {
    let up = PeerView { name: "west".into(), connected: true, ..PeerView::default() };
    let well = StatusView { peers: vec![up], ..agent_status() };
    let check = |status: StatusView| agent::check(&status, NOW_MS);
    assert_eq!(check(well.clone()), Exit::Done);
    assert_eq!(check(StatusView { migrations: vec![migration(Stand::Running)], ..well.clone() }), Exit::Done);
    let failed = StatusView { failed: vec![migration(Stand::Reverted)], ..well.clone() };
    assert_eq!(check(failed.clone()), Exit::Attention);
    assert_eq!(check(agent_status()), Exit::Attention, "a peer's link is down");
    let reaping = MigrationView { state: State::Reaping, ..migration(Stand::Finishing) };
    assert_eq!(check(StatusView { migrations: vec![reaping], ..well.clone() }), Exit::Attention);
    let store = StoreUse { time_ms: NOW_MS, bytes: 1, idle_bytes: 0, trouble: Some("damaged".into()) };
    assert_eq!(check(StatusView { store: Some(store), ..well }), Exit::Attention);
    let doubtful = StatusView { migrations: vec![migration(Stand::Undecided)], ..failed.clone() };
    assert_eq!(check(doubtful), Exit::InDoubt);
    let alarm = AlarmView { kind: "halted".into(), text: "set back".into() };
    assert_eq!(check(StatusView { alarms: vec![alarm], ..failed }), Exit::InDoubt);
}

#[test]
fn a_switchover_of_a_moment_is_not_called_in_doubt() {
    let fresh = MigrationView { undecided_since_ms: Some(NOW_MS - 100), ..migration(Stand::Undecided) };
    assert!(!is_in_doubt(&fresh, NOW_MS));
}

#[test]
fn an_interval_is_a_number_of_seconds_or_a_duration() {
    assert_eq!(interval("5"), Ok(Duration::from_secs(5)));
    assert_eq!(interval("500ms"), Ok(Duration::from_millis(500)));
    assert!(interval("0").is_err() && interval("soon").is_err());
}

#[test]
fn what_nobody_needs_is_told_and_what_keeps_it_from_being_pruned() {
    let store = StoreUse { time_ms: NOW_MS, bytes: 64 << 20, idle_bytes: 1 << 20, trouble: None };
    let told = |store: StoreUse| agent::text(&StatusView { store: Some(store), ..agent_status() }, NOW_MS, false);
    let line =
        format!("\nStore: 64 MiB at {}, of which nobody needed 1 MiB. See `modelferry store show`.\n", clock(NOW_MS));
    assert!(told(store.clone()).contains(&line));
    let trouble = Some("what backup 9f needs: it is damaged".to_owned());
    let told = told(StoreUse { trouble, ..store });
    assert!(told.contains(". Nothing of it is pruned") && told.contains("backup 9f"), "{told}");
}

#[test]
fn status_shows_who_dialled_without_being_a_peer() {
    let stranger = StrangerView {
        address: "192.0.2.66".into(),
        count: 12,
        last_ms: NOW_MS - 120_000,
        reason: "the pairing code was wrong".into(),
    };
    let text = agent::text(&StatusView { strangers: vec![stranger], ..agent_status() }, NOW_MS, false);
    let row = text.lines().find(|line| line.starts_with("192.0.2.66")).expect("a row");
    assert!(row.contains("12") && row.contains("ago") && row.contains("the pairing code was wrong"), "{text}");
    assert!(text.contains("Turned away"), "{text}");
    assert!(!agent::text(&agent_status(), NOW_MS, false).contains("Turned away"));
}
