//! In doubt: the source has committed, the target was killed before it could hear of it, and the link stays
//! dead. What a person carries ends it, and what must not end it is refused.

use std::fs;
use std::path::PathBuf;

use modelferry::sample::Sample;

use super::host::{Host, files, ready};

/// A pair of hosts in doubt about a migration, without a link: the source committed, the target prepared.
pub fn doubted(sample: &Sample) -> (Host, Host, String) {
    let (src, mut dst, _) = ready(sample);
    dst.stop();
    dst.start_with(&[("MODELFERRY_FAILPOINT", "target.Activating.before=kill")]);
    for host in [&src, &dst] {
        host.until("peers are connected", |host| host.connected().then_some(()));
    }
    src.run(&["migrate", &sample.name, "dst"]).ok();
    dst.wait_for_death("the commit");
    dst.isolate();
    dst.start();
    let id = format!("{}:0", sample.uuid);
    assert_eq!(state(&src, &id), "Committed");
    assert_eq!(state(&dst, &id), "Prepared");
    (src, dst, id)
}

fn state(host: &Host, id: &str) -> String {
    host.migration(id)["migration"]["state"].as_str().unwrap().to_owned()
}

/// Writes what one host printed to a file of the other, as an e-mail would deliver it.
fn mailed(to: &Host, proof: &str) -> PathBuf {
    let file = to.dir.path().join("mail.txt");
    let quoted: String = proof.lines().map(|line| format!("> {line} \r\n")).collect();
    fs::write(&file, format!("Hello,\r\n\r\nhere it is.\r\n{quoted}\r\nRegards\r\n")).unwrap();
    file
}

fn carry(from: &Host, to: &Host, id: &str) -> super::host::Output {
    let proof = from.run(&["show-migration", id, "--proof"]).ok();
    assert!(proof.len() <= 1024, "{} bytes: {proof}", proof.len());
    to.run(&["resolve", id, "--proof", mailed(to, &proof).to_str().unwrap()])
}

#[test]
fn a_commit_carried_by_hand_makes_the_target_live_and_its_proof_ends_the_source() {
    let sample = Sample::default();
    let (src, dst, id) = doubted(&sample);
    assert!(!src.serves(&sample.name) && !dst.serves(&sample.name), "in doubt nobody serves");

    let resolved = carry(&src, &dst, &id);
    let activated = resolved.ok();
    assert!(activated.contains("verdict: activated"), "{activated}");
    assert!(dst.serves(&sample.name) && !src.serves(&sample.name));

    src.run(&["resolve", &id, "--proof", mailed(&src, &activated).to_str().unwrap()]).ok();
    // Its log waits for the link, and is given up by nobody but the operator.
    assert_eq!(state(&src, &id), "Handed");
    src.run(&["reap", &id]).fails(1, "--skip-logs");
    src.run(&["reap", &id, "--skip-logs"]).ok();
    assert_eq!(state(&src, &id), "Moved");
    assert!(!src.serves(&sample.name));
    let events = src.migration(&id)["events"].to_string();
    assert!(events.contains(", by proof") && events.contains("uid "), "{events}");
    src.run(&["audit", "verify"]).ok();
}

/// Nothing has arrived for certain, and nobody may be told that it has, or that it has not.
#[test]
fn a_comparison_is_in_doubt_on_both_sides_until_the_migration_is_decided_on_both() {
    let sample = Sample::default();
    let (src, mut dst, id) = doubted(&sample);
    for (named, host, truth) in
        [(&id, &src, "the target has not answered yet"), (&sample.name, &dst, "the source has not said yet")]
    {
        let told = host.run(&["verify", named]).fails(4, truth);
        assert!(told.contains("is not known here yet") && told.contains("`modelferry status`"), "{told}");
        assert_eq!(host.run(&["verify", named, "--format", "json"]).code, 4);
    }
    assert_eq!([state(&src, &id), state(&dst, &id)], ["Committed", "Prepared"], "nothing has changed");
    dst.stop();
    dst.rejoin();
    dst.start();
    src.run(&["wait", &id]).ok();
    for host in [&src, &dst] {
        assert!(host.run(&["verify", &id]).ok().contains("is whole"));
    }
}

