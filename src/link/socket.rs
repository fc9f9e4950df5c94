//! The UDP socket that is listened on and dialled from.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::{Endpoint, EndpointConfig, Runtime, TokioRuntime};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;

use super::flow::{Announced, Caps, PacedSocket};
use super::identity::Identity;

/// Binds `listen` and makes QUIC's endpoint of it.
pub(super) fn endpoint(
    listen: SocketAddr,
    identity: &Identity,
    server: quinn::ServerConfig,
    caps: &Caps,
    announced: &Announced,
) -> io::Result<Endpoint> {
    // The same after every start: a peer's packet for a connection from before is then answered with a
    // stateless reset that it believes, and it reconnects at once instead of waiting for silence to end.
    let reset = identity.secret_for(b"modelferry/1 stateless reset");
    let ids = identity.secret_for(b"modelferry/1 connection id");
    let id_key = u64::from_le_bytes(ids[..8].try_into().expect("eight of 32 bytes"));
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &reset)));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(id_key)));
    let socket = TokioRuntime.wrap_udp_socket(bind(listen)?)?;
    let socket = PacedSocket::new(socket, announced.clone(), caps.segments());
    Endpoint::new_with_abstract_socket(config, Some(server), socket, Arc::new(TokioRuntime))
}

fn bind(listen: SocketAddr) -> io::Result<UdpSocket> {
    match UdpSocket::bind(listen) {
        Err(error) if listen.is_ipv6() && listen.ip().is_unspecified() && no_ipv6(&error) => {
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, listen.port()))
        }
        bound => bound,
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].iter().any(|known| error.raw_os_error() == Some(known.raw_os_error()))
}
