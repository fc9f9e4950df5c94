//! What befalls the state directory of a host whose agent is down.

use std::fs;
use std::path::Path;

use super::host::Host;

/// Copies a directory with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Takes the journal out of a host's state.
pub fn lose_journal(host: &Host) {
    let lost = host.dir.path().join("lost");
    fs::create_dir(&lost).unwrap();
    for name in ["journal.0", "journal.1"] {
        fs::rename(host.dir.path().join("state").join(name), lost.join(name)).unwrap();
    }
}
