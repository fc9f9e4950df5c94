//! Models that enter service without a migration, and copies of one model on two hosts: who may have it, and what nobody is
//! advised to type.

use std::path::PathBuf;

use modelferry::sample::Sample;

use super::host::{Host, ready};

fn ids(host: &Host) -> Vec<String> {
    let told = host.run(&["migrations", "--format", "json"]).json();
    let mut ids: Vec<String> =
        told.as_array().unwrap().iter().map(|migration| migration["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

/// Moves the sample from `src` to `dst`, backs it up there, and loses `dst`.
fn moved_backed_up_and_lost(sample: &Sample) -> (Host, PathBuf, Host) {
    let (src, mut dst, _) = ready(sample);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    src.until("it has moved", |src| (src.view(&sample.name)["state"] == "Moved").then_some(()));
    let file = src.dir.path().join("prod.tar.zst");
    dst.run(&["backup", "create", &sample.name, file.to_str().unwrap()]).ok();
    dst.kill();
    (src, file, dst)
}

/// A model moved from east to west, west was lost, and its backup was restored on north: it could never go back to east,
/// which knew it to have been owned at epoch 1, "offered epoch 1 is not newer than the known epoch 1"; and precheck passed.
#[test]
fn a_restored_model_goes_home_to_a_controller_that_knows_a_later_owner() {
    let sample = Sample::default();
    let (east, file, _west) = moved_backed_up_and_lost(&sample);
    let mut north = Host::new("north");
    north.start();
    north.add_users();
    east.pair(&north);
    north.run(&["backup", "restore", file.to_str().unwrap(), "--source-lost"]).ok();
    north.run(&["precheck", &sample.name, "src"]).ok();
    north.run(&["migrate", &sample.name, "src", "--wait"]).ok();
    assert!(east.serves(&sample.name) && !north.serves(&sample.name));
    assert!(north.run(&["events"]).ok().contains("Restored: model"));
}

/// The controller that a model had left refused its backup for ever, "has been migrated to controller west", although west was
/// lost and --source-lost said so.
#[test]
fn a_lost_model_is_restored_where_it_was_before_it_left() {
    let sample = Sample::default();
    let (src, file, mut dst) = moved_backed_up_and_lost(&sample);
    src.until("the peer is gone", |src| (!src.connected()).then_some(()));
    src.run(&["backup", "restore", file.to_str().unwrap()]).fails(1, "add --source-lost");
    src.run(&["backup", "restore", file.to_str().unwrap(), "--source-lost"]).ok();
    assert!(src.serves(&sample.name));
    // The operator was wrong: the other host comes back. What was asserted wins, and both sides say so.
    dst.start();
    dst.until("the copy that came back is frozen", |dst| (!dst.serves(&sample.name)).then_some(()));
    assert!(src.serves(&sample.name));
    for host in [&src, &dst] {
        host.until("both sides show it", |host| host.run(&["status"]).ok().contains("ALARM  conflict").then_some(()));
    }
}

/// There and back were both `UUID:0`: each agent listed the id twice, and a lookup found one of the two.
#[test]
fn there_and_back_have_ids_of_their_own_on_both_sides() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    dst.run(&["migrate", &sample.name, "src", "--wait"]).ok();
    let expected = [format!("{}:0", sample.uuid), format!("{}:1", sample.uuid)];
    for (host, first) in [(&src, "source"), (&dst, "target")] {
        assert_eq!(ids(host), expected);
        assert_eq!(host.view(&expected[0])["direction"], first, "the id finds the migration that went there");
        assert_ne!(host.view(&expected[1])["direction"], first);
    }
}

/// A model of the same UUID on the other side: `migrate` and `precheck` said to type `embedded remove` there, which deletes what
/// may be the only good copy.
#[test]
fn nobody_is_advised_to_remove_a_model_of_the_same_uuid() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    dst.import(&sample);
    for told in [src.run(&["precheck", &sample.name, "dst"]), src.run(&["migrate", &sample.name, "dst"])] {
        assert_eq!(told.code, 1, "{told:?}");
        let text = format!("{}{}", told.out, told.err);
        assert!(text.contains("do not tell which copy is the newer one"), "{text}");
        assert!(text.contains("\"Two copies of one model\" in docs/in-doubt.md"), "{text}");
        assert!(!text.contains("remove"), "{text}");
    }
    assert!(src.serves(&sample.name) && dst.serves(&sample.name));
}

/// A model that was imported again although it had gone on elsewhere is the older copy, and precheck did not look.
#[test]
fn an_older_copy_is_not_offered_until_a_person_says_that_it_counts() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    dst.run(&["embedded", "remove", &sample.name]).ok();
    let mut north = Host::new("north");
    north.start();
    north.add_users();
    src.pair(&north);
    north.import(&sample);
    let told = north.run(&["precheck", &sample.name, "src"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(format!("{}{}", told.out, told.err).contains("knows a later owner of the model, at epoch 1"), "{told:?}");
    north.run(&["migrate", &sample.name, "src"]).fails(1, "Two copies of one model");
    assert!(north.serves(&sample.name));
    north.run(&["resolve", &sample.name, "--keep-mine", &sample.uuid, "--reason", "compared"]).ok();
    north.run(&["migrate", &sample.name, "src", "--wait"]).ok();
    assert!(src.serves(&sample.name));
}
