//! After the move: the proof, the checklist, the redirect.

use std::fs;

use modelferry::sample::Sample;

use super::host::{Host, ready, towards};

const ADDRESS: &str = "10.9.8.7:17070";

/// Moves the sample to a controller whose API has an address.
fn moved() -> (Host, Host, Sample, String) {
    let sample = Sample::default();
    let (src, dst) = towards(Host::with("dst", &format!("addresses = [\"{ADDRESS}\", \"10.9.8.8:17070\"]")));
    src.import(&sample);
    src.run(&["embedded", "set", &sample.name, "colour=blue"]).ok();
    let told = src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    (src, dst, sample, told)
}

#[test]
fn the_end_prints_what_is_left_to_do_and_the_way_back_works_as_printed() {
    let (src, dst, sample, told) = moved();
    let controller = dst.run(&["show-controller", "--format", "json"]).ok();
    let fingerprint = src.run(&["status", "-m", "src:shop-eu"]);
    assert!(fingerprint.err.contains("juju switch dst:admin/shop-eu"), "{fingerprint:?}");
    for expected in [
        "New controller:  dst (",
        "Addresses:       10.9.8.7:17070, 10.9.8.8:17070",
        "Switch to it:    juju switch dst:admin/shop-eu",
        "Consumer:        ",
        "Prove it:        modelferry verify ",
        "Way back:        modelferry migrate admin/shop-eu src (on the host of dst; at any time)",
    ] {
        assert!(told.contains(expected), "no {expected:?} in:\n{told}");
    }
    let line = told.lines().find(|line| line.contains("Fingerprint:")).unwrap();
    let printed = line.split(['[', ']']).nth(1).unwrap();
    assert!(printed.len() == 95 && controller.contains(printed), "{printed} is not in {controller}");

    dst.run(&["migrate", "admin/shop-eu", "src", "--wait"]).ok();
    assert!(src.serves(&sample.name) && !dst.serves(&sample.name));
}

#[test]
fn a_checklist_is_in_the_json_of_whoever_waits() {
    let (src, _dst, _) = ready(&Sample::default());
    let view = src.run(&["migrate", "shop-eu", "dst", "--wait", "--format", "json"]).json();
    assert_eq!(view["state"], "Moved");
    assert_eq!(view["checklist"]["switch"], "juju switch dst:admin/shop-eu");
    assert_eq!(view["checklist"]["consumers"][0]["user"], "bob");
}

#[test]
fn an_arrival_is_proven_from_either_side() {
    let (src, dst, sample, _) = moved();
    // What was written since is no difference.
    dst.run(&["embedded", "set", &sample.name, "colour=red"]).ok();
    for host in [&src, &dst] {
        let seen = host.run(&["verify", &sample.name, "--format", "json"]).json();
        assert_eq!((&seen["ok"], &seen["blobs-proven"]), (&true.into(), &seen["blobs"]), "{seen}");
        assert!(seen["blobs"].as_u64().unwrap() >= 5, "{seen}");
        let text = host.run(&["verify", &format!("{}:0", sample.uuid)]).ok();
        for expected in
            ["is whole", "hashes to its root", "as handed over", "4 machines, 1 containers", "1 acknowledged"]
        {
            assert!(text.contains(expected), "no {expected:?} in:\n{text}");
        }
    }
}

#[test]
fn damage_on_the_destination_is_told_on_both_sides_with_exit_code_7() {
    let (src, dst, sample, _) = moved();
    let blobs = dst.dir.path().join("state/blobs");
    let largest = fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().path());
    let largest = largest.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[1000] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let name = largest.file_name().unwrap().to_str().unwrap();
    for host in [&src, &dst] {
        let told = host.run(&["verify", &sample.name]).fails(7, "1 of ");
        assert!(told.contains(name) && told.contains("missing or damaged"), "{told}");
        let seen = host.run(&["verify", &sample.name, "--format", "json"]);
        assert_eq!(seen.code, 7);
        assert!(seen.out.contains("\"ok\":false"), "{seen:?}");
    }
}

#[test]
fn a_model_that_is_gone_from_the_destination_is_not_whole() {
    let (src, dst, sample, _) = moved();
    dst.run(&["embedded", "remove", &sample.name]).ok();
    src.run(&["verify", &format!("{}:0", sample.uuid)]).fails(7, "not found");
}

#[test]
fn what_cannot_be_proven_is_refused_with_the_reason() {
    let (mut src, mut dst, sample, _) = moved();
    src.run(&["verify", "no-such-model"]).fails(1, "not found");
    dst.stop();
    src.until("loses its peer", |src| (!src.connected()).then_some(()));
    src.run(&["verify", &sample.name]).fails(5, "not connected");
    src.stop();
}

#[test]
fn a_redirect_to_a_controller_that_is_not_known_names_its_addresses_and_fingerprint() {
    let (src, dst, sample, _) = moved();
    // The agent beside the new controller knows it by its own name.
    let asked_there = dst.run(&["status", "-m", &format!("src:{}", sample.name)]);
    asked_there.fails(1, "has been migrated to controller \"dst\".\nTo access it run 'juju switch dst:admin/shop-eu'.");
    src.run(&["unpair", "dst"]).ok();
    let told = src.run(&["status", "-m", &format!("src:{}", sample.name)]).fails(
        1,
        "ERROR Model \"admin/shop-eu\" has been migrated to another controller.\nTo access it run one of the following \
         commands (you can replace the -c argument with your own preferred controller name):\n  'juju login \
         10.9.8.7:17070 -c dst'\n  'juju login 10.9.8.8:17070 -c dst'\n\nNew controller fingerprint [",
    );
    let fingerprint = told.split("fingerprint [").nth(1).unwrap().split(']').next().unwrap();
    assert_eq!(fingerprint.split(':').count(), 32, "{told}");
}
