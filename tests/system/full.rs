//! A disk that is full, lost files, and what an operator is told. The tests that fill a disk mount one of their own in
//! memory, which needs root; what they claim is claimed without it as well, on a disk that fails when it is told to, by
//! the tests of `src/disk/database` and of the embedded controller.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use modelferry::sample::Sample;

use super::host::{Host, joined, towards};

/// A file system in memory, mounted at the state directory of a host.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of `mib` MiB; nothing where that is not allowed.
    pub fn mount(host: &Host, mib: u32) -> Option<Self> {
        let dir = host.dir.path().join("state");
        fs::create_dir_all(&dir).unwrap();
        let size = format!("size={mib}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&dir).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("not root: no disk is mounted, and this is left to the tests on a faulty disk");
        None
    }

    /// Takes all the space that there is.
    fn fill(&self) {
        let mut file = fs::File::create(self.filler()).unwrap();
        let block = vec![7; 64 << 10];
        while file.write_all(&block).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn small() -> Sample {
    Sample { size_bytes: 1 << 20, ..Sample::default() }
}

/// Returns what `status` tells.
fn status(host: &Host) -> String {
    host.run(&["status"]).ok()
}

fn alarms(host: &Host) -> Vec<String> {
    let status = host.run(&["status", "--format", "json"]).json();
    let alarms = status["alarms"].as_array().unwrap();
    alarms.iter().map(|alarm| alarm["kind"].as_str().unwrap().to_owned()).collect()
}

fn state(host: &Host) -> PathBuf {
    host.dir.path().join("state")
}

#[test]
fn a_disk_that_was_full_for_a_moment_costs_no_more_than_the_moment() {
    // redb answered "Previous I/O error" until the agent was restarted: no write, no thaw, no alarm.
    let src = Host::new("src");
    let Some(disk) = SmallDisk::mount(&src, 96) else { return };
    let (src, dst) = joined(src, Host::new("dst"));
    let sample = small();
    src.import(&sample);
    let model = sample.name.as_str();
    disk.fill();
    let value = "v".repeat(16_000);
    let refused = (0..400).find_map(|number| {
        let told = src.run(&["embedded", "set", model, &format!("key{number}={value}")]);
        (told.code != 0).then_some(told)
    });
    let refused = refused.expect("a full disk refuses a write at last");
    assert!(refused.err.contains("full") && refused.err.contains("nothing has changed"), "{}", refused.err);
    assert_eq!(alarms(&src), ["disk"]);
    src.run(&["precheck", model, "dst"]).fails(1, "to freeze the model and to thaw it");
    disk.free();
    src.run(&["embedded", "set", model, "colour=blue"]).ok();
    assert!(alarms(&src).is_empty(), "{}", status(&src));
    src.run(&["precheck", model, "dst"]).ok();
    src.run(&["migrate", model, "dst", "--wait"]).ok();
    assert!(dst.serves(model) && !src.serves(model));
}

#[test]
fn a_target_that_is_restarted_on_a_full_disk_waits_and_takes_the_model_once_there_is_room() {
    // It dropped the migration when the first blob was offered again, or did not start at all.
    let dst = Host::new("dst");
    let Some(disk) = SmallDisk::mount(&dst, 256) else { return };
    let (src, mut dst) = towards(dst);
    let sample = Sample { size_bytes: 48 << 20, ..Sample::default() };
    src.import(&sample);
    let (model, id) = (sample.name.as_str(), format!("{}:0", sample.uuid));
    src.run(&["migrate", model, "dst", "--bwlimit", "40mbit"]).ok();
    dst.until("some of it has arrived", |dst| {
        let listed = dst.run(&["migrations", "--format", "json"]);
        (listed.code == 0
            && dst.run(&["show-migration", &id]).code == 0
            && dst.view(&id)["bytes"]["held"].as_u64() > Some(1 << 20))
        .then_some(())
    });
    disk.fill();
    let waits = |host: &Host| host.view(&id)["waiting"].as_str().filter(|why| why.contains("disk is full")).map(drop);
    src.until("the source is told that the target waits", waits);
    dst.kill();
    dst.start();
    assert!(alarms(&dst).contains(&"disk".to_owned()), "{}", status(&dst));
    src.until("the target waits again", waits);
    assert_eq!(dst.view(&id)["state"], "Receiving");
    dst.run(&["store", "show"]).ok();
    disk.free();
    src.run(&["wait", &id]).ok();
    assert!(dst.serves(model));
}

/// Writes a file that nobody else may read, as the agent wants it.
fn write_private(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_lost_or_damaged_controller_is_reported_with_the_models_that_the_journal_knows() {
    // All models were gone, status was green, and the journal said that they are here.
    let (src, mut dst) = towards(Host::new("dst"));
    let sample = small();
    src.import(&sample);
    let model = sample.name.as_str();
    src.run(&["migrate", model, "dst", "--wait"]).ok();
    dst.until("the target is at rest", |dst| dst.view(&format!("{}:0", sample.uuid))["ended-ms"].as_u64());
    src.run(&["embedded", "user", "list"]).ok();
    dst.stop();
    let database = state(&dst).join("controller.redb");
    let whole = fs::read(&database).unwrap();
    let mut flipped = whole.clone();
    flipped[..16].iter_mut().for_each(|byte| *byte ^= 0xff);
    for (spoil, says) in [(None, "is missing"), (Some(Vec::new()), "is empty"), (Some(flipped), "is damaged")] {
        match &spoil {
            None => fs::remove_file(&database).unwrap(),
            Some(bytes) => write_private(&database, bytes),
        }
        dst.start();
        assert_eq!(alarms(&dst), ["database"]);
        let told = status(&dst);
        for wanted in [says, "controller.redb", &sample.uuid.to_string(), model, "new-controller", "backup restore"] {
            assert!(told.contains(wanted), "{wanted} is not in {told}");
        }
        dst.run(&["models"]).fails(4, "has stopped acting");
        dst.stop();
    }
    write_private(&database, &whole);
    dst.start();
    assert!(alarms(&dst).is_empty() && dst.serves(model), "{}", status(&dst));
    let backup = dst.dir.path().join("backup.tar.zst");
    let backup = backup.to_str().unwrap();
    dst.run(&["backup", "create", model, backup]).ok();
    dst.stop();
    // It is lost for good.
    fs::remove_file(&database).unwrap();
    fs::write(state(&dst).join("new-controller"), "").unwrap();
    dst.start();
    assert!(!state(&dst).join("new-controller").exists(), "it is asked for once");
    assert_eq!(alarms(&dst), ["database"]);
    assert!(status(&dst).contains(&sample.uuid.to_string()));
    dst.run(&["embedded", "remove", &sample.uuid.to_string()]).ok();
    assert!(alarms(&dst).is_empty(), "{}", status(&dst));
    // What the alarms say is typed: it was refused, and did not say what was missing.
    dst.until("peers are connected", |host| host.connected().then_some(()));
    let refused = dst.run(&["backup", "restore", backup]).fails(1, "cannot be asked");
    assert!(refused.contains("has that name and another UUID") && refused.contains("add --source-lost"), "{refused}");
    dst.run(&["backup", "restore", backup, "--source-lost"]).ok();
    assert!(dst.serves(model), "{}", status(&dst));
}

#[test]
fn a_model_that_moved_away_is_not_put_back_into_service_by_an_older_database() {
    let (mut src, dst) = towards(Host::new("dst"));
    let sample = small();
    src.import(&sample);
    let model = sample.name.as_str();
    src.stop();
    let database = state(&src).join("controller.redb");
    let before = fs::read(&database).unwrap();
    src.start();
    src.until("peers are connected", |host| host.connected().then_some(()));
    src.run(&["migrate", model, "dst", "--wait"]).ok();
    src.stop();
    fs::write(&database, before).unwrap();
    src.start();
    assert!(!src.serves(model) && dst.serves(model), "{}", status(&src));
    assert_eq!(alarms(&src), ["database"]);
    assert!(status(&src).contains("have moved away"), "{}", status(&src));
}

#[test]
fn blobs_that_models_need_and_that_are_lost_are_reported() {
    let mut host = Host::new("src");
    host.start();
    let sample = small();
    host.add_users();
    host.import(&sample);
    assert!(alarms(&host).is_empty());
    let blobs = state(&host).join("blobs");
    host.stop();
    fs::rename(&blobs, state(&host).join("lost")).unwrap();
    host.start();
    assert_eq!(alarms(&host), ["blobs"]);
    let told = status(&host);
    assert!(told.contains(&sample.name), "{told}");
    // To pair anew mends nothing of that.
    assert!(
        told.contains("No peers; first mend the alarm above.") && !told.contains("modelferry pair offer"),
        "{told}"
    );
    // Whoever asks for the model is sent to the directory that the configuration names, and to the alarm.
    let failed = host.run(&["status", "-m", &sample.name]).fails(1, "of the state directory is missing");
    let hint = format!("put {}/", blobs.display());
    assert!(failed.contains(&hint) && failed.contains("`modelferry status` names the models"), "{failed}");
    host.stop();
    fs::remove_dir_all(&blobs).unwrap();
    fs::rename(state(&host).join("lost"), &blobs).unwrap();
    host.start();
    assert!(alarms(&host).is_empty(), "{}", status(&host));
}

/// The alarm said `backup restore`, which was refused as long as the model was there.
#[test]
fn what_the_alarm_about_lost_blobs_says_to_type_brings_the_model_back() {
    let mut host = Host::new("src");
    host.start();
    let sample = small();
    host.add_users();
    host.import(&sample);
    let (model, backup) = (sample.name.as_str(), host.dir.path().join("backup.tar.zst"));
    let backup = backup.to_str().unwrap();
    host.run(&["backup", "create", model, backup]).ok();
    host.stop();
    fs::remove_dir_all(state(&host).join("blobs")).unwrap();
    host.start();
    let told = status(&host);
    let said = |command: &str| {
        let words = command.replace(model, "MODEL").replace(backup, "FILE");
        assert!(told.contains(&format!("`modelferry {words}`")), "{words} is not in {told}");
        host.run(&command.split(' ').collect::<Vec<_>>()).ok();
    };
    said(&format!("backup verify {backup}"));
    said(&format!("embedded remove {model}"));
    said(&format!("backup restore {backup}"));
    assert!(alarms(&host).is_empty() && host.serves(model), "{}", status(&host));
}

/// The advice was `embedded import … in place of this one`, which was refused as "model with same UUID already exists".
#[test]
fn what_a_precheck_says_about_missing_binaries_completes_the_model() {
    let (src, _dst) = towards(Host::new("dst"));
    let sample = small();
    let files = sample.write(&src.dir.path().join("sample")).unwrap();
    let (description, model) = (files.description.to_str().unwrap(), sample.name.as_str());
    src.run(&["embedded", "import", description, "--without-blobs"]).ok();
    let plan = src.run(&["precheck", model, "dst", "--format", "json"]).json();
    let findings = plan["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["check"] == "binaries").unwrap();
    let (fix, dir) = (finding["fix"].as_str().unwrap(), src.dir.path().join("whole"));
    let dir = dir.to_str().unwrap();
    let typed = |words: &str| {
        assert!(fix.contains(&format!("modelferry {words}")), "{words} is not in {fix}");
        let words: Vec<String> = words.split(' ').map(|word| word.replace("DIR", dir)).collect();
        src.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    };
    typed(&format!("embedded export {model} DIR"));
    for (path, bytes) in super::host::files(&files.blobs) {
        let path = std::path::Path::new(dir).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    typed(&format!("embedded remove {model}"));
    typed("embedded import DIR/model.yaml --blobs DIR");
    let plan = src.run(&["precheck", model, "dst", "--format", "json"]).json();
    let levels = plan["findings"].as_array().unwrap().iter().filter(|finding| finding["check"] == "binaries");
    assert!(levels.clone().count() == 1 && levels.clone().all(|finding| finding["level"] == "pass"), "{plan}");
}

#[test]
fn an_import_of_a_model_that_migrates_says_that_it_migrates_where_and_what_to_type() {
    // "model with same UUID already exists" was all.
    let (src, dst) = towards(Host::new("dst"));
    let sample = small();
    let files = src.import(&sample);
    src.run(&["migrate", &sample.name, "dst", "--hold"]).ok();
    let (description, blobs) = (files.description.to_str().unwrap(), files.blobs.to_str().unwrap());
    let import = ["embedded", "import", description, "--blobs", blobs];
    let refused = src.run(&import).fails(1, "is being migrated (migration ");
    assert!(refused.contains("and on its way to dst") && refused.contains("`modelferry abort "), "{refused}");
    let refused = dst.run(&import).fails(1, "is being migrated (migration ");
    assert!(refused.contains("a copy of it is on its way here"), "{refused}");
    src.run(&["abort", &sample.name]).ok();
    src.run(&import).fails(1, "model with same UUID already exists");
}

#[test]
fn a_lost_key_and_damaged_lists_are_alarms_that_say_what_to_do() {
    // A deleted identity/ was replaced by a new key, silently; a cut peers.toml kept the agent from starting.
    let (mut src, dst) = towards(Host::new("dst"));
    src.stop();
    let identity = state(&src).join("identity");
    fs::rename(&identity, state(&src).join("kept-aside")).unwrap();
    src.start();
    assert_eq!(alarms(&src), ["identity"]);
    assert!(status(&src).contains("modelferry pair offer"), "{}", status(&src));
    src.stop();
    fs::remove_dir_all(&identity).unwrap();
    fs::rename(state(&src).join("kept-aside"), &identity).unwrap();
    src.start();
    src.run(&["limit", "20mbit"]).ok();
    src.stop();
    for (name, kind) in [("peers.toml", "peers"), ("witness.toml", "witness"), ("limits.toml", "limits")] {
        let path = state(&src).join(name);
        let whole = fs::read(&path).unwrap();
        for cut in [whole.len() / 2, 0] {
            fs::write(&path, &whole[..cut]).unwrap();
            src.start();
            assert_eq!(alarms(&src), [kind], "{name} cut to {cut} bytes");
            assert!(status(&src).contains(&format!("{name}.damaged")), "{}", status(&src));
            src.stop();
            fs::remove_file(state(&src).join(format!("{name}.damaged"))).unwrap();
        }
        fs::write(&path, &whole).unwrap();
    }
    for (name, kind) in [("limits.toml", "limits"), ("state.redb", "state")] {
        let path = state(&src).join(name);
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        src.start();
        assert_eq!(alarms(&src), [kind], "{name} is gone");
        assert!(
            status(&src).contains(&format!("{name} is missing"))
                || status(&src).contains(&format!("{name} was missing"))
        );
        src.stop();
        fs::write(&path, &whole).unwrap();
    }
    src.start();
    assert!(alarms(&src).is_empty(), "{}", status(&src));
    assert!(src.run(&["limit"]).ok().contains("20mbit"), "what was put back holds again");
    dst.until("the peers meet again", |host| host.connected().then_some(()));
}

#[test]
fn the_agent_leaves_what_is_no_socket_of_its_own() {
    // It removed any regular file at `socket`.
    let mut host = Host::new("src");
    let socket = host.dir.path().join("ferry.sock");
    let refused = |host: &mut Host, why: &str| {
        host.start_with(&[]);
        host.wait_for_death(why);
    };
    fs::write(&socket, "precious").unwrap();
    refused(&mut host, "the refusal of a file");
    assert_eq!(fs::read(&socket).unwrap(), b"precious");
    fs::remove_file(&socket).unwrap();
    fs::create_dir(&socket).unwrap();
    refused(&mut host, "the refusal of a directory");
    fs::remove_dir(&socket).unwrap();
    let elsewhere = host.dir.path().join("elsewhere");
    fs::write(&elsewhere, "precious").unwrap();
    std::os::unix::fs::symlink(&elsewhere, &socket).unwrap();
    refused(&mut host, "the refusal of a link");
    assert_eq!(fs::read(&elsewhere).unwrap(), b"precious");
    fs::remove_file(&socket).unwrap();
    // A dead agent's socket is replaced, and what has come in its place meanwhile stays.
    host.start();
    host.kill();
    assert!(socket.exists());
    host.start();
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "precious").unwrap();
    host.stop();
    assert_eq!(fs::read(&socket).unwrap(), b"precious");
}
