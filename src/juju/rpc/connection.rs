//! One API connection at a server: a login, then calls side by side.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message as Frame;
use tracing::{debug, info};

use super::call::RpcCall;
use super::envelope::{Message, REQUEST_NODES_MAX};
use super::guests::Guest;
use super::refusal::{Asked, shown};
use super::service::{Connection, LoggedIn, Service, Session};
use crate::juju::params::admin::{DeviceLogin, LoginRequest, SessionTokenRequest};
use crate::juju::rpc::FacadeVersions;
use crate::juju::wire::error::{ErrorCode, RpcError};
use crate::juju::wire::facades;
use crate::juju::wire::limits::{
    AGENT_SILENCE_MAX, BYTES_IN_FLIGHT_MAX, LOGIN_TIMEOUT, REPLIES_QUEUED_MAX, REQUESTS_IN_FLIGHT_MAX, WRITE_TIMEOUT,
};
use crate::juju::wire::socket::{self, End, Socket};
use crate::secret::SecretText;

/// The version of `Admin` that every client speaks.
const ADMIN: u32 = 3;
/// The version of `Admin` that has logins with a session token, and with a code by which users get one.
const ADMIN_TOKENS: u32 = 4;

/// Serves a connection until it ends. Calls that are not answered by then are dropped.
pub(super) async fn serve(socket: Socket, service: Arc<dyn Service>, connection: Connection, guest: Arc<Guest>) {
    let peer = connection.peer;
    let (mut sink, mut stream) = socket.split();
    let (replies, outbox) = mpsc::channel(REPLIES_QUEUED_MAX);
    let mut caller = Caller {
        service,
        connection,
        guest: guest.clone(),
        replies,
        calls: JoinSet::new(),
        bytes_in_flight: Arc::default(),
        state: State::Stranger { until: Instant::now() + LOGIN_TIMEOUT },
        user_code: None,
    };
    let end = tokio::select! {
        end = caller.listen(&mut stream) => end,
        end = write(&mut sink, outbox) => end,
        () = guest.ended() => End::Stopped,
    };
    drop(caller);
    match &end {
        End::Garbage(what) => info!(%peer, what = shown(what), "an API connection sent garbage and was closed"),
        End::TooLarge => info!(%peer, "an API connection sent a message of more than 64 MiB and was closed"),
        end => debug!(%peer, ?end, "an API connection ended"),
    }
    if let Ok(socket) = stream.reunite(sink) {
        socket::close(socket, &end).await;
    }
}

/// Writes replies in the order in which they come.
async fn write(sink: &mut SplitSink<Socket, Frame>, mut outbox: mpsc::Receiver<String>) -> End {
    while let Some(reply) = outbox.recv().await {
        match timeout(WRITE_TIMEOUT, sink.send(Frame::text(reply))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return End::of(Some(error)),
            Err(_) => return End::Stuck,
        }
    }
    End::Left
}

/// What the service decides of a login.
enum Decision {
    LoggedIn(Box<LoggedIn>),
    /// The user has to complete the login elsewhere.
    Device(DeviceLogin),
    /// The user has done so; the client logs in with this token now.
    Token(SecretText),
}

/// A login that the service is still deciding.
type Deciding = Pin<Box<dyn Future<Output = Result<Decision, RpcError>> + Send>>;

enum State {
    /// Nobody has logged in, and nobody will after `until`.
    Stranger { until: Instant },
    /// The reply to this request is awaited. It may take minutes: a login can be held.
    Deciding(u64, Deciding),
    /// Calls are answered. `user`: its tag, empty for nobody in particular. `silence`: when the client is dropped unless it sends
    /// something; none for users.
    Client { session: Arc<dyn Session>, facades: Vec<FacadeVersions>, user: Arc<str>, silence: Option<Instant> },
}

struct Caller {
    service: Arc<dyn Service>,
    connection: Connection,
    guest: Arc<Guest>,
    replies: mpsc::Sender<String>,
    calls: JoinSet<()>,
    bytes_in_flight: Arc<AtomicUsize>,
    state: State,
    /// The code of a login that a user completes elsewhere.
    user_code: Option<String>,
}

