//! The paired peers, stored in `peers.toml`.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::Pin;
use serde::{Deserialize, Serialize};

use super::error::PeersError;
use super::limits::{self, ByHand};
use crate::config::{TomlProblem, words};
use crate::disk::Disk;
use crate::link::transport::address::canonical;

/// Maximum length of a peer's name. Operators type names, and tables show them.
pub const PEER_NAME_BYTES_MAX: usize = 64;

/// Maximum number of learned addresses per peer. Four: two networks, before and after one move.
pub const LEARNED_MAX: usize = 4;

/// A paired agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The local name; operators type it as DEST.
    pub name: String,
    /// SHA-256 of its public key.
    pub pin: Pin,
    /// Addresses from pairing, each `host:port`.
    pub addresses: Vec<String>,
    /// Addresses from which it connected since, each `ip:port`, the newest first, at most [`LEARNED_MAX`].
    pub learned: Vec<String>,
    /// Time of the last pairing, Unix milliseconds.
    pub paired_ms: u64,
}

impl Peer {
    /// Returns this peer with the address `observed` added; `None` if it is known.
    pub(in crate::link) fn at(&self, observed: SocketAddr) -> Option<Self> {
        let is_known = |address: &String| self.addresses.contains(address) || self.learned.contains(address);
        if is_known(&canonical(observed).to_string()) {
            return None;
        }
        // Behind NAT the peer's own port may be forwarded. It is the port of the last address from pairing.
        let port = self.addresses.last().and_then(|address| address.rsplit_once(':')?.1.parse().ok());
        let mut learned = called_from(observed, port.unwrap_or(0));
        learned.retain(|address| !is_known(address));
        learned.extend(self.learned.iter().cloned());
        learned.truncate(LEARNED_MAX);
        Some(Self { learned, ..self.clone() })
    }
}

/// Returns the addresses for dialling a peer that connected from `observed` and claims to listen on `port`.
pub(in crate::link) fn called_from(observed: SocketAddr, port: u16) -> Vec<String> {
    let observed = canonical(observed);
    let mut addresses = vec![observed.to_string()];
    // A different port means NAT, which may forward the peer's own port. Loopback has no NAT: there a different port
    // means a relay that an operator set up on purpose, so do not bypass it.
    if port != observed.port() && port != 0 && !observed.ip().is_loopback() {
        addresses.push(SocketAddr::new(observed.ip(), port).to_string());
    }
    addresses
}

/// An unusable name for a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPeerName {
    /// The name cannot be typed as a DEST.
    #[error(
        "`{}` cannot name a peer: letters, digits and `.`, `-`, `_`, at most {PEER_NAME_BYTES_MAX}, beginning with a letter or digit; choose another with `--as NAME`",
        .0.escape_debug()
    )]
    Unusable(String),
    /// Another peer has the name.
    #[error(
        "`{name}` already names the peer {holder}; choose another with `--as NAME`, or type `modelferry unpair {name}` first"
    )]
    Taken {
        name: String,
        /// The pin of that peer.
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
    /// The number of entries that follow. A file with fewer was truncated.
    #[serde(default)]
    peers: Option<usize>,
    /// The number of caps in `limits.toml`. If that file is missing, they were lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limits: Option<usize>,
    #[serde(default)]
    peer: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    pin: String,
    addresses: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    learned: Vec<String>,
    paired_ms: u64,
    /// This agent's pin when the peer was paired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own_pin: Option<String>,
}

/// What the file holds.
#[derive(Debug, Default)]
struct Parsed {
    /// Each peer, with this agent's pin when it was paired.
    peers: Vec<(Peer, Option<Pin>)>,
    /// The number of caps that an operator had set.
    limits: usize,
}

/// Parses the file.
///
/// Errors: a description of what is wrong.
fn parse(text: &[u8]) -> Result<Parsed, String> {
    // Every complete file begins with a comment, so an empty file was truncated.
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    let text = words::text(text)?;
    let document: Document = toml::from_str(text).map_err(|error| TomlProblem::of(text, &error).to_string())?;
    match document.peers {
        None if document.peer.is_empty() => {
            return Err("it names no peer and does not say that there is none".to_owned());
        }
        Some(peers) if peers > document.peer.len() => {
            return Err(format!("it should have {peers} peers and has {}", document.peer.len()));
        }
        _ => {}
    }
    let mut list: Vec<(Peer, Option<Pin>)> = Vec::new();
    for entry in document.peer {
        let pin: Pin = entry.pin.parse().map_err(|error| format!("{error}"))?;
        let own =
            entry.own_pin.as_ref().map(|own| own.parse::<Pin>().map_err(|error| format!("{error}"))).transpose()?;
        check_peer_name(&entry.name).map_err(|error| error.to_string())?;
        if list.iter().any(|(peer, _)| peer.name == entry.name || peer.pin == pin) {
            return Err(format!("`{}` or its pin stands there twice", entry.name));
        }
        let Entry { name, addresses, mut learned, paired_ms, .. } = entry;
        learned.truncate(LEARNED_MAX);
        list.push((Peer { name, pin, addresses, learned, paired_ms }, own));
    }
    Ok(Parsed { peers: list, limits: document.limits.unwrap_or(0) })
}

