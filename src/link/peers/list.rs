//! The paired peers, stored in `peers.toml`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::Pin;

use super::error::PeersError;
use super::file::{Document, Entry, Parsed, parse};
use super::limits::{self, ByHand};
use super::peer::{BadPeerName, Peer, check_peer_name};
use super::rights::Rights;
use crate::disk::Disk;

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
    /// Rights that an operator has changed.
    rights: BTreeMap<Pin, Rights>,
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
        let Parsed { peers: read, rights, .. } = read;
        let paired_as = read.iter().filter_map(|(peer, own)| Some((peer.pin, (*own)?))).collect();
        let list = read.into_iter().map(|(peer, _)| peer).collect();
        Ok(Self { disk: disk.clone(), path, list, own: None, paired_as, rights, limits, lost_limits })
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

    /// Returns what a peer may do here.
    pub fn rights(&self, pin: Pin) -> Rights {
        self.rights.get(&pin).cloned().unwrap_or_default()
    }

    /// Returns these peers with other rights of one.
    pub(in crate::link) fn with_rights(&self, pin: Pin, rights: Rights) -> Self {
        let mut next = self.clone();
        match rights == Rights::default() {
            true => next.rights.remove(&pin),
            false => next.rights.insert(pin, rights),
        };
        next
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
        Self { list, ..self.with_rights(pin, Rights::default()) }
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
            rights: self.rights.get(&peer.pin).cloned(),
        };
        let limits = Some(self.limits.len().max(self.lost_limits)).filter(|limits| *limits > 0);
        let (peers, rights) = (Some(self.list.len()), Some(self.rights.len()).filter(|rights| *rights > 0));
        let document = Document { peers, limits, rights, peer: self.list.iter().map(entry).collect() };
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
    use super::super::peer::tests::paired_at;
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

    /// A right that was taken away must not come back because the end of a file is gone.
    #[test]
    fn rights_are_read_as_they_were_written_and_a_cut_file_grants_nothing() {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::real());
        let (path, load) = (dir.path().join(FILE), || Peers::load(dir.path(), &disk).unwrap());
        let pin = Pin([1; 32]);
        let models = vec!["web-*".parse().unwrap(), "ann/db".parse().unwrap()];
        let quota = "3GiB".parse().unwrap();
        let rights = Rights { receive: false, keep: true, models, quota, ..Rights::default() };
        let peers = load().with(paired_at(&[])).with_rights(pin, rights.clone());
        peers.save().unwrap();
        assert_eq!(load().rights(pin), rights);
        let paired_again = load().with(paired_at(&["192.0.2.1:17171"]));
        assert_eq!(paired_again.rights(pin), rights, "who pairs again is granted nothing");
        assert_eq!(paired_again.without(pin).with(paired_at(&[])).rights(pin), Rights::default());
        let whole = std::fs::read(&path).unwrap();
        for end in 0..whole.len() - 1 {
            std::fs::write(&path, &whole[..end]).unwrap();
            let cut = load();
            assert!(cut.list().is_empty() || cut.rights(pin) == rights, "cut at {end}");
            let _ = std::fs::remove_file(Disk::aside(&path));
        }
    }
}