impl Caller {
    /// Reads messages until the connection ends.
    async fn listen(&mut self, stream: &mut SplitStream<Socket>) -> End {
        loop {
            let (until, end) = match &self.state {
                State::Stranger { until } => (Some(*until), End::NoLogin),
                State::Client { silence, .. } => (*silence, End::Silent),
                State::Deciding(..) => (None, End::NoLogin),
            };
            tokio::select! {
                frame = stream.next() => match frame {
                    Some(Ok(Frame::Text(text))) => {
                        if let Err(end) = self.take(&text).await {
                            return end;
                        }
                    }
                    Some(Ok(Frame::Binary(_))) => return End::Garbage("a binary message".to_owned()),
                    Some(Ok(Frame::Close(_))) | None => return End::Left,
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return End::of(Some(error)),
                },
                (id, outcome) = decided(&mut self.state) => {
                    let reply = self.decide(outcome);
                    self.reply(id, reply).await;
                }
                () = out_of_time(until) => return end,
            }
        }
    }

    async fn take(&mut self, text: &str) -> Result<(), End> {
        while self.calls.try_join_next().is_some() {}
        if let State::Client { silence: Some(until), .. } = &mut self.state {
            *until = Instant::now() + AGENT_SILENCE_MAX;
        }
        match Message::parse(text, REQUEST_NODES_MAX) {
            Ok(Message::Request(id, call)) => {
                self.request(id, call, text.len()).await;
                Ok(())
            }
            // A server asks nothing: replies to it are ignored, as Juju ignores them.
            Ok(Message::Reply(..)) => Ok(()),
            Err(error) => Err(End::Garbage(error.to_string())),
        }
    }

    async fn request(&mut self, id: u64, call: RpcCall, bytes: usize) {
        let asked = Arc::new(Asked::new(self.connection.peer, self.user(), &call));
        let at_once = match call.facade.as_str() {
            "Admin" => self.admin(id, call).await,
            _ => self.begin(id, call, &asked, bytes),
        };
        if let Some(answer) = at_once {
            asked.log(&answer);
            self.reply(id, answer).await;
        }
    }

    fn user(&self) -> Arc<str> {
        if let State::Client { user, .. } = &self.state { user.clone() } else { Arc::from("") }
    }

    /// Begins a call of a facade. None: the answer follows.
    fn begin(&mut self, id: u64, call: RpcCall, asked: &Arc<Asked>, bytes: usize) -> Option<Result<Value, RpcError>> {
        let State::Client { session, facades, .. } = &self.state else {
            return Some(Err(RpcError::unknown_facade(&call.facade)));
        };
        if call.facade == "Pinger" {
            let known = matches!(call.method.as_str(), "Ping" | "Stop");
            return Some(if known { Ok(json!({})) } else { Err(RpcError::unknown_method(&call)) });
        }
        if let Err(error) = facades::check(facades, &self.connection.scope, &call.facade, call.version) {
            return Some(Err(error));
        }
        let Some(flight) = self.take_off(bytes) else {
            return Some(Err(RpcError::new(ErrorCode::TryAgain, "too many requests in flight on this connection")));
        };
        let (session, replies, asked) = (session.clone(), self.replies.clone(), asked.clone());
        self.calls.spawn(async move {
            let answer = guarded(&*session, call).await;
            drop(flight);
            asked.log(&answer);
            // Whoever asked may be gone.
            let _ = replies.send(Message::Reply(id, answer).to_json()).await;
        });
        None
    }

    fn take_off(&self, bytes: usize) -> Option<Flight> {
        let total = self.bytes_in_flight.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let flight = Flight { bytes, in_flight: self.bytes_in_flight.clone() };
        (self.calls.len() < REQUESTS_IN_FLIGHT_MAX && total <= BYTES_IN_FLIGHT_MAX).then_some(flight)
    }

