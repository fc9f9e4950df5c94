//! Files that are opened here and handed to the agent: with the rights of whoever types, and nowhere but where they
//! said.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::agent::control::{Failure, FailureKind};
use crate::cli::base::{mistake, spool};
use crate::controller::backup::Draft;
use crate::controller::files::{Files, OwnFiles};

/// The files that were named on the command line, and what is below them.
#[derive(Debug, Default)]
pub(in crate::cli) struct Named {
    paths: Vec<PathBuf>,
    spooled: Option<(PathBuf, File)>,
}

impl Named {
    /// Allows these paths, which are absolute.
    pub(in crate::cli) fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: paths.into_iter().collect(), spooled: None }
    }

    /// Allows a file to be read, and returns it with the path by which the agent is to ask for it. What is read as it
    /// comes, such as a pipe, has been read when this returns.
    pub(in crate::cli) fn input(path: &Path) -> Result<(PathBuf, Self), Failure> {
        if let Some(spooled) = spool::spooled(path)? {
            let path = sendable(path.to_owned())?;
            return Ok((path.clone(), Self { paths: Vec::new(), spooled: Some((path, spooled)) }));
        }
        let path = existing(path)?;
        Ok((path.clone(), Self::new([path])))
    }

    /// Allows a further path, which is absolute.
    pub(in crate::cli) fn and(mut self, path: Option<PathBuf>) -> Self {
        self.paths.extend(path);
        self
    }

    /// Whatever an agent asks for: it gets what was named for it. Returns what that was named by.
    fn check(&self, path: &Path) -> io::Result<&Path> {
        let leads_elsewhere = path.components().any(|component| component == Component::ParentDir);
        let named = self.paths.iter().find(|named| path.starts_with(named));
        match named {
            Some(named) if !leads_elsewhere => Ok(named),
            _ => Err(rustix::io::Errno::ACCESS.into()),
        }
    }
}

impl Files for Named {
    fn open(&mut self, path: &Path) -> io::Result<File> {
        if let Some((_, file)) = self.spooled.as_ref().filter(|(spooled, _)| spooled == path) {
            let mut file = file.try_clone()?;
            file.seek(SeekFrom::Start(0))?;
            return Ok(file);
        }
        let named = self.check(path)?;
        match path.strip_prefix(named) {
            Ok(below) if !below.as_os_str().is_empty() => open_below(named, below),
            _ => OwnFiles.open(path),
        }
    }

    fn create(&mut self, path: &Path) -> io::Result<File> {
        self.check(path)?;
        OwnFiles.create(path)
    }
}

/// Opens a file below a directory, and never one that a link leads to outside of it.
///
/// Errors: [`rustix::io::Errno::XDEV`] for such a link.
fn open_below(dir: &Path, below: &Path) -> io::Result<File> {
    let dir = rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    // A named pipe is opened at once, and refused by the agent: nobody waits for its writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(&dir, below, flags, Mode::empty(), within) {
        Ok(file) => Ok(file.into()),
        // An old kernel, or a sandbox that knows no such call: then no link is followed at all.
        Err(Errno::NOSYS | Errno::PERM) => open_without_links(dir, below, flags),
        Err(error) => Err(error.into()),
    }
}

fn open_without_links(mut dir: OwnedFd, below: &Path, flags: OFlags) -> io::Result<File> {
    let no_link = |error| if matches!(error, Errno::LOOP | Errno::NOTDIR) { Errno::XDEV } else { error };
    if let Some(parent) = below.parent() {
        for name in parent.components() {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            dir = rustix::fs::openat(&dir, name.as_os_str(), flags, Mode::empty()).map_err(no_link)?;
        }
    }
    let name = below.file_name().unwrap_or_default();
    Ok(rustix::fs::openat(&dir, name, flags | OFlags::NOFOLLOW, Mode::empty()).map_err(no_link)?.into())
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
pub(in crate::cli) fn existing(path: &Path) -> Result<PathBuf, Failure> {
    let found = path.canonicalize().map_err(|error| {
        Failure::new(FailureKind::Refused, format!("cannot find {}: {error}", path.display()))
            .state("nothing has changed")
    });
    sendable(found?)
}

/// Returns a path that can be sent to the agent: a request is JSON, so a path in it is UTF-8.
pub(in crate::cli) fn sendable(path: PathBuf) -> Result<PathBuf, Failure> {
    if path.to_str().is_some() { Ok(path) } else { Err(mistake::not_utf8(path.as_os_str())) }
}

/// Returns the path of a directory to be filled, from the root: one that is empty or not there.
pub(crate) fn to_fill(dir: &Path) -> Result<PathBuf, Failure> {
    let refused = |why: String| Err(Failure::new(FailureKind::Refused, why).state("nothing has changed"));
    let dir = match std::path::absolute(dir) {
        Ok(dir) => dir,
        Err(error) => return refused(format!("{} is no path: {error}", dir.display())),
    };
    let dir = sendable(dir)?;
    match fs::read_dir(&dir).and_then(|mut entries| entries.next().transpose()) {
        Ok(None) => Ok(dir),
        Ok(Some(_)) => refused(format!("{} is not empty; name a directory that is", dir.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(dir),
        Err(error) => refused(format!("cannot write {}: {error}", dir.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

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

    /// The bug: `charms/ch:amd64_web-7` was a link to `/etc/shadow`, and that file's text became a charm.
    #[test]
    fn a_link_out_of_the_directory_is_never_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (blobs, outside) = (dir.path().join("blobs"), dir.path().join("outside"));
        fs::create_dir_all(blobs.join("charms")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "secret").unwrap();
        fs::write(blobs.join("charms/real"), "charm").unwrap();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, blobs.join(name)).unwrap();
        link("real", "charms/inside");
        link("../../outside/secret", "charms/relative");
        link(outside.join("secret").to_str().unwrap(), "charms/absolute");
        link("../outside", "tools");
        let mut files = Named::new([blobs.clone()]);
        files.open(&blobs.join("charms/inside")).unwrap();
        for path in ["charms/relative", "charms/absolute", "tools/secret"] {
            let error = files.open(&blobs.join(path)).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::XDEV.raw_os_error()), "{path}: {error}");
            let dir = rustix::fs::open(&blobs, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
            let error = open_without_links(dir, Path::new(path), OFlags::RDONLY).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::XDEV.raw_os_error()), "{path}: {error}");
        }
        let missing = files.open(&blobs.join("charms/missing")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    /// The bug: nothing was sent, and the connection was said to have broke, with what was asked for in doubt.
    #[test]
    fn a_path_that_is_not_utf8_is_refused_by_its_name_before_anything_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("x"), "x").unwrap();
        let failures = [
            existing(&path).unwrap_err(),
            existing(&path.join("x")).unwrap_err(),
            Named::input(&path.join("x")).unwrap_err(),
            to_fill(&path.join("new")).unwrap_err(),
        ];
        for failure in failures {
            assert_eq!(failure.kind, FailureKind::Usage);
            assert!(failure.message.contains("caf\\xe9"), "{failure:?}");
            assert_eq!(failure.state, "nothing has changed");
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
