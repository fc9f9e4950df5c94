//! A database that was lost or set back while its journal was not: what is said of a model is what its controller does, and every
//! such state has a way out that works as it is typed.

use std::fs;

use modelferry::sample::Sample;

use super::host::{Host, meet, ready, towards};

/// What `docs/in-doubt.md` says.
const PAGE: &str = include_str!("../../docs/in-doubt.md");

fn status(host: &Host) -> String {
    host.run(&["status"]).ok()
}

/// Puts what was kept in place of the database of a host whose agent is down.
fn set_back(host: &Host, kept: &[u8]) {
    fs::write(host.dir.path().join("state/controller.redb"), kept).unwrap();
}

fn database(host: &Host) -> Vec<u8> {
    fs::read(host.dir.path().join("state/controller.redb")).unwrap()
}

/// The model has moved from the first host to the second one, and the first one's database is from before.
fn returned() -> (Host, Host, Sample) {
    let sample = Sample::default();
    let (mut src, dst, _) = ready(&sample);
    src.stop();
    let kept = database(&src);
    src.start();
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    src.stop();
    set_back(&src, &kept);
    src.start();
    meet([&src, &dst]);
    (src, dst, sample)
}

/// `--keep-mine` said "The copy here is live", which it was not, and the copy that was live froze.
#[test]
fn a_copy_that_was_handed_over_is_never_said_to_be_live_and_the_other_one_goes_on() {
    let (mut src, dst, sample) = returned();
    let uuid = sample.uuid.as_str();
    for _ in 0..2 {
        let told = src.run(&["resolve", uuid, "--keep-mine", uuid]).fails(1, "was handed over");
        assert!(told.contains("nothing has changed") && told.contains(&format!("--discard-frozen {uuid}")), "{told}");
        assert!(dst.serves(&sample.name) && !status(&dst).contains("ALARM"), "{}", status(&dst));
        src.run(&["status", "--check"]).fails(4, "");
        src.stop();
        src.start();
        meet([&src, &dst]);
    }
}

/// The alarm stood for ever, every command refused for another reason, and the model could not go home.
#[test]
fn a_copy_that_came_back_with_an_older_database_is_deleted_as_its_alarm_says_and_the_model_can_go_home() {
    let (mut src, dst, sample) = returned();
    let uuid = sample.uuid.as_str();
    let alarm = status(&src);
    assert!(alarm.contains("ALARM  database: ") && alarm.contains("resolve UUID --discard-frozen UUID"), "{alarm}");
    let told = src.run(&["embedded", "remove", uuid]).fails(1, "was handed over");
    assert!(told.contains(&format!("modelferry resolve {uuid} --discard-frozen {uuid}")), "{told}");
    // Its users are sent on, and so is whoever would move it.
    for command in [vec!["embedded", "set", uuid, "a=b"], vec!["migrate", uuid, "dst"]] {
        let told = src.run(&command).fails(1, "");
        assert!(!told.contains("in progress") && told.contains("dst") || told.contains("was handed over"), "{told}");
    }
    // What the alarm and the answers name works.
    let kept = src.dir.path().join("kept.tar.zst");
    src.run(&["show-model", uuid, "--held"]).ok();
    src.run(&["backup", "create", uuid, kept.to_str().unwrap(), "--held"]).ok();
    let command = ["resolve", uuid, "--discard-frozen", uuid];
    assert!(PAGE.contains("`modelferry resolve MODEL-UUID --discard-frozen MODEL-UUID`"));
    src.run(&command).ok();
    assert!(!status(&src).contains("ALARM"), "{}", status(&src));
    src.run(&["status", "-m", &sample.name]).fails(1, "has been migrated to controller \"dst\"");
    src.stop();
    src.start();
    meet([&src, &dst]);
    assert!(!status(&src).contains("ALARM"), "{}", status(&src));
    dst.run(&["migrate", &sample.name, "src", "--wait"]).ok();
    assert!(src.serves(&sample.name) && !dst.serves(&sample.name));
}