    /// Answers `Admin`, which is there for those who are not logged in. None: the answer follows.
    async fn admin(&mut self, id: u64, call: RpcCall) -> Option<Result<Value, RpcError>> {
        match &self.state {
            State::Client { .. } => return Some(Err(RpcError::plain("already logged in"))),
            State::Deciding(..) => return Some(Err(RpcError::new(ErrorCode::TryAgain, "a login is under way"))),
            State::Stranger { .. } => {}
        }
        let (service, connection) = (self.service.clone(), self.connection.clone());
        let deciding: Deciding = match (call.version, call.method.as_str()) {
            (ADMIN, "RedirectInfo") => return Some(service.redirect_info(&connection).await.map(|info| json!(info))),
            (ADMIN | ADMIN_TOKENS, "Login") => {
                match call.params::<LoginRequest>() {
                    Ok(login) => Box::pin(async move {
                        service.login(&connection, login).await.map(Box::new).map(Decision::LoggedIn)
                    }),
                    Err(error) => return Some(Err(error)),
                }
            }
            (ADMIN_TOKENS, "LoginWithSessionToken") => match call.params::<SessionTokenRequest>() {
                Ok(login) => Box::pin(async move {
                    service
                        .login_with_token(&connection, login.session_token)
                        .await
                        .map(Box::new)
                        .map(Decision::LoggedIn)
                }),
                Err(error) => return Some(Err(error)),
            },
            (ADMIN_TOKENS, "LoginDevice") => {
                Box::pin(async move { service.begin_device_login(&connection).await.map(Decision::Device) })
            }
            (ADMIN_TOKENS, "GetDeviceSessionToken") => match self.user_code.take() {
                Some(code) => Box::pin(async move { service.device_token(code).await.map(Decision::Token) }),
                None => return Some(Err(RpcError::new(ErrorCode::BadRequest, "no device login has begun"))),
            },
            (ADMIN | ADMIN_TOKENS, _) => return Some(Err(RpcError::unknown_method(&call))),
            _ => return Some(Err(RpcError::unsupported_login())),
        };
        self.state = State::Deciding(id, deciding);
        None
    }

    /// Takes the outcome of a login and makes the reply of it.
    fn decide(&mut self, outcome: Result<Decision, RpcError>) -> Result<Value, RpcError> {
        self.state = State::Stranger { until: Instant::now() + LOGIN_TIMEOUT };
        let LoggedIn { result, session } = match outcome? {
            Decision::LoggedIn(login) => *login,
            Decision::Device(login) => {
                self.user_code = Some(login.user_code.clone());
                return Ok(json!(login));
            }
            Decision::Token(session_token) => return Ok(json!(SessionTokenRequest { session_token })),
        };
        let reply = json!(result);
        if result.discharge_required.is_some() || result.bakery_discharge_required.is_some() {
            return Ok(reply);
        }
        if !self.guest.become_client() {
            return Err(RpcError::new(ErrorCode::TryAgain, "too many connections"));
        }
        let silence = result.user_info.is_none().then(|| Instant::now() + AGENT_SILENCE_MAX);
        let user = result.user_info.map_or_else(|| Arc::from(""), |info| Arc::from(info.identity));
        self.state = State::Client { session, facades: result.facades, user, silence };
        Ok(reply)
    }

    async fn reply(&mut self, id: u64, answer: Result<Value, RpcError>) {
        // The writer ends only together with the reader.
        let _ = self.replies.send(Message::Reply(id, answer).to_json()).await;
    }
}

/// A request that is not answered yet.
struct Flight {
    bytes: usize,
    in_flight: Arc<AtomicUsize>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

async fn decided(state: &mut State) -> (u64, Result<Decision, RpcError>) {
    match state {
        State::Deciding(id, deciding) => (*id, deciding.await),
        _ => pending().await,
    }
}

async fn out_of_time(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => pending().await,
    }
}

/// Answers a call; one that panics costs its caller an error and nobody else anything.
async fn guarded(session: &dyn Session, call: RpcCall) -> Result<Value, RpcError> {
    let name = format!("{}.{}", call.facade, call.method);
    match AssertUnwindSafe(session.call(call)).catch_unwind().await {
        Ok(answer) => answer,
        Err(_) => Err(RpcError::plain(format!("{name} failed: this is a bug of the controller"))),
    }
}
