//! A state directory that cannot be written: the agent serves its status, waits, and says what to mend. The tests that mount a file
//! system need root, and are left out where nothing may be mounted.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use modelferry::sample::Sample;

use super::full::SmallDisk;
use super::host::{Host, binary, joined, meet};

fn state(host: &Host) -> PathBuf {
    host.dir.path().join("state")
}

fn status(host: &Host) -> String {
    host.run(&["status"]).ok()
}

/// Runs a program as root may, and reports whether it did what it was asked for.
fn done(program: &str, args: &[&str], path: &Path) -> bool {
    Command::new(program).args(args).arg(path).output().is_ok_and(|output| output.status.success())
}

/// Expects an agent that reports its status alone, and the reason and the way out with it.
#[track_caller]
fn only_reports(host: &Host, kind: &str, words: &[&str]) {
    let told = host.until("the agent answers", |host| {
        let told = host.run(&["status"]);
        (told.code == 0).then_some(told.out)
    });
    for word in words.iter().copied().chain([&*format!("ALARM  {kind}: ")]) {
        assert!(told.contains(word), "{word:?} is not in {told}");
    }
    host.run(&["status", "--check"]).fails(4, "");
    host.run(&["embedded", "set", "shop-eu", "a=b"]).fails(4, "has stopped acting");
    host.run(&["pair", "offer"]).fails(4, "`modelferry status` says what to do");
}

/// A host with a model, its agent down.
fn with_model(mut host: Host) -> (Host, Sample) {
    let sample = Sample::default();
    host.start();
    host.add_users();
    host.import(&sample);
    host.stop();
    (host, sample)
}

#[test]
fn an_agent_that_is_started_on_a_read_only_file_system_reports_it_and_serves_again_once_it_is_writable() {
    let host = Host::new("src");
    let Some(disk) = SmallDisk::mount(&host, 64) else { return };
    let (mut host, sample) = with_model(host);
    assert!(done("mount", &["-o", "remount,ro"], &state(&host)));
    host.start_with(&[]);
    only_reports(&host, "journal", &["mounted read-only", "mount -o remount,rw", "every model stays as it is"]);
    host.stop();
    assert!(done("mount", &["-o", "remount,rw"], &state(&host)));
    host.start();
    assert!(host.serves(&sample.name) && !status(&host).contains("ALARM"), "{}", status(&host));
    host.stop();
    drop(disk);
}

#[test]
fn a_state_directory_that_the_agent_may_not_write_is_reported_with_whose_it_has_to_be() {
    let (mut host, sample) = with_model(Host::new("src"));
    let is_root = rustix::process::geteuid().is_root();
    let socket = host.dir.path().join("run");
    fs::create_dir(&socket).unwrap();
    let config = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), config.replace("/ferry.sock", "/run/ferry.sock")).unwrap();
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    // Root may write everywhere, so that its agent runs as somebody else.
    let mut agent = if is_root {
        [host.dir.path(), &state(&host)].into_iter().for_each(|dir| mode(dir, 0o755));
        mode(&socket, 0o777);
        let mut agent = Command::new("setpriv");
        agent.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(binary());
        agent
    } else {
        assert!(done("chmod", &["-R", "a-w"], &state(&host)));
        Command::new(binary())
    };
    agent.args(["agent", "--config"]).arg(host.config());
    host.start_as(agent);
    only_reports(&host, "journal", &["may not write there", "sudo chown -R ", "every model stays as it is"]);
    host.stop();
    mode(&state(&host), 0o700);
    assert!(done("chmod", &["-R", "u+w"], &state(&host)));
    let _ = fs::remove_file(socket.join("ferry.sock"));
    host.start();
    assert!(host.serves(&sample.name) && !status(&host).contains("ALARM"), "{}", status(&host));
}

