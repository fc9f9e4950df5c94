//! Stores caps set by an operator in `limits.toml`, so that they survive a restart.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::Pin;
use serde::{Deserialize, Serialize};

use super::error::PeersError;
use crate::config::{Rate, TomlProblem, words};
use crate::disk::Disk;

/// File name in the state directory.
const FILE: &str = "limits.toml";
/// The text for "unlimited".
const NONE: &str = "none";

/// Caps set by an operator. The key `None` is the agent's own cap; the value `None` means unlimited.
pub type ByHand = HashMap<Option<Pin>, Option<Rate>>;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// The number of entries that follow. A file with fewer was truncated.
    limits: usize,
    #[serde(default)]
    limit: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    rate: String,
}

/// Returns the path of the file.
pub fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

/// Reads the caps set by an operator; `None` if there is no file. An unreadable file is set aside, so that migrations do
/// not wait for it, and an empty one is begun.
///
/// Errors: [`PeersError`].
pub fn load(path: &Path, disk: &Disk) -> Result<Option<ByHand>, PeersError> {
    let failed = |source| PeersError { path: path.to_owned(), source };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match parse(&text) {
        Ok(by_hand) => Ok(Some(by_hand)),
        Err(problem) => {
            tracing::error!("`{}` cannot be read and is set aside: {problem}", path.display());
            disk.set_aside(path).map_err(failed)?;
            save(path, disk, &ByHand::new())?;
            Ok(Some(ByHand::new()))
        }
    }
}

/// Returns why the file was set aside, while the set-aside file exists.
pub fn why_set_aside(state_dir: &Path) -> Option<String> {
    let text = std::fs::read(Disk::aside(&path(state_dir))).ok()?;
    // A repaired file is still not in its place.
    Some(parse(&text).err().unwrap_or_else(|| "it could not be read when the agent started".to_owned()))
}

/// Parses the file.
///
/// Errors: a description of what is wrong.
fn parse(text: &[u8]) -> Result<ByHand, String> {
    // Every complete file begins with a comment, so an empty file was truncated.
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    let text = words::text(text)?;
    let document: Document = toml::from_str(text).map_err(|error| TomlProblem::of(text, &error).to_string())?;
    if document.limits != document.limit.len() {
        return Err(format!("it should have {} limits and has {}", document.limits, document.limit.len()));
    }
    let entries = document.limit.into_iter().map(|entry| {
        let pin = entry.pin.map(|pin| pin.parse().map_err(|_| format!("`{pin}` is no pin"))).transpose()?;
        let rate = if entry.rate == NONE { None } else { Some(entry.rate.parse().map_err(|bad| format!("{bad}"))?) };
        Ok((pin, rate))
    });
    entries.collect()
}

/// Writes the caps set by an operator.
///
/// Errors: [`PeersError`].
pub fn save(path: &Path, disk: &Disk, by_hand: &ByHand) -> Result<(), PeersError> {
    let mut limit: Vec<Entry> = by_hand
        .iter()
        .map(|(pin, rate)| Entry {
            pin: pin.map(|pin| pin.to_string()),
            rate: rate.map_or_else(|| NONE.to_owned(), |rate| rate.to_string()),
        })
        .collect();
    limit.sort_by(|left, right| left.pin.cmp(&right.pin));
    let text = toml::to_string_pretty(&Document { limits: limit.len(), limit }).expect("text always serializes");
    let text = format!("# Written by `modelferry limit`.\n\n{text}");
    disk.replace(path, text.as_bytes()).map_err(|source| PeersError { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Option<Rate> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn what_was_set_by_hand_is_read_as_it_was_written() {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::real());
        let path = path(dir.path());
        assert_eq!(load(&path, &disk).unwrap(), None);
        let by_hand = ByHand::from([
            (None, rate("20mbit")),
            (Some(Pin([1; 32])), None),
            (Some(Pin([2; 32])), rate("0")),
            (Some(Pin([3; 32])), rate("1.5gbit")),
        ]);
        for by_hand in [ByHand::new(), by_hand] {
            save(&path, &disk, &by_hand).unwrap();
            assert_eq!(load(&path, &disk).unwrap(), Some(by_hand));
        }
    }

    /// The bug: a damaged file kept the agent down, with the advice to pair again; an emptied one counted as no limit.
    #[test]
    fn a_damaged_emptied_or_cut_file_is_set_aside_and_says_why() {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::real());
        let path = path(dir.path());
        save(&path, &disk, &ByHand::from([(None, rate("20mbit")), (Some(Pin([2; 32])), rate("0"))])).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let cut = (0..whole.len() - 1).map(|end| whole[..end].to_vec());
        let foreign = [
            "nonsense",
            "limits = 1\n[[limit]]\nrate = \"fast\"\n",
            "limits = 1\n[[limit]]\npin = \"x\"\nrate = \"0\"\n",
        ];
        for damaged in cut.chain(foreign.map(|text| text.as_bytes().to_vec())) {
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(load(&path, &disk).unwrap(), Some(ByHand::new()), "{:?}", String::from_utf8_lossy(&damaged));
            assert_eq!(std::fs::read(Disk::aside(&path)).unwrap(), damaged);
            let why = why_set_aside(dir.path()).unwrap();
            assert!(!why.is_empty() && !why.contains('\n'), "{why}");
            std::fs::remove_file(Disk::aside(&path)).unwrap();
            assert_eq!(
                load(&path, &disk).unwrap(),
                Some(ByHand::new()),
                "the next start begins with a file that is whole"
            );
            assert_eq!(why_set_aside(dir.path()), None);
        }
    }
}
