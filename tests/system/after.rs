//! After the switchover, and after a disaster: logs, holds, and a journal that cannot be trusted.

use std::fs;

use modelferry::sample::Sample;

use super::host::{files, ready};

#[test]
fn a_log_goes_along_unless_it_is_skipped() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let before = files(&src.export(&sample.name));
    let is_log = |path: &&std::path::PathBuf| path.starts_with("logs");
    assert_eq!(before.keys().filter(is_log).count(), 2);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert_eq!(files(&dst.export(&sample.name)), before);
    dst.run(&["migrate", &sample.name, "src", "--wait", "--skip-logs"]).ok();
    let after = files(&src.export(&sample.name));
    assert_eq!(after.keys().filter(is_log).count(), 0, "{:?}", after.keys());
    assert_eq!(after.len() + 2, before.len());
}

#[test]
fn a_held_copy_outlives_a_restart_and_serves_nobody_until_it_is_reaped() {
    let sample = Sample::default();
    let (mut src, dst, _) = ready(&sample);
    let said = src.run(&["migrate", &sample.name, "dst", "--wait", "--hold-reap", "1h"]).ok();
    assert!(said.contains("has moved to controller \"dst\"") && said.contains("reap due at 20"), "{said}");
    let id = format!("{}:0", sample.uuid);
    let due = src.migration(&id)["migration"]["reap-due-ms"].as_u64();
    assert!(due.is_some());
    src.kill();
    src.start();
    src.until("it is held again", |src| src.migration(&id)["migration"]["reap-due-ms"].as_u64());
    assert_eq!(src.migration(&id)["migration"]["reap-due-ms"].as_u64(), due, "a restart begins no new hold");
    assert!(src.run(&["status"]).ok().contains("reap due at 20"));
    assert!(src.run(&["show-migration", &id]).ok().contains("reap due at: 20"));
    src.run(&["abort", &id]).fails(1, "too late, committed");
    assert!(dst.serves(&sample.name) && !src.serves(&sample.name), "the copy is dead");
    // The way back was told to look at `modelferry migrations`, which ends nothing.
    let known = src.migration(&id);
    let line = format!("modelferry reap {} # on that host", known["migration"]["mid"].as_str().unwrap());
    dst.run(&["migrate", &sample.name, "src"]).fails(1, &line);
    src.run(&["reap", &id]).ok();
    assert_eq!(src.migration(&id)["migration"]["state"], "Moved");
}

#[test]
fn a_held_copy_can_be_looked_at_in_every_way() {
    // Help and README said that it is "there to be looked at", and every command answered with the redirect.
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let model = sample.name.as_str();
    src.run(&["embedded", "set", model, "colour=blue"]).ok();
    let before = files(&src.export(model));
    src.run(&["embedded", "get", model, "--held"]).fails(1, "no copy of a model \"shop-eu\" is held here");
    src.run(&["migrate", model, "dst", "--wait", "--hold-reap", "7d"]).ok();
    dst.run(&["embedded", "set", model, "colour=red"]).ok();

    src.run(&["show-model", model]).fails(1, "has been migrated to controller");
    let shown = src.run(&["show-model", model, "--held"]).ok();
    assert!(shown.contains("short-name: shop-eu") && shown.contains("reap due at"), "{shown}");
    let status = src.run(&["status", "-m", model, "--held"]).ok();
    assert!(status.contains("postgresql/0"), "{status}");
    assert_eq!(src.run(&["embedded", "get", model, "colour", "--held"]).ok(), "blue\n", "as it was handed over");
    let dir = src.dir.path().join("held");
    src.run(&["embedded", "export", &sample.uuid, dir.to_str().unwrap(), "--held"]).ok();
    assert!(files(&dir) == before, "the copy is whole");
    let archive = src.dir.path().join("held.tar.zst");
    let archive = archive.to_str().unwrap();
    src.run(&["backup", "create", model, archive]).fails(1, "has been migrated to controller");
    src.run(&["backup", "create", model, "dst", "--held"]).fails(2, "a held copy is backed up into a file alone");
    src.run(&["backup", "create", model, archive, "--held"]).ok();
    src.run(&["backup", "verify", archive]).ok();
    src.run(&["backup", "restore", archive]).fails(1, "the model is live on dst");
    src.run(&["embedded", "set", model, "colour=green"]).fails(1, "has been migrated");

    src.run(&["reap", model]).ok();
    src.run(&["show-model", model, "--held"]).fails(1, "is held here");
}

#[test]
fn an_agent_with_a_damaged_journal_tells_what_to_do_and_does_nothing() {
    let sample = Sample::default();
    let (mut src, dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    src.stop();
    let journals = ["state/journal.0", "state/journal.1"].map(|name| src.dir.path().join(name));
    let whole = journals.each_ref().map(|file| fs::read(file).unwrap());
    for (file, bytes) in journals.iter().zip(&whole) {
        let mut bytes = bytes.clone();
        // In the body of the first record, behind the header.
        bytes[8192 + 100] ^= 0x10;
        fs::write(file, bytes).unwrap();
    }
    src.start();
    let status = src.run(&["status"]).ok();
    assert!(status.starts_with("ALARM  journal: the journal") && status.contains("restart the agent"), "{status}");
    // What its help says of `status --check`: an alarm is 4.
    assert_eq!(src.run(&["status", "--check"]).code, 4);
    for refused in [
        vec!["migrations"],
        vec!["models"],
        vec!["audit", "verify"],
        vec!["embedded", "user", "add", "eve"],
        vec!["pair", "offer", "--as", "eve"],
        vec!["migrate", "controller", "dst"],
    ] {
        src.run(&refused).fails(4, "this agent has stopped acting: the journal");
    }
    assert!(!dst.connected(), "and no peer is answered");
    src.stop();
    // The files are as they were: nothing was repaired, nothing begun anew.
    journals.iter().zip(&whole).for_each(|(file, bytes)| fs::write(file, bytes).unwrap());
    src.start();
    assert!(!src.run(&["status"]).ok().contains("ALARM"));
    src.run(&["audit", "verify"]).ok();
}
