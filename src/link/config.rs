//! What the link can be told, and the QUIC settings that follow from it.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::limits::PORT_DEFAULT;
use quinn::{AckFrequencyConfig, MtuDiscoveryConfig, TransportConfig, VarInt};

use super::flow::{ACK_PACKETS, Flow};
use crate::config::LinkSettings;

/// Bytes of one stream in flight to this agent. 2.5 MB fill a long link with eight streams; one stream of
/// a much larger window dies of its gaps (quinn keeps at most 1,024 pieces per stream).
const STREAM_WINDOW_BYTES: u32 = 2_500_000;
/// Bytes in flight on one connection, each way. quinn's own default is unlimited.
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;
/// Streams that a peer may have open, of each kind: four for each of two migrations, and some for what goes beside them.
pub(super) const STREAMS_MAX: u32 = 12;
/// Bytes of datagrams that wait here. They are signs of life and nobody reads them; quinn drops the oldest.
const DATAGRAMS_BYTES: usize = 1 << 10;

/// Where the link listens, what it calls itself, and its clocks.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// Where UDP is bound. Without IPv6 in the kernel `[::]` falls back to `0.0.0.0`.
    pub listen: SocketAddr,
    /// The name that this agent suggests at pairing: its controller's.
    pub own_name: String,
    /// The port at which peers can dial this agent, if it is not the one it listens on.
    pub advertise_port: Option<u16>,
    /// The clocks.
    pub timing: Timing,
    /// How to send, and how much at most.
    pub settings: LinkSettings,
    /// The wall clock that windows of the week are opened by.
    pub clock: fn() -> jiff::Zoned,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT_DEFAULT)),
            own_name: String::new(),
            advertise_port: None,
            timing: Timing::default(),
            settings: LinkSettings::default(),
            clock: jiff::Zoned::now,
        }
    }
}

/// The clocks of a link, all monotonic.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// For a handshake, from the first packet to the last.
    pub handshake: Duration,
    /// For the first frame of a connection.
    pub first_frame: Duration,
    /// For the rest of a control frame, once it has begun.
    pub frame: Duration,
    /// Silence after which a connection is lost.
    pub idle: Duration,
    /// Between two signs of life on a silent connection.
    pub keep_alive: Duration,
    /// For an old connection to prove that it lives, when the peer comes with a new one.
    pub probe: Duration,
    /// Before the first attempt to reconnect; doubled with every failure.
    pub retry_min: Duration,
    /// Between two attempts to reconnect, at most.
    pub retry_max: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            first_frame: Duration::from_secs(10),
            frame: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            keep_alive: Duration::from_secs(3),
            probe: Duration::from_secs(3),
            retry_min: Duration::from_millis(250),
            retry_max: Duration::from_secs(10),
        }
    }
}

impl Timing {
    /// Returns how long to wait before attempt `failures` + 1, before jitter.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        self.retry_min.saturating_mul(1 << failures.min(16)).min(self.retry_max)
    }
}

/// Returns QUIC's settings for a connection whose peer is still a stranger: it may open one stream, and
/// [`open_up`] allows the rest once it has proven to be a peer. `datagram_bytes`: of the largest that are tried.
pub(super) fn transport(timing: &Timing, flow: Flow, datagram_bytes: u16) -> Arc<TransportConfig> {
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(ACK_PACKETS));
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(datagram_bytes);
    let idle_ms = VarInt::try_from(timing.idle.as_millis() as u64).unwrap_or(VarInt::MAX);
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(CONNECTION_WINDOW_BYTES.into())
        .datagram_receive_buffer_size(Some(DATAGRAMS_BYTES))
        .max_idle_timeout(Some(idle_ms.into()))
        .keep_alive_interval(Some(timing.keep_alive))
        .ack_frequency_config(Some(acks))
        .mtu_discovery_config(Some(mtu))
        .congestion_controller_factory(Arc::new(flow));
    Arc::new(transport)
}

/// Allows a peer its streams.
pub(super) fn open_up(connection: &quinn::Connection) {
    connection.set_max_concurrent_bi_streams(VarInt::from_u32(STREAMS_MAX));
    connection.set_max_concurrent_uni_streams(VarInt::from_u32(STREAMS_MAX));
}