/// A model came home after its copy here had been handed over; the database is from between the two. The journal says that it
/// is here, the controller sent its users away, and no alarm said so.
#[test]
fn a_model_that_the_journal_has_here_and_the_database_sends_away_is_an_alarm_with_a_way_out() {
    let sample = Sample::default();
    let (mut src, dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    src.stop();
    let kept = database(&src);
    src.start();
    meet([&src, &dst]);
    dst.run(&["migrate", &sample.name, "src", "--wait"]).ok();
    let backup = src.dir.path().join("home.tar.zst");
    src.run(&["backup", "create", &sample.name, backup.to_str().unwrap()]).ok();
    src.stop();
    set_back(&src, &kept);
    src.start();
    meet([&src, &dst]);
    let alarm = status(&src);
    assert!(alarm.contains("ALARM  database: ") && alarm.contains("--source-lost"), "{alarm}");
    src.run(&["resolve", &sample.uuid, "--keep-mine", &sample.uuid]).fails(1, "not found");
    src.run(&["backup", "restore", backup.to_str().unwrap(), "--source-lost"]).ok();
    assert!(src.serves(&sample.name) && !status(&src).contains("ALARM"), "{}", status(&src));
}

/// The peer sends the model's users to the controller whose database this host has lost: to nobody else. The restore that the
/// alarm names was refused, because the model was "elsewhere".
#[test]
fn a_lost_database_takes_a_model_in_again_out_of_a_backup_that_its_former_controller_made() {
    let sample = Sample::default();
    let (src, mut dst) = towards(Host::new("dst"));
    src.import(&sample);
    let backup = src.dir.path().join("before.tar.zst");
    let backup = backup.to_str().unwrap();
    src.run(&["backup", "create", &sample.name, backup]).ok();
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    dst.stop();
    let state = dst.dir.path().join("state");
    fs::remove_file(state.join("controller.redb")).unwrap();
    fs::write(state.join("new-controller"), "").unwrap();
    dst.start();
    meet([&src, &dst]);
    dst.add_users();
    dst.until("the alarm stands", |dst| dst.alarms("database").then_some(()));
    let told = dst.run(&["backup", "restore", backup]).fails(1, "whose database has lost it");
    assert!(told.contains("nothing has changed") && told.contains("--source-lost"), "{told}");
    dst.run(&["backup", "restore", backup, "--source-lost"]).ok();
    assert!(dst.serves(&sample.name) && !status(&dst).contains("ALARM"), "{}", status(&dst));
}

/// The answer was "juju switch east:…", where the model was no more, and nothing could bring it back from its files.
#[test]
fn a_model_that_was_removed_where_it_had_gone_is_imported_here_again_and_not_before() {
    let sample = Sample::default();
    let (src, mut dst, files) = ready(&sample);
    let (description, blobs) = (files.description.to_str().unwrap(), files.blobs.to_str().unwrap());
    let import = ["embedded", "import", description, "--blobs", blobs];
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    let told = src.run(&import).fails(1, "it would be on both");
    assert!(told.contains("nothing has changed"), "{told}");
    dst.run(&["embedded", "remove", &sample.name]).ok();
    dst.stop();
    src.until("the link is down", |src| (!src.connected()).then_some(()));
    let told = src.run(&import).fails(1, "cannot be asked");
    assert!(told.contains("bring the link to it back"), "{told}");
    assert_eq!(told.matches("nothing has changed").count(), 1, "{told}");
    dst.start();
    meet([&src, &dst]);
    src.run(&import).ok();
    assert!(src.serves(&sample.name) && !dst.serves(&sample.name));
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert!(dst.serves(&sample.name));
}

/// "did you mean \"tiny\"?" was said of "tiny" itself.
#[test]
fn a_name_that_nothing_has_is_not_offered_in_place_of_itself() {
    let sample = Sample::default();
    let (src, _dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "dst", "--hold"]).ok();
    src.run(&["abort", &sample.name]).ok();
    src.run(&["embedded", "remove", &sample.name]).ok();
    let told = src.run(&["show-model", &sample.name]).fails(1, "not found");
    assert!(!told.contains(&format!("did you mean \"{}\"", sample.name)), "{told}");
}

