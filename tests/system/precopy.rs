//! `precopy`: bytes ahead of a migration that may come, as an operator sees them.

use std::fs;

use modelferry::sample::Sample;

use super::host::{BIG, Host, THIN, big, files, ready};

fn bytes(host: &Host, id: &str, what: &str) -> u64 {
    host.view(id)["bytes"][what].as_u64().unwrap()
}

/// Waits until so many bytes more than `before` are held.
fn until_held(host: &Host, id: &str, before: u64) -> u64 {
    let least = before + (2 << 20);
    host.until(&format!("{least} bytes are held"), |host| {
        let view = host.view(id);
        assert!(view["ended-ms"].is_null(), "{view}");
        view["bytes"]["held"].as_u64().filter(|held| *held >= least)
    })
}

fn linked(src: &Host, dst: &Host) {
    for host in [src, dst] {
        host.until("peers are connected", |host| host.connected().then_some(()));
    }
}

#[test]
fn a_precopied_model_migrates_sending_only_what_has_changed() {
    let sample = Sample { size_bytes: 4 << 20, ..Sample::default() };
    let (src, dst, _) = ready(&sample);
    let model = sample.name.as_str();
    let id = format!("{}:p0", sample.uuid);
    let told = src.run(&["precopy", model, "dst", "--wait"]);
    assert!(told.err.contains(&format!("Pre-copy started with ID \"{id}\"")), "{}", told.err);
    let told = told.ok();
    assert!(told.contains("a migration sends only what has changed since"), "{told}");
    assert!(bytes(&src, &id, "sent") > 4 << 20);
    assert_eq!(dst.run(&["migrations", "--format", "json"]).json(), serde_json::json!([]));
    assert!(!dst.run(&["models"]).ok().contains(model));

    // "No bytes have gone to this peer" was said of one to which they just had.
    let plan = src.run(&["precheck", model, "dst"]).ok();
    assert!(plan.contains("not measured yet: a migration that sends 1 MiB or more measures it"), "{plan}");
    src.run(&["embedded", "set", model, "colour=green"]).ok();
    let before = src.export(model);
    let again = src.run(&["precopy", model, "dst", "--wait", "--format", "json"]).json();
    assert_eq!((again["state"].as_str(), again["kind"].as_str()), (Some("Copied"), Some("precopy")));
    assert!(again["bytes"]["sent"].as_u64().unwrap() < 1 << 10, "{again}");

    src.run(&["migrate", model, "dst", "--wait"]).ok();
    let moved = src.view(&format!("{}:0", sample.uuid));
    assert_eq!(moved["bytes"]["sent"], 0, "{moved}");
    assert!(files(&before) == files(&dst.export(model)), "what arrived differs");
    let listed = src.run(&["migrations"]).ok();
    assert!(listed.contains(&id) && listed.contains("Copied"), "{listed}");
    src.run(&["show-migration", &id, "--proof"]).fails(1, "is a pre-copy, which hands nothing over");
    // By its model's name the migration is meant, whatever came after it.
    src.run(&["show-migration", model, "--proof"]).ok();
}

#[test]
fn a_precopy_goes_on_by_itself_after_either_agent_was_killed() {
    let sample = big();
    let (mut src, mut dst, _) = ready(&sample);
    let id = format!("{}:p0", sample.uuid);
    src.run(&["precopy", &sample.name, "dst", "--bwlimit", THIN]).ok();
    let held = until_held(&src, &id, 0);

    src.kill();
    src.start();
    linked(&src, &dst);
    let more = until_held(&src, &id, held);
    assert!(bytes(&src, &id, "sent") < more, "what was held has been sent again");
    assert_eq!(src.view(&id)["orders"]["bwlimit"], THIN);

    dst.kill();
    dst.start();
    linked(&src, &dst);
    until_held(&src, &id, more);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    let adopted = src.view(&id);
    assert_eq!(adopted["note"], format!("adopted by migration {}:0", sample.uuid), "{adopted}");
    let moved = src.view(&format!("{}:0", sample.uuid));
    assert!(moved["bytes"]["sent"].as_u64().unwrap() <= BIG - more, "{moved}");
    assert!(dst.serves(&sample.name));
    src.kill();
    src.start();
    assert_eq!(src.view(&id)["note"], adopted["note"]);
}

