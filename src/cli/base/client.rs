//! The command line's end of the control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::stuck;
use crate::agent::control::fd_passing::hand;
use crate::agent::control::{Failure, FailureKind, RESPONSE_BYTES_MAX, Request, Response, SILENCE_MAX, too_long};
use crate::cli::output::plain;
use crate::controller::files::Files;

/// Between two looks at a deadline while nothing comes.
const LOOK: Duration = Duration::from_secs(1);

/// A connection to the agent, good for one request.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    socket: PathBuf,
    /// For how long nothing has come although it was waited for.
    silent: Duration,
    /// Whether what the agent says on the way is passed on to people.
    is_told: bool,
    /// Whether something was sent that may change something.
    may_change: bool,
}

impl Client {
    /// Connects to the first of `sockets` where an agent listens.
    ///
    /// Errors: a [`Failure`] that says how to start an agent, or who may connect to it.
    pub fn connect(sockets: &[PathBuf]) -> Result<Self, Failure> {
        let mut refusals = Vec::new();
        for socket in sockets {
            match stuck::connect(socket, SILENCE_MAX) {
                Ok(stream) => {
                    let (stream, socket) = (BufReader::new(stream), socket.clone());
                    return Ok(Self { stream, socket, silent: Duration::ZERO, is_told: false, may_change: false });
                }
                Err(error) => refusals.push((socket, error)),
            }
        }
        // A socket that is there but closed to this user says more than one that is not there.
        let closed = refusals.iter().position(|(_, error)| error.kind() == io::ErrorKind::PermissionDenied);
        let (socket, error) = refusals.swap_remove(closed.unwrap_or(0));
        Err(unreachable(socket, &error))
    }

    /// Passes on, to standard error, what the agent says while it works on the answer.
    pub fn telling(self, is_told: bool) -> Self {
        Self { is_told, ..self }
    }

    /// Reports whether the agent has been silent for so long that it is taken to be stuck.
    pub fn is_stuck(&self) -> bool {
        self.silent >= SILENCE_MAX
    }

    /// Sends the request.
    pub fn send(&mut self, request: &Request) -> Result<(), Failure> {
        // Nothing has been sent yet, so nothing is in doubt.
        let mut line = serde_json::to_vec(request).map_err(|error| {
            Failure::new(FailureKind::Usage, format!("this cannot be sent to the agent: {error}"))
                .state("nothing has changed")
        })?;
        line.push(b'\n');
        self.may_change = request.changes();
        match self.stream.get_mut().write_all(&line) {
            Err(error) if has_waited(&error) => {
                self.silent = SILENCE_MAX;
                Err(self.stuck())
            }
            // An agent that refuses the connection says why and closes it, perhaps before the request is written.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => match self.next(None) {
                Err(refusal) if refusal.kind != FailureKind::Unreachable => Err(refusal),
                _ => Err(self.broken(&error)),
            },
            sent => sent.map_err(|error| self.broken(&error)),
        }
    }

    /// Reads the next response; nothing if `deadline` comes first.
    ///
    /// Errors: the agent's [`Failure`]; one that says so if the agent is stuck, see [`Client::is_stuck`].
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Option<Response>, Failure> {
        loop {
            let Some(line) = self.line(deadline)? else { return Ok(None) };
            match serde_json::from_slice(&line).map_err(|_| unexpected())? {
                Response::Failed(failure) => return Err(*failure),
                Response::Alive => {}
                Response::Waiting(why) if self.is_told => tell(&why),
                Response::Waiting(_) => {}
                response => return Ok(Some(response)),
            }
        }
    }

    fn line(&mut self, deadline: Option<Instant>) -> Result<Option<Vec<u8>>, Failure> {
        let mut line = Vec::new();
        loop {
            let left = deadline.map_or(LOOK, |deadline| deadline.saturating_duration_since(Instant::now()).min(LOOK));
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.get_ref().set_read_timeout(Some(left)).map_err(|error| self.broken(&error))?;
            let (begun, before) = (Instant::now(), line.len());
            let allowed = (RESPONSE_BYTES_MAX - before) as u64;
            match self.stream.by_ref().take(allowed).read_until(b'\n', &mut line) {
                Ok(_) if line.ends_with(b"\n") => {
                    self.silent = Duration::ZERO;
                    return Ok(Some(line));
                }
                Ok(_) => return Err(self.broken(&"the agent closed the connection without an answer")),
                // Only time that was spent waiting counts: whoever reads this command's output may be slow.
                Err(error) if has_waited(&error) && line.len() == before => self.silent += begun.elapsed(),
                // The deadline is looked at above; a line that has begun goes on where it stopped.
                Err(error) if has_waited(&error) => self.silent = Duration::ZERO,
                Err(error) => return Err(self.broken(&error)),
            }
            if self.is_stuck() {
                return Err(self.stuck());
            }
        }
    }

    /// Says that the agent is stuck.
    fn stuck(&self) -> Failure {
        stuck::failure(&self.socket, stuck::process(self.stream.get_ref()), self.may_change)
    }

    /// Says that the agent has gone away.
    fn broken(&self, error: &dyn std::fmt::Display) -> Failure {
        // Of a question nothing is in doubt: it can be asked again.
        let state =
            if self.may_change { "what was asked for may have been done or not" } else { "nothing has changed" };
        Failure::new(FailureKind::Unreachable, format!("the connection to the agent broke: {error}"))
            .state(state)
            .hint("see `modelferry status`; if the agent has stopped, its log says why")
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
            hand(self.stream.get_ref(), &opened).map_err(|error| self.broken(&error))?;
        }
    }

    /// Sends the request and reads the response that ends it.
    pub fn ask(mut self, request: &Request) -> Result<Response, Failure> {
        self.send(request)?;
        self.next(None)?.ok_or_else(unexpected)
    }
}

