//! Models of every kind of entity, on machines and on Kubernetes, in every format: the files in `golden/`.

use std::fs;
use std::path::Path;

use super::status::model::{Sections, text as tables, tree};
use super::{models, show_model};
use crate::agent::control::view::{ModelMigration, ModelStatusView, ModelView};
use crate::cli::output::Format;
use crate::controller::description::Description;
use crate::controller::status::ModelStatus;
use crate::sample::Sample;

/// 2026-09-21 14:13:20 UTC: after everything that the descriptions tell.
const NOW_MS: u64 = 1_790_000_000_000;

/// A model on Kubernetes, of Juju's own documentation.
const KUBERNETES: &str = include_str!("golden/postgresql-k8s.yaml");

fn described(yaml: &str) -> ModelStatusView {
    let description = Description::parse(yaml.as_bytes()).unwrap();
    let model = ModelView::of_description(&description, "src");
    ModelStatusView { model, inside: ModelStatus::of(&description) }
}

/// The demo's model: machines, a container, a subordinate, storage, an offer, a remote application.
fn shop() -> ModelStatusView {
    let dir = tempfile::tempdir().unwrap();
    let files = Sample { machines: 3, ..Sample::default() }.write(dir.path()).unwrap();
    described(&fs::read_to_string(files.description).unwrap())
}

/// Compares with a file in `golden/`; with `UPDATE_GOLDEN` set it is written instead.
fn golden(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/model/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, shown).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(shown == expected, "{name} differs; look at it with UPDATE_GOLDEN=1 and `git diff`:\n{shown}");
}

fn in_every_format(name: &str, shown: &ModelStatusView) {
    let everything = Sections { relations: true, storage: true };
    golden(&format!("{name}.status.txt"), &tables(shown, everything, NOW_MS, false));
    for (format, end) in [(Format::Yaml, "yaml"), (Format::Json, "json")] {
        golden(&format!("{name}.status.{end}"), &format.render(&tree(shown, NOW_MS), String::new));
        let model = show_model::tree(&shown.model, NOW_MS);
        golden(&format!("{name}.show-model.{end}"), &format.render(&model, String::new));
    }
}

#[test]
fn models_look_the_same_in_every_format() {
    let rows = [shop(), described(KUBERNETES)].map(|shown| shown.model.details.row);
    golden("models.txt", &models::table("src", &rows, NOW_MS, false));
    for (format, end) in [(Format::Yaml, "yaml"), (Format::Json, "json")] {
        golden(&format!("models.{end}"), &format.render(&models::tree("src", &rows, NOW_MS), String::new));
    }
}

#[test]
fn a_model_of_every_kind_of_entity_looks_the_same_in_every_format() {
    let shop = shop();
    in_every_format("shop", &shop);
    let quiet = tables(&shop, Sections::default(), NOW_MS, false);
    assert!(!quiet.contains("Integration provider") && !quiet.contains("Storage Unit"), "{quiet}");
}

#[test]
fn a_model_on_kubernetes_looks_the_same_in_every_format() {
    in_every_format("postgresql-k8s", &described(KUBERNETES));
}

#[test]
fn a_model_that_migrates_and_one_whose_migration_failed_look_the_same_in_every_format() {
    let id = "5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862:0";
    let running = ModelMigration {
        id: id.into(),
        note: "uploading model binaries into target controller".into(),
        started_ms: NOW_MS - 40_000,
        frozen: true,
        peer: "west".into(),
        ..ModelMigration::default()
    };
    let mut shop = shop();
    shop.model.migration = Some(running);
    in_every_format("shop-frozen", &shop);

    let cause = "model data transfer failed, failed to import model into target controller: cannot import secrets";
    shop.model.migration = Some(ModelMigration {
        id: id.into(),
        note: format!("aborted, removing model from target controller: {cause}"),
        started_ms: NOW_MS - 600_000,
        ended_ms: Some(NOW_MS - 120_000),
        cause: Some(cause.into()),
        peer: "west".into(),
        frozen: false,
    });
    in_every_format("shop-failed", &shop);
}
