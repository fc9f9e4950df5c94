//! Remembers the highest journal sequence that each peer has shown, to detect a peer whose journal was rolled back.
//!
//! Restoring a backup or a machine snapshot can bring back a journal from before a decision. The restored agent cannot
//! notice that. Its peers can, because they have seen higher sequence numbers. Each agent therefore keeps the highest
//! sequence seen of every peer in `witness.toml`, with the peer's signature, which proves it to the peer. Losing the file loses only this check.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::message::SignedHead;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::error::JournalError;
use crate::config::{TomlProblem, words};
use crate::disk::Disk;

const NAME: &str = "witness.toml";

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// The number of rows that follow. A file with another number was truncated.
    #[serde(default)]
    peers: Option<usize>,
    #[serde(default)]
    peer: BTreeMap<String, Row>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    journal: String,
    sequence: u64,
    /// The peer's signature over both, hexadecimal: the peer believes its own alone.
    signature: String,
}

/// The highest sequences seen. Clones share them.
#[derive(Clone)]
pub struct Witness(Arc<Shared>);

struct Shared {
    disk: Disk,
    path: PathBuf,
    seen: Mutex<BTreeMap<Pin, SignedHead>>,
    changed: Notify,
}

impl Witness {
    /// Loads `witness.toml` from `dir`. A missing file means that nothing was seen. An unreadable file is set aside,
    /// because migrations must not wait for it.
    ///
    /// Errors: [`JournalError::Io`].
    pub fn load(dir: &Path, disk: &Disk) -> Result<Self, JournalError> {
        let path = dir.join(NAME);
        let failed = |source| JournalError::Io { doing: "read", path: path.clone(), source };
        let seen = match std::fs::read(&path) {
            Ok(text) => parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => return Err(failed(error)),
        };
        let seen = match seen {
            Ok(seen) => seen,
            Err(problem) => {
                tracing::error!("`{}` cannot be read and is set aside: {problem}", path.display());
                disk.set_aside(&path).map_err(failed)?;
                BTreeMap::new()
            }
        };
        let (seen, changed) = (Mutex::new(seen), Notify::new());
        Ok(Self(Arc::new(Shared { disk: disk.clone(), path: path.clone(), seen, changed })))
    }

    /// Reports whether there is no `witness.toml` in `dir`.
    pub fn is_missing(dir: &Path) -> bool {
        !dir.join(NAME).exists()
    }

    /// Returns the highest sequence seen of a peer's current journal.
    pub fn seen(&self, peer: Pin) -> Option<SignedHead> {
        self.0.seen.lock().get(&peer).copied()
    }

    /// Records what a peer shows of its journal and returns the previous record. Ignores a lower sequence of the same
    /// journal, so that a rolled-back peer stays detectable.
    pub fn note(&self, peer: Pin, shown: SignedHead) -> Option<SignedHead> {
        let mut table = self.0.seen.lock();
        let before = table.get(&peer).copied();
        if before.is_none_or(|before| before.journal != shown.journal || before.sequence < shown.sequence) {
            table.insert(peer, shown);
            self.0.changed.notify_one();
        }
        before
    }

    /// Waits until there is a record that is not on disk.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Writes the records to disk. Blocks.
    ///
    /// Errors: [`JournalError::Io`].
    pub fn save(&self) -> Result<(), JournalError> {
        let row = |(peer, seen): (&Pin, &SignedHead)| {
            let signature = seen.signature.iter().map(|byte| format!("{byte:02x}")).collect();
            (peer.to_string(), Row { journal: seen.journal.to_string(), sequence: seen.sequence, signature })
        };
        let peer: BTreeMap<String, Row> = self.0.seen.lock().iter().map(row).collect();
        let document = Document { peers: Some(peer.len()), peer };
        let text = toml::to_string(&document).expect("names and numbers always serialize");
        let text = format!("# The last that each peer has shown of its journal.\n\n{text}");
        let failed = |source| JournalError::Io { doing: "write", path: self.0.path.clone(), source };
        self.0.disk.replace(&self.0.path, text.as_bytes()).map_err(failed)
    }
}

fn parse(text: &[u8]) -> Result<BTreeMap<Pin, SignedHead>, String> {
    // Every complete file begins with a comment, so an empty file was truncated.
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    let text = words::text(text)?;
    let document: Document = toml::from_str(text).map_err(|error| TomlProblem::of(text, &error).to_string())?;
    if document.peers != Some(document.peer.len()) {
        return Err("it is cut".to_owned());
    }
    let row = |(peer, row): (String, Row)| {
        let journal = row.journal.parse().map_err(|error| format!("{error}"))?;
        let signature = signature(&row.signature).ok_or("a signature is cut")?;
        let peer = peer.parse().map_err(|error| format!("{error}"))?;
        Ok((peer, SignedHead { journal, sequence: row.sequence, signature }))
    };
    document.peer.into_iter().map(row).collect()
}

fn signature(hex: &str) -> Option<[u8; 64]> {
    let digits = hex.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.map(byte).collect();
    bytes?.try_into().ok().filter(|_| hex.len() == 128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelferry_protocol::ids::JournalId;

    const PEER: Pin = Pin([1; 32]);

    fn seen(journal: u8, sequence: u64) -> SignedHead {
        SignedHead { journal: JournalId([journal; 16]), sequence, signature: [0xa5; 64] }
    }

    #[test]
    fn the_highest_number_seen_survives_a_restart_and_a_peer_that_was_set_back() {
        let dir = tempfile::tempdir().unwrap();
        let witness = Witness::load(dir.path(), &Disk::real()).unwrap();
        assert_eq!(witness.note(PEER, seen(1, 7)), None);
        assert_eq!(witness.note(PEER, seen(1, 3)), Some(seen(1, 7)));
        witness.save().unwrap();
        let witness = Witness::load(dir.path(), &Disk::real()).unwrap();
        assert_eq!(witness.seen(PEER), Some(seen(1, 7)));
        // A different journal replaces the record, because its sequences start again at 1.
        assert_eq!(witness.note(PEER, seen(2, 1)), Some(seen(1, 7)));
        assert_eq!(witness.seen(PEER), Some(seen(2, 1)));
    }

    #[test]
    fn a_file_that_is_damaged_empty_or_cut_is_set_aside_and_kept() {
        // Regression: a truncated witness.toml kept the agent from starting; an emptied one passed as "nothing seen".
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let witness = Witness::load(dir.path(), &Disk::real()).unwrap();
        witness.note(PEER, seen(1, 7));
        witness.note(Pin([2; 32]), seen(3, 8));
        witness.save().unwrap();
        let whole = std::fs::read(&path).unwrap();
        let foreign = b"[peer.x]\njournal = \"y\"\nsequence = 1\n".to_vec();
        let cut = (0..whole.len() - 1).map(|end| whole[..end].to_vec());
        for damaged in cut.chain([foreign, vec![0xff; 9]]) {
            std::fs::write(&path, &damaged).unwrap();
            let loaded = Witness::load(dir.path(), &Disk::real()).unwrap();
            let aside = std::fs::read(Disk::aside(&path)).ok();
            // A file cut within the last number holds a smaller sequence, and nothing that was never seen.
            if loaded.seen(PEER).is_none() {
                assert_eq!((path.exists(), aside), (false, Some(damaged)));
            }
            let _ = std::fs::remove_file(Disk::aside(&path));
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(Witness::load(dir.path(), &Disk::real()).unwrap().seen(PEER), Some(seen(1, 7)));
    }
}