#[test]
fn a_precopy_is_shown_as_such_and_nothing_says_that_its_model_migrates() {
    let sample = big();
    let (src, _dst, _) = ready(&sample);
    let model = sample.name.as_str();
    let id = format!("{}:p0", sample.uuid);
    src.run(&["precopy", model, "dst", "--bwlimit", THIN]).ok();
    until_held(&src, &id, 0);
    let status = src.run(&["status"]).ok();
    assert!(status.contains("pre-copying: copying binaries ahead of a migration, model is live ("), "{status}");
    for inside in [&["status", "-m", model][..], &["show-model", model]] {
        let told = src.run(inside).ok();
        assert!(!told.contains("migrat") && !told.contains("pre-cop"), "{told}");
    }
    src.run(&["precopy", model, "dst"]).fails(1, &format!("is being pre-copied there already ({id})"));
    src.run(&["cutover", &id]).fails(1, "is a pre-copy");
    let told = src.run(&["pause", model]).ok();
    assert!(told.contains(&format!("Pre-copy \"{id}\" is paused")), "{told}");
    assert!(src.run(&["status"]).ok().contains("paused by operator (uid"));
    assert!(src.serves(model));
    src.run(&["resume", model]).ok();
    let told = src.run(&["abort", model]).ok();
    assert!(told.contains("what has arrived stays over there"), "{told}");
    src.run(&["wait", &id]).fails(3, "pre-copy ended: aborted by operator (uid");
    assert!(!src.run(&["status"]).ok().contains(&id), "an ended pre-copy is no failed migration");
    let trail = src.run(&["events"]).ok();
    for said in [format!("pre-copy of admin/{model} to dst begins"), "Aborted: aborted by operator".to_owned()] {
        assert!(trail.contains(&said), "{said:?} is not in {trail}");
    }
    let audit = src.run(&["audit", "verify", "--format", "json"]).json();
    assert_eq!(audit["migrations"], 0, "{audit}");
    // A peer that is unpaired takes its pre-copies along.
    src.run(&["precopy", model, "dst", "--bwlimit", THIN]).ok();
    let told = src.run(&["unpair", "dst"]).ok();
    assert!(told.contains(&format!("Given up: \"{}:p1\".", sample.uuid)), "{told}");
}

#[test]
fn a_precopied_model_goes_elsewhere_while_its_name_is_taken_at_the_first_peer() {
    let sample = big();
    let (src, dst, _) = ready(&sample);
    let mut west = Host::new("west");
    west.start();
    west.add_users();
    west.pair(&src);
    // A model of the same name and no known user: a migration would be refused, the bytes are welcome.
    let taken = Sample { uuid: "5b0d2c1e-8f34-4a67-9c1b-3e7a90d4ffff".into(), ..Sample::default() };
    dst.import(&taken);
    let id = format!("{}:p0", sample.uuid);
    src.run(&["migrate", &sample.name, "dst"]).fails(1, "already exists");
    src.run(&["precopy", &sample.name, "dst", "--bwlimit", THIN]).ok();
    until_held(&src, &id, 0);
    assert!(dst.serves(&sample.name), "the other model of the name is used meanwhile");
    src.run(&["migrate", &sample.name, "west", "--wait"]).ok();
    assert!(west.serves(&sample.name));
    src.run(&["wait", &id]).fails(3, "the model has moved to west");
}

