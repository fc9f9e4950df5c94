//! The peers this agent is paired with, in `peers.toml`.

use std::io;
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::Pin;
use serde::{Deserialize, Serialize};

use super::limits::{self, ByHand};
use crate::disk::Disk;

/// Bytes in a peer's name. Names are typed and stand in tables.
pub const PEER_NAME_BYTES_MAX: usize = 64;

/// An agent that was paired with this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What it is called here, and what DEST means.
    pub name: String,
    /// Its key.
    pub pin: Pin,
    /// Where to dial it, each `host:port`; the first is tried first.
    pub addresses: Vec<String>,
    /// Unix milliseconds of the last pairing.
    pub paired_ms: u64,
}

/// A `peers.toml` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// It does not say what it should.
    #[error("{path}: {problem}; correct it, or move it away and pair again")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where there is one.
        problem: String,
    },
    /// The disk failed.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        #[source]
        source: io::Error,
    },
}

impl PeersError {
    /// Reports whether an operator must change something before a new start can go better.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Malformed { .. })
    }
}

/// A name that a peer cannot have here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPeerName {
    /// The name cannot be typed as a DEST.
    #[error(
        "`{}` cannot name a peer: letters, digits and `.`, `-`, `_`, at most {PEER_NAME_BYTES_MAX}, beginning with a letter or digit; choose another with `--as NAME`",
        .0.escape_debug()
    )]
    Unusable(String),
    /// Another peer has it.
    #[error(
        "`{name}` already names the peer {holder}; choose another with `--as NAME`, or type `modelferry unpair {name}` first"
    )]
    Taken {
        /// The name.
        name: String,
        /// Whose it is.
        holder: Pin,
    },
}

/// Checks that `name` can be typed as a DEST.
///
/// Errors: [`BadPeerName::Unusable`].
pub fn check_peer_name(name: &str) -> Result<(), BadPeerName> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    let usable = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if begins && usable && name.len() <= PEER_NAME_BYTES_MAX {
        Ok(())
    } else {
        Err(BadPeerName::Unusable(name.chars().take(PEER_NAME_BYTES_MAX).collect()))
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    peer: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    pin: String,
    addresses: Vec<String>,
    paired_ms: u64,
}

/// The paired peers, as `peers.toml` has them.
#[derive(Debug, Clone)]
pub struct Peers {
    disk: Disk,
    path: PathBuf,
    list: Vec<Peer>,
    /// What was set by hand of the caps, as it was loaded.
    limits: ByHand,
}

impl Peers {
    /// Loads `peers.toml` from `state_dir`; without the file there are no peers yet. And the caps that were set by hand.
    ///
    /// Errors: [`PeersError`].
    pub fn load(state_dir: &Path, disk: &Disk) -> Result<Self, PeersError> {
        let path = state_dir.join("peers.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(PeersError::Io { path, source }),
        };
        let malformed = |problem: String| PeersError::Malformed { path: path.clone(), problem };
        let document: Document = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let mut list: Vec<Peer> = Vec::new();
        for entry in document.peer {
            let pin: Pin = entry.pin.parse().map_err(|error| malformed(format!("{error}")))?;
            check_peer_name(&entry.name).map_err(|error| malformed(error.to_string()))?;
            if list.iter().any(|peer| peer.name == entry.name || peer.pin == pin) {
                return Err(malformed(format!("`{}` or its pin stands there twice", entry.name)));
            }
            list.push(Peer { name: entry.name, pin, addresses: entry.addresses, paired_ms: entry.paired_ms });
        }
        let limits = limits::load(&limits::path(state_dir))?;
        Ok(Self { disk: disk.clone(), path, list, limits })
    }

    /// Returns the state directory.
    pub(super) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Returns what was set by hand of the caps before this start.
    pub(super) fn limits(&self) -> &ByHand {
        &self.limits
    }

    /// Returns the disk that they are kept on.
    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Returns the peers, in the order in which they were first paired.
    pub fn list(&self) -> &[Peer] {
        &self.list
    }

    /// Returns the peer called `name`.
    pub fn by_name(&self, name: &str) -> Option<&Peer> {
        self.list.iter().find(|peer| peer.name == name)
    }

    /// Returns the peer whose key is pinned as `pin`.
    pub fn by_pin(&self, pin: Pin) -> Option<&Peer> {
        self.list.iter().find(|peer| peer.pin == pin)
    }

    /// Checks that the peer `pin` may be called `name`.
    ///
    /// Errors: [`BadPeerName`].
    pub fn check_name(&self, name: &str, pin: Pin) -> Result<(), BadPeerName> {
        check_peer_name(name)?;
        match self.by_name(name) {
            Some(other) if other.pin != pin => Err(BadPeerName::Taken { name: name.to_owned(), holder: other.pin }),
            _ => Ok(()),
        }
    }

    /// Returns these peers and `peer`, which takes the place of an older entry of the same key.
    pub(super) fn with(&self, peer: Peer) -> Self {
        let mut next = self.clone();
        match next.list.iter_mut().find(|known| known.pin == peer.pin) {
            Some(known) => *known = peer,
            None => next.list.push(peer),
        }
        next
    }

    /// Returns these peers without the one whose key is `pin`.
    pub(super) fn without(&self, pin: Pin) -> Self {
        let list = self.list.iter().filter(|peer| peer.pin != pin).cloned().collect();
        Self { list, ..self.clone() }
    }

    /// Writes the peers to disk.
    ///
    /// Errors: [`PeersError::Io`].
    pub(super) fn save(&self) -> Result<(), PeersError> {
        let entry = |peer: &Peer| Entry {
            name: peer.name.clone(),
            pin: peer.pin.to_string(),
            addresses: peer.addresses.clone(),
            paired_ms: peer.paired_ms,
        };
        let document = Document { peer: self.list.iter().map(entry).collect() };
        let text = toml::to_string_pretty(&document).expect("names and numbers always serialize");
        let text = format!("# Written by `modelferry pair` and `unpair`.\n\n{text}");
        let failed = |source| PeersError::Io { path: self.path.clone(), source };
        self.disk.replace(&self.path, text.as_bytes()).map_err(failed)
    }
}
