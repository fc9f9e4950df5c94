//! A client of Juju's API: one connection, calls side by side.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::HeaderMap;
use parking_lot::Mutex;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::call::RpcCall;
use super::envelope::{Message, REPLY_NODES_MAX};
use crate::juju::params::admin::{LoginRequest, LoginResult, RedirectErrorInfo, RedirectInfoResult};
use crate::juju::params::from_value;
use crate::juju::wire::dial::{self, DialError, Target};
use crate::juju::wire::error::{ErrorCode, RpcError};
use crate::juju::wire::facades::{FacadeVersions, best_version};
use crate::juju::wire::limits::{PING_INTERVAL, PING_TIMEOUT, REPLIES_QUEUED_MAX, WRITE_TIMEOUT};
use crate::juju::wire::scope::Scope;
use crate::juju::wire::socket::{self, End};

/// A call that has no result.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The controller cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The controller answers with an error.
    #[error("{0}")]
    Answer(#[from] RpcError),
    /// The model has another controller.
    #[error("the model has moved to another controller")]
    Redirected(Box<Redirect>),
    /// The controller has no version of the facade that this program speaks.
    #[error("the controller offers {facade} in versions {offered:?}, and this program speaks {known:?}")]
    NoCommonVersion {
        /// The facade.
        facade: String,
        /// What the controller has; nothing if the facade is not there.
        offered: Vec<u32>,
        /// What was asked for.
        known: Vec<u32>,
    },
    /// The reply is not what the call gives.
    #[error("the controller's reply cannot be read: {0}")]
    Reply(#[from] serde_json::Error),
    /// The connection has ended: whether the call was carried out is not known.
    #[error("the connection to the controller has ended")]
    Closed,
}

/// Where a model went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The controller.
    pub to: RedirectErrorInfo,
    /// Whether a client follows by itself. It does not where the redirect came with the login's error.
    pub follow: bool,
}

/// A connection to a controller. Calls run side by side. It ends when it is dropped.
#[derive(Debug)]
pub struct Client {
    address: String,
    outbox: mpsc::Sender<Frame>,
    waiting: Arc<Waiting>,
    facades: Mutex<Vec<FacadeVersions>>,
    ended: watch::Receiver<bool>,
}

/// Calls that wait for their replies.
#[derive(Default)]
struct Waiting {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    last: u64,
    closed: bool,
    calls: HashMap<u64, oneshot::Sender<Result<Value, RpcError>>>,
}

impl Client {
    /// Dials a controller; nobody is logged in yet.
    pub async fn dial(target: &Target, scope: &Scope) -> Result<Self, ClientError> {
        let (address, socket) = dial::websocket(target, &path_of(scope), &HeaderMap::new()).await?;
        Ok(Self::driven(address, socket))
    }

