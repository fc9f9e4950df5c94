//! Checks who may write to the state directory, as sshd's StrictModes checks a home directory.
//!
//! Every entry must belong to root or to the agent's user, must not be writable by others, and must not be a symbolic link.
//! Files that hold secrets must not be readable by others either. A group with no members but root and the agent's user counts
//! as that user. The directories above must not let another user replace the state directory: a world-writable one passes only
//! with the sticky bit, as `/tmp` has it.
//!
//! Nobody but root and the agent's user can change the answer after the check, because the check covers every directory on
//! the way.

use std::cell::LazyCell;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::agent::accounts::AccountFiles;
use crate::disk::quoted;

/// Permission bits that let other users write.
const WRITE: u32 = 0o022;
/// Permission bits that let other users do anything.
const ANY: u32 = 0o077;
const STICKY: u32 = 0o1000;
const GROUP_WRITE: u32 = 0o020;
/// Findings that a refusal lists. 8 lines fit a screen; the next start lists what is left.
const LISTED_MAX: usize = 8;

/// Every entry of the state directory, and the permission bits that it must not have. `*` stands for any name, or for the
/// beginning of one. The first row that matches counts; directories without a row below them are not searched.
///
/// `identity/key.pem` has no row: [`crate::link::Identity`] checks it through the descriptor that it reads.
const ENTRIES: &[(&str, u32)] = &[
    ("identity", WRITE),
    ("identity/cert.pem", WRITE),
    ("peers.toml", WRITE),
    ("limits.toml", WRITE),
    ("capacities.toml", WRITE),
    ("journal.0", WRITE),
    ("journal.1", WRITE),
    ("witness.toml", WRITE),
    ("state.redb", WRITE),
    ("reserve", WRITE),
    ("blobs", WRITE),
    ("blobs/*", ANY),
    ("partial", WRITE),
    ("partial/*", ANY),
    ("kept", WRITE),
    ("kept/*", ANY),
    ("drafts", WRITE),
    ("drafts/*", ANY),
    ("handed", WRITE),
    ("handed/*", WRITE),
    ("visitors", WRITE),
    ("visitors/*", WRITE),
    ("controller.redb", ANY),
    ("juju.redb", ANY),
    ("gateways", WRITE),
    ("gateways/*", WRITE),
    ("gateways/*/*", ANY),
    ("destinations", WRITE),
    ("destinations/*", WRITE),
    ("*.damaged", ANY),
    // Files on their way to one of these names, and what an operator has put there.
    ("*", WRITE),
];

/// The user that the agent runs as.
#[derive(Clone, Copy)]
struct Agent<'a> {
    user: u32,
    /// Whether nobody but root and that user is in a group.
    is_private: &'a dyn Fn(u32) -> bool,
}

/// One reason not to trust the state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    path: PathBuf,
    fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Others have permissions. `remove`: the bits that must go.
    Mode { mode: u32, remove: u32 },
    /// The entry belongs to neither root nor `user`.
    Owner { owner: u32, user: u32 },
    /// The entry is a symbolic link.
    Link,
    /// The entry is neither a file nor a directory.
    Special,
}

impl Finding {
    /// Returns the command that an operator types, or what to do where no command is certain to be right.
    fn remedy(&self) -> String {
        let path = quoted(&self.path);
        match self.fault {
            Fault::Mode { remove: WRITE, .. } => format!("`chmod go-w {path}`"),
            Fault::Mode { .. } => format!("`chmod go= {path}`"),
            Fault::Owner { owner, user: 0 } => {
                format!("start the agent as user {owner}, or `chown -R --no-dereference 0 {path}`")
            }
            Fault::Owner { user, .. } => format!("`sudo chown --no-dereference {user} {path}`"),
            Fault::Link => {
                format!("`rm {path}`, then move what it named there, or mount it there with `mount --bind`")
            }
            Fault::Special => format!("`rm {path}`"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.fault {
            Fault::Mode { mode, remove: WRITE } => write!(f, "{path} has mode {mode:04o}, so others can change it")?,
            Fault::Mode { mode, .. } => write!(f, "{path} has mode {mode:04o}, so others can use what it holds")?,
            Fault::Owner { owner, user } => write!(f, "{path} belongs to user {owner}, the agent runs as {user}")?,
            Fault::Link => write!(f, "{path} is a symbolic link")?,
            Fault::Special => write!(f, "{path} is neither a file nor a directory")?,
        }
        write!(f, ": type {}", self.remedy())
    }
}

/// Why a state directory is not trusted: at least one finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Untrusted(Vec<Finding>);

impl std::error::Error for Untrusted {}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "other users can change what this agent keeps, so it does not start, and every model stays as it is",
        )?;
        for finding in self.0.iter().take(LISTED_MAX) {
            write!(f, "; {finding}")?;
        }
        match self.0.len().saturating_sub(LISTED_MAX) {
            0 => Ok(()),
            more => write!(f, "; and {more} more, which the next start names"),
        }
    }
}

