//! An archive under construction: it gets its name when it is whole, or not at all.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::BackupError;

/// A file beside the place that it is for, under a name of its own that nobody can foresee. Removed again if it does
/// not get its place.
#[derive(Debug)]
pub struct Draft {
    file: NamedTempFile,
    path: PathBuf,
    force: bool,
}

impl Draft {
    /// Begins a file for its owner's eyes alone. `force`: whether a file that is there is replaced in the end.
    ///
    /// Errors: [`BackupError::Exists`], [`BackupError::Unwritable`].
    pub fn begin(path: &Path, force: bool) -> Result<Self, BackupError> {
        // Asked again when it is put in its place; asked here so that a refusal costs nothing.
        refuse_to_replace(path, force)?;
        let unwritable = |source| BackupError::Unwritable { path: path.to_owned(), source };
        std::fs::metadata(dir_of(path)).map_err(unwritable)?;
        let file = tempfile::Builder::new()
            .prefix(".modelferry-backup-")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(dir_of(path))
            // Without the name of the file, which nobody has chosen.
            .map_err(|error| unwritable(error.kind().into()))?;
        Ok(Self { file, path: path.to_owned(), force })
    }

    /// Returns the file, to be written.
    ///
    /// Errors: as the system says.
    pub fn file(&self) -> io::Result<File> {
        self.file.as_file().try_clone()
    }

    /// Puts what has been written in its place: whole and durable when this returns.
    ///
    /// Errors: [`BackupError::Exists`], [`BackupError::Unwritable`].
    pub fn place(self) -> Result<(), BackupError> {
        let Self { file, path, force } = self;
        let unwritable = |source| BackupError::Unwritable { path: path.clone(), source };
        file.as_file().sync_all().map_err(unwritable)?;
        refuse_to_replace(&path, force)?;
        let placed = if force { file.persist(&path) } else { file.persist_noclobber(&path) };
        placed.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(path.clone()),
            _ => unwritable(error.error),
        })?;
        File::open(dir_of(&path)).and_then(|dir| dir.sync_all()).map_err(unwritable)
    }
}

/// Refuses a path at which there is something that must stay: with force, whatever is no regular file.
fn refuse_to_replace(path: &Path, force: bool) -> Result<(), BackupError> {
    match path.symlink_metadata() {
        Ok(there) if force && there.is_file() => Ok(()),
        Ok(_) if force => Err(BackupError::NotAFile(path.to_owned())),
        Ok(_) => Err(BackupError::Exists(path.to_owned())),
        // Whatever else is wrong with it, writing will tell.
        Err(_) => Ok(()),
    }
}

fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn force_replaces_a_file_and_nothing_else() {
        // With --force a backup took the place of whatever had the name: a link, a pipe, a device.
        let dir = tempfile::tempdir().unwrap();
        let (file, link, folder) = (dir.path().join("file"), dir.path().join("link"), dir.path().join("folder"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        std::fs::create_dir(&folder).unwrap();
        for other in [&link, &folder] {
            assert!(matches!(Draft::begin(other, true), Err(BackupError::NotAFile(_))));
            assert!(matches!(Draft::begin(other, false), Err(BackupError::Exists(_))));
        }
        Draft::begin(&file, true).unwrap().place().unwrap();
        assert_eq!((std::fs::read(&file).unwrap(), link.is_symlink()), (Vec::new(), true));
    }
}