#[test]
fn a_renounced_copy_gives_the_model_back_whatever_the_source_had_decided() {
    let sample = Sample::default();
    let (src, mut dst, id) = doubted(&sample);
    let dropped = dst.run(&["resolve", &id, "--renounce", "--reason", "the disk there is failing"]).ok();
    assert!(dropped.contains("verdict: dropped"), "{dropped}");
    assert!(!src.serves(&sample.name), "before the proof is there, the source stays frozen");
    src.run(&["resolve", &id, "--proof", mailed(&src, &dropped).to_str().unwrap()]).ok();
    assert!(src.serves(&sample.name) && !dst.serves(&sample.name));
    let shown = dst.migration(&id);
    assert!(shown["migration"]["cause"].as_str().unwrap().contains("the disk there is failing"), "{shown}");

    // With the link back nothing is left of it, and the model can be moved after all.
    dst.stop();
    dst.rejoin();
    dst.start();
    dst.until("peers are connected", |host| host.connected().then_some(()));
    src.until("peers are connected", |host| host.connected().then_some(()));
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert!(dst.serves(&sample.name) && !src.serves(&sample.name));
}

#[test]
fn the_link_s_return_ends_the_doubt_without_anybody() {
    let sample = Sample::default();
    let (src, mut dst, id) = doubted(&sample);
    dst.stop();
    dst.rejoin();
    dst.start();
    src.until("the source has moved it", |src| (state(src, &id) == "Moved").then_some(()));
    assert!(dst.serves(&sample.name) && !src.serves(&sample.name));
}

#[test]
fn a_source_whose_target_is_destroyed_takes_the_model_back_at_an_epoch_far_ahead() {
    let sample = Sample::default();
    let (src, mut dst, id) = doubted(&sample);
    let before = src.migration(&id)["migration"]["root"].clone();
    dst.kill();
    let other = "00000000-0000-4000-8000-000000000001";
    let reclaim = |model| src.run(&["resolve", &id, "--reclaim", "--target-destroyed", model, "--reason", "fire"]);
    reclaim(other).fails(1, "type the UUID of the model that you mean in full");
    reclaim("prod").fails(2, "a UUID such as");
    assert_eq!(state(&src, &id), "Committed");
    reclaim(&sample.uuid).ok();
    assert!(src.serves(&sample.name));
    let shown = src.migration(&id);
    assert!(shown["migration"]["cause"].as_str().unwrap().contains("fire"), "{shown}");
    let events = shown["events"].to_string();
    assert!(events.contains(&before.as_str().unwrap().to_owned()), "the root stays in the trail: {events}");
    assert!(events.contains(&format!("at epoch {}", 1 + (1_u64 << 32))), "{events}");
}

/// The journal took the model back, the controller had no such model, and the command said "is live here again".
#[test]
fn a_model_that_its_database_has_lost_is_not_said_to_be_live_when_it_is_taken_back() {
    let sample = Sample::default();
    let (mut src, _dst, id) = doubted(&sample);
    src.stop();
    let state = src.dir.path().join("state");
    fs::remove_file(state.join("controller.redb")).unwrap();
    fs::write(state.join("new-controller"), "").unwrap();
    src.start();
    for _ in 0..2 {
        let told = src.run(&["resolve", &id, "--reclaim", "--target-destroyed", &sample.uuid]);
        let told = told.fails(1, "the controller here does not serve model");
        assert!(told.contains("nobody serves the model here") && told.contains("`modelferry status`"), "{told}");
    }
    assert!(src.alarms("database"), "{}", src.run(&["status"]).ok());
}

#[test]
fn a_target_whose_source_is_destroyed_takes_the_model_into_service() {
    let sample = Sample::default();
    let (mut src, dst, id) = doubted(&sample);
    src.kill();
    let force = |model| dst.run(&["resolve", &id, "--force-activate", "--source-destroyed", model]);
    force("00000000-0000-4000-8000-000000000001").fails(1, "nothing has changed");
    force(&sample.uuid).ok();
    assert!(dst.serves(&sample.name));
    assert_eq!(state(&dst, &id), "Seized");
}