/// Checks the state directory `dir`, which exists, for an agent that runs as `user`.
///
/// What cannot be looked at is left to the code that opens it, which reports why.
///
/// Errors: [`Untrusted`] within the outer result; the outer error is of the file system.
pub fn check(dir: &Path, user: u32) -> io::Result<Result<(), Untrusted>> {
    // Read once, and only if some entry is writable by a group.
    let accounts = LazyCell::new(|| AccountFiles::default().read());
    check_for(dir, Agent { user, is_private: &|gid| accounts.is_private(gid, user) })
}

/// As [`check`], for an agent whose groups are known.
fn check_for(dir: &Path, agent: Agent<'_>) -> io::Result<Result<(), Untrusted>> {
    let mut findings = Vec::new();
    let real = dir.canonicalize()?;
    for above in above(dir, &real)? {
        let Ok(found) = fs::metadata(&above) else { continue };
        let refused = if found.mode() & STICKY != 0 { 0 } else { WRITE };
        findings.extend(judge(&above, &found, refused, agent));
    }
    findings.extend(judge(&real, &fs::metadata(&real)?, WRITE, agent));
    walk(&real, "", agent, &mut findings);
    Ok(if findings.is_empty() { Ok(()) } else { Err(Untrusted(findings)) })
}

/// Returns the directories above the state directory, from the root down: of the path as it was given, which may go by way of
/// links (systemd's StateDirectory is one), and of the path that it stands for.
fn above(dir: &Path, real: &Path) -> io::Result<Vec<PathBuf>> {
    let given = std::path::absolute(dir)?;
    let mut above: Vec<PathBuf> =
        given.ancestors().skip(1).chain(real.ancestors().skip(1)).filter_map(|dir| dir.canonicalize().ok()).collect();
    above.sort();
    above.dedup();
    Ok(above)
}

/// Checks what is in the directory `dir`, whose path below the state directory is `name`.
fn walk(dir: &Path, name: &str, agent: Agent<'_>, findings: &mut Vec<Finding>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let last = path.file_name().unwrap_or_default().to_string_lossy();
        let inner = if name.is_empty() { last.into_owned() } else { format!("{name}/{last}") };
        let Some((_, refused)) = ENTRIES.iter().find(|(pattern, _)| matches(pattern, &inner)) else { continue };
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        let judged = judge(&path, &found, *refused, agent);
        if judged.is_none() && found.is_dir() {
            walk(&path, &inner, agent, findings);
        }
        findings.extend(judged);
    }
}

/// Reports whether a pattern of [`ENTRIES`] stands for the path `name`.
fn matches(pattern: &str, name: &str) -> bool {
    let fits = |pattern: &str, name: &str| match pattern.strip_prefix('*') {
        Some(end) => name.ends_with(end),
        None => pattern == name,
    };
    pattern.split('/').count() == name.split('/').count()
        && pattern.split('/').zip(name.split('/')).all(|(pattern, name)| fits(pattern, name))
}

/// Returns what is wrong with one entry. `refused`: the permission bits that it must not have.
fn judge(path: &Path, found: &Metadata, refused: u32, agent: Agent<'_>) -> Option<Finding> {
    let mode = found.permissions().mode() & 0o7777;
    // Others may list a directory that holds secrets, as long as they cannot open the files.
    let refused = if found.is_dir() { refused & WRITE } else { refused };
    // With the umask 002 that many hosts have, a file is writable by its owner's private group.
    let is_private = mode & refused & GROUP_WRITE != 0 && (agent.is_private)(found.gid());
    let wrong = if is_private { mode & refused & !GROUP_WRITE } else { mode & refused };
    let fault = if found.is_symlink() {
        Fault::Link
    } else if found.uid() != 0 && found.uid() != agent.user {
        Fault::Owner { owner: found.uid(), user: agent.user }
    } else if !found.is_dir() && !found.is_file() {
        Fault::Special
    } else if wrong != 0 {
        Fault::Mode { mode, remove: refused }
    } else {
        return None;
    };
    Some(Finding { path: path.to_owned(), fault })
}

#[cfg(test)]
mod tests;
