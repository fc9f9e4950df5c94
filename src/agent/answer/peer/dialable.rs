//! Finds the addresses at which another host can dial this agent. An offer to pair names them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use modelferry_protocol::limits::PORT_DEFAULT;

/// Returns where another host can dial an agent that listens at `listen`, IPv4 first.
///
/// For a wildcard address (`0.0.0.0`, `[::]`) these are the source addresses of this host's default routes, or 127.0.0.1 if there
/// is no route.
pub(in crate::agent::answer) fn dialable(listen: SocketAddr) -> Vec<SocketAddr> {
    if !listen.ip().is_unspecified() {
        return vec![listen];
    }
    let outward = [(IpAddr::V4(Ipv4Addr::UNSPECIFIED), FAR_V4), (IpAddr::V6(Ipv6Addr::UNSPECIFIED), FAR_V6)];
    let families = outward.into_iter().filter(|(own, _)| listen.is_ipv6() || own.is_ipv4());
    let mut found: Vec<SocketAddr> = families
        .filter_map(|(own, far)| leaves_from(own, far).ok())
        .filter(|ip| !ip.is_unspecified())
        .map(|ip| SocketAddr::new(ip, listen.port()))
        .collect();
    if found.is_empty() {
        // Without a network there are only agents on the same host.
        found.push(SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port())));
    }
    found
}

/// Documentation addresses (RFC 5737, RFC 3849). They select the default route; nothing is sent to them.
const FAR_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), PORT_DEFAULT);
const FAR_V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), PORT_DEFAULT);

/// Returns the address that packets to `far` leave from. To connect a UDP socket sends no packet.
fn leaves_from(own: IpAddr, far: SocketAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind((own, 0))?;
    socket.connect(far)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_names_addresses_that_can_be_dialled() {
        let own: SocketAddr = "127.0.0.7:4711".parse().unwrap();
        assert_eq!(dialable(own), [own]);
        for everywhere in ["0.0.0.0:4711", "[::]:4711"] {
            let found = dialable(everywhere.parse().unwrap());
            assert!(!found.is_empty(), "an agent that listens can be dialled");
            for address in found {
                assert!(!address.ip().is_unspecified() && address.port() == 4711, "{address}");
                UdpSocket::bind((address.ip(), 0)).expect("an address of this host");
            }
        }
    }
}
