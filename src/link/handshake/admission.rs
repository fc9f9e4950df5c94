//! Decides which keys may complete a handshake.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use modelferry_protocol::ids::Pin;
use parking_lot::{Mutex, MutexGuard, RwLock};

use super::offers::Offers;
use crate::link::peers::peer::Peer;

/// The pinned keys, the addresses of their owners, and the open pairing offer.
#[derive(Default)]
pub(in crate::link) struct Admission {
    pins: RwLock<HashSet<Pin>>,
    /// The addresses of the peers, as far as they are numbers.
    addresses: RwLock<HashSet<IpAddr>>,
    offers: Mutex<Offers>,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // rustls requires Debug for verifiers. Print neither the pins nor the code.
        f.write_str("Admission")
    }
}

impl Admission {
    pub fn is_pinned(&self, pin: Pin) -> bool {
        self.pins.read().contains(&pin)
    }

    /// Reports whether a paired peer is dialled at this address, or has called from it.
    pub fn is_of_peer(&self, address: IpAddr) -> bool {
        self.addresses.read().contains(&address.to_canonical())
    }

    pub fn set_peers(&self, peers: &[Peer]) {
        *self.pins.write() = peers.iter().map(|peer| peer.pin).collect();
        let known = peers.iter().flat_map(|peer| peer.addresses.iter().chain(&peer.learned));
        let numbers = known.filter_map(|address| address.parse::<SocketAddr>().ok());
        *self.addresses.write() = numbers.map(|address| address.ip().to_canonical()).collect();
    }

    pub fn offers(&self) -> MutexGuard<'_, Offers> {
        self.offers.lock()
    }

    /// Reports whether a stranger may connect and prove that it knows the code.
    pub fn offer_is_open(&self) -> bool {
        self.offers().is_open(Instant::now())
    }
}

/// Whether an incoming connection asked to pair. Any number may ask at once: nothing is decided before the proof.
#[derive(Debug, Default)]
pub(in crate::link) struct PairingAsked(AtomicBool);

impl PairingAsked {
    /// Notes that the connection asks for pairing and nothing else.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(pin: u8, addresses: &[&str], learned: &[&str]) -> Peer {
        let owned = |list: &[&str]| list.iter().map(|address| (*address).to_owned()).collect();
        Peer {
            name: "west".into(),
            pin: Pin([pin; 32]),
            addresses: owned(addresses),
            learned: owned(learned),
            paired_ms: 1,
        }
    }

    #[test]
    fn peers_are_known_by_their_keys_and_by_every_address_that_they_are_dialled_at_or_called_from() {
        let admission = Admission::default();
        admission.set_peers(&[peer(1, &["192.0.2.1:17171", "west.example.net:17171"], &["[2001:db8::7]:9"])]);
        assert!(admission.is_pinned(Pin([1; 32])) && !admission.is_pinned(Pin([2; 32])));
        for (address, known) in
            [("192.0.2.1", true), ("::ffff:192.0.2.1", true), ("2001:db8::7", true), ("192.0.2.2", false)]
        {
            assert_eq!(admission.is_of_peer(address.parse().unwrap()), known, "{address}");
        }
        admission.set_peers(&[]);
        assert!(!admission.is_pinned(Pin([1; 32])) && !admission.is_of_peer("192.0.2.1".parse().unwrap()));
    }
}