/// A pre-copy that came to nothing was told by `migrations` alone, which nobody reads in the morning.
#[test]
fn a_precopy_that_fails_is_shown_by_status_until_another_one_begins() {
    let sample = big();
    let (src, dst, _) = ready(&sample);
    let mut west = Host::new("west");
    west.start();
    west.add_users();
    west.pair(&src);
    let (model, id) = (sample.name.as_str(), format!("{}:p0", sample.uuid));
    src.run(&["precopy", model, "dst", "--bwlimit", THIN]).ok();
    src.run(&["migrate", model, "west", "--wait"]).ok();
    src.run(&["wait", &id]).fails(3, "the model has moved to west");
    assert!(!src.run(&["status"]).ok().contains(&id), "a model that is elsewhere is nobody's trouble here");
    west.run(&["migrate", model, "src", "--wait"]).ok();
    let told = src.run(&["status"]).ok();
    for expected in [
        format!("Pre-copy \"{id}\" failed "),
        "the model has moved to west".to_owned(),
        format!("Model \"admin/{model}\" is live on its source, as it was."),
        format!("Once more: `modelferry precopy admin/{model} dst`."),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not in {told}");
    }
    src.run(&["status", "--check"]).fails(7, "");
    src.run(&["precopy", &format!("admin/{model}"), "dst", "--wait"]).ok();
    assert!(!src.run(&["status", "--check"]).ok().contains(&id));
    assert!(src.serves(model) && !dst.serves(model));
}

/// "The agent's store failed; trying again", for ever, was all that was said of it.
#[test]
fn a_precopy_that_meets_a_damaged_binary_names_it_and_goes_on_once_it_is_whole() {
    let sample = Sample { size_bytes: 4 << 20, ..Sample::default() };
    let (src, _dst, _) = ready(&sample);
    let id = format!("{}:p0", sample.uuid);
    let blobs = fs::read_dir(src.dir.path().join("state/blobs")).unwrap().map(|entry| entry.unwrap().path());
    let blob = blobs.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let whole = fs::read(&blob).unwrap();
    let mut spoilt = whole.clone();
    spoilt[1000] ^= 1;
    fs::write(&blob, spoilt).unwrap();
    src.run(&["precopy", &sample.name, "dst"]).ok();
    let name = blob.file_name().unwrap().to_str().unwrap();
    src.until("the binary is named", |src| src.view(&id)["waiting"].as_str()?.contains(name).then_some(()));
    assert!(src.run(&["status"]).ok().contains(name));
    fs::write(&blob, whole).unwrap();
    src.run(&["wait", &id]).ok();
}

#[test]
fn all_models_are_precopied_one_at_a_time() {
    let (src, dst, _) = ready(&big());
    let named = |n: u32| Sample {
        name: format!("model-{n}"),
        uuid: format!("5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f8{n:02}"),
        ..big()
    };
    [named(1), named(2)].iter().for_each(|sample| drop(src.import(sample)));
    src.run(&["limit", THIN]).ok();
    src.run(&["precopy", "--all", "dst"]).ok();
    let listed = src.run(&["migrations"]).ok();
    assert_eq!(listed.matches(":p0").count(), 3, "{listed}");
    assert!(listed.contains("queued (1 ahead)") && listed.contains("queued (2 ahead)"), "{listed}");
    src.run(&["limit", "none"]).ok();
    for model in ["model-1", "model-2"] {
        src.run(&["wait", model]).ok();
        src.run(&["migrate", model, "dst", "--wait"]).ok();
        assert_eq!(src.view(model)["bytes"]["sent"], 0);
        assert!(dst.serves(model));
    }
}

#[test]
fn what_cannot_be_precopied_is_refused_with_the_nearest_name() {
    let sample = Sample::default();
    let (src, mut dst, _) = ready(&sample);
    let model = sample.name.as_str();
    src.run(&["precopy", &model[1..], "dst"]).fails(1, &format!("did you mean \"{model}\"?"));
    src.run(&["precopy", model, "dts"]).fails(1, "did you mean \"dst\"?");
    src.run(&["precopy", "controller", "dst"]).fails(1, "controllers can't be migrated");
    src.run(&["precopy", model]).fails(2, "target controller not specified");
    src.run(&["precopy", model, "dst", "--bwlimit", "0"]).fails(2, "a pre-copy that may send nothing never ends");
    dst.kill();
    src.until("the link is down", |src| (!src.connected()).then_some(()));
    src.run(&["precopy", model, "dst"]).fails(5, "is not connected");
    assert_eq!(src.run(&["migrations", "--format", "json"]).json(), serde_json::json!([]));
}
