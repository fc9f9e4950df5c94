//! The UDP socket that is listened on and dialled from.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, Runtime, TokioRuntime};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;

use super::flow::{Announced, Caps, PacedSocket};
use super::identity::Identity;

/// What a link runs on where there is no real network. Its clock is tokio's, which can be simulated too.
#[derive(Debug)]
pub struct Wire {
    /// In the place of a UDP socket.
    pub socket: Arc<dyn AsyncUdpSocket>,
    /// Seeds QUIC's choices that need not be secret.
    pub seed: [u8; 32],
}

/// Makes QUIC's endpoint: of `wire`, or of a UDP socket bound to `listen`.
pub(super) fn endpoint(
    listen: SocketAddr,
    wire: Option<Wire>,
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
    let socket = match wire {
        None => {
            let socket = TokioRuntime.wrap_udp_socket(bind(listen)?)?;
            PacedSocket::new(socket, announced.clone(), caps.segments())
        }
        // Not paced: a bucket fills with the real time, and a simulation has its own.
        Some(Wire { socket, seed }) => {
            config.rng_seed(Some(seed));
            socket
        }
    };
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
