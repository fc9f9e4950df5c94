//! Remembers the strangers that were turned away, for people who look at `status`.

use std::net::IpAddr;

use parking_lot::Mutex;

/// Addresses that are remembered; the one that was silent the longest goes first.
const ADDRESSES_MAX: usize = 16;

/// The attempts of one stranger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    pub address: IpAddr,
    /// Attempts since this address was first seen.
    pub count: u64,
    /// The last attempt, Unix milliseconds.
    pub last_ms: u64,
    /// Why the last attempt came to nothing.
    pub reason: String,
}

/// The strangers that were turned away, the latest last.
#[derive(Debug, Default)]
pub(in crate::link) struct Strangers(Mutex<Vec<Stranger>>);

impl Strangers {
    /// Notes an attempt from an address that was validated: others can be named by anybody.
    pub fn note(&self, address: IpAddr, reason: &str, now_ms: u64) {
        let address = address.to_canonical();
        let mut known = self.0.lock();
        let count = match known.iter().position(|stranger| stranger.address == address) {
            Some(at) => known.remove(at).count,
            None => 0,
        };
        if known.len() >= ADDRESSES_MAX {
            known.remove(0);
        }
        known.push(Stranger { address, count: count + 1, last_ms: now_ms, reason: reason.to_owned() });
    }

    /// Returns the strangers, the latest first.
    pub fn list(&self) -> Vec<Stranger> {
        self.0.lock().iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_strangers_are_remembered_each_with_its_attempts() {
        let strangers = Strangers::default();
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        (0..=16).for_each(|number| strangers.note(address(number), "an unpaired key", u64::from(number)));
        strangers.note(address(5), "a wrong proof", 99);
        let list = strangers.list();
        assert_eq!(list.len(), ADDRESSES_MAX);
        let expected = Stranger { address: address(5), count: 2, last_ms: 99, reason: "a wrong proof".to_owned() };
        assert_eq!(list.first(), Some(&expected));
        assert!(!list.iter().any(|stranger| stranger.address == address(0)), "the oldest has gone");
    }
}
