//! A host that was rolled back, or cloned: both sides say so, nobody goes on serving the older copy, and there is a way out.

use std::fs;

use modelferry::sample::Sample;

use super::held::held;
use super::host::{Host, meet, ready};
use super::state::{copy, lose_journal};

/// The sample moved from `src` to `dst`; then `src`, with its whole state, was set back to the time before.
fn set_back(sample: &Sample) -> (Host, Host) {
    let (mut src, mut dst, _) = ready(sample);
    src.stop();
    let (state, before) = (src.dir.path().join("state"), src.dir.path().join("before"));
    copy(&state, &before);
    src.start();
    meet([&src, &dst]);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    src.stop();
    // What was seen is on the other side's disk.
    dst.stop();
    fs::remove_dir_all(&state).unwrap();
    fs::rename(&before, &state).unwrap();
    dst.start();
    src.start();
    (src, dst)
}

/// After a roll-back both sides took writes: the host that was set back served the model that it had given away, and the healthy
/// side showed nothing.
#[test]
fn a_host_that_was_set_back_freezes_what_it_had_given_away_and_both_sides_show_it() {
    let sample = Sample::default();
    let (mut src, dst) = set_back(&sample);
    src.until("the older copy is frozen", |src| (!src.serves(&sample.name)).then_some(()));
    assert!(dst.serves(&sample.name));
    for (host, kinds) in [(&src, ["halted", "conflict"]), (&dst, ["set-back", "conflict"])] {
        for kind in kinds {
            host.until(kind, |host| host.alarms(kind).then_some(()));
        }
    }
    // It is known from then on, without anybody to tell it.
    src.stop();
    src.isolate();
    src.start();
    assert!(src.alarms("halted") && src.alarms("conflict") && !src.serves(&sample.name));
}

/// The page told to resolve "each migration by hand", of which there was none, and `another journal` never cleared.
#[test]
fn the_page_for_a_host_that_was_set_back_has_a_way_out_that_works() {
    let sample = Sample::default();
    let (mut src, dst) = set_back(&sample);
    src.until("the older copy is frozen", |src| src.alarms("conflict").then_some(()));
    // As docs/in-doubt.md has it, "The journal was set back": compare, discard, begin another journal, acknowledge.
    src.run(&["resolve", &sample.name, "--discard-frozen", &sample.uuid, "--reason", "compared"]).ok();
    src.stop();
    let aside = src.dir.path().join("set-back");
    fs::create_dir(&aside).unwrap();
    for name in ["journal.0", "journal.1", "witness.toml"] {
        let _ = fs::rename(src.dir.path().join("state").join(name), aside.join(name));
    }
    src.start();
    meet([&src, &dst]);
    dst.until("the new journal is noticed", |dst| dst.alarms("peer").then_some(()));
    dst.run(&["resolve", "src", "--acknowledge", "--reason", "rolled back, mended"]).ok();
    src.run(&["resolve", "src", "--acknowledge", "--reason", "rolled back, mended"]).ok();
    for host in [&src, &dst] {
        let status = host.run(&["status"]).ok();
        assert!(!status.contains("ALARM"), "{status}");
    }
    dst.run(&["resolve", "src", "--acknowledge"]).fails(1, "no alarm about \"src\" stands");
    // And the two work with each other as before.
    dst.run(&["migrate", &sample.name, "src", "--wait"]).ok();
    assert!(src.serves(&sample.name) && !dst.serves(&sample.name));
}

/// Where the copy on the host that was set back is the one that counts.
#[test]
fn a_frozen_copy_that_counts_is_thawed_and_the_other_one_freezes() {
    let sample = Sample::default();
    let (src, dst) = set_back(&sample);
    src.until("the older copy is frozen", |src| src.alarms("conflict").then_some(()));
    src.run(&["resolve", &sample.name, "--keep-mine", &sample.uuid, "--reason", "compared"]).ok();
    assert!(src.serves(&sample.name));
    dst.until("the other copy is frozen", |dst| (!dst.serves(&sample.name)).then_some(()));
    assert!(src.serves(&sample.name));
}

