//! Copies that nobody's journal speaks for: a lost journal left one held, or somebody imported a model twice. The page
//! docs/in-doubt.md is followed as it is written.

use std::fs;

use modelferry::sample::Sample;

use super::host::{Host, Output, meet, ready, towards};
use super::state::{copy, lose_journal};

const PAGE: &str = include_str!("../../docs/in-doubt.md");

/// Types a command as the page has it, `MODEL-UUID` and `NAME` filled in.
#[track_caller]
fn typed(host: &Host, command: &str, sample: &Sample, peer: &str) -> Output {
    assert!(PAGE.contains(&format!("`modelferry {command}`")), "the page does not say: modelferry {command}");
    let command = command.replace("MODEL-UUID", &sample.uuid).replace("NAME", peer);
    host.run(&command.split(' ').collect::<Vec<_>>())
}

fn status(host: &Host) -> String {
    host.run(&["status"]).ok()
}

fn alarmed(host: &Host, kind: &str) -> String {
    host.until(kind, |host| {
        let status = status(host);
        status.contains(&format!("ALARM  {kind}: ")).then_some(status)
    })
}

fn frozen(host: &Host, sample: &Sample) {
    host.until("the copy is frozen", |host| (!host.serves(&sample.name)).then_some(()));
}

/// Lets the copy on the other host win, once that has claimed the model without a proof.
fn gives_way(host: &Host, sample: &Sample) {
    host.until("the claim is an alarm", |host| status(host).contains("proves nothing").then_some(()));
    assert!(host.serves(&sample.name), "a claim without a proof freezes nothing");
    typed(host, "resolve MODEL-UUID --keep-theirs MODEL-UUID", sample, "").ok();
    frozen(host, sample);
}

/// The first host holds the model frozen, and has lost the journal that says why; the second one serves the model.
fn orphaned() -> (Host, Host, Sample) {
    let sample = Sample::default();
    let (mut src, dst, _) = ready(&sample);
    dst.import(&sample);
    dst.run(&["resolve", &sample.name, "--keep-mine", &sample.uuid]).ok();
    gives_way(&src, &sample);
    src.stop();
    lose_journal(&src);
    src.start();
    meet([&src, &dst]);
    alarmed(&dst, "peer");
    (src, dst, sample)
}

/// `--keep-mine` said that the copy was live, and it stayed frozen; every other command refused.
#[test]
fn a_copy_that_a_lost_journal_left_frozen_is_freed_as_the_page_says() {
    let (mut src, dst, sample) = orphaned();
    let alarm = alarmed(&src, "journal");
    assert!(alarm.contains(&sample.uuid) && alarm.contains("--keep-mine"), "{alarm}");
    for command in [
        vec!["embedded", "set", &sample.name, "a=b"],
        vec!["embedded", "remove", &sample.name],
        vec!["precheck", &sample.name, "dst"],
        vec!["migrate", &sample.name, "dst"],
    ] {
        let told = src.run(&command).fails(1, "the journal knows nothing");
        assert!(told.contains(&format!("--keep-mine {}", sample.uuid)), "{told}");
    }
    // It may be the only copy there is.
    dst.run(&["embedded", "remove", &sample.name]).ok();
    src.until("that is known", |src| {
        let told = src.run(&["resolve", &sample.name, "--discard-frozen", &sample.uuid]);
        told.err.contains("may be the only one").then_some(())
    });
    typed(&src, "resolve MODEL-UUID --discard-frozen MODEL-UUID", &sample, "").fails(1, "may be the only one");
    let other = "00000000-0000-4000-8000-000000000001";
    src.run(&["resolve", other, "--keep-mine", other]).fails(1, "not found");
    // The line for another model, pasted: each named its own model, and the one that ID names was ignored.
    for how in ["--keep-mine", "--discard-frozen"] {
        let told = format!("that is model {}, not {other}", sample.uuid);
        src.run(&["resolve", &sample.name, how, other]).fails(1, &told);
        src.run(&["resolve", "nope", how, &sample.uuid]).fails(1, "nope");
    }
    assert!(!src.serves(&sample.name));

    typed(&src, "resolve MODEL-UUID --keep-mine MODEL-UUID", &sample, "").ok();
    assert!(src.serves(&sample.name));
    typed(&src, "resolve NAME --acknowledge", &sample, "src").ok();
    typed(&dst, "resolve NAME --acknowledge", &sample, "src").ok();
    for host in [&src, &dst] {
        assert!(!status(host).contains("ALARM"), "{}", status(host));
    }
    let events = src.run(&["events"]).ok();
    assert!(events.contains("is to win over every other") && events.contains("at epoch 4294967296"), "{events}");
    // It stays so, and the two work with each other as before.
    src.stop();
    src.start();
    meet([&src, &dst]);
    assert!(src.serves(&sample.name));
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert!(dst.serves(&sample.name) && !src.serves(&sample.name));
}

