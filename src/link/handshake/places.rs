//! Decides which incoming connections may begin a handshake now. A half-open handshake costs a place for up to
//! [`Timing::handshake`](crate::link::Timing), so that nobody may take the places of others.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::network::Network;

/// Handshakes under way from addresses that are not validated: anybody can send a datagram in anybody's name. Above this
/// number a new connection validates its address first (QUIC's Retry), which costs one round trip and no place.
const UNVALIDATED_MAX: usize = 4;
/// Strangers' handshakes and pairings under way, one for each network.
const STRANGERS_MAX: usize = 64;
/// Handshakes under way from addresses of paired peers, for each address (agents may share one behind NAT) and in all.
/// Strangers cannot take these places.
const PEER_MAX: usize = 8;
const PEERS_MAX: usize = 64;

/// Why an incoming connection gets no place.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::link) enum Full {
    /// It may come again once its address is validated.
    Validate,
    /// It is one too many.
    Refuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unvalidated,
    Stranger(Network),
    Peer(IpAddr),
}

#[derive(Debug, Default)]
struct Taken {
    unvalidated: usize,
    strangers: HashSet<Network>,
    peers: HashMap<IpAddr, usize>,
}

/// The places of handshakes. Clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::link) struct Places(Arc<Mutex<Taken>>);

/// A place, free again once this is dropped.
#[derive(Debug)]
pub(in crate::link) struct Place {
    places: Places,
    kind: Kind,
}

impl Places {
    /// Takes a place for a connection from `address`. `is_peer`: a paired peer has this address. `is_validated`: the
    /// sender of the datagram has shown that it receives at that address.
    ///
    /// Errors: [`Full`].
    pub fn take(&self, address: IpAddr, is_peer: bool, is_validated: bool) -> Result<Place, Full> {
        let mut taken = self.0.lock();
        let kind = match (is_validated, is_peer) {
            (false, _) if taken.unvalidated >= UNVALIDATED_MAX => return Err(Full::Validate),
            (false, _) => {
                taken.unvalidated += 1;
                Kind::Unvalidated
            }
            (true, true) => {
                let here = taken.peers.get(&address).copied().unwrap_or(0);
                if here >= PEER_MAX || taken.peers.values().sum::<usize>() >= PEERS_MAX {
                    return Err(Full::Refuse);
                }
                *taken.peers.entry(address).or_default() += 1;
                Kind::Peer(address)
            }
            (true, false) => {
                let network = Network::of(address);
                if taken.strangers.len() >= STRANGERS_MAX || !taken.strangers.insert(network) {
                    return Err(Full::Refuse);
                }
                Kind::Stranger(network)
            }
        };
        Ok(Place { places: self.clone(), kind })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        match self.kind {
            Kind::Unvalidated => taken.unvalidated -= 1,
            Kind::Stranger(network) => drop(taken.strangers.remove(&network)),
            Kind::Peer(address) => match taken.peers.get_mut(&address) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(taken.peers.remove(&address)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(network: u8, host: u8) -> IpAddr {
        IpAddr::from([10, 0, network, host])
    }

    #[test]
    fn a_flood_in_others_names_makes_newcomers_validate_their_addresses_and_takes_no_more_than_its_places() {
        let places = Places::default();
        let flood: Vec<_> = (0..200).map(|network| places.take(address(network, 1), false, false)).collect();
        assert_eq!(flood.iter().filter(|taken| taken.is_ok()).count(), UNVALIDATED_MAX);
        assert!(flood.iter().all(|taken| !matches!(taken, Err(Full::Refuse))));
        // The address that the flood named has its place all the same.
        assert!(places.take(address(0, 1), false, true).is_ok());
        drop(flood);
        assert!(places.take(address(0, 1), false, false).is_ok());
    }

    #[test]
    fn two_hundred_strangers_leave_a_paired_peer_its_place() {
        let places = Places::default();
        let strangers: Vec<_> =
            (0..200).filter_map(|network| places.take(address(network, 1), false, true).ok()).collect();
        assert_eq!(strangers.len(), STRANGERS_MAX);
        assert!(places.take(address(201, 1), true, true).is_ok());
    }

    #[test]
    fn a_stranger_has_one_place_for_its_whole_network() {
        let places = Places::default();
        let first = places.take(address(1, 1), false, true).unwrap();
        assert_eq!(places.take(address(1, 2), false, true).unwrap_err(), Full::Refuse);
        let _other = places.take(address(2, 1), false, true).unwrap();
        drop(first);
        assert!(places.take(address(1, 2), false, true).is_ok());
    }

    #[test]
    fn one_peer_does_not_take_the_places_of_the_others() {
        let places = Places::default();
        let held: Vec<_> = (0..20).filter_map(|_| places.take(address(1, 1), true, true).ok()).collect();
        assert_eq!(held.len(), PEER_MAX);
        assert!(places.take(address(1, 2), true, true).is_ok());
        drop(held);
        assert!(places.0.lock().peers.is_empty());
    }
}
