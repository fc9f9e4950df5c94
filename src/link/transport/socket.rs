//! The UDP socket for incoming and outgoing connections.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, Runtime, TokioRuntime};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;
use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::link::credentials::identity::Identity;
use crate::link::flow::{Caps, PacedSocket, PendingSchedule};
use crate::link::mtu::DATAGRAM_BYTES_MAX;

/// Receive buffer to request. With 1 MiB, a receiver that gets no processor for a millisecond loses nothing at 10
/// Gbit/s. Hosts commonly allow about 0.2 MB, twice the default.
const WAITING_BYTES: usize = 1 << 20;

/// The network and randomness of a link; tests simulate both. The clock is tokio's, which tests can simulate too.
#[derive(Debug)]
pub struct Wire {
    /// Sends and receives datagrams.
    pub socket: Arc<dyn AsyncUdpSocket>,
    /// Seed for QUIC's choices that need not be secret. `None`: random.
    pub seed: Option<[u8; 32]>,
}

impl Wire {
    /// Binds a UDP socket to `listen`.
    pub(in crate::link) fn bind(listen: SocketAddr) -> io::Result<Self> {
        let socket = bind(listen)?;
        // With the default buffer a busy receiver loses more packets and requests them again.
        if let Err(error) = set_socket_recv_buffer_size(&socket, WAITING_BYTES) {
            tracing::debug!(%error, "the socket keeps the room that it has for what arrives");
        }
        Ok(Self { socket: TokioRuntime.wrap_udp_socket(socket)?, seed: None })
    }
}

/// Builds the QUIC endpoint on `wire`.
pub(in crate::link) fn endpoint(
    wire: Wire,
    identity: &Identity,
    server: quinn::ServerConfig,
    caps: &Caps,
    pending: &PendingSchedule,
) -> io::Result<Endpoint> {
    // Derive the secrets from the key, so that they survive a restart. The agent can then answer packets of old
    // connections with a valid stateless reset, and the peer reconnects at once instead of waiting for the idle
    // timeout.
    let reset = identity.secret_for(b"modelferry/1 stateless reset");
    let ids = identity.secret_for(b"modelferry/1 connection id");
    let id_key = u64::from_le_bytes(ids[..8].try_into().expect("eight of 32 bytes"));
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &reset)));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(id_key)));
    config.rng_seed(wire.seed);
    config.max_udp_payload_size(DATAGRAM_BYTES_MAX).expect("more than QUIC's least");
    let socket = PacedSocket::new(wire.socket, pending.clone(), caps.segments());
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
