//! A state directory that other users can change is not trusted: the agent does not start, and says what to type.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::host::{Host, binary};

fn state(host: &Host) -> PathBuf {
    host.dir.path().join("state")
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Starts the agent of a host, and expects it to end at once, with EX_CONFIG. Returns what it said.
fn refused(host: &Host) -> String {
    let output = Command::new(binary()).args(["agent", "--config"]).arg(host.config()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("every model stays as it is"), "{said}");
    said
}

/// All of these were taken as they were.
#[test]
fn an_agent_does_not_start_on_a_state_directory_that_others_can_change_and_starts_once_the_line_was_typed() {
    let mut host = Host::new("src");
    host.start();
    host.stop();
    for (name, mode) in [("", 0o777), ("journal.0", 0o666), ("blobs", 0o702), ("controller.redb", 0o640)] {
        let path = state(&host).join(name);
        let before = fs::metadata(&path).unwrap().permissions();
        set_mode(&path, mode);
        let said = refused(&host);
        let typed = said.split("`chmod ").nth(1).and_then(|rest| rest.split('`').next()).expect("a chmod to type");
        let done = Command::new("sh").arg("-c").arg(format!("chmod {typed}")).status().unwrap();
        assert!(done.success(), "{said}");
        host.start();
        host.stop();
        fs::set_permissions(&path, before).unwrap();
    }
}

#[test]
fn a_link_in_place_of_the_store_or_the_journal_is_refused() {
    let mut host = Host::new("src");
    host.start();
    host.stop();
    for name in ["blobs", "journal.0", "state.redb"] {
        let (path, elsewhere) = (state(&host).join(name), host.dir.path().join("elsewhere"));
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        let said = refused(&host);
        assert!(said.contains(&format!("{name} is a symbolic link")), "{said}");
        fs::remove_file(&path).unwrap();
        fs::rename(&elsewhere, &path).unwrap();
    }
    host.start();
    host.stop();
}