/// Passes on to people what the agent says. Where that cannot be written, the answer still can.
fn tell(why: &str) {
    let _ = writeln!(io::stderr(), "{}", plain(why));
}

/// Reports whether a read or a write has come to the end of its patience.
fn has_waited(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// What to say of an answer that does not belong to the question.
pub fn unexpected() -> Failure {
    Failure::new(FailureKind::Internal, "the agent answered in a way that this command does not understand")
        .hint(format!("this is modelferry {}; restart the agent with the same version", env!("CARGO_PKG_VERSION")))
}

fn unreachable(socket: &Path, error: &io::Error) -> Failure {
    let at = socket.display();
    if let Some(why) = too_long(socket) {
        return Failure::new(FailureKind::Unreachable, format!("cannot connect to the agent at {at}: {why}"))
            .hint("set socket in the agent's configuration to a shorter path, and name that with --socket");
    }
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
        // Nobody takes the connections that wait there.
        _ if has_waited(error) => stuck::failure(socket, None, false),
        _ => Failure::new(FailureKind::Unreachable, format!("cannot connect to the agent at {at}: {error}"))
            .hint("name the right socket with --socket"),
    }
}

fn who_may(socket: &Path) -> String {
    let group = std::fs::metadata(socket).ok().and_then(|meta| group_name(meta.gid()));
    match group {
        // Nobody should be made a member of root's group for this.
        Some(group) if group == "root" => {
            "ask for `admin-group` in the agent's configuration to name a group that you are in".to_owned()
        }
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// The bug: of `events --follow`, which only reads, it was said that it may have been done or not.
    #[test]
    fn only_of_what_may_change_something_is_it_said_that_it_may_have_been_done() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ferry.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let broken = |request: &Request| {
            let client = Client::connect(std::slice::from_ref(&path)).unwrap();
            let agent = std::thread::spawn({
                let listener = listener.try_clone().unwrap();
                move || {
                    let mut line = String::new();
                    BufReader::new(listener.accept().unwrap().0).read_line(&mut line).unwrap();
                }
            });
            let failure = client.ask(request).unwrap_err();
            agent.join().unwrap();
            assert_eq!(failure.kind, FailureKind::Unreachable);
            failure.state
        };
        assert_eq!(broken(&Request::Events { after: 0, follow: true }), "nothing has changed");
        assert_eq!(broken(&Request::Status {}), "nothing has changed");
        assert!(broken(&Request::Abort { id: "shop".into() }).contains("may have been done or not"));
    }
}
