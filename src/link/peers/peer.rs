//! A paired agent: its name, key and addresses.

use std::net::SocketAddr;

use modelferry_protocol::ids::Pin;

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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn paired_at(addresses: &[&str]) -> Peer {
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
