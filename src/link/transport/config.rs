//! The link's configuration, and the QUIC settings derived from it.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::limits::{PORT_DEFAULT, STREAMS_MAX as BYTE_STREAMS_MAX};
use quinn::{AckFrequencyConfig, MtuDiscoveryConfig, TransportConfig, VarInt};

use crate::config::LinkSettings;
use crate::link::flow::{ACK_PACKETS, Flow};

/// Receive window of one stream, bytes. Eight streams of 2.5 MB fill a long link. A much larger window would not help,
/// because quinn keeps at most 1,024 separate pieces per stream.
const STREAM_WINDOW_BYTES: u32 = 2_500_000;
/// Window of one connection in each direction, bytes. quinn's default is unlimited.
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;
/// Maximum number of open bulk streams of a peer: four for each of two migrations, and four for other transfers.
pub(in crate::link) const STREAMS_MAX: u32 = 12;
/// Buffer for outgoing datagrams, bytes. Datagrams only show that the sender lives, and quinn drops the oldest.
const DATAGRAMS_BYTES: usize = 1 << 10;

/// The link's configuration.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// The UDP address to bind. If the kernel lacks IPv6, `[::]` falls back to `0.0.0.0`.
    pub listen: SocketAddr,
    /// The name that this agent suggests at pairing: the name of its controller.
    pub own_name: String,
    /// The port at which peers can dial this agent, if it differs from the listening port.
    pub advertise_port: Option<u16>,
    pub timing: Timing,
    /// Congestion control and caps.
    pub settings: LinkSettings,
    /// The local wall clock, which weekly windows follow.
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

/// The timeouts of a link. All use a monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// For a whole handshake.
    pub handshake: Duration,
    /// For the first frame of a connection.
    pub first_frame: Duration,
    /// For the rest of a control frame after its first byte.
    pub frame: Duration,
    /// Silence after which a connection is lost.
    pub idle: Duration,
    /// Interval of keep-alive packets on an idle connection.
    pub keep_alive: Duration,
    /// For an old connection to answer when the peer opens a new one.
    pub probe: Duration,
    /// Delay before the first reconnection attempt. Doubles with every failure.
    pub retry_min: Duration,
    /// Maximum delay between reconnection attempts.
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
    /// Returns the delay before attempt `failures` + 1, without jitter.
    pub(in crate::link) fn backoff(&self, failures: u32) -> Duration {
        self.retry_min.saturating_mul(1 << failures.min(16)).min(self.retry_max)
    }
}

/// Returns the QUIC settings for a connection whose peer is not yet authenticated. It may open one stream; [`open_up`]
/// allows the rest. `datagram_bytes`: the largest UDP payload that MTU discovery tries.
pub(in crate::link) fn transport(timing: &Timing, flow: Flow, datagram_bytes: u16) -> Arc<TransportConfig> {
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

/// Allows an authenticated peer to open [`STREAMS_MAX`] streams of each kind.
pub(in crate::link) fn open_up(connection: &quinn::Connection) {
    // The control stream, byte streams, and one more to be told that it is one too many.
    connection.set_max_concurrent_bi_streams(VarInt::from_u32(BYTE_STREAMS_MAX as u32 + 2));
    connection.set_max_concurrent_uni_streams(VarInt::from_u32(STREAMS_MAX));
}
