//! The connection to a real controller: one, shared by all calls, and dialled again when it has ended.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use modelferry_protocol::ids::ModelUuid;
use parking_lot::Mutex;
use serde_json::Value;
use thiserror::Error;
use tokio::time::{Instant, sleep_until, timeout};

use super::access::{self, Access, Login};
use super::refusal::{Remedies, is_busy, is_denied};
use crate::config::JujuConfig;
use crate::controller::checks::version::Version;
use crate::controller::port::{ControllerError, Duplex, VerbatimCall};
use crate::disk::blocking;
use crate::juju::http::{Credentials, HttpTarget};
use crate::juju::params::admin::LoginResult;
use crate::juju::params::tag;
use crate::juju::rpc::{Client, ClientError, ErrorCode, Redirect, RpcError, Scope, Target, dial};

/// Release series that are driven: each was read or run against.
const SERIES: [(u32, u32); 3] = [(3, 6), (4, 0), (4, 1)];
/// Time for a login once the controller has answered the dial, as Go's client gives it.
const LOGIN_WITHIN: Duration = Duration::from_secs(60);
/// Pauses between dials that fail: the first, doubling to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Redirects of one login that are followed.
const REDIRECTS_MAX: usize = 3;

/// A call without a result.
#[derive(Debug, Error)]
pub(super) enum CallError {
    /// Nothing was sent: the controller is not reached, or does not let the agent in.
    #[error("{0}")]
    Unreachable(String),
    /// It was sent, and no reply came: whether it was carried out is not known.
    #[error("the connection to the controller ended before it had answered {0}")]
    Lost(String),
    /// It was not carried out: the controller does not let the agent's user do it. It will, once an operator has acted.
    #[error("{0}")]
    Denied(String),
    /// The controller says no.
    #[error("{0}")]
    Refused(RpcError),
    /// The controller is not one that this program drives.
    #[error("{0}")]
    Unfit(String),
}

impl CallError {
    /// Returns the text of a refusal.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused(error) => Some(&error.message),
            _ => None,
        }
    }

    /// Reports whether the controller has answered that it did nothing, and may do it later.
    pub fn is_put_off(&self) -> bool {
        matches!(self, Self::Denied(_)) || matches!(self, Self::Refused(error) if is_busy(error))
    }

    /// Reports whether the controller knows no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(error) if matches!(error.code, ErrorCode::ModelNotFound | ErrorCode::NotFound))
    }
}

impl From<CallError> for ControllerError {
    fn from(error: CallError) -> Self {
        match &error {
            CallError::Unreachable(_) | CallError::Lost(_) | CallError::Denied(_) => Self::Unknown(error.to_string()),
            // A controller that is busy says yes later.
            CallError::Refused(refused) if is_busy(refused) => Self::Unknown(error.to_string()),
            CallError::Refused(_) | CallError::Unfit(_) => Self::Refused(error.to_string()),
        }
    }
}

/// A connection that is logged in.
pub(super) struct Live {
    client: Client,
    /// Where it was dialled, for streams and for models.
    pub target: Target,
    /// What the controller said at the login.
    pub result: LoginResult,
    /// The controller's version.
    pub version: Version,
    login: Login,
    remedies: Remedies,
    /// Whether the controller has denied something to the agent's user since. The next call logs in anew, with the secret as
    /// it is in its file then.
    denied: AtomicBool,
}

impl Live {
    /// Calls a method in the highest version of its facade that is among `known`.
    pub async fn call(&self, facade: &str, known: &[u32], method: &str, params: Value) -> Result<Value, CallError> {
        let called = call(&self.client, facade, known, method, params).await;
        called.map_err(|error| if let CallError::Refused(error) = error { self.judged(error) } else { error })
    }

    /// Judges what the controller says to the agent's user: no, or not to this user as things are.
    pub fn judged(&self, error: RpcError) -> CallError {
        if !is_denied(&error) {
            return CallError::Refused(error);
        }
        self.denied.store(true, Ordering::Relaxed);
        CallError::Denied(self.remedies.denied(&error))
    }

    /// Calls a method in exactly this version of its facade, as somebody else wrote the call.
    pub async fn call_as(&self, call: &VerbatimCall, params: Value) -> Result<Value, CallError> {
        let called = self.client.call_version(&call.facade, call.version, "", &call.method, params).await;
        called.map_err(|error| call_error(error, &format!("{}.{}", call.facade, call.method)))
    }

    /// Returns when the login ends by itself, Unix seconds, if it does.
    pub fn login_ends_s(&self) -> Option<u64> {
        self.login.ends_s()
    }

