//! The command line's end of the control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::agent::control::handing::hand;
use crate::agent::control::{Failure, FailureKind, RESPONSE_BYTES_MAX, Request, Response};
use crate::controller::files::Files;

/// A connection to the agent, good for one request.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the first of `sockets` where an agent listens.
    ///
    /// Errors: a [`Failure`] that says how to start an agent, or who may connect to it.
    pub fn connect(sockets: &[PathBuf]) -> Result<Self, Failure> {
        let mut refusals = Vec::new();
        for socket in sockets {
            match UnixStream::connect(socket) {
                Ok(stream) => return Ok(Self { stream: BufReader::new(stream) }),
                Err(error) => refusals.push((socket, error)),
            }
        }
        // A socket that is there but closed to this user says more than one that is not there.
        let closed = refusals.iter().position(|(_, error)| error.kind() == io::ErrorKind::PermissionDenied);
        let (socket, error) = refusals.swap_remove(closed.unwrap_or(0));
        Err(unreachable(socket, &error))
    }

    /// Sends the request.
    pub fn send(&mut self, request: &Request) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(request).map_err(|error| broken(&error))?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).map_err(|error| broken(&error))
    }

    /// Reads the next response; nothing if `deadline` comes first.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Option<Response>, Failure> {
        let mut line = Vec::new();
        loop {
            if let Some(deadline) = deadline {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(None);
                }
                self.stream.get_ref().set_read_timeout(Some(left)).map_err(|error| broken(&error))?;
            }
            let allowed = (RESPONSE_BYTES_MAX - line.len()) as u64;
            match self.stream.by_ref().take(allowed).read_until(b'\n', &mut line) {
                Ok(_) if line.ends_with(b"\n") => break,
                Ok(_) => return Err(broken(&"the agent closed the connection without an answer")),
                // The deadline is looked at above; a line that has begun goes on where it stopped.
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(error) => return Err(broken(&error)),
            }
        }
        match serde_json::from_slice(&line).map_err(|_| unexpected())? {
            Response::Failed(failure) => Err(*failure),
            response => Ok(Some(response)),
        }
    }

    /// Sends the request, hands over the files that the agent asks for, and reads the response that ends it.
    pub fn ask_handing(mut self, request: &Request, files: &mut dyn Files) -> Result<Response, Failure> {
        self.send(request)?;
        loop {
            let wanted = match self.next(None)?.ok_or_else(unexpected)? {
                Response::Wanted(wanted) => wanted,
                response => return Ok(response),
            };
            let opened = if wanted.create { files.create(&wanted.path) } else { files.open(&wanted.path) };
            hand(self.stream.get_ref(), &opened).map_err(|error| broken(&error))?;
        }
    }

    /// Sends the request and reads the response that ends it.
    pub fn ask(mut self, request: &Request) -> Result<Response, Failure> {
        self.send(request)?;
        self.next(None)?.ok_or_else(unexpected)
    }
}

/// What to say of an answer that does not belong to the question.
pub fn unexpected() -> Failure {
    Failure::new(FailureKind::Internal, "the agent answered in a way that this command does not understand")
        .hint(format!("this is modelferry {}; restart the agent with the same version", env!("CARGO_PKG_VERSION")))
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Unreachable, format!("the connection to the agent broke: {error}"))
        .state("what was asked for may have been done or not")
        .hint("see `modelferry status`; if the agent has stopped, its log says why")
}

fn unreachable(socket: &Path, error: &io::Error) -> Failure {
    let at = socket.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Failure::new(FailureKind::NotPermitted, format!("you may not connect to the agent at {at}"))
                .hint(format!("{}, or use sudo", who_may(socket)))
        }
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Failure::new(FailureKind::Unreachable, format!("no agent is running at {at}")).hint(
                "start one with `systemctl start modelferry` or `modelferry agent`, \
                 or name the socket of a running one with --socket",
            )
        }
        _ => Failure::new(FailureKind::Unreachable, format!("cannot connect to the agent at {at}: {error}"))
            .hint("name the right socket with --socket"),
    }
}

fn who_may(socket: &Path) -> String {
    let group = std::fs::metadata(socket).ok().and_then(|meta| group_name(meta.gid()));
    match group {
        Some(group) => format!("ask to be added to group {group}"),
        None => "ask its owner for access to the socket's directory".to_owned(),
    }
}

fn group_name(gid: u32) -> Option<String> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let line = groups.lines().find(|line| line.split(':').nth(2) == Some(gid.to_string().as_str()))?;
    line.split(':').next().map(str::to_owned)
}

/// Returns when a wait of `timeout` is over.
pub fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}
