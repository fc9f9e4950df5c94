//! How large datagrams may be.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use rustix::net::sockopt::{ip_mtu, ipv6_mtu};

/// UDP payload of the largest datagrams that are ever tried. Ten, which are handed to the kernel at once, are no more
/// than it takes, and with these what each packet costs beside its bytes is spent a fifth as often as on Ethernet.
pub(super) const DATAGRAM_BYTES_MAX: u16 = 6_500;
/// UDP payload of what every Ethernet takes, with room for a tunnel's header: tried where nothing else is known.
pub(super) const DATAGRAM_BYTES: u16 = 1_452;

/// Returns the UDP payload of the largest datagrams that are worth trying to `peer`: what the first link on the way
/// there takes. They need not arrive; QUIC begins with small ones and finds out.
pub(super) fn worth_trying(peer: SocketAddr) -> u16 {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let mtu = route_mtu(peer).map_or(0, |mtu| u16::try_from(mtu).unwrap_or(u16::MAX));
    mtu.saturating_sub(headers(peer)).clamp(DATAGRAM_BYTES, DATAGRAM_BYTES_MAX)
}

/// Returns what IP and UDP add to a datagram.
fn headers(peer: SocketAddr) -> u16 {
    if peer.is_ipv6() { 48 } else { 28 }
}

fn route_mtu(peer: SocketAddr) -> io::Result<u32> {
    let any: IpAddr = if peer.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    // Sends nothing: it only chooses the route.
    socket.connect(peer)?;
    Ok(if peer.is_ipv6() { ipv6_mtu(&socket)? } else { ip_mtu(&socket)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_link_of_the_way_tells_what_is_worth_trying() {
        // A loopback takes more than any network.
        assert_eq!(worth_trying("127.0.0.1:17171".parse().unwrap()), DATAGRAM_BYTES_MAX);
        assert_eq!(worth_trying("[::ffff:127.0.0.1]:17171".parse().unwrap()), DATAGRAM_BYTES_MAX);
    }

    #[test]
    fn where_no_route_leads_datagrams_are_as_ethernet_takes_them() {
        // Of this family a broadcast is refused, so that no route is told.
        assert_eq!(worth_trying("255.255.255.255:17171".parse().unwrap()), DATAGRAM_BYTES);
    }
}