#[test]
fn what_must_not_end_a_doubt_is_refused_and_says_what_would() {
    let sample = Sample::default();
    let (src, dst, id) = doubted(&sample);
    src.run(&["abort", &id]).fails(4, "too late, committed");
    src.run(&["resolve", &id, "--renounce"]).fails(1, "only the target can renounce");
    src.run(&["resolve", &id, "--force-activate", "--source-destroyed", &sample.uuid])
        .fails(1, "is for its target, and here it is `--reclaim`");
    dst.run(&["resolve", &id, "--reclaim", "--target-destroyed", &sample.uuid])
        .fails(1, "is for its source, and here it is `--force-activate`");
    dst.run(&["show-migration", &id, "--proof"]).fails(1, "decided nothing yet");

    let proof = src.run(&["show-migration", &id, "--proof"]).ok();
    let own = mailed(&src, &proof);
    src.run(&["resolve", &id, "--proof", own.to_str().unwrap()]).fails(1, "of use on the other side alone");
    let altered = proof.replace("epoch: 1", "epoch: 2");
    dst.run(&["resolve", &id, "--proof", mailed(&dst, &altered).to_str().unwrap()]).fails(1, "signature is wrong");
    let cut: String = proof.lines().take(6).map(|line| format!("{line}\n")).collect();
    dst.run(&["resolve", &id, "--proof", mailed(&dst, &cut).to_str().unwrap()]).fails(2, "the proof is cut off");
    dst.run(&["resolve", &id]).fails(2, "--proof <FILE>");
    dst.run(&["resolve", &id, "--reclaim"]).fails(2, "--target-destroyed");
    assert_eq!((state(&src, &id).as_str(), state(&dst, &id).as_str()), ("Committed", "Prepared"));
}

#[test]
fn an_aborted_source_s_proof_frees_a_target_that_waits() {
    let sample = Sample::default();
    let (mut src, mut dst, _) = ready(&sample);
    let before = files(&src.export(&sample.name));
    src.stop();
    // The source dies with the vote in its hand, and is aborted before it can hear the vote again.
    src.start_with(&[("MODELFERRY_FAILPOINT", "source.Committed.before=kill")]);
    for host in [&src, &dst] {
        host.until("peers are connected", |host| host.connected().then_some(()));
    }
    src.run(&["migrate", &sample.name, "dst"]).ok();
    src.wait_for_death("the vote");
    dst.kill();
    dst.isolate();
    dst.start();
    src.start();
    let id = format!("{}:0", sample.uuid);
    src.run(&["abort", &id]).ok();
    src.until("the source has its model back", |src| (state(src, &id) == "Aborted").then_some(()));
    carry(&src, &dst, &id).ok();
    assert_eq!(state(&dst, &id), "Dropped");
    assert!(!dst.serves(&sample.name));
    assert_eq!(files(&src.export(&sample.name)), before);
}

#[test]
fn a_model_that_a_last_resort_gave_two_owners_is_frozen_where_its_epoch_is_smaller() {
    let sample = Sample::default();
    let (src, mut dst, id) = doubted(&sample);
    let proof = src.run(&["show-migration", &id, "--proof"]).ok();
    // The target is not destroyed at all, and then somebody finds the proof from before.
    src.run(&["resolve", &id, "--reclaim", "--target-destroyed", &sample.uuid]).ok();
    dst.run(&["resolve", &id, "--proof", mailed(&dst, &proof).to_str().unwrap()]).ok();
    assert!(src.serves(&sample.name) && dst.serves(&sample.name), "the assertion was false, so there are two");

    dst.stop();
    dst.rejoin();
    dst.start();
    dst.until("the smaller epoch is frozen", |dst| (!dst.serves(&sample.name)).then_some(()));
    assert!(src.serves(&sample.name));
    let status = dst.run(&["status"]).ok();
    assert!(status.starts_with("ALARM  conflict: "), "{status}");
    let events = dst.run(&["events"]).ok();
    assert!(events.contains("Conflict: model"), "{events}");
    // Nothing is deleted, and a restart does not thaw it.
    assert!(files(&dst.export(&sample.name)).len() > 1);
    dst.stop();
    dst.start();
    assert!(!dst.serves(&sample.name));

    // Until somebody has looked at both and does not need this one.
    let other = "00000000-0000-4000-8000-000000000001";
    dst.run(&["resolve", &id, "--discard-frozen", other])
        .fails(1, &format!("that is model {}, not {other}", sample.uuid));
    dst.run(&["resolve", other, "--discard-frozen", other]).fails(1, "is frozen here because of a conflict");
    src.run(&["resolve", &id, "--discard-frozen", &sample.uuid]).fails(1, "is frozen here because of a conflict");
    dst.run(&["resolve", &id, "--discard-frozen", &sample.uuid, "--reason", "compared"]).ok();
    assert!(!dst.run(&["status"]).ok().contains("ALARM"), "the alarm ends");
    assert!(dst.run(&["events"]).ok().contains("discarded by operator"), "and stays in the trail");
    dst.run(&["status", "-m", &sample.name]).fails(1, "has been migrated to controller \"src\"");
    // And the model can come again.
    dst.until("peers are connected", |host| host.connected().then_some(()));
    src.until("peers are connected", |host| host.connected().then_some(()));
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert!(dst.serves(&sample.name) && !src.serves(&sample.name));
}

