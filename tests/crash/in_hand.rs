//! Commands that change or delete a model, in the states in which a migration of it can wait.
//!
//! The bug this was written for: `embedded remove` deleted a live model while a migration of it waited for its cutover; the
//! migration then hung, and `abort` said that the model stayed.

use std::path::PathBuf;

use modelferry::sample::Sample;

use super::held::held;
use super::host::{Host, files, ready};
use super::in_doubt::doubted;

/// What of a model is in files, for the commands that take one in.
struct Spare {
    export: PathBuf,
    archive: PathBuf,
}

impl Spare {
    fn of(host: &Host, model: &str) -> Self {
        let archive = host.dir.path().join("spare.tar.zst");
        host.run(&["backup", "create", model, archive.to_str().unwrap()]).ok();
        Self { export: host.export(model), archive }
    }
}

/// Expects that nothing here deletes the model or takes another copy of it in, with `why` from those that know.
#[track_caller]
fn keeps(host: &Host, sample: &Sample, spare: &Spare, why: &str) {
    let (description, export) = (spare.export.join("model.yaml"), spare.export.to_str().unwrap());
    let import = host.run(&["embedded", "import", description.to_str().unwrap(), "--blobs", export]);
    assert!(import.code == 1 && (import.err.contains(why) || import.err.contains("already exists")), "{import:?}");
    let told = host.run(&["backup", "restore", spare.archive.to_str().unwrap(), "--source-lost"]).fails(1, why);
    assert!(told.contains("nothing has changed; "), "{told}");
    let removed = host.run(&["embedded", "remove", &sample.uuid]);
    assert!(removed.code == 1 && (removed.err.contains(why) || removed.err.contains("not found")), "{removed:?}");
    let migrated = host.run(&["migrate", &sample.name, "src"]);
    assert_ne!(migrated.code, 0, "{migrated:?}");
}

#[test]
fn a_model_that_waits_for_its_cutover_is_not_removed_and_can_be_given_up_or_moved_afterwards() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let (model, id) = (sample.name.as_str(), format!("{}:0", sample.uuid));
    let spare = Spare::of(&src, model);
    let before = files(&spare.export);
    src.run(&["migrate", model, "dst", "--hold"]).ok();
    let why = "is being migrated (migration";
    keeps(&src, &sample, &spare, why);
    dst.until("the offer is there", |dst| (dst.run(&["show-migration", &id]).code == 0).then_some(()));
    let told = src.run(&["embedded", "remove", model]).fails(1, "the model is live here");
    assert!(told.contains(&format!("`modelferry abort {id}`")), "{told}");
    src.run(&["pause", &id]).ok();
    keeps(&src, &sample, &spare, why);
    assert_eq!(files(&src.export(model)), before, "it is as it was");
    src.run(&["abort", &id]).ok();
    src.run(&["wait", &id]).fails(3, "aborted");
    assert!(src.serves(model));
    src.run(&["migrate", model, "dst", "--wait"]).ok();
    // Ended: here it is no model any more, and there it is its owner's to remove.
    src.run(&["embedded", "remove", model]).fails(1, "has been migrated to controller");
    dst.run(&["embedded", "remove", model]).ok();
}

#[test]
fn a_model_is_not_removed_in_any_state_in_which_its_migration_waits_for_the_other_side() {
    for (point, state, why) in [
        ("target.Receiving.after", "Offered", "the model is live here"),
        ("target.Staging.after", "Frozen", "the model is frozen here"),
        ("target.Prepared.before", "Frozen", "the model is frozen here"),
    ] {
        let sample = Sample::default();
        let (src, _dst, id) = held(&sample, point);
        let spare = Spare::of(&src, &sample.name);
        assert_eq!(src.view(&id)["state"], state, "{point}");
        keeps(&src, &sample, &spare, why);
        src.run(&["abort", &id]).ok();
        src.run(&["wait", &id]).fails(3, "aborted");
        assert!(src.serves(&sample.name), "{point}");
        // Nothing holds it now.
        src.run(&["embedded", "remove", &sample.name]).ok();
        src.run(&["backup", "restore", spare.archive.to_str().unwrap()]).ok();
        assert!(src.serves(&sample.name), "{point}");
    }
}

#[test]
fn in_doubt_neither_side_s_copy_is_removed() {
    let sample = Sample::default();
    let (src, dst, id) = doubted(&sample);
    let spare = Spare::of(&src, &sample.name);
    keeps(&src, &sample, &spare, "which has not answered yet");
    keeps(&dst, &sample, &spare, "the copy here becomes the model as soon as src says so");
    assert_eq!((&src.view(&id)["state"], &dst.view(&id)["state"]), (&"Committed".into(), &"Prepared".into()));
}

#[test]
fn a_held_copy_is_reaped_and_not_removed() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let spare = Spare::of(&src, &sample.name);
    src.run(&["migrate", &sample.name, "dst", "--wait", "--hold-reap", "1h"]).ok();
    keeps(&src, &sample, &spare, "the model is live on dst");
    assert!(dst.serves(&sample.name));
    src.run(&["reap", &format!("{}:0", sample.uuid)]).ok();
}

#[test]
fn while_a_copy_arrives_no_other_is_taken_in() {
    let sample = Sample::default();
    let (mut src, dst, _) = ready(&sample);
    let spare = Spare::of(&src, &sample.name);
    src.stop();
    src.start_with(&[("MODELFERRY_FAILPOINT", "source.Freezing.before=kill")]);
    dst.until("peers are connected", |host| host.connected().then_some(()));
    src.until("the agent answers", |host| (host.run(&["status"]).code == 0).then_some(()));
    src.run(&["migrate", &sample.name, "dst"]).ok();
    src.wait_for_death("the freeze");
    keeps(&dst, &sample, &spare, "a copy of it is on its way here");
    src.start();
    src.run(&["wait", &sample.name]).ok();
    assert!(dst.serves(&sample.name));
}

#[test]
fn a_pre_copy_keeps_nobody_from_removing_the_model_and_ends() {
    let sample = Sample { size_bytes: 4 << 20, ..Sample::default() };
    let (src, _dst, _) = ready(&sample);
    src.run(&["limit", "dst", "1mbit"]).ok();
    src.run(&["precopy", &sample.name, "dst"]).ok();
    src.run(&["embedded", "remove", &sample.name]).ok();
    src.run(&["limit", "dst", "none"]).ok();
    src.until("the pre-copy has ended", |src| {
        let all = src.run(&["migrations", "--format", "json"]).json();
        all[0]["ended-ms"].as_u64()
    });
}
