//! Files that an operator names in a command. The command opens them and hands them to the agent, because an agent under
//! systemd sees few files, and must not read with its own rights what the operator may not.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::port::ControllerError;

/// Opens files by the paths that their owner knows them by.
pub trait Files {
    /// Opens a file to be read.
    ///
    /// Errors: as the system says, [`io::ErrorKind::NotFound`] among them.
    fn open(&mut self, path: &Path) -> io::Result<File>;

    /// Makes a file that is not there, for its owner's eyes alone, and the directories above it.
    ///
    /// Errors: as the system says.
    fn create(&mut self, path: &Path) -> io::Result<File>;
}

/// The files that this very process sees.
#[derive(Debug, Clone, Copy)]
pub struct OwnFiles;

impl Files for OwnFiles {
    fn open(&mut self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn create(&mut self, path: &Path) -> io::Result<File> {
        if let Some(dir) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }
}

/// Says why a file of an operator's cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> ControllerError {
    // How the system says that a path would have left the directory that was named.
    if error.kind() == io::ErrorKind::CrossesDevices {
        let path = path.display();
        return ControllerError::Refused(format!(
            "{path} is, or is behind, a link out of its directory; put the file itself there"
        ));
    }
    ControllerError::Refused(format!("cannot read {}: {error}", path.display()))
}