#[test]
fn a_copy_that_a_lost_journal_left_frozen_wins_over_a_live_one_or_gives_way_to_it() {
    // The copy here counts: the other one freezes, although an operator had said before that it wins.
    let (src, dst, sample) = orphaned();
    typed(&src, "resolve MODEL-UUID --keep-mine MODEL-UUID", &sample, "").ok();
    gives_way(&dst, &sample);
    assert!(src.serves(&sample.name));
    alarmed(&dst, "conflict");
    meet([&src, &dst]);
    typed(&dst, "resolve MODEL-UUID --discard-frozen MODEL-UUID", &sample, "").ok();
    // And a model that is not wanted can be removed.
    typed(&src, "embedded remove MODEL-UUID", &sample, "").ok();
    src.run(&["show-model", &sample.name]).fails(1, "not found");

    // The copy there counts.
    let (src, dst, sample) = orphaned();
    typed(&src, "resolve MODEL-UUID --discard-frozen MODEL-UUID", &sample, "").ok();
    src.run(&["status", "-m", &sample.name]).fails(1, "has been migrated to controller \"dst\"");
    assert!(dst.serves(&sample.name) && !status(&src).contains(&sample.uuid), "{}", status(&src));
}

/// A journal that was removed or emptied was silent where no model was held.
#[test]
fn a_journal_that_is_gone_or_emptied_is_an_alarm_until_somebody_acknowledges_it() {
    let mut host = Host::new("src");
    host.start();
    assert!(!status(&host).contains("ALARM"), "{}", status(&host));
    for emptied in [false, true] {
        host.stop();
        for name in ["journal.0", "journal.1"] {
            let file = host.dir.path().join("state").join(name);
            if emptied { fs::write(file, "").unwrap() } else { fs::remove_file(file).unwrap() }
        }
        host.start();
        let alarm = alarmed(&host, "journal");
        assert!(
            alarm.contains("The journal cannot be trusted") && alarm.contains("resolve src --acknowledge"),
            "{alarm}"
        );
        host.stop();
        host.start();
        alarmed(&host, "journal");
        typed(&host, "resolve NAME --acknowledge", &Sample::default(), "src").ok();
        assert!(!status(&host).contains("ALARM"), "{}", status(&host));
    }
}

/// What each peer had shown of its journal was forgotten without a word.
#[test]
fn a_witness_that_is_gone_is_an_alarm_until_somebody_acknowledges_it() {
    let (mut src, dst) = towards(Host::new("dst"));
    let witness = |host: &Host| host.dir.path().join("state/witness.toml");
    src.stop();
    fs::remove_file(witness(&src)).unwrap();
    for _ in 0..2 {
        src.start();
        meet([&src, &dst]);
        let alarm = alarmed(&src, "witness");
        assert!(alarm.contains("witness.toml was missing") && alarm.contains("resolve src --acknowledge"), "{alarm}");
        src.run(&["status", "--check"]).fails(4, "");
        src.stop();
    }
    src.start();
    typed(&src, "resolve NAME --acknowledge", &Sample::default(), "src").ok();
    assert!(!status(&src).contains("ALARM"), "{}", status(&src));
    // Where nobody was ever met, nothing is forgotten.
    let mut alone = Host::new("alone");
    alone.start();
    alone.stop();
    fs::remove_file(witness(&alone)).unwrap();
    alone.start();
    assert!(!status(&alone).contains("ALARM"), "{}", status(&alone));
}

/// What databases say of themselves ("magic number mismatch") reached people, or nobody was told at all.
#[test]
fn a_damaged_file_is_named_with_what_to_do_and_no_library_speaks() {
    let mut host = Host::new("src");
    host.start();
    host.stop();
    let state = host.dir.path().join("state");
    fs::write(state.join("state.redb"), b"not a database at all").unwrap();
    host.start();
    let alarm = alarmed(&host, "state");
    assert!(alarm.contains("state.redb.damaged") && alarm.contains("no complete file"), "{alarm}");
    host.stop();
    fs::remove_file(state.join("state.redb.damaged")).unwrap();
    let controller = state.join("controller.redb");
    let whole = fs::read(&controller).unwrap();
    for spoilt in [b"not a database at all".to_vec(), whole[..5000].to_vec(), vec![0; whole.len()]] {
        fs::write(&controller, spoilt).unwrap();
        host.start();
        let alarm = alarmed(&host, "database");
        assert!(alarm.contains("controller.redb") && alarm.contains("new-controller"), "{alarm}");
        for word in ["magic", "redb database", "repair", "end of file", "mismatch", "Storage error"] {
            assert!(!alarm.contains(word), "{word:?} is a library's: {alarm}");
        }
        host.stop();
    }
    fs::write(&controller, whole).unwrap();
    host.start();
    assert!(!status(&host).contains("ALARM"), "{}", status(&host));
    // What people give is named as well.
    let garbage = host.dir.path().join("garbage");
    fs::write(&garbage, [0xff, 0xfe, 0x00, 0x80]).unwrap();
    let garbage = garbage.to_str().unwrap();
    for command in [
        vec!["resolve", "shop", "--proof", garbage],
        vec!["embedded", "user", "add", "eve", "--password-file", garbage],
    ] {
        let told = host.run(&command);
        assert!(told.code != 0 && told.err.contains("it is not text") && told.err.contains(garbage), "{told:?}");
        assert!(!told.err.contains("stream") && told.err.contains("nothing has changed"), "{told:?}");
    }
}

