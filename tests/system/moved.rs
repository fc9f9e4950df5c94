//! The main job: a model moves, whole.

use std::fs;

use modelferry::sample::Sample;

use super::host::{Host, files, ready, towards};

#[test]
fn a_model_arrives_byte_for_byte_and_its_source_redirects() {
    let sample = Sample::default();
    let (src, dst, written) = ready(&sample);
    let model = sample.name.as_str();
    for n in 0..5 {
        src.run(&["embedded", "set", model, &format!("key{n}=value {n}")]).ok();
    }
    let before = src.export(model);

    let started = src.run(&["migrate", model, "dst", "--wait"]);
    assert_eq!(started.code, 0, "{started:?}");

    // What the destination holds is what the source held: description, binaries, and what was written.
    let after = dst.export(model);
    assert_eq!(files(&before), files(&after));
    assert_eq!(fs::read(&written.description).unwrap(), fs::read(after.join("model.yaml")).unwrap());

    // The source answers with where it went; the destination is known here, so by its name.
    let redirect = src.run(&["status", "-m", &format!("src:{model}")]);
    redirect.fails(1, &format!("ERROR Model \"admin/{model}\" has been migrated to controller \"dst\".\nTo access it run 'juju switch dst:admin/{model}'."));
    assert!(!src.serves(model) && dst.serves(model));
    assert_eq!(src.migration(model)["migration"]["state"], "Moved");
    assert_eq!(dst.migration(model)["migration"]["state"], "Active");
}

#[test]
fn without_a_terminal_each_change_is_a_line_of_its_own() {
    let sample = Sample { size_bytes: 8 << 20, ..Sample::default() };
    let (src, _dst, _) = ready(&sample);
    let told = src.run(&["migrate", &sample.name, "dst", "--wait"]);
    let mut lines = told.err.lines();
    assert_eq!(lines.next().unwrap(), format!("Migration started with ID \"{}:0\"", sample.uuid));
    // A time of day, and then what is new: nothing is said twice in a row, and nothing is painted over.
    let notes: Vec<&str> = lines.map(|line| line.split_once("Z ").unwrap_or_else(|| panic!("{line}")).1).collect();
    assert!(!notes.is_empty() && notes.windows(2).all(|two| two[0] != two[1]), "{notes:?}");
    assert!(!told.err.contains(['\r', '\u{1b}']), "{:?}", told.err);
    told.ok();
}

#[test]
fn a_model_comes_back_and_almost_nothing_is_sent_again() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let model = sample.name.as_str();
    let before = src.export(model);
    src.run(&["migrate", model, "dst", "--wait"]).ok();
    dst.run(&["migrate", model, "src", "--wait"]).ok();
    assert_eq!(files(&before), files(&src.export(model)));
    assert!(src.serves(model) && !dst.serves(model));
    let back = dst.migration(model);
    assert_eq!(back["migration"]["bytes"]["sent"], 0, "{back}");
}

#[test]
fn a_model_without_blobs_moves_and_stays_marked_incomplete() {
    let sample = Sample::default();
    let (src, dst) = towards(Host::new("dst"));
    let written = sample.write(&src.dir.path().join("sample")).unwrap();
    src.run(&["embedded", "import", written.description.to_str().unwrap(), "--without-blobs"]).ok();
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    let shown = dst.run(&["show-model", &sample.name]).ok();
    assert!(shown.contains("incomplete"), "{shown}");
}

#[test]
fn every_document_version_moves_verbatim() {
    let (src, dst, _) = ready(&Sample::default());
    for document in [11, 13, 14] {
        let sample = Sample {
            name: format!("doc-{document}"),
            uuid: format!("5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f8{document}"),
            document,
            ..Sample::default()
        };
        let written = src.import(&sample);
        src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
        let after = dst.export(&sample.name);
        assert_eq!(fs::read(&written.description).unwrap(), fs::read(after.join("model.yaml")).unwrap());
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let told = src.run(&["migrate", &sample.name, "dst", "--dry-run"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(format!("{}{}", told.out, told.err).contains("Dry run successful: migration can proceed"), "{told:?}");
    src.run(&["precheck", &sample.name, "dst"]).ok();
    assert!(src.serves(&sample.name));
    assert_eq!(src.run(&["migrations", "--format", "json"]).json(), serde_json::json!([]));
    assert_eq!(dst.run(&["migrations", "--format", "json"]).json(), serde_json::json!([]));
}
