//! The agent's end of the control socket.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, BufReader, Interest};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::admission::{Admission, Caller};
use super::places::Places;
use crate::agent::AgentError;
use crate::agent::control::fd_passing::{self, Wanted};
use crate::agent::control::wire::{WireError, read_line, write_line};
use crate::agent::control::{ALIVE_EVERY, Failure, FailureKind, REQUEST_BYTES_MAX, Request, Response, too_long};

/// How long a request may take to arrive. It is one line: whoever needs longer is not typing it.
const ARRIVE_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a refused request that are read and thrown away, so that the refusal is not lost with them.
const DISCARD_BYTES_MAX: u64 = 16 << 20;
/// Pause after the kernel refused a connection, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whoever answers requests.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Answers one request; all but the last response go to `client` on the way.
    async fn handle(&self, request: Request, caller: Caller, client: &mut Client) -> Response;
}

/// The writing half of a client's connection.
#[derive(Debug, Clone)]
pub struct Client(Arc<Mutex<OwnedWriteHalf>>);

impl Client {
    /// Sends a response that is not the last.
    ///
    /// Errors: the client is gone.
    pub async fn update(&mut self, response: &Response) -> io::Result<()> {
        write_line(&mut *self.0.lock().await, response).await
    }

    /// Has the client open a file and hand it over.
    ///
    /// Errors: why it cannot, as its system says; the client is gone, or takes too long.
    pub async fn file(&mut self, wanted: Wanted) -> io::Result<File> {
        self.update(&Response::Wanted(wanted)).await?;
        let writer = self.0.lock().await;
        let socket: &UnixStream = writer.as_ref();
        let handed = socket.async_io(Interest::READABLE, || fd_passing::take(socket));
        tokio::time::timeout(HANDED_WITHIN, handed).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

/// Says again and again that the agent is at it.
struct Pulse {
    writer: Arc<Mutex<OwnedWriteHalf>>,
    tick: Interval,
}

impl Pulse {
    fn of(client: &Client) -> Self {
        let mut tick = tokio::time::interval_at(Instant::now() + ALIVE_EVERY, ALIVE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { writer: client.0.clone(), tick }
    }

    /// Awaits `answering`, and says meanwhile that it is awaited.
    async fn beside<T>(&mut self, answering: impl Future<Output = T>) -> T {
        let mut answering = std::pin::pin!(answering);
        loop {
            tokio::select! {
                biased;
                answer = &mut answering => return answer,
                _ = self.tick.tick() => {}
            }
            // While something else is being written, or a file handed over, that is sign of life enough. A client that is
            // gone is found out by the answer.
            if let Ok(mut writer) = self.writer.try_lock() {
                let _ = write_line(&mut *writer, &Response::Alive).await;
            }
        }
    }
}

/// How long a client may take to open a file. A network file system may be slow; nobody waits for one that hangs.
const HANDED_WITHIN: Duration = Duration::from_secs(60);

/// A control socket that is heard.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    admission: Admission,
    /// The agent's own socket, with its device and inode: removed at the end, if it is still there.
    own: Option<(PathBuf, (u64, u64))>,
}

impl Server {
    /// Takes the socket that systemd passed, or makes one at `path`.
    ///
    /// Errors: [`AgentError::SocketTaken`] if another agent listens there, [`AgentError::NoSocket`] if it is something
    /// else than a socket that nobody answers, [`AgentError::Socket`].
    pub fn bind(path: &Path, admission: Admission) -> Result<Self, AgentError> {
        let failed = |source| AgentError::Socket { path: path.to_owned(), source };
        let fresh = path.with_extension(format!("{}", std::process::id()));
        if let Some(why) = [path, &fresh].into_iter().find_map(too_long) {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, why)));
        }
        if let Some(passed) = listenfd::ListenFd::from_env().take_unix_listener(0).map_err(failed)? {
            passed.set_nonblocking(true).map_err(failed)?;
            let listener = UnixListener::from_std(passed).map_err(failed)?;
            return Ok(Self { listener, admission, own: None });
        }
        refuse_to_replace(path)?;
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(failed)?;
        }
        // Made under another name and then moved, so that nobody meets it before its permissions are right;
        // what a dead agent left behind is replaced.
        if is_socket(&fresh) {
            // Of a dead agent that had the same number.
            let _ = fs::remove_file(&fresh);
        }
        let listener = UnixListener::bind(&fresh).map_err(failed)?;
        let placed = fs::set_permissions(&fresh, Permissions::from_mode(0o660))
            .and_then(|()| match admission.gid() {
                Some(gid) => std::os::unix::fs::chown(&fresh, None, Some(gid)),
                None => Ok(()),
            })
            .and_then(|()| fs::rename(&fresh, path))
            .and_then(|()| fs::symlink_metadata(path));
        match placed {
            Ok(own) => Ok(Self { listener, admission, own: Some((path.to_owned(), (own.dev(), own.ino()))) }),
            Err(error) => {
                let _ = fs::remove_file(&fresh);
                Err(failed(error))
            }
        }
    }

    /// Serves clients until it is dropped.
    pub async fn serve(&self, answer: Arc<dyn Handler>) -> std::convert::Infallible {
        let places = Places::default();
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the control socket refuses connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(credentials) = stream.peer_cred() else { continue };
            let caller = Caller { uid: credentials.uid(), gid: credentials.gid() };
            let place = match places.take(caller.uid, self.admission.is_owner(caller.uid)) {
                Ok(place) => place,
                Err(refusal) => {
                    refuse(&stream, refusal);
                    continue;
                }
            };
            let (answer, admission) = (Arc::clone(&answer), self.admission.clone());
            tokio::spawn(async move {
                let served = serve_client(stream, caller, answer.as_ref(), &admission).await;
                drop(place);
                if let Err(error) = served {
                    tracing::debug!(%error, "a client of the control socket went away");
                }
            });
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some((path, own)) = &self.own else { return };
        // Whatever has come in its place is somebody else's.
        if fs::symlink_metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == *own) {
            let _ = fs::remove_file(path);
        }
    }
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket())
}