#[test]
fn a_reap_that_fails_ends_a_wait_with_7_and_is_repeated_until_it_is_done() {
    let sample = Sample::default();
    let (mut src, dst, _) = ready(&sample);
    src.stop();
    src.start_with(&[("MODELFERRY_FAILPOINT", "source.reap.before=refuse")]);
    for host in [&src, &dst] {
        host.until("peers are connected", |host| host.connected().then_some(()));
    }
    src.run(&["migrate", &sample.name, "dst", "--wait"]).fails(7, "moved, reap failing: ");
    src.run(&["wait", &sample.name, "--timeout", "60s"]).ok();
    assert!(dst.serves(&sample.name) && !src.serves(&sample.name));
}

fn journals(host: &Host) -> [PathBuf; 2] {
    ["state/journal.0", "state/journal.1"].map(|name| host.dir.path().join(name))
}

#[test]
fn an_agent_whose_journal_was_set_back_is_told_so_and_stops_acting() {
    let sample = Sample::default();
    let (mut src, mut dst, _) = ready(&sample);
    src.stop();
    let backup = journals(&src).map(|file| fs::read(file).unwrap());
    src.start();
    src.until("peers are connected", |host| host.connected().then_some(()));
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    src.stop();
    // What was seen is on the other side's disk.
    dst.stop();
    journals(&src).iter().zip(&backup).for_each(|(file, bytes)| fs::write(file, bytes).unwrap());
    dst.start();
    src.start();
    let status = src.until("it is told", |src| {
        let status = src.run(&["status"]).ok();
        status.starts_with("ALARM  halted: \"dst\" has seen record").then_some(status)
    });
    assert!(status.contains("the journal was set back"), "{status}");
    src.import(&Sample { name: "other".into(), uuid: "5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f800".into(), ..sample });
    src.run(&["migrate", "other", "dst"]).fails(4, "this agent has stopped acting");
}

#[test]
fn a_peer_with_another_journal_raises_an_alarm_that_a_restart_does_not_silence() {
    let sample = Sample::default();
    let (mut src, mut dst, _) = ready(&sample);
    src.stop();
    journals(&src).iter().for_each(|file| fs::remove_file(file).unwrap());
    src.start();
    let alarm =
        |dst: &Host| dst.run(&["status"]).ok().contains("ALARM  peer: the agent of \"src\" has another journal");
    dst.until("the alarm is raised", |dst| alarm(dst).then_some(()));
    dst.stop();
    dst.start();
    assert!(alarm(&dst));
}

#[test]
fn a_resolution_that_is_typed_twice_prints_the_same_proof_twice() {
    // `resolve --proof F > activated.proof`, typed again, was refused after the shell had emptied the file.
    let sample = Sample::default();
    let (src, dst, id) = doubted(&sample);
    let commit = mailed(&dst, &src.run(&["show-migration", &id, "--proof"]).ok());
    let take = ["resolve", &id, "--proof", commit.to_str().unwrap()];
    let activated = dst.run(&take).ok();
    assert!(activated.contains("verdict: activated"), "{activated}");
    assert_eq!(dst.run(&take).ok(), activated);
    assert_eq!(dst.run(&["resolve", &id, "--renounce"]).code, 1, "another resolution is refused as before");
    let activated = mailed(&src, &activated);
    for _ in 0..2 {
        src.run(&["resolve", &id, "--proof", activated.to_str().unwrap()]).ok();
    }
    assert!(dst.serves(&sample.name) && !src.serves(&sample.name));
}

#[test]
fn a_copy_that_is_given_back_twice_prints_the_same_proof_twice() {
    let sample = Sample::default();
    let (src, dst, id) = doubted(&sample);
    let dropped = dst.run(&["resolve", &id, "--renounce"]).ok();
    assert!(dropped.contains("verdict: dropped"), "{dropped}");
    assert_eq!(dst.run(&["resolve", &id, "--renounce"]).ok(), dropped);
    let dropped = mailed(&src, &dropped);
    for _ in 0..2 {
        src.run(&["resolve", &id, "--proof", dropped.to_str().unwrap()]).ok();
    }
    assert!(src.serves(&sample.name) && !dst.serves(&sample.name));
}