    /// Opens another connection to the controller's API port, with nothing sent on it yet.
    pub async fn open(&self) -> Result<impl Duplex + use<>, CallError> {
        let opened = timeout(self.target.timeout, dial::open(&self.target.ca_cert, self.client.address())).await;
        let silent = || CallError::Unreachable(format!("{} did not answer in time", self.client.address()));
        opened.map_err(|_| silent())?.map_err(|error| CallError::Unreachable(error.to_string()))
    }

    /// Returns the highest version of a facade that both ends know.
    pub fn version_of(&self, facade: &str, known: &[u32]) -> Result<u32, CallError> {
        self.client.version(facade, known).map_err(|error| CallError::Unfit(error.to_string()))
    }

    /// Returns where HTTP requests go, and how they say who sends them.
    pub fn http(&self) -> HttpTarget {
        HttpTarget {
            address: self.client.address().to_owned(),
            ca_cert: self.target.ca_cert.clone(),
            credentials: self.credentials(),
            client_version: self.result.server_version.clone(),
        }
    }

    /// Returns how streams say who opens them.
    pub fn credentials(&self) -> Credentials {
        self.login.credentials()
    }

    /// Opens a connection to the inside of a model.
    pub async fn model(&self, model: ModelUuid) -> Result<ModelConnection, CallError> {
        let scope = Scope::Model(model.to_string());
        let target = Target { addresses: vec![self.client.address().to_owned()], ..self.target.clone() };
        let client = Client::dial(&target, &scope).await.map_err(|error| CallError::Unreachable(error.to_string()))?;
        let result = log_in(&client, &self.login).await.map_err(|error| call_error(error, "Admin.Login"))?;
        Ok(ModelConnection { client, result })
    }

    /// Reports whether it carries no further call.
    fn is_over(&self) -> bool {
        self.client.has_ended() || self.denied.load(Ordering::Relaxed)
    }

    /// Waits until it has ended.
    pub async fn closed(&self) {
        self.client.closed().await;
    }

    /// Waits for an exchange on a connection of its own, which nobody pings, for as long as this one lives: a node that is gone
    /// without a word would be waited for without end. `broken`: makes the exchange's error of a text.
    pub async fn alongside<T, E>(
        &self,
        exchange: impl Future<Output = Result<T, E>>,
        broken: impl FnOnce(String) -> E,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            done = exchange => done,
            () = self.closed() => Err(broken("the controller has stopped answering".to_owned())),
        }
    }
}

/// A connection to the inside of a model.
pub(super) struct ModelConnection {
    client: Client,
    /// What the controller said at the login.
    pub result: LoginResult,
}

impl ModelConnection {
    /// Calls a method, as [`Live::call`] does.
    pub async fn call(&self, facade: &str, known: &[u32], method: &str, params: Value) -> Result<Value, CallError> {
        call(&self.client, facade, known, method, params).await
    }
}

async fn call(client: &Client, facade: &str, known: &[u32], method: &str, params: Value) -> Result<Value, CallError> {
    let begun = Instant::now();
    let called = client.call(facade, known, method, params).await;
    tracing::debug!(ms = begun.elapsed().as_millis(), "called {facade}.{method}");
    called.map_err(|error| call_error(error, &format!("{facade}.{method}")))
}

fn call_error(error: ClientError, call: &str) -> CallError {
    match error {
        ClientError::Answer(error) => CallError::Refused(error),
        ClientError::Dial(error) => CallError::Unreachable(error.to_string()),
        ClientError::Closed | ClientError::Reply(_) => CallError::Lost(call.to_owned()),
        other @ (ClientError::NoCommonVersion { .. } | ClientError::Redirected(_)) => {
            CallError::Unfit(other.to_string())
        }
    }
}

async fn log_in(client: &Client, login: &Login) -> Result<LoginResult, ClientError> {
    let logged_in = async {
        match login {
            Login::Token(token) => client.login_with_token(token).await,
            // A controller refuses clients of another age; one that tells no version is let in by all.
            other => client.login(&other.request("").unwrap_or_default()).await,
        }
    };
    timeout(LOGIN_WITHIN, logged_in).await.unwrap_or(Err(ClientError::Closed))
}

/// When the next dial may begin.
struct Pace {
    pause: Duration,
    not_before: Option<Instant>,
}

struct State {
    live: Option<Arc<Live>>,
    pace: Pace,
}

/// Dials a controller, and dials it again.
pub(super) struct Connector {
    config: JujuConfig,
    state: tokio::sync::Mutex<State>,
    /// The controller that was found first: no other is taken for it.
    uuid: Mutex<Option<ModelUuid>>,
    /// Addresses that the controller itself has named: those of its other nodes.
    nodes: Mutex<BTreeSet<String>>,
    dial_within: Duration,
    remedies: Remedies,
}

