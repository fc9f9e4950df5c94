//! Stores caps set by an operator in `limits.toml`, so that they survive a restart.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::Pin;
use serde::{Deserialize, Serialize};

use super::peers_error::PeersError;
use crate::config::Rate;
use crate::config::words;
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

/// Reads the caps set by an operator.
///
/// Errors: [`PeersError`]. An unreadable cap must not count as unlimited.
pub fn load(path: &Path) -> Result<ByHand, PeersError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(ByHand::new()),
        Err(source) => return Err(PeersError::Io { path: path.to_owned(), source }),
    };
    let malformed = |problem: String| PeersError::Malformed { path: path.to_owned(), problem };
    let text = words::text(&text).map_err(malformed)?;
    let document: Document = toml::from_str(text).map_err(|error| malformed(error.to_string()))?;
    let entries = document.limit.into_iter().map(|entry| {
        let pin = entry.pin.map(|pin| pin.parse().map_err(|_| format!("`{pin}` is no pin"))).transpose()?;
        let rate = if entry.rate == NONE { None } else { Some(entry.rate.parse().map_err(|bad| format!("{bad}"))?) };
        Ok((pin, rate))
    });
    entries.collect::<Result<_, String>>().map_err(malformed)
}

/// Writes the caps set by an operator.
///
/// Errors: [`PeersError::Io`].
pub fn save(path: &Path, disk: &Disk, by_hand: &ByHand) -> Result<(), PeersError> {
    let mut limit: Vec<Entry> = by_hand
        .iter()
        .map(|(pin, rate)| Entry {
            pin: pin.map(|pin| pin.to_string()),
            rate: rate.map_or_else(|| NONE.to_owned(), |rate| rate.to_string()),
        })
        .collect();
    limit.sort_by(|left, right| left.pin.cmp(&right.pin));
    let text = toml::to_string_pretty(&Document { limit }).expect("text always serializes");
    let text = format!("# Written by `modelferry limit`.\n\n{text}");
    disk.replace(path, text.as_bytes()).map_err(|source| PeersError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_by_hand_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path());
        assert_eq!(load(&path).unwrap(), ByHand::new());
        let rate = |text: &str| Some(text.parse().unwrap());
        let by_hand = ByHand::from([
            (None, rate("20mbit")),
            (Some(Pin([1; 32])), None),
            (Some(Pin([2; 32])), rate("0")),
            (Some(Pin([3; 32])), rate("1.5gbit")),
        ]);
        save(&path, &Disk::real(), &by_hand).unwrap();
        assert_eq!(load(&path).unwrap(), by_hand);
    }

    #[test]
    fn a_damaged_file_is_not_taken_for_no_limit() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["nonsense", "[[limit]]\nrate = \"fast\"\n", "[[limit]]\npin = \"x\"\nrate = \"none\"\n"] {
            std::fs::write(path(dir.path()), text).unwrap();
            let error = load(&path(dir.path())).unwrap_err();
            assert!(error.is_config() && error.to_string().contains("limits.toml"), "{error}");
        }
    }
}