/// The link was up again, and the agent that had been cloned went on showing the alarm.
#[test]
fn the_alarm_about_a_clone_ends_on_the_original_when_the_peer_says_that_the_clone_is_off() {
    let (mut src, dst) = towards(Host::new("dst"));
    src.stop();
    let mut clone = Host::new("src");
    copy(&src.dir.path().join("state"), &clone.dir.path().join("state"));
    src.start();
    clone.start();
    for host in [&dst, &src, &clone] {
        alarmed(host, "identity");
    }
    clone.stop();
    typed(&dst, "resolve NAME --acknowledge", &Sample::default(), "src").ok();
    src.until("the alarm ends", |src| (!status(src).contains("ALARM")).then_some(()));
    meet([&src, &dst]);
    assert!(!status(&dst).contains("ALARM"), "{}", status(&dst));
    assert!(src.run(&["events"]).ok().contains("takes this agent's connections again"));
    src.run(&["resolve", "dst", "--acknowledge"]).fails(1, "no alarm about \"dst\" stands");
}

/// Nobody could name a peer that was unpaired, to end its alarms.
#[test]
fn the_alarms_about_a_peer_end_when_it_is_unpaired() {
    let (src, dst) = towards(Host::new("dst"));
    let sample = Sample::default();
    src.import(&sample);
    dst.import(&sample);
    alarmed(&src, "conflict");
    src.run(&["unpair", "dst"]).ok();
    assert!(!status(&src).contains("ALARM"), "{}", status(&src));
}

/// Both took writes, and nobody was told.
#[test]
fn a_model_that_was_imported_twice_alarms_on_both_sides_and_operators_say_which_copy_counts() {
    let sample = Sample::default();
    let (mut src, dst, _) = ready(&sample);
    dst.import(&sample);
    for host in [&src, &dst] {
        let alarm = alarmed(host, "conflict");
        assert!(alarm.contains("both take writes") && alarm.contains("Two copies of one model"), "{alarm}");
        assert!(host.serves(&sample.name), "nobody can tell which copy counts");
    }
    // The same when they meet anew, and one alarm.
    src.stop();
    src.start();
    meet([&src, &dst]);
    assert_eq!(status(&src).matches("ALARM").count(), 1, "{}", status(&src));

    typed(&src, "resolve MODEL-UUID --keep-mine MODEL-UUID", &sample, "").ok();
    gives_way(&dst, &sample);
    meet([&src, &dst]);
    assert!(src.serves(&sample.name));
    let alarm = alarmed(&src, "conflict");
    assert!(
        alarm.contains("is live here at epoch 4294967296") && alarm.contains("resolve dst --acknowledge"),
        "{alarm}"
    );
    assert!(!alarm.contains("both take writes") && !alarm.contains("--keep-mine"), "{alarm}");
    assert_eq!(status(&dst).matches("ALARM").count(), 1, "{}", status(&dst));
    // Whatever it is asked, the frozen copy says why, and what to type.
    for command in [
        vec!["embedded", "set", &sample.name, "a=b"],
        vec!["embedded", "remove", &sample.name],
        vec!["precheck", &sample.name, "src"],
        vec!["migrate", &sample.name, "src"],
    ] {
        let told = dst.run(&command).fails(1, "is frozen here by a conflict");
        assert!(told.contains("Two copies of one model") && told.contains("--discard-frozen"), "{told}");
        assert!(!told.contains("in progress"), "{told}");
    }
    typed(&dst, "resolve MODEL-UUID --discard-frozen MODEL-UUID", &sample, "").ok();
    typed(&src, "resolve NAME --acknowledge", &sample, "dst").ok();
    for host in [&src, &dst] {
        assert!(!status(host).contains("ALARM"), "{}", status(host));
    }
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert!(dst.serves(&sample.name) && !src.serves(&sample.name));
}
