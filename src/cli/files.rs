//! Files that are opened here and handed to the agent: with the rights of whoever types, and nowhere but where they
//! said.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::agent::control::{Failure, FailureKind};
use crate::controller::backup::Draft;
use crate::controller::files::{Files, OwnFiles};

/// The files that were named on the command line, and what is below them.
#[derive(Debug)]
pub(super) struct Named(Vec<PathBuf>);

impl Named {
    /// Allows these paths, which are absolute.
    pub(super) fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(paths.into_iter().collect())
    }

    /// Whatever an agent asks for: it gets what was named for it.
    fn check(&self, path: &Path) -> io::Result<()> {
        let leads_elsewhere = path.components().any(|component| component == Component::ParentDir);
        let named = self.0.iter().any(|named| path.starts_with(named));
        if named && !leads_elsewhere { Ok(()) } else { Err(rustix::io::Errno::ACCESS.into()) }
    }
}

impl Files for Named {
    fn open(&mut self, path: &Path) -> io::Result<File> {
        self.check(path)?;
        OwnFiles.open(path)
    }

    fn create(&mut self, path: &Path) -> io::Result<File> {
        self.check(path)?;
        OwnFiles.create(path)
    }
}

impl Files for Draft {
    fn open(&mut self, _path: &Path) -> io::Result<File> {
        Err(rustix::io::Errno::ACCESS.into())
    }

    fn create(&mut self, _path: &Path) -> io::Result<File> {
        self.file()
    }
}

/// Returns a path of something that is there, from the root.
pub(super) fn existing(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize().map_err(|error| {
        Failure::new(FailureKind::Refused, format!("cannot find {}: {error}", path.display()))
            .state("nothing has changed")
    })
}

/// Returns the path of a directory to be filled, from the root: one that is empty or not there.
pub(super) fn to_fill(dir: &Path) -> Result<PathBuf, Failure> {
    let refused = |why: String| Err(Failure::new(FailureKind::Refused, why).state("nothing has changed"));
    let dir = match std::path::absolute(dir) {
        Ok(dir) => dir,
        Err(error) => return refused(format!("{} is no path: {error}", dir.display())),
    };
    match fs::read_dir(&dir).and_then(|mut entries| entries.next().transpose()) {
        Ok(None) => Ok(dir),
        Ok(Some(_)) => refused(format!("{} is not empty; name a directory that is", dir.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(dir),
        Err(error) => refused(format!("cannot write {}: {error}", dir.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_gets_what_was_named_for_it_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (blobs, other) = (dir.path().join("blobs"), dir.path().join("blobs-other"));
        let mut files = Named::new([blobs.clone()]);
        files.create(&blobs.join("charms/a")).unwrap();
        files.open(&blobs.join("charms/a")).unwrap();
        for path in [other, blobs.join("../x"), dir.path().to_owned(), "/etc/passwd".into(), "blobs/a".into()] {
            assert_eq!(files.open(&path).unwrap_err().kind(), io::ErrorKind::PermissionDenied, "{path:?}");
            assert_eq!(files.create(&path).unwrap_err().kind(), io::ErrorKind::PermissionDenied, "{path:?}");
        }
    }

    #[test]
    fn a_directory_to_fill_is_empty_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        assert!(to_fill(dir.path()).is_ok() && to_fill(&dir.path().join("new/er")).is_ok());
        fs::write(dir.path().join("x"), "").unwrap();
        assert!(to_fill(dir.path()).unwrap_err().message.contains("is not empty"));
        assert!(to_fill(&dir.path().join("x")).is_err());
    }
}
