//! Addresses as a dual-stack socket shows them.

use std::net::SocketAddr;

/// Converts an IPv4-mapped IPv6 address, as a dual-stack socket shows it, to IPv4.
pub(in crate::link) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
