//! Chooses the largest datagram for MTU discovery.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use rustix::net::sockopt::{ip_mtu, ipv6_mtu};

/// Largest UDP payload that MTU discovery tries. The kernel takes ten such datagrams in one call, close to the maximum
/// of a call, and the fixed cost per packet falls to a fifth of Ethernet's.
pub(super) const DATAGRAM_BYTES_MAX: u16 = 6_500;
/// UDP payload that fits every Ethernet, with room for a tunnel's header. The default if the route's MTU is unknown.
pub(super) const DATAGRAM_BYTES: u16 = 1_452;

/// Returns the largest UDP payload to try towards `peer`: the MTU of the first hop, less headers. It may not reach the
/// peer; QUIC begins with small datagrams and finds out.
pub(super) fn worth_trying(peer: SocketAddr) -> u16 {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let mtu = route_mtu(peer).map_or(0, |mtu| u16::try_from(mtu).unwrap_or(u16::MAX));
    mtu.saturating_sub(headers(peer)).clamp(DATAGRAM_BYTES, DATAGRAM_BYTES_MAX)
}

/// Returns the size of the IP and UDP headers.
fn headers(peer: SocketAddr) -> u16 {
    if peer.is_ipv6() { 48 } else { 28 }
}

fn route_mtu(peer: SocketAddr) -> io::Result<u32> {
    let any: IpAddr = if peer.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    // Sends nothing; connecting only chooses the route.
    socket.connect(peer)?;
    Ok(if peer.is_ipv6() { ipv6_mtu(&socket)? } else { ip_mtu(&socket)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_link_of_the_way_tells_what_is_worth_trying() {
        // The loopback interface has a larger MTU than any network.
        assert_eq!(worth_trying("127.0.0.1:17171".parse().unwrap()), DATAGRAM_BYTES_MAX);
        assert_eq!(worth_trying("[::ffff:127.0.0.1]:17171".parse().unwrap()), DATAGRAM_BYTES_MAX);
    }

    #[test]
    fn where_no_route_leads_datagrams_are_as_ethernet_takes_them() {
        // The kernel refuses to connect to a broadcast address, so the route is unknown.
        assert_eq!(worth_trying("255.255.255.255:17171".parse().unwrap()), DATAGRAM_BYTES);
    }
}
