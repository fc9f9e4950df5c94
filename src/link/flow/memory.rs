//! Remembers measured capacities of links to peers, so that new connections start at the right rate.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use modelferry_protocol::ids::Pin;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::disk::Disk;

/// File name in the state directory.
const FILE: &str = "capacities.toml";
/// Plausible rates in bytes per second: from a modem to more than a host can send.
const BYTES_PER_SECOND: std::ops::RangeInclusive<f64> = 1e3..=2e10;

/// The measured capacity of a link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::link) struct Capacity {
    /// Delivered bytes per second.
    pub rate: f64,
    /// Shortest round trip.
    pub rtt: Duration,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    #[serde(default)]
    peer: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    pin: String,
    bytes_per_second: f64,
    rtt_ms: f64,
}

/// Capacities of the links to all peers. Without a readable file the next connections only start more slowly.
#[derive(Debug)]
pub(in crate::link) struct Memory {
    disk: Disk,
    path: PathBuf,
    links: Mutex<HashMap<Pin, Capacity>>,
    /// Held while `links` are read and written to disk, so that an older state cannot overwrite a newer one.
    saving: Mutex<()>,
}

impl Memory {
    /// Loads the capacities from `state_dir`.
    pub(in crate::link) fn load(state_dir: &Path, disk: &Disk) -> Self {
        let path = state_dir.join(FILE);
        let document: Document = match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).unwrap_or_default(),
            Err(_) => Document::default(),
        };
        let links = document.peer.iter().filter_map(|entry| {
            let is_sane =
                BYTES_PER_SECOND.contains(&entry.bytes_per_second) && (0.0..=60_000.0).contains(&entry.rtt_ms);
            let capacity =
                || Capacity { rate: entry.bytes_per_second, rtt: Duration::from_secs_f64(entry.rtt_ms / 1e3) };
            Some((entry.pin.parse().ok()?, is_sane.then(capacity)?))
        });
        Self { disk: disk.clone(), links: Mutex::new(links.collect()), path, saving: Mutex::default() }
    }

    /// Returns the capacity of the link to `peer`, if known.
    pub(in crate::link) fn get(&self, peer: Pin) -> Option<Capacity> {
        self.links.lock().get(&peer).copied()
    }

    pub(in crate::link) fn set(&self, peer: Pin, capacity: Capacity) {
        self.links.lock().insert(peer, capacity);
    }

    pub(in crate::link) fn forget(&self, peer: Pin) {
        self.links.lock().remove(&peer);
    }

    /// Writes the capacities to disk.
    ///
    /// Errors: [`io::Error`] of the disk.
    pub(in crate::link) fn save(&self) -> io::Result<()> {
        let _saving = self.saving.lock();
        let mut peer: Vec<Entry> = self.links.lock().iter().map(|(pin, capacity)| entry(*pin, capacity)).collect();
        peer.sort_by(|left, right| left.pin.cmp(&right.pin));
        let text = toml::to_string_pretty(&Document { peer }).expect("names and numbers always serialize");
        let text = format!("# What was measured of the links to peers; may be deleted at any time.\n\n{text}");
        self.disk.replace(&self.path, text.as_bytes())
    }
}

fn entry(pin: Pin, capacity: &Capacity) -> Entry {
    let rtt_ms = capacity.rtt.as_secs_f64() * 1e3;
    Entry { pin: pin.to_string(), bytes_per_second: capacity.rate.round(), rtt_ms: (rtt_ms * 1e3).round() / 1e3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_remembered_across_a_start() {
        let dir = tempfile::tempdir().unwrap();
        let (north, south) = (Pin([1; 32]), Pin([2; 32]));
        let known = Capacity { rate: 12_500_000.0, rtt: Duration::from_millis(150) };
        let memory = Memory::load(dir.path(), &Disk::real());
        memory.set(north, known);
        memory.set(south, known);
        memory.forget(south);
        memory.save().unwrap();
        let again = Memory::load(dir.path(), &Disk::real());
        assert_eq!((again.get(north), again.get(south)), (Some(known), None));
    }

    #[test]
    fn what_was_measured_last_stays_though_all_sessions_end_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::load(dir.path(), &Disk::real());
        let capacity = |peer: u8| Capacity { rate: 1e6 + f64::from(peer), rtt: Duration::from_millis(10) };
        std::thread::scope(|scope| {
            for peer in 0..16 {
                let memory = &memory;
                scope.spawn(move || {
                    memory.set(Pin([peer; 32]), capacity(peer));
                    memory.save().unwrap();
                });
            }
        });
        let again = Memory::load(dir.path(), &Disk::real());
        (0..16).for_each(|peer| assert_eq!(again.get(Pin([peer; 32])), Some(capacity(peer))));
    }

    #[test]
    fn a_damaged_memory_is_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let pin = Pin([1; 32]);
        for text in [
            "nonsense".to_owned(),
            format!("[[peer]]\npin = \"{pin}\"\nbytes_per_second = nan\nrtt_ms = 1.0\n"),
            format!("[[peer]]\npin = \"{pin}\"\nbytes_per_second = 1e6\nrtt_ms = -1.0\n"),
        ] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert_eq!(Memory::load(dir.path(), &Disk::real()).get(pin), None);
        }
    }
}
