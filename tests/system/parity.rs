//! Sentences of Juju's page "Migrate models" that no other test holds; `docs/juju-parity.md` has them all.

use std::fs;

use modelferry::sample::{self, Sample};
use serde_json::{Value, json};

use super::host::{Host, files, ready, towards};

fn named(name: &str, uuid_end: char) -> Sample {
    let uuid = format!("00000000-0000-4000-8000-00000000000{uuid_end}");
    Sample { name: name.into(), uuid, ..Sample::default() }
}

/// The status of a model without what says where and when it was asked for.
fn inside(host: &Host, model: &str) -> Value {
    let mut status = host.run(&["status", "-m", model, "--format", "json"]).json();
    (status["controller"], status["model"]["controller"]) = (json!(null), json!(null));
    // The model is available there since it came, and here since it was imported.
    status["model"]["model-status"]["since"] = json!(null);
    status
}

/// A destination like [`Host::new`], but for the cloud, its type and its region.
fn elsewhere(cloud: &str, cloud_type: &str, region: &str) -> Host {
    let (pool, provider, backend) = (sample::POOL, sample::POOL_PROVIDER, sample::SECRET_BACKEND);
    let (credential, owner, version) = (sample::CREDENTIAL, sample::OWNER, sample::AGENT_VERSION);
    let embedded = format!(
        "cloud = \"{cloud}\"\nregion = \"{region}\"\ntype = \"{cloud_type}\"\nversion = \"{version}\"\n\
         storage-pools = [{{ name = \"{pool}\", provider = \"{provider}\" }}]\nsecret-backends = [\"{backend}\"]\n\
         credentials = [{{ name = \"{credential}\", owner = \"{owner}\" }}]"
    );
    Host::bare("dst", &embedded)
}

#[test]
fn machines_units_and_relations_are_the_same_on_the_destination() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let before = inside(&src, &sample.name);
    for table in ["machines", "applications", "storage"] {
        assert!(before[table].as_object().is_some_and(|rows| !rows.is_empty()), "{table}: {before}");
    }
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert_eq!(inside(&dst, &sample.name), before);
    // From the old controller's host it is the same model, by its new controller's name.
    assert_eq!(inside(&src, &format!("dst:{}", sample.name)), before);
}

#[test]
fn a_model_moves_to_a_controller_of_a_newer_juju() {
    let sample = Sample::default();
    let (src, dst) = towards(Host::with("dst", "version = \"4.0.6\""));
    src.import(&sample);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert!(dst.serves(&sample.name) && !src.serves(&sample.name));
    assert!(dst.run(&["controllers"]).ok().contains("4.0.6"));
}

#[test]
fn one_of_several_models_moves_and_the_others_stay_in_use() {
    let (src, dst, _) = ready(&Sample::default());
    let busy = named("busy", '7');
    src.import(&busy);
    src.run(&["limit", "0"]).ok();
    src.run(&["migrate", &busy.name, "dst"]).ok();
    // The one that moves is in use until its last moment, the other all the time.
    assert!(src.serves(&busy.name) && src.serves("shop-eu"));
    src.run(&["limit", "none"]).ok();
    src.run(&["wait", &busy.name]).ok();
    assert!(dst.serves(&busy.name) && !dst.serves("shop-eu") && src.serves("shop-eu"));
}

#[test]
fn a_destination_in_another_cloud_or_of_another_substrate_is_refused() {
    for (cloud, cloud_type) in [("elsewhere", sample::CLOUD_TYPE), (sample::CLOUD, "ec2")] {
        let (src, _dst) = towards(elsewhere(cloud, cloud_type, sample::REGION));
        src.import(&Sample::default());
        let told = src.run(&["migrate", "shop-eu", "dst"]).fails(1, "prechecks failed");
        assert!(told.contains(cloud), "{told}");
        assert!(src.serves("shop-eu"));
    }
}

#[test]
fn a_destination_in_another_region_needs_one_agent_to_reach_the_other_and_no_more() {
    let (src, mut dst) = towards(elsewhere(sample::CLOUD, sample::CLOUD_TYPE, "south-9"));
    src.import(&Sample::default());
    // The destination comes back where nobody looks for it: from now on only it can reach the source.
    dst.stop();
    let config = fs::read_to_string(dst.config()).unwrap();
    fs::write(dst.config(), config.replace(&format!(":{}\"", dst.port), ":0\"")).unwrap();
    dst.start();
    src.until("the link is back", |src| src.connected().then_some(()));
    src.run(&["migrate", "shop-eu", "dst", "--wait"]).ok();
    assert!(dst.serves("shop-eu"));
}

#[test]
fn a_running_migration_is_in_the_notes_of_status_and_in_show_model() {
    let sample = Sample::default();
    let (src, _dst, _) = ready(&sample);
    // Nothing travels until it may: the migration cannot be over before it was looked at.
    src.run(&["limit", "0"]).ok();
    src.run(&["migrate", &sample.name, "dst"]).ok();
    for args in [&["status", "-m", &sample.name][..], &["status"]] {
        let shown = src.until("a note", |src| Some(src.run(args).ok()).filter(|shown| shown.contains("migrating: ")));
        let mut lines = shown.lines();
        let head = lines.find(|line| line.starts_with("Model")).unwrap();
        assert!(head.ends_with("Notes"), "{shown}");
        let line = lines.next().unwrap();
        assert!(line.starts_with(&sample.name) && line.contains("migrating: "), "{shown}");
    }
    let shown = src.run(&["show-model", &sample.name]).ok();
    let status = shown.split("  status:\n").nth(1).unwrap_or_else(|| panic!("{shown}"));
    for key in ["current:", "since:", "migration:", "migration-start:"] {
        assert!(status.contains(&format!("    {key} ")), "{key}: {shown}");
    }
    src.run(&["limit", "none"]).ok();
    src.run(&["wait", &sample.name]).ok();
    assert_eq!(src.migration(&sample.name)["migration"]["note"], "successful");
}

#[test]
fn a_migration_that_fails_leaves_the_model_as_it_was_where_it_was() {
    let sample = Sample::default();
    let (src, mut dst, _) = ready(&sample);
    let (before, shown) = (src.export(&sample.name), inside(&src, &sample.name));
    src.run(&["limit", "0"]).ok();
    src.run(&["migrate", &sample.name, "dst"]).ok();
    dst.kill();
    src.run(&["abort", &sample.name]).ok();
    src.run(&["wait", &sample.name]).fails(3, "abort");
    assert_eq!(files(&before), files(&src.export(&sample.name)));
    assert!(src.serves(&sample.name));
    let mut after = inside(&src, &sample.name);
    // That a migration failed is told; everything else is as before.
    after["model"]["model-status"] = shown["model"]["model-status"].clone();
    assert_eq!(after, shown);
}