/// "being migrated out of target controller", said the check, and named a list that was empty.
#[test]
fn a_copy_that_a_conflict_has_frozen_there_is_called_that_by_the_check() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    dst.import(&sample);
    src.run(&["resolve", &sample.uuid, "--keep-mine", &sample.uuid]).ok();
    let gives_way = ["resolve", &sample.uuid, "--keep-theirs", &sample.uuid];
    dst.until("the claim is heard", |dst| (dst.run(&gives_way).code == 0).then_some(()));
    assert!(!dst.serves(&sample.name));
    meet([&src, &dst]);
    let told = src.run(&["migrate", &sample.name, "dst"]).fails(1, "is frozen there by a conflict, at epoch 0");
    assert!(told.contains("Two copies of one model") && !told.contains("being migrated out"), "{told}");
}

/// "Or end it with `modelferry abort ID`", said every answer; typed on a target it was refused.
#[test]
fn what_ends_a_migration_is_said_by_side_and_works_as_it_is_typed() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "dst", "--hold"]).ok();
    let id = format!("{}:0", sample.uuid);
    dst.until("the offer is there", |dst| (dst.run(&["show-migration", &id]).code == 0).then_some(()));
    // Nothing of the model is known to the controller yet, and its name is one all the same.
    for named in [&sample.name, &sample.uuid] {
        let told = dst.run(&["embedded", "remove", named]).fails(1, "is being migrated");
        assert!(told.contains(&format!("`modelferry abort {id}`")), "{told}");
    }
    let told = src.run(&["migrate", &sample.name, "dst"]).err;
    assert!(told.contains(&format!("`modelferry abort {id}`")) && told.contains("nothing has changed"), "{told}");
    dst.run(&["abort", &id]).ok();
    src.run(&["wait", &id]).fails(3, "aborted by operator (uid");
    assert!(src.serves(&sample.name));
}

/// It was refused for as long as the peer did not end its offers.
#[test]
fn an_unpaired_peer_s_unfinished_migrations_are_given_up_on_either_side() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "dst", "--hold"]).ok();
    let id = format!("{}:0", sample.uuid);
    dst.until("the offer is there", |dst| (dst.run(&["show-migration", &id]).code == 0).then_some(()));
    for (host, peer) in [(&dst, "src"), (&src, "dst")] {
        let told = host.run(&["unpair", peer]).ok();
        assert!(told.contains(&format!("Given up: \"{id}\".")), "{told}");
        host.run(&["wait", &id]).fails(3, "its peer was unpaired by operator (uid");
        assert_eq!(host.run(&["peers"]).ok().matches(peer).count(), 0);
    }
    assert!(src.serves(&sample.name));
}