impl Connector {
    /// `uuid`: the controller that was found before, if one was. `dial_within`: time for one address.
    pub fn new(config: JujuConfig, uuid: Option<ModelUuid>, nodes: Vec<String>, dial_within: Duration) -> Self {
        let pace = Pace { pause: PAUSE_FIRST, not_before: None };
        Self {
            remedies: Remedies::of(&config),
            config,
            state: tokio::sync::Mutex::new(State { live: None, pace }),
            uuid: Mutex::new(uuid),
            nodes: Mutex::new(nodes.into_iter().collect()),
            dial_within,
        }
    }

    /// Returns what operators call the controller.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Returns the connection; dials once if there is none.
    ///
    /// Errors: [`CallError::Unreachable`], [`CallError::Unfit`].
    pub async fn live(&self) -> Result<Arc<Live>, CallError> {
        let mut state = self.state.lock().await;
        if let Some(live) = state.live.take_if(|live| live.is_over()) {
            drop(live);
        }
        if let Some(live) = &state.live {
            return Ok(live.clone());
        }
        if let Some(moment) = state.pace.not_before {
            sleep_until(moment).await;
        }
        match self.dial().await {
            Ok(live) => {
                let live = Arc::new(live);
                state.live = Some(live.clone());
                state.pace = Pace { pause: PAUSE_FIRST, not_before: None };
                Ok(live)
            }
            Err(error) => {
                state.pace.not_before = Some(Instant::now() + state.pace.pause);
                state.pace.pause = (state.pace.pause * 2).min(PAUSE_MAX);
                Err(error)
            }
        }
    }

    /// Calls a method of the controller, in the highest version of its facade that is among `known`.
    pub async fn call(&self, facade: &str, known: &[u32], method: &str, params: Value) -> Result<Value, CallError> {
        self.live().await?.call(facade, known, method, params).await
    }

    async fn dial(&self) -> Result<Live, CallError> {
        let config = self.config.clone();
        let Access { addresses, ca_cert, login } =
            blocking(move || access::access(&config)).await.map_err(CallError::Unreachable)?;
        let mut target = Target::new(addresses, ca_cert);
        target.timeout = self.dial_within;
        let nodes = self.nodes.lock().clone();
        target.addresses.extend(nodes.into_iter().filter(|node| !target.addresses.contains(node)).collect::<Vec<_>>());
        for _ in 0..=REDIRECTS_MAX {
            let client = Client::dial(&target, &Scope::Controller).await;
            let client = client.map_err(|error| CallError::Unreachable(error.to_string()))?;
            match log_in(&client, &login).await {
                Ok(result) => return self.accept(client, target, result, login),
                Err(ClientError::Redirected(redirect)) => {
                    let Redirect { to, .. } = *redirect;
                    target.addresses = to.servers.iter().flatten().map(ToString::to_string).collect();
                    target.ca_cert = to.ca_cert;
                }
                Err(ClientError::Answer(error)) => {
                    return Err(CallError::Unreachable(self.remedies.login_refused(&error)));
                }
                Err(error) => return Err(CallError::Unreachable(error.to_string())),
            }
        }
        Err(CallError::Unfit(format!("controller \"{}\" redirects in a circle", self.name())))
    }

    /// Checks that the controller is the one that was known, and of a version that is driven.
    fn accept(&self, client: Client, target: Target, result: LoginResult, login: Login) -> Result<Live, CallError> {
        let unfit = |text: String| Err(CallError::Unfit(text));
        let name = self.name();
        let told = &result.server_version;
        let version: Version = match told.parse() {
            Ok(version) => version,
            Err(error) => return unfit(format!("controller \"{name}\" tells no version of Juju: {error}")),
        };
        if !SERIES.contains(&(version.major, version.minor)) {
            return unfit(format!(
                "controller \"{name}\" runs Juju {told}; this program drives controllers of Juju 3.6, 4.0 and 4.1"
            ));
        }
        let Some(uuid) = tag::controller_of(&result.controller_tag) else {
            return unfit(format!("controller \"{name}\" does not tell its UUID"));
        };
        let mut known = self.uuid.lock();
        match *known {
            Some(before) if before != uuid => {
                return unfit(format!(
                    "controller {uuid} answers where {before} was; an agent stays with one controller: give the new one an \
                     agent with a state directory of its own"
                ));
            }
            _ => *known = Some(uuid),
        }
        drop(known);
        let nodes = result.servers.iter().flatten().filter(|node| node.scope != "local-machine");
        self.nodes.lock().extend(nodes.map(ToString::to_string));
        let (remedies, denied) = (self.remedies.clone(), AtomicBool::new(false));
        Ok(Live { client, target, result, version, login, remedies, denied })
    }
}
