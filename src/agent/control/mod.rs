//! The control socket's protocol: one JSON object per line, each way.
//!
//! A client sends one [`Request`] and reads [`Response`]s: any number marked "More follows", then one final response. While the
//! agent works it sends [`Response::Alive`] every [`ALIVE_EVERY`]. Every local user who can connect may read;
//! `agent/socket/admission.rs` decides who may change things.

mod backup_ref;
mod failure;
pub mod fd_passing;
mod nearest;
mod orders;
mod request;
mod resolve_method;
mod response;
#[cfg(test)]
mod tests;
pub mod view;
pub mod wire;

use std::path::Path;
use std::time::Duration;

pub use self::backup_ref::BackupRef;
pub use self::failure::{Failure, FailureKind, Missing};
pub use self::nearest::nearest;
pub use self::orders::{Order, Schedule};
pub use self::request::Request;
pub use self::resolve_method::ResolveMethod;
pub use self::response::Response;

/// Bytes of one request at most, its newline included. 1 MiB: paths and names, never content.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Bytes of one response at most, its newline included. 16 MiB: a thousand models with their users.
pub const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// Interval of [`Response::Alive`].
pub const ALIVE_EVERY: Duration = Duration::from_secs(2);
/// Silence after which a client takes the agent to be stuck. Four times [`ALIVE_EVERY`]: a host may be busy.
pub const SILENCE_MAX: Duration = Duration::from_secs(8);

/// Bytes of a socket's path: what Linux's `sockaddr_un` holds, without the zero at its end.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Returns an error text if the path of the socket exceeds [`SOCKET_PATH_BYTES_MAX`].
pub fn too_long(socket: &Path) -> Option<String> {
    let bytes = socket.as_os_str().len();
    (bytes > SOCKET_PATH_BYTES_MAX)
        .then(|| format!("its path has {bytes} bytes, and that of a socket has {SOCKET_PATH_BYTES_MAX} at most"))
}
