//! Strangers that begin handshakes and go no further: they hear a request to validate their address, and nothing else.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};

/// Bits of a long header that say Retry (RFC 9000, 17.2.5).
const RETRY: u8 = 0b1111_0000;

/// A socket that passes on Retry packets alone.
pub struct Deaf {
    socket: Arc<dyn AsyncUdpSocket>,
    /// Whether the agent has said anything else.
    is_answered: AtomicBool,
}

impl Deaf {
    pub fn bind(address: SocketAddr) -> Arc<Self> {
        let socket = std::net::UdpSocket::bind(address).unwrap();
        Arc::new(Self { socket: TokioRuntime.wrap_udp_socket(socket).unwrap(), is_answered: AtomicBool::new(false) })
    }

    pub fn is_answered(&self) -> bool {
        self.is_answered.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Deaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deaf")
    }
}

impl AsyncUdpSocket for Deaf {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.socket.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let heard = ready!(self.socket.poll_recv(cx, &mut bufs[..1], &mut meta[..1]))?;
            if heard > 0 && bufs[0][0] & RETRY == RETRY {
                return Poll::Ready(Ok(heard));
            }
            self.is_answered.store(true, Ordering::Release);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}