/// Refuses a path at which there is something else than a socket that nobody answers: that is replaced.
fn refuse_to_replace(path: &Path) -> Result<(), AgentError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(AgentError::Socket { path: path.to_owned(), source }),
        Ok(there) if !there.file_type().is_socket() => return Err(AgentError::NoSocket { path: path.to_owned() }),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        // Whoever has it open may be busy, or refuse this user.
        _ => Err(AgentError::SocketTaken { path: path.to_owned() }),
    }
}

/// Refuses a client without waiting for it, and without a task that would hold its descriptor: the refusal fits into the
/// empty buffer of a new socket.
fn refuse(stream: &UnixStream, refusal: Failure) {
    let mut line = serde_json::to_vec(&Response::from(refusal)).unwrap_or_default();
    line.push(b'\n');
    let _ = stream.try_write(&line);
}

async fn serve_client(
    stream: UnixStream,
    caller: Caller,
    answer: &dyn Handler,
    admission: &Admission,
) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let (mut reader, mut client) = (BufReader::new(reader), Client(Arc::new(Mutex::new(writer))));
    let request = match tokio::time::timeout(ARRIVE_WITHIN, read_line(&mut reader, REQUEST_BYTES_MAX)).await {
        Ok(Ok(line)) => parse(&line),
        Ok(Err(error @ WireError::TooLong { .. })) => {
            let refusal = Failure::new(FailureKind::Usage, format!("the request is {error}"));
            client.update(&refusal.into()).await?;
            discard(reader).await;
            return Ok(());
        }
        // Somebody looked whether an agent listens, or went away.
        Ok(Err(WireError::Ended | WireError::Broken(_))) => return Ok(()),
        Err(_) => Err(Failure::new(
            FailureKind::Usage,
            format!("the request has not arrived within {} seconds", ARRIVE_WITHIN.as_secs()),
        )),
    };
    let mut pulse = Pulse::of(&client);
    let response = match request.and_then(|request| admission.admit(caller, &request).map(|()| request)) {
        // Whoever hung up is not answered: a watcher that nobody reads would otherwise stay for ever.
        Ok(request) if request.is_watch() => tokio::select! {
            response = pulse.beside(answer.handle(request, caller, &mut client)) => response,
            () = hung_up(&mut reader) => return Ok(()),
        },
        Ok(request) => pulse.beside(answer.handle(request, caller, &mut client)).await,
        Err(failure) => failure.into(),
    };
    client.update(&response).await
}

fn parse(line: &[u8]) -> Result<Request, Failure> {
    serde_json::from_slice(line).map_err(|error| {
        Failure::new(FailureKind::Usage, format!("the request is not understood: {error}")).hint(format!(
            "this agent is modelferry {}; use the command line of the same version",
            env!("CARGO_PKG_VERSION")
        ))
    })
}

/// Waits until the client closes its end.
async fn hung_up(reader: &mut BufReader<OwnedReadHalf>) {
    let mut ignored = [0; 512];
    while matches!(reader.read(&mut ignored).await, Ok(read) if read > 0) {}
}

/// Reads what a refused client still sends, so that the kernel does not drop our answer with it.
async fn discard(reader: BufReader<OwnedReadHalf>) {
    let mut rest = reader.take(DISCARD_BYTES_MAX);
    let _ = tokio::time::timeout(ARRIVE_WITHIN, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}