#[test]
fn a_database_that_is_a_directory_is_reported_and_left_alone() {
    let (mut host, sample) = with_model(Host::new("src"));
    let (database, kept) = (state(&host).join("controller.redb"), state(&host).join("kept.redb"));
    fs::rename(&database, &kept).unwrap();
    fs::create_dir(&database).unwrap();
    fs::write(database.join("precious"), "precious").unwrap();
    host.start_with(&[]);
    only_reports(&host, "database", &["is a directory, where a database was", "controller.redb", "new-controller"]);
    host.stop();
    assert_eq!(fs::read(database.join("precious")).unwrap(), b"precious");
    fs::remove_dir_all(&database).unwrap();
    fs::rename(&kept, &database).unwrap();
    host.start();
    assert!(host.serves(&sample.name) && !status(&host).contains("ALARM"), "{}", status(&host));
}

/// A file system of its own in a file, which can be made to fail under a running agent.
struct FailingDisk {
    dir: PathBuf,
    image: PathBuf,
    device: String,
}

impl FailingDisk {
    /// Mounts one at the state directory of a host; nothing where that is not possible.
    fn mount(host: &Host) -> Option<Self> {
        let (dir, image) = (state(host), host.dir.path().join("disk.img"));
        fs::create_dir_all(&dir).unwrap();
        fs::File::create(&image).unwrap().set_len(96 << 20).unwrap();
        let made = done("mkfs.ext4", &["-q"], &image);
        let mut disk = Self { dir, image, device: String::new() };
        if !made || !disk.attach() {
            eprintln!("no file system of its own can be mounted here");
            return None;
        }
        Some(disk)
    }

    fn attach(&mut self) -> bool {
        let mounted = done("mount", &["-o", "loop,errors=remount-ro", self.image.to_str().unwrap()], &self.dir);
        let found = Command::new("findmnt").args(["-n", "-o", "SOURCE"]).arg(&self.dir).output().unwrap();
        self.device = String::from_utf8(found.stdout).unwrap().trim().trim_start_matches("/dev/").to_owned();
        mounted
    }

    /// Checks it and mounts it again, writable.
    fn mend(&mut self) {
        assert!(done("umount", &[], &self.dir));
        // It ends with 1 where it has mended something.
        let _ = done("e2fsck", &["-p"], &self.image);
        assert!(self.attach());
    }

    /// Makes it read-only at once, as an error of the disk would, whoever writes to it. Reports whether that can be done.
    fn fail(&self) -> bool {
        fs::write(format!("/sys/fs/ext4/{}/trigger_fs_error", self.device), "1").is_ok()
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
    }
}

/// Everything that was to be written failed, one command at a time, and `status` was green.
#[test]
fn a_running_agent_whose_file_system_becomes_read_only_says_so_and_loses_nothing() {
    let src = Host::new("src");
    let Some(mut disk) = FailingDisk::mount(&src) else { return };
    let (mut src, dst) = joined(src, Host::new("dst"));
    let sample = Sample::default();
    src.import(&sample);
    src.run(&["embedded", "set", &sample.name, "colour=blue"]).ok();
    if !disk.fail() {
        eprintln!("this file system cannot be made to fail");
        return;
    }
    for _ in 0..2 {
        let told = src.run(&["embedded", "set", &sample.name, "colour=red"]).fails(1, "Read-only file system");
        assert!(told.contains("`modelferry status`"), "{told}");
        let told = status(&src);
        for word in ["ALARM  disk: ", "is read-only", "mount -o remount,rw", "src "] {
            assert!(told.contains(word), "{word:?} is not in {told}");
        }
        src.run(&["status", "--check"]).fails(4, "");
    }
    assert_ne!(src.run(&["migrate", &sample.name, "dst"]).code, 0);
    assert_eq!(src.run(&["migrations", "--format", "json"]).json(), serde_json::json!([]));
    src.stop();
    disk.mend();
    src.start();
    assert!(!src.alarms("disk"), "{}", status(&src));
    assert_eq!(src.run(&["embedded", "get", &sample.name, "colour"]).ok().trim(), "blue");
    meet([&src, &dst]);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert!(dst.serves(&sample.name));
    src.stop();
    drop(disk);
}
