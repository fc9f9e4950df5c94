//! Limits on what the two ends of a connection may ask of each other.

use std::time::Duration;

/// Bytes of one message, after its fragments are joined. Juju has no limit; a description of 20,000 machines has 40 MiB.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Bytes that a connection may send before its login has succeeded: a login with macaroons has some 10 KiB.
pub const BYTES_BEFORE_LOGIN_MAX: u64 = 1 << 20;
/// Connections that have not logged in yet. One more ends the oldest of them.
pub const STRANGERS_MAX: usize = 256;
/// Connections that have logged in. A login beyond them is refused with `try again`.
pub const CLIENTS_MAX: usize = 4096;
/// TLS handshakes at once: they cost about a millisecond of a core each, and the agent has other work.
pub const HANDSHAKES_MAX: usize = 16;
/// Time for a TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time to log in, or to send an HTTP request. Juju drops anonymous connections after three minutes.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(60);
/// Time in which an agent, or a client that is nobody in particular, has to send something. They ping every minute; Juju drops
/// them after the same time, and never drops users.
pub const AGENT_SILENCE_MAX: Duration = Duration::from_secs(180);
/// Requests of one connection that are not answered yet. One more is refused with `try again`; a ping never is.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 1024;
/// Bytes of the requests of one connection that are not answered yet.
pub const BYTES_IN_FLIGHT_MAX: usize = 2 * MESSAGE_BYTES_MAX;
/// Replies that wait to be written, on one connection. Calls then wait with theirs.
pub const REPLIES_QUEUED_MAX: usize = 32;
/// Bytes of a connection's read buffer, which an idle client keeps.
pub const READ_BUFFER_BYTES: usize = 4 << 10;
/// Bytes of the head of an HTTP request.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// Time for a peer to take bytes that are sent to it.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Interval of a client's pings, as Go's client has it.
pub const PING_INTERVAL: Duration = Duration::from_secs(60);
/// Time for a server to answer a ping.
pub const PING_TIMEOUT: Duration = Duration::from_secs(30);

const _: () = assert!(BYTES_BEFORE_LOGIN_MAX < MESSAGE_BYTES_MAX as u64);

/// How many connections a server has at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections that have not logged in. One more ends the oldest of them.
    pub strangers_max: usize,
    /// Connections that have logged in. One more is refused with `try again`.
    pub clients_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { strangers_max: STRANGERS_MAX, clients_max: CLIENTS_MAX }
    }
}
