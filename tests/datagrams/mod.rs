//! What every network in memory between two hosts has in common.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use quinn::UdpPoller;
use quinn::udp::RecvMeta;

/// Where each of the two is.
pub fn address(host: usize) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, host as u8 + 1)), 17171)
}

/// Hands datagrams to who reads them, as long as there are some and room for them; returns how many.
pub fn hand_over(
    bufs: &mut [IoSliceMut<'_>],
    meta: &mut [RecvMeta],
    mut next: impl FnMut() -> Option<(SocketAddr, Vec<u8>)>,
) -> usize {
    let mut count = 0;
    for (buffer, meta) in bufs.iter_mut().zip(meta.iter_mut()) {
        let Some((addr, bytes)) = next() else { break };
        let len = bytes.len();
        buffer[..len].copy_from_slice(&bytes);
        *meta = RecvMeta { addr, len, stride: len, ecn: None, dst_ip: None };
        count += 1;
    }
    count
}

/// Nothing is ever in the way of a datagram that leaves.
#[derive(Debug)]
pub struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
