//! What a peer may do: the command that says so, and what each side is told of a refusal.

use modelferry::sample::Sample;
use serde_json::json;

use super::host::{Host, ready};

fn set(host: &Host, args: &[&str]) -> String {
    host.run(&[&["peer", "set"], args].concat()).ok()
}

#[test]
fn the_rights_of_a_peer_are_shown_changed_and_outlive_the_agent() {
    let (mut src, _dst, _) = ready(&Sample::default());
    let shown = |host: &Host| host.run(&["peers", "--format", "json"]).json()[0]["rights"].clone();
    let at_first =
        json!({ "receive": true, "send": true, "keep": false, "read": false, "models": [], "quota-bytes": null });
    assert_eq!(shown(&src), at_first);
    let text =
        set(&src, &["dst", "--receive", "off", "--keep", "on", "--quota", "1.5GiB", "--models", "web-*", "ann/db"]);
    let line = text.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(line.starts_with("dst off on on off 1.5") && line.ends_with("web-* ann/db"), "{text}");
    let changed = json!({ "receive": false, "send": true, "keep": true, "read": false, "models": ["web-*", "ann/db"], "quota-bytes": 3_u64 << 29 });
    src.stop();
    src.start();
    assert_eq!(shown(&src), changed);
    assert!(src.run(&["peers"]).ok().contains(&text.lines().nth(1).unwrap().to_owned()));
    set(&src, &["dst", "--receive", "on", "--keep", "off", "--models", "*", "--quota", "none"]);
    assert_eq!(shown(&src), at_first);
    src.run(&["peer", "set", "dst"]).fails(2, "nothing is to be changed");
    src.run(&["peer", "set", "dst", "--models", "["]).fails(2, "is no pattern");
    src.run(&["peer", "set", "dst", "--quota", "much"]).fails(2, "such as 50GiB");
    src.run(&["peer", "set", "nobody", "--keep", "on"]).fails(1, "no peer is called `nobody`");
}

#[test]
fn a_destination_that_takes_no_models_is_named_with_the_line_to_type_there() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let model = sample.name.as_str();
    set(&dst, &["src", "--receive", "off"]);
    for command in [&["precheck", model, "dst"][..], &["migrate", model, "dst"]] {
        let told = src.run(command);
        let text = told.out + &told.err;
        assert!(told.code != 0 && text.contains("controller \"dst\" takes no models from \"src\""), "{text}");
        assert!(text.contains("modelferry peer set src --receive on # on the host of dst"), "{text}");
    }
    set(&dst, &["src", "--receive", "on", "--models", "web-*"]);
    let told = src.run(&["migrate", model, "dst"]).fails(1, "only 'web-*'");
    assert!(told.contains(&format!("modelferry peer set src --models 'web-*' {model} # on the host of dst")), "{told}");
    set(&dst, &["src", "--models", "web-*", model]);
    src.run(&["migrate", model, "dst", "--wait"]).ok();
    assert!(dst.serves(model));
}

#[test]
fn a_model_that_is_larger_than_the_quota_is_refused_before_anything_moves() {
    let sample = Sample { size_bytes: 4 << 20, ..Sample::default() };
    let (src, dst, _) = ready(&sample);
    set(&dst, &["src", "--quota", "1MiB"]);
    let told = src.run(&["migrate", &sample.name, "dst"]).fails(1, "hold 1 MiB of its disk at once");
    assert!(told.contains("modelferry peer set src --quota ") && told.contains("# on the host of dst"), "{told}");
    set(&dst, &["src", "--quota", "100MiB"]);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    // It is in service there, and takes none of the quota any more.
    let other = Sample { name: "other".into(), uuid: "0c6f1f3e-6a86-4f0e-8a55-4b1f4f9d1c02".into(), ..sample };
    src.import(&other);
    set(&dst, &["src", "--quota", "7MiB"]);
    src.run(&["migrate", "other", "dst", "--wait"]).ok();
}

#[test]
fn a_source_that_may_not_send_says_what_to_type_here() {
    let sample = Sample::default();
    let (src, _dst, _) = ready(&sample);
    let model = sample.name.as_str();
    set(&src, &["dst", "--send", "off"]);
    for command in [&["migrate", model, "dst"][..], &["backup", "create", model, "dst"]] {
        let told = src.run(command).fails(1, "controller \"src\" sends no models to \"dst\"");
        assert!(told.contains("modelferry peer set dst --send on"), "{told}");
    }
    let told = src.run(&["precopy", model, "dst"]);
    assert!(told.code != 0 && told.err.contains("modelferry peer set dst --send on"), "{told:?}");
}

#[test]
fn a_copy_is_kept_once_the_peer_may_have_it_kept() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let keep = ["backup", "create", sample.name.as_str(), "dst"];
    let told = src.run(&keep).fails(1, "controller \"dst\" keeps no copies for \"src\"");
    assert!(told.contains("`modelferry peer set src --keep on` on the host of that controller"), "{told}");
    assert_eq!(dst.run(&["backup", "list", "--format", "json"]).json(), json!([]));
    set(&dst, &["src", "--keep", "on"]);
    src.run(&keep).ok();
}

#[test]
fn a_peer_reads_what_was_exchanged_with_it_and_the_rest_once_it_may() {
    let sample = Sample::default();
    let other =
        Sample { name: "other".into(), uuid: "0c6f1f3e-6a86-4f0e-8a55-4b1f4f9d1c02".into(), ..Sample::default() };
    let (src, dst, _) = ready(&sample);
    src.import(&other);
    let line = "`modelferry peer set dst --read on` on the host of src";
    let names = |host: &Host| -> Vec<String> {
        let models = host.run(&["models", "-c", "src", "--format", "json"]).json()["models"].clone();
        models.as_array().unwrap().iter().map(|model| model["short-name"].as_str().unwrap().to_owned()).collect()
    };
    // Neither is told from one that is not there.
    for model in ["other", "nothing", "shop-eu"] {
        let told = dst.run(&["status", "-m", &format!("src:{model}")]).fails(1, "was exchanged with this peer");
        assert!(told.contains(line) && !told.contains("did you mean"), "{told}");
    }
    dst.run(&["show-model", &format!("src:{}", other.uuid)]).fails(1, "was exchanged with this peer");
    assert_eq!(names(&dst), Vec::<String>::new());
    assert!(dst.run(&["models", "-c", "src"]).ok().contains(line));
    assert!(dst.run(&["show-controller", "src"]).ok().contains(line));

    // On its way it can be looked at, and after it has moved its new host says how it arrived.
    src.run(&["migrate", &sample.name, "dst", "--hold"]).ok();
    dst.run(&["show-model", &format!("src:{}", sample.name)]).ok();
    assert_eq!(names(&dst), [sample.name.as_str()]);
    src.run(&["cutover", &sample.name, "--wait"]).ok();
    src.run(&["verify", &sample.name]).ok();
    src.run(&["status", "-m", &format!("dst:{}", sample.name)]).ok();
    dst.run(&["status", "-m", &format!("src:{}", sample.name)]).fails(1, "has been migrated to controller \"dst\"");

    set(&src, &["dst", "--read", "on"]);
    assert!(names(&dst).contains(&"other".to_owned()));
    dst.run(&["status", "-m", "src:other"]).ok();
}
