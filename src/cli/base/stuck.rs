//! Diagnoses an agent that accepts connections and does not answer: stopped, frozen by its host, or stuck.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect as connect_to, socket_with};

use crate::agent::control::{Failure, FailureKind, SILENCE_MAX};

/// Connects to `socket`. Neither this nor a later write waits longer than `patience`: an agent that takes no connections
/// any more has a queue of them that fills up, and from then on a connection waits for a place in it.
///
/// Errors: as the system says; [`io::ErrorKind::WouldBlock`] once patience is over.
pub(in crate::cli) fn connect(socket: &Path, patience: Duration) -> io::Result<UnixStream> {
    let stream = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&stream, Timeout::Send, Some(patience))?;
    connect_to(&stream, &SocketAddrUnix::new(socket)?)?;
    Ok(stream.into())
}

/// The process that listens at a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Listener {
    id: i32,
    /// Whether somebody has stopped it.
    is_stopped: bool,
}

/// Returns the agent's process; nothing where systemd listens for it, or it cannot be looked at.
pub(in crate::cli) fn process(stream: &UnixStream) -> Option<Listener> {
    let id = socket_peercred(stream).ok()?.pid.as_raw_nonzero().get();
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in brackets, and may have some of its own.
    let (name, state) = stat.split_once('(')?.1.rsplit_once(')')?;
    let is_stopped = state.trim_start().starts_with(['T', 't']);
    (id != 1 && name != "systemd").then_some(Listener { id, is_stopped })
}

/// Says that the agent at `socket` is stuck, and what to look at.
///
/// `may_change`: whether something was sent that may change something.
pub(in crate::cli) fn failure(socket: &Path, process: Option<Listener>, may_change: bool) -> Failure {
    let at = socket.display();
    let message = match process {
        Some(Listener { id, is_stopped: true }) => {
            format!("the agent at {at} does not answer: process {id} is stopped")
        }
        Some(Listener { id, .. }) => format!("the agent at {at}, process {id}, does not answer"),
        None => format!("the agent at {at} does not answer"),
    };
    let hint = match process {
        Some(Listener { id, is_stopped: true }) => format!("let it go on with `kill -CONT {id}`"),
        Some(Listener { id, .. }) => format!(
            "look at `ps -o stat,wchan,cmd -p {id}` (D: it waits for a disk) and `journalctl -u modelferry -n 50`; \
             `systemctl restart modelferry` loses nothing"
        ),
        None => "look at `systemctl status modelferry` and `journalctl -u modelferry -n 50`; \
                 `systemctl restart modelferry` loses nothing"
            .to_owned(),
    };
    Failure::new(FailureKind::Unreachable, format!("{message} (no sign of life for {} s)", SILENCE_MAX.as_secs()))
        .state(if may_change { "what was asked for may be done once it goes on" } else { "nothing has changed" })
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Once the queue of connections was full, every command waited for ever in `connect`.
    #[test]
    fn a_socket_whose_queue_is_full_is_waited_for_no_longer_than_patience() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ferry.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let mut queued = Vec::new();
        let refused = loop {
            match connect(&path, Duration::from_millis(20)) {
                Ok(stream) => queued.push(stream),
                Err(error) => break error,
            }
        };
        assert!(!queued.is_empty());
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_stuck_agent_is_named_with_what_to_look_at() {
        let path = Path::new("/run/modelferry/modelferry.sock");
        let stopped = failure(path, Some(Listener { id: 77, is_stopped: true }), true);
        assert!(stopped.message.contains("process 77 is stopped") && stopped.hint.contains("kill -CONT 77"));
        let stuck = failure(path, Some(Listener { id: 77, is_stopped: false }), false);
        assert!(stuck.hint.contains("ps -o stat,wchan,cmd -p 77"), "{stuck:?}");
        assert!(failure(path, None, false).hint.contains("systemctl status modelferry"));
        assert_eq!(stuck.kind, FailureKind::Unreachable);
        // A question leaves nothing in doubt.
        assert_eq!(
            (&*stopped.state, &*stuck.state),
            ("what was asked for may be done once it goes on", "nothing has changed")
        );
    }
}