/// File name in the state directory.
const FILE: &str = "peers.toml";

/// The paired peers of `peers.toml`.
#[derive(Debug, Clone)]
pub struct Peers {
    disk: Disk,
    path: PathBuf,
    list: Vec<Peer>,
    /// This agent's current pin, and its pin when each peer was paired.
    own: Option<Pin>,
    paired_as: BTreeMap<Pin, Pin>,
    /// Caps set by an operator.
    limits: ByHand,
    /// The number of caps that an operator had set, and that were gone with `limits.toml` at the start.
    lost_limits: usize,
}

impl Peers {
    /// Loads `peers.toml` and the caps set by an operator from `state_dir`. A missing file means no peers. An
    /// unreadable `peers.toml` is set aside, so that work without peers continues.
    ///
    /// Errors: [`PeersError`].
    pub fn load(state_dir: &Path, disk: &Disk) -> Result<Self, PeersError> {
        let path = state_dir.join(FILE);
        let read = match std::fs::read(&path) {
            Ok(text) => parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Parsed::default()),
            Err(source) => return Err(PeersError { path, source }),
        };
        let read = match read {
            Ok(read) => read,
            Err(problem) => {
                tracing::error!("`{}` cannot be read and is set aside: {problem}", path.display());
                disk.set_aside(&path).map_err(|source| PeersError { path: path.clone(), source })?;
                Parsed::default()
            }
        };
        let limits = limits::load(&limits::path(state_dir), disk)?;
        let lost_limits = if limits.is_none() { read.limits } else { 0 };
        let limits = limits.unwrap_or_default();
        let read = read.peers;
        let paired_as = read.iter().filter_map(|(peer, own)| Some((peer.pin, (*own)?))).collect();
        let list = read.into_iter().map(|(peer, _)| peer).collect();
        Ok(Self { disk: disk.clone(), path, list, own: None, paired_as, limits, lost_limits })
    }

    /// Reports whether there is no `peers.toml`: an agent that has ever had a peer has one.
    pub fn is_missing(state_dir: &Path) -> bool {
        !state_dir.join(FILE).exists()
    }

    /// Returns why `peers.toml` was set aside, while the set-aside file exists.
    pub fn why_set_aside(state_dir: &Path) -> Option<String> {
        let text = std::fs::read(Disk::aside(&state_dir.join(FILE))).ok()?;
        // A repaired file is still not in its place.
        Some(parse(&text).err().unwrap_or_else(|| "it could not be read when the agent started".to_owned()))
    }

    /// Returns why `limits.toml` was set aside, while the set-aside file exists.
    pub fn why_limits_set_aside(state_dir: &Path) -> Option<String> {
        limits::why_set_aside(state_dir)
    }

    /// Returns how many caps were gone with `limits.toml` at the start.
    pub fn lost_limits(&self) -> usize {
        self.lost_limits
    }

    /// Reports whether there is no `limits.toml`.
    pub fn has_no_limits(state_dir: &Path) -> bool {
        !limits::path(state_dir).exists()
    }

    /// Returns these peers with the caps set by an operator, and none that was lost.
    pub(in crate::link) fn with_limits(&self, limits: ByHand) -> Self {
        Self { limits, lost_limits: 0, ..self.clone() }
    }

    /// Returns these peers with `own` as this agent's pin.
    pub fn owned_by(self, own: Pin) -> Self {
        Self { own: Some(own), ..self }
    }

    /// Returns the names of the peers that were paired with another key of this agent.
    pub fn pinning_another_key(&self) -> Vec<String> {
        let pins_another = |peer: &&Peer| match (self.own, self.paired_as.get(&peer.pin)) {
            (Some(own), Some(paired_as)) => own != *paired_as,
            _ => false,
        };
        self.list.iter().filter(pins_another).map(|peer| format!("\"{}\"", peer.name)).collect()
    }

    /// Returns the state directory.
    pub(in crate::link) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Returns the caps set by an operator.
    pub(in crate::link) fn limits(&self) -> &ByHand {
        &self.limits
    }

    pub(in crate::link) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Returns the peers in the order of their first pairing.
    pub fn list(&self) -> &[Peer] {
        &self.list
    }

    /// Returns the peer with this name.
    pub fn by_name(&self, name: &str) -> Option<&Peer> {
        self.list.iter().find(|peer| peer.name == name)
    }

    /// Returns the peer with this pin.
    pub fn by_pin(&self, pin: Pin) -> Option<&Peer> {
        self.list.iter().find(|peer| peer.pin == pin)
    }

    /// Checks that the peer `pin` may have the name `name`.
    ///
    /// Errors: [`BadPeerName`].
    pub fn check_name(&self, name: &str, pin: Pin) -> Result<(), BadPeerName> {
        check_peer_name(name)?;
        match self.by_name(name) {
            Some(other) if other.pin != pin => Err(BadPeerName::Taken { name: name.to_owned(), holder: other.pin }),
            _ => Ok(()),
        }
    }

    /// Returns these peers with `peer` added. It replaces an older entry of the same key.
    pub(in crate::link) fn with(&self, peer: Peer) -> Self {
        let mut next = self.clone();
        if let Some(own) = self.own {
            next.paired_as.insert(peer.pin, own);
        }
        match next.list.iter_mut().find(|known| known.pin == peer.pin) {
            Some(known) => *known = peer,
            None => next.list.push(peer),
        }
        next
    }

    /// Returns these peers without the one that has this pin.
    pub(in crate::link) fn without(&self, pin: Pin) -> Self {
        let list = self.list.iter().filter(|peer| peer.pin != pin).cloned().collect();
        Self { list, ..self.clone() }
    }

    /// Writes `peers.toml`.
    ///
    /// Errors: [`PeersError`].
    pub(in crate::link) fn save(&self) -> Result<(), PeersError> {
        let entry = |peer: &Peer| Entry {
            name: peer.name.clone(),
            pin: peer.pin.to_string(),
            addresses: peer.addresses.clone(),
            learned: peer.learned.clone(),
            paired_ms: peer.paired_ms,
            own_pin: self.paired_as.get(&peer.pin).map(Pin::to_string),
        };
        let limits = Some(self.limits.len().max(self.lost_limits)).filter(|limits| *limits > 0);
        let document = Document { peers: Some(self.list.len()), limits, peer: self.list.iter().map(entry).collect() };
        let text = toml::to_string_pretty(&document).expect("names and numbers always serialize");
        let text = format!(
            "# Written by the agent: who is paired, and where peers were and have called from since.\n\n{text}"
        );
        let failed = |source| PeersError { path: self.path.clone(), source };
        self.disk.replace(&self.path, text.as_bytes()).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bug: a `limits.toml` that was gone took a limit away without a word.
    #[test]
    fn caps_that_are_gone_with_their_file_are_missed_until_it_is_written_again() {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::real());
        let load = || Peers::load(dir.path(), &disk).unwrap();
        assert_eq!((load().lost_limits(), Peers::has_no_limits(dir.path())), (0, true), "none was ever set");
        let by_hand = ByHand::from([(None, None), (Some(Pin([1; 32])), None)]);
        let peers = load().with_limits(by_hand.clone());
        limits::save(&limits::path(dir.path()), &disk, &by_hand).unwrap();
        peers.save().unwrap();
        assert_eq!((load().lost_limits(), load().limits().len()), (0, 2));
        std::fs::remove_file(limits::path(dir.path())).unwrap();
        assert_eq!((load().lost_limits(), load().limits().len()), (2, 0));
        load().with(paired_at(&[])).save().unwrap();
        assert_eq!(load().lost_limits(), 2, "a peer more does not bring them back");
        load().with_limits(ByHand::new()).save().unwrap();
        assert_eq!(load().lost_limits(), 0);
    }

    fn paired_at(addresses: &[&str]) -> Peer {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        Peer { name: "west".into(), pin: Pin([1; 32]), addresses, learned: Vec::new(), paired_ms: 1 }
    }

    fn at(peer: &Peer, address: &str) -> Option<Vec<String>> {
        peer.at(address.parse().unwrap()).map(|peer| peer.learned)
    }

    #[test]
    fn the_last_few_addresses_that_a_peer_called_from_are_kept() {
        let mut peer = paired_at(&["192.0.2.1:17171"]);
        assert_eq!(at(&peer, "192.0.2.1:17171"), None, "known by the pairing");
        assert_eq!(at(&peer, "[::ffff:192.0.2.1]:17171"), None, "the same, as a dual-stack socket shows it");
        for host in 2..8 {
            peer = peer.at(format!("192.0.2.{host}:17171").parse().unwrap()).unwrap();
        }
        assert_eq!(peer.learned, [7, 6, 5, 4].map(|host| format!("192.0.2.{host}:17171")));
        assert_eq!(at(&peer, "192.0.2.5:17171"), None);
        assert_eq!(peer.addresses, ["192.0.2.1:17171"], "what was typed stays");
    }

    #[test]
    fn behind_a_new_translated_address_the_port_of_the_pairing_is_tried_as_well() {
        let peer = paired_at(&["192.0.2.1:40001", "192.0.2.1:17171"]);
        let learned = ["198.51.100.7:52000", "198.51.100.7:17171"].map(str::to_owned);
        assert_eq!(at(&peer, "198.51.100.7:52000"), Some(learned.into()));
        let relayed = paired_at(&["127.0.0.1:17171"]);
        assert_eq!(at(&relayed, "127.0.0.1:52000"), Some(vec!["127.0.0.1:52000".into()]), "no relay is gone around");
    }
}