/// The choice is in the journal, and the model still frozen.
#[test]
fn a_copy_that_an_operator_keeps_is_thawed_at_the_next_start_where_the_agent_died_before() {
    let sample = Sample::default();
    let (mut src, _dst) = set_back(&sample);
    src.until("the older copy is frozen", |src| src.alarms("conflict").then_some(()));
    src.stop();
    src.start_with(&[("MODELFERRY_FAILPOINT", "conflict.thaw.before=kill")]);
    src.until("the agent is there", |src| (src.run(&["status"]).code == 0).then_some(()));
    src.run(&["resolve", &sample.name, "--keep-mine", &sample.uuid]);
    src.wait_for_death("the thaw");
    src.start();
    src.until("the copy is thawed", |src| src.serves(&sample.name).then_some(()));
    assert!(!src.alarms("conflict"));
}

/// A cloned machine: the two agents took the link from each other at INFO, and nobody was told.
#[test]
fn a_clone_is_met_with_an_alarm_on_both_sides_and_the_link_is_held_back() {
    let sample = Sample::default();
    let (mut src, dst, _) = ready(&sample);
    src.stop();
    let mut clone = Host::new("src");
    copy(&src.dir.path().join("state"), &clone.dir.path().join("state"));
    src.start();
    clone.start();
    for host in [&dst, &src, &clone] {
        host.until("everybody shows it", |host| host.alarms("identity").then_some(()));
    }
    dst.until("the link is held back", |dst| (!dst.connected()).then_some(()));
    // One of the two is switched off, and the link opens again once both sides say so.
    clone.stop();
    dst.run(&["resolve", "src", "--acknowledge", "--reason", "the clone is off"]).ok();
    meet([&src, &dst]);
    src.until("the alarm ends", |src| (!src.alarms("identity")).then_some(()));
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert!(!src.alarms("identity") && !dst.alarms("identity"));
}

/// A source that loses its journal while the model is frozen for a migration: nothing here or there could end it.
#[test]
fn a_source_that_loses_its_journal_while_the_model_is_frozen_has_it_back_as_the_page_says() {
    let sample = Sample::default();
    let (mut src, mut dst, _) = held(&sample, "target.Staging.after");
    src.stop();
    lose_journal(&src);
    src.start();
    dst.start();
    meet([&src, &dst]);
    src.run(&["embedded", "set", &sample.name, "a=b"]).fails(1, "the journal knows nothing");
    let state = |host: &Host| host.view(&format!("{}:0", sample.uuid))["state"].as_str().map(str::to_owned);
    dst.until("the copy is complete", |dst| (state(dst).as_deref() == Some("Prepared")).then_some(()));
    // As docs/in-doubt.md has it, "A lost journal has left a model held".
    dst.run(&["resolve", &sample.uuid, "--renounce"]).ok();
    assert_eq!(state(&dst).as_deref(), Some("Dropped"));
    src.run(&["resolve", &sample.uuid, "--keep-mine", &sample.uuid]).ok();
    assert!(src.serves(&sample.name) && !dst.serves(&sample.name));
    src.run(&["resolve", "src", "--acknowledge"]).ok();
    dst.run(&["resolve", "src", "--acknowledge"]).ok();
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert!(dst.serves(&sample.name) && !src.serves(&sample.name));
}

/// The same before the copy is complete: only the source could give it up, and its journal is gone.
#[test]
fn a_target_gives_up_a_copy_whose_source_has_lost_its_journal() {
    let sample = Sample::default();
    let (mut src, mut dst, _) = held(&sample, "target.Receiving.after");
    src.stop();
    lose_journal(&src);
    src.start();
    dst.start();
    meet([&src, &dst]);
    assert!(src.serves(&sample.name), "it was not frozen yet");
    dst.run(&["resolve", &sample.uuid, "--renounce"]).ok();
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert!(dst.serves(&sample.name) && !src.serves(&sample.name));
}