    /// Speaks to a controller over a connection that somebody else has opened, and that is secured elsewhere; nobody is logged
    /// in yet.
    pub async fn over<S>(connection: S, scope: &Scope) -> Result<Self, ClientError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let socket = dial::websocket_over(connection, &path_of(scope)).await?;
        Ok(Self::driven(String::new(), socket))
    }

    fn driven<S>(address: String, socket: WebSocketStream<S>) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (outbox, frames) = mpsc::channel(REPLIES_QUEUED_MAX);
        let (end, ended) = watch::channel(false);
        let waiting = Arc::new(Waiting::default());
        tokio::spawn(drive(socket, frames, waiting.clone(), end));
        Self { address, outbox, waiting, facades: Mutex::default(), ended }
    }

    /// Returns the `host:port` that answered, empty where another opened the connection. HTTP requests go to the very same.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Logs in. A redirect is [`ClientError::Redirected`], whichever way the controller names the other one.
    pub async fn login(&self, login: &LoginRequest) -> Result<LoginResult, ClientError> {
        self.login_by(3, "Login", json!(login)).await
    }

    /// Logs in with a session token.
    pub async fn login_with_token(&self, token: &str) -> Result<LoginResult, ClientError> {
        self.login_by(4, "LoginWithSessionToken", json!({ "session-token": token })).await
    }

    async fn login_by(&self, version: u32, method: &str, params: Value) -> Result<LoginResult, ClientError> {
        let result = match self.call_version("Admin", version, "", method, params).await {
            Err(ClientError::Answer(error)) if error.code == ErrorCode::Redirect => {
                return Err(self.redirected(error).await);
            }
            result => result?,
        };
        let result: LoginResult = from_value(&result)?;
        if result.discharge_required.is_some() || result.bakery_discharge_required.is_some() {
            return Err(RpcError::new(ErrorCode::DischargeRequired, result.discharge_required_reason).into());
        }
        *self.facades.lock() = result.facades.clone();
        Ok(result)
    }

    async fn redirected(&self, error: RpcError) -> ClientError {
        let to: RedirectErrorInfo = error.info.as_ref().and_then(|info| from_value(info).ok()).unwrap_or_default();
        if !to.servers.is_empty() && !to.ca_cert.is_empty() {
            return ClientError::Redirected(Box::new(Redirect { to, follow: false }));
        }
        let asked = self.call_version("Admin", 3, "", "RedirectInfo", json!({})).await;
        match asked.and_then(|info| Ok(from_value::<RedirectInfoResult>(&info)?)) {
            Ok(RedirectInfoResult { servers, ca_cert }) => {
                let to = RedirectErrorInfo { servers, ca_cert, ..to };
                ClientError::Redirected(Box::new(Redirect { to, follow: true }))
            }
            Err(error) => error,
        }
    }

    /// Returns the highest version of `facade` that the controller offers and that is among `known`.
    pub fn version(&self, facade: &str, known: &[u32]) -> Result<u32, ClientError> {
        let offered = self.facades.lock();
        best_version(&offered, facade, known).ok_or_else(|| ClientError::NoCommonVersion {
            facade: facade.to_owned(),
            offered: offered.iter().find(|offer| offer.name == facade).map_or_else(Vec::new, |it| it.versions.clone()),
            known: known.to_vec(),
        })
    }

    /// Calls a method, in the highest version of its facade that both ends know.
    pub async fn call(&self, facade: &str, known: &[u32], method: &str, params: Value) -> Result<Value, ClientError> {
        let version = self.version(facade, known)?;
        self.call_version(facade, version, "", method, params).await
    }

    /// Calls a method of a watcher or other object, in a version that the caller knows to be offered.
    ///
    /// There is no time limit: the controller of a migration holds calls for hours. A caller that drops the future learns nothing
    /// of the outcome.
    pub async fn call_version(
        &self,
        facade: &str,
        version: u32,
        id: &str,
        method: &str,
        params: Value,
    ) -> Result<Value, ClientError> {
        let call = RpcCall { facade: facade.to_owned(), version, id: id.to_owned(), method: method.to_owned(), params };
        let (number, answer) = self.waiting.add().ok_or(ClientError::Closed)?;
        let _forget = Forget { number, waiting: &self.waiting };
        let frame = Frame::text(Message::Request(number, call).to_json());
        self.outbox.send(frame).await.map_err(|_| ClientError::Closed)?;
        Ok(answer.await.map_err(|_| ClientError::Closed)??)
    }

    /// Reports whether the connection has ended.
    pub fn has_ended(&self) -> bool {
        // The task that would say so may be gone itself.
        *self.ended.borrow() || self.outbox.is_closed()
    }

    /// Waits until the connection has ended.
    pub async fn closed(&self) {
        let mut ended = self.ended.clone();
        // An error is the end of the task that would have said so.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Closes the connection as Go's clients do, with code 1000, and waits for that.
    pub async fn close(self) {
        let mut ended = self.ended.clone();
        drop(self);
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

/// Takes a call off the list when its caller has its answer or has left.
struct Forget<'a> {
    number: u64,
    waiting: &'a Waiting,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.waiting.take(self.number);
    }
}

