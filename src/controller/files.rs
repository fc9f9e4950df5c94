//! Files of whoever asks for something. An agent under systemd sees next to none of them itself, and what it may
//! see is not what the operator may: so the operator's own command opens them, and hands them over.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

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