/// The peers were gone without a word, and nobody was answered.
#[test]
fn a_list_of_peers_that_is_gone_is_an_alarm_until_there_is_a_peer_again() {
    let sample = Sample::default();
    let (mut src, dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    src.stop();
    fs::remove_file(src.dir.path().join("state/peers.toml")).unwrap();
    src.start();
    assert!(src.alarms("peers"), "{}", status(&src));
    src.run(&["status", "--check"]).fails(4, "");
    src.stop();
    // Of a list that was set aside it was also said that it is missing.
    fs::write(src.dir.path().join("state/peers.toml"), "[[peer").unwrap();
    src.start();
    assert_eq!(status(&src).matches("ALARM  peers").count(), 1, "{}", status(&src));
    assert!(
        status(&src).contains("line 1 is no TOML") && !status(&src).contains("TOML parse error"),
        "{}",
        status(&src)
    );
    fs::remove_file(src.dir.path().join("state/peers.toml.damaged")).unwrap();
    dst.run(&["unpair", "src"]).ok();
    src.pair(&dst);
    assert!(!src.alarms("peers"), "{}", status(&src));
}

/// Loses the database of a host for good, and has it begin with a new one.
fn lose_database(host: &mut Host) {
    host.stop();
    fs::remove_file(host.dir.path().join("state/controller.redb")).unwrap();
    host.start();
    let told = status(host);
    assert!(told.contains("ALARM  database: ") && told.contains("new-controller"), "{told}");
}

fn begin_anew(host: &mut Host) {
    host.stop();
    fs::write(host.dir.path().join("state/new-controller"), "").unwrap();
    host.start();
}

/// Only the database knew that a model had been removed on purpose: when it was lost, the alarm named that model as lost too, for
/// ever if nobody typed its UUID.
#[test]
fn a_model_that_was_removed_on_purpose_is_not_named_as_lost_with_its_database() {
    let kept = Sample::default();
    let uuid = "5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f8c9".to_owned();
    let removed = Sample { name: "shop-us".into(), uuid, ..Sample::default() };
    let (src, mut dst, _) = ready(&kept);
    let files = src.import(&removed);
    src.run(&["migrate", "--all", "dst", "--wait"]).ok();
    dst.run(&["embedded", "remove", &removed.name]).ok();
    let names = |host: &Host| {
        let told = status(host);
        [&kept, &removed].map(|sample| told.contains(&sample.uuid))
    };
    lose_database(&mut dst);
    assert_eq!(names(&dst), [true, false], "{}", status(&dst));
    begin_anew(&mut dst);
    assert_eq!(names(&dst), [true, false], "{}", status(&dst));
    // Nor is one that was given up after it was lost.
    dst.run(&["embedded", "remove", &kept.uuid]).ok();
    assert!(!dst.alarms("database"), "{}", status(&dst));
    lose_database(&mut dst);
    assert_eq!(names(&dst), [false, false], "{}", status(&dst));
    begin_anew(&mut dst);
    assert!(!dst.alarms("database"), "{}", status(&dst));
    // One that was taken in again can be lost again.
    dst.add_users();
    let (description, blobs) = (files.description.to_str().unwrap(), files.blobs.to_str().unwrap());
    dst.run(&["embedded", "import", description, "--blobs", blobs]).ok();
    lose_database(&mut dst);
    assert_eq!(names(&dst), [false, true], "{}", status(&dst));
    let events = src.run(&["events"]).ok();
    assert!(!events.contains("Removed: "), "{events}");
}

/// A database that was set back put a model that had been removed into service again, and nobody was told.
#[test]
fn a_removed_model_that_an_older_database_serves_again_is_an_alarm_that_ends_as_it_says() {
    let sample = Sample::default();
    let (src, mut dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    dst.until("the target is at rest", |dst| dst.view(&format!("{}:0", sample.uuid))["ended-ms"].as_u64());
    dst.stop();
    let older = database(&dst);
    dst.start();
    dst.run(&["embedded", "remove", &sample.name]).ok();
    for way_out in [&["embedded", "remove", "UUID"][..], &["resolve", "UUID", "--keep-mine", "UUID"]] {
        assert!(!status(&dst).contains("ALARM"), "{}", status(&dst));
        dst.stop();
        set_back(&dst, &older);
        dst.start();
        let alarm = status(&dst);
        assert!(alarm.contains("ALARM  database: ") && alarm.contains("an operator removed"), "{alarm}");
        assert!(alarm.contains(&format!("`modelferry {}`", way_out.join(" "))), "{way_out:?} is not in {alarm}");
        let typed: Vec<&str> =
            way_out.iter().map(|word| if *word == "UUID" { sample.uuid.as_str() } else { *word }).collect();
        dst.run(&typed).ok();
    }
    assert!(!status(&dst).contains("ALARM") && dst.serves(&sample.name), "{}", status(&dst));
}
