//! A name that was mistyped: what is not there is told as Juju tells it, and then what was probably meant.

use modelferry::sample::Sample;

use super::host::{Host, ready};

#[track_caller]
fn suggests(host: &Host, args: &[&str], said: &str, meant: &str) {
    let told = host.run(args).fails(1, said);
    assert!(told.contains(&format!("\ndid you mean \"{meant}\"?\n")), "{args:?}: {told}");
}

#[test]
fn a_mistyped_name_is_answered_with_the_nearest_one() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    // Juju's own line is as it was.
    let told = src.run(&["show-model", "shpo-eu"]).fails(1, "ERROR model src:admin/shpo-eu not found\n");
    assert_eq!(told.lines().nth(1), Some("did you mean \"shop-eu\"?"));
    suggests(&src, &["migrate", "admin/shop-ue", "dst"], "model src:admin/shop-ue not found", "admin/shop-eu");
    suggests(&src, &["migrate", "shop-eu", "dts"], "controller \"dts\" is not known here", "dst");
    suggests(&src, &["status", "-m", "dxt:shop-eu"], "controller dxt not found", "dst");
    suggests(&src, &["unpair", "dtt"], "no peer is called `dtt`", "dst");
    suggests(&src, &["limit", "dtt", "none"], "no peer is called `dtt`", "dst");
    suggests(&src, &["backup", "create", "shop-eu", "dtt"], "\"dtt\" is no peer", "dst");
    src.run(&["peer", "set", "dst", "--read", "on"]).ok();
    dst.run(&["peer", "set", "src", "--keep", "on"]).ok();
    // Of another controller's models, that controller's agent knows.
    suggests(&dst, &["status", "-m", "src:shpo-eu"], "model src:admin/shpo-eu not found", "shop-eu");

    src.run(&["backup", "create", &sample.name, "dst"]).ok();
    let kept = dst.run(&["backup", "list", "--format", "json"]).json();
    let id = &kept[0]["id"].as_str().unwrap()[..12];
    let mistyped = format!("{}{}", &id[..11], if id.ends_with('z') { 'y' } else { 'z' });
    suggests(&dst, &["backup", "verify", &mistyped], "no backup", id);

    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    let id = format!("{}:0", sample.uuid);
    suggests(&src, &["show-migration", &id.replace(":0", ":7")], "not found", &id);
    suggests(&src, &["wait", "shpo-eu"], "migration \"shpo-eu\" not found", "shop-eu");
    // A model that has left is known still: it tells where it went.
    suggests(&src, &["status", "-m", "shpo-eu"], "model src:admin/shpo-eu not found", "shop-eu");
}

#[test]
fn what_is_like_nothing_that_is_there_is_answered_without_a_guess() {
    let (src, _dst, _) = ready(&Sample::default());
    for args in [&["show-model", "billing"][..], &["unpair", "northwest"], &["wait", "billing"]] {
        let told = src.run(args).fails(1, args[1]);
        assert!(!told.contains("did you mean"), "{args:?}: {told}");
    }
}

#[test]
fn a_mistyped_command_is_answered_with_the_nearest_one() {
    let host = Host::new("src");
    host.run(&["migrat", "shop-eu", "dst"]).fails(2, "'migrate'");
    host.run(&["backup", "creat"]).fails(2, "'create'");
    host.run(&["status", "--relation"]).fails(2, "'--relations'");
}
