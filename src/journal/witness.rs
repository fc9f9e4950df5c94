//! What each peer has shown of its journal: enough to tell it, should it be set back, that it was.
//!
//! A restored backup or a snapshot of a machine can bring back a journal from before a decision. The agent on it
//! cannot know; its peers can, as they have seen later sequence numbers. So each keeps the highest one seen of
//! every peer, in `witness.toml`. Losing the file loses the check, and nothing else.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use modelferry_protocol::ids::Pin;
use modelferry_protocol::message::Seen;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::JournalError;
use crate::disk::Disk;

const NAME: &str = "witness.toml";

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    peer: BTreeMap<String, Row>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    journal: String,
    sequence: u64,
}

/// The highest sequence numbers seen. Clones share them.
#[derive(Clone)]
pub struct Witness(Arc<Shared>);

struct Shared {
    disk: Disk,
    path: PathBuf,
    seen: Mutex<BTreeMap<Pin, Seen>>,
    changed: Notify,
}

impl Witness {
    /// Loads what was seen from `dir`; without the file nothing was.
    ///
    /// Errors: [`JournalError::Io`], also for a file that does not say what it should.
    pub fn load(dir: &Path, disk: &Disk) -> Result<Self, JournalError> {
        let path = dir.join(NAME);
        let failed = |source| JournalError::Io { doing: "read", path: path.clone(), source };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(error)),
        };
        let seen = parse(&text).map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        let (seen, changed) = (Mutex::new(seen), Notify::new());
        Ok(Self(Arc::new(Shared { disk: disk.clone(), path: path.clone(), seen, changed })))
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<Pin, Seen>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the last that was seen of a peer's journal.
    pub fn seen(&self, peer: Pin) -> Option<Seen> {
        self.table().get(&peer).copied()
    }

    /// Takes in what a peer shows of its journal, and returns what had been seen of it before. A lower number of the
    /// same journal is not taken in: that is what the witness is for.
    pub fn note(&self, peer: Pin, shown: Seen) -> Option<Seen> {
        let mut table = self.table();
        let before = table.get(&peer).copied();
        if before.is_none_or(|before| before.journal != shown.journal || before.sequence < shown.sequence) {
            table.insert(peer, shown);
            self.0.changed.notify_one();
        }
        before
    }

    /// Waits until something was seen that is not on disk.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Writes what was seen to disk. Blocks.
    ///
    /// Errors: [`JournalError::Io`].
    pub fn save(&self) -> Result<(), JournalError> {
        let row = |(peer, seen): (&Pin, &Seen)| {
            (peer.to_string(), Row { journal: seen.journal.to_string(), sequence: seen.sequence })
        };
        let document = Document { peer: self.table().iter().map(row).collect() };
        let text = toml::to_string(&document).expect("names and numbers always serialize");
        let text = format!("# The last that each peer has shown of its journal.\n\n{text}");
        let failed = |source| JournalError::Io { doing: "write", path: self.0.path.clone(), source };
        self.0.disk.replace(&self.0.path, text.as_bytes()).map_err(failed)
    }
}

fn parse(text: &str) -> Result<BTreeMap<Pin, Seen>, String> {
    let document: Document = toml::from_str(text).map_err(|error| error.to_string())?;
    let row = |(peer, row): (String, Row)| {
        let journal = row.journal.parse().map_err(|error| format!("{error}"))?;
        Ok((peer.parse().map_err(|error| format!("{error}"))?, Seen { journal, sequence: row.sequence }))
    };
    document.peer.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelferry_protocol::ids::JournalId;

    const PEER: Pin = Pin([1; 32]);

    fn seen(journal: u8, sequence: u64) -> Seen {
        Seen { journal: JournalId([journal; 16]), sequence }
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
        // Another journal begins to count anew.
        assert_eq!(witness.note(PEER, seen(2, 1)), Some(seen(1, 7)));
        assert_eq!(witness.seen(PEER), Some(seen(2, 1)));
    }

    #[test]
    fn a_file_that_says_nothing_of_the_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(NAME), "[peer.x]\njournal = \"y\"\nsequence = 1\n").unwrap();
        assert!(matches!(Witness::load(dir.path(), &Disk::real()), Err(JournalError::Io { .. })));
    }
}