impl Waiting {
    fn add(&self) -> Option<(u64, oneshot::Receiver<Result<Value, RpcError>>)> {
        let mut list = self.list.lock();
        if list.closed {
            return None;
        }
        list.last += 1;
        let (answer, receiver) = oneshot::channel();
        let number = list.last;
        list.calls.insert(number, answer);
        Some((number, receiver))
    }

    fn take(&self, number: u64) -> Option<oneshot::Sender<Result<Value, RpcError>>> {
        self.list.lock().calls.remove(&number)
    }

    /// Every waiting call and every later one ends with [`ClientError::Closed`].
    fn close(&self) {
        let mut list = self.list.lock();
        list.closed = true;
        list.calls.clear();
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.list.lock();
        f.debug_struct("Waiting").field("calls", &list.calls.len()).field("closed", &list.closed).finish()
    }
}

fn path_of(scope: &Scope) -> String {
    match scope {
        Scope::Controller => "/api".to_owned(),
        Scope::Model(uuid) => format!("/model/{uuid}/api"),
    }
}

/// Carries frames both ways until either end closes.
async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    socket: WebSocketStream<S>,
    frames: mpsc::Receiver<Frame>,
    waiting: Arc<Waiting>,
    end: watch::Sender<bool>,
) {
    let (mut sink, mut stream) = socket.split();
    let (pings, pinged) = mpsc::channel(1);
    let why = tokio::select! {
        why = write(&mut sink, frames, pinged) => why,
        why = read(&mut stream, &waiting) => why,
        () = ping(&waiting, pings) => End::Stuck,
    };
    waiting.close();
    if let Ok(socket) = stream.reunite(sink) {
        socket::close(socket, &why).await;
    }
    // Nobody may be waiting for it.
    let _ = end.send(true);
}

async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<S>, Frame>,
    mut frames: mpsc::Receiver<Frame>,
    mut pings: mpsc::Receiver<Frame>,
) -> End {
    loop {
        let frame = tokio::select! {
            frame = frames.recv() => frame,
            Some(frame) = pings.recv() => Some(frame),
        };
        let Some(frame) = frame else { return End::Left };
        match timeout(WRITE_TIMEOUT, sink.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return End::of(Some(error)),
            Err(_) => return End::Stuck,
        }
    }
}

async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut SplitStream<WebSocketStream<S>>,
    waiting: &Waiting,
) -> End {
    loop {
        match stream.next().await {
            Some(Ok(Frame::Text(text))) => match Message::parse(&text, REPLY_NODES_MAX) {
                Ok(Message::Reply(number, answer)) => {
                    if let Some(call) = waiting.take(number) {
                        // The caller may have left.
                        let _ = call.send(answer);
                    }
                }
                // A controller asks nothing.
                Ok(Message::Request(..)) => {}
                Err(error) => return End::Garbage(error.to_string()),
            },
            Some(Ok(Frame::Close(_))) | None => return End::Left,
            Some(Ok(_)) => {}
            Some(Err(error)) => return End::of(Some(error)),
        }
    }
}

/// Asks the controller once a minute whether it is there; returns when it does not answer.
async fn ping(waiting: &Waiting, pings: mpsc::Sender<Frame>) {
    let mut turns = interval(PING_INTERVAL);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns.tick().await;
    loop {
        turns.tick().await;
        let Some((number, answer)) = waiting.add() else { return };
        let call = RpcCall {
            facade: "Pinger".to_owned(),
            version: 1,
            id: String::new(),
            method: "Ping".to_owned(),
            params: json!({}),
        };
        let sent = pings.send(Frame::text(Message::Request(number, call).to_json())).await;
        // Any answer will do, an error as well.
        if sent.is_err() || !matches!(timeout(PING_TIMEOUT, answer).await, Ok(Ok(_))) {
            return;
        }
    }
}
