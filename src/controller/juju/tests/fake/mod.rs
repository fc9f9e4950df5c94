//! A controller of our own that behaves as Juju's was seen to behave, and fails on demand.

mod answers;
mod running;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use hyper::header::{HeaderName, RETRY_AFTER};
use hyper::{HeaderMap, StatusCode};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::sync::Notify;

pub(super) use self::running::Running;
use crate::juju::http::{Credentials, HttpReply, HttpRequest, RequestHead, Route};
use crate::juju::logstream::{LogRecord, LogWriter};
use crate::juju::params::admin::{HostPort, LoginRequest, LoginResult, RedirectErrorInfo, UserInfo};
use crate::juju::rpc::{Connection, ErrorCode, FacadeVersions, LoggedIn, RpcError, Scope, Service};
use crate::secret::SecretText;

pub(super) const CONTROLLER: &str = "8419cd78-4993-4c3a-928e-c646226beeee";
pub(super) const OWN_MODEL: &str = "6d1f4b2e-0c53-4e0f-8f4c-3b8d6ac1a000";

/// What happens to a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// It is answered with this error, and not carried out.
    Refuse(RpcError),
    /// An upload is put off with this status and, if there is one, this value of `Retry-After`; nothing of it is taken.
    PutOff(StatusCode, Option<&'static str>),
    /// It is carried out, and the connection ends before the reply.
    LoseReply,
    /// The connection ends, and it is not carried out.
    Cut,
    /// The connection ends within it: half of an import is there, half of a body was read, and any other call is carried out
    /// although nobody waits for it.
    CutWithin,
    /// The controller is killed before it has carried it out, and refuses the next connections until it has started again.
    Kill,
}

/// Connections that a controller refuses until it has started again.
const REFUSED_AT_START: usize = 2;

/// How a model stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stand {
    /// Its import has failed half-way.
    Broken,
    /// The connection ended under its import: there is a database, and no model to abort.
    Halved,
    Importing,
    /// An import by version 8, whole or not: nobody is shown it.
    Unseen,
    Live,
    /// Aborted, and seen so often still.
    Dying(u32),
}

#[derive(Default)]
pub(super) struct State {
    pub models: BTreeMap<String, Stand>,
    /// Methods and uploads, in the order in which they came.
    pub calls: Vec<String>,
    pub faults: HashMap<String, VecDeque<Fault>>,
    /// Uploads that were taken: what, and how many bytes.
    pub uploads: BTreeMap<String, usize>,
    /// Units' revisions of resources that were told: `UNIT/RESOURCE`.
    pub revisions: BTreeSet<String>,
    pub lines: Vec<LogRecord>,
    pub adopts_refused: u32,
    /// Imports that were carried out, whole or half.
    pub imports: usize,
    /// What is told of the model's credential, if it is known.
    pub credential: Option<Value>,
    /// Summaries of further models.
    pub others: Vec<Value>,
    /// URIs of the model's secrets.
    pub secrets: Vec<String>,
    /// The last parameters of each method.
    pub params: HashMap<String, Value>,
    pub redirect: Option<RedirectErrorInfo>,
    /// The description of a model that is live here, and may leave.
    pub dump: Option<String>,
    /// What can be downloaded, by path, for charms by URL.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What `ModelInfo` shows of that model's migration.
    pub migration: Value,
    /// Whether that model refuses to be changed.
    pub is_exporting: bool,
    /// What `ControllerConfig` yields.
    pub config: Value,
}

/// The controller's behaviour.
pub(super) struct Fake {
    pub state: Mutex<State>,
    pub version: Mutex<String>,
    pub uuid: Mutex<String>,
    pub password: Mutex<String>,
    /// What lets a user in instead of a password, if something does.
    pub proof: Mutex<Option<Credentials>>,
    pub access: Mutex<String>,
    /// Versions of `MigrationTarget`.
    pub migration_target: Mutex<Vec<u32>>,
    pub users: Mutex<Vec<String>>,
    pub servers: Mutex<Vec<String>>,
    cut: Notify,
    down: AtomicBool,
    /// Connections that are still refused.
    refuses: AtomicUsize,
}

impl Fake {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Lets the next call of a method, or upload to a route, meet a fault.
    pub fn fault(&self, what: &str, fault: Fault) {
        self.state().faults.entry(what.to_owned()).or_default().push_back(fault);
    }

    /// Counts the calls of a method.
    pub fn count(&self, what: &str) -> usize {
        self.state().calls.iter().filter(|call| *call == what).count()
    }

    pub fn stand(&self, model: &str) -> Option<Stand> {
        self.state().models.get(model).cloned()
    }

    /// Takes no connection, and ends those that there are, until it is told otherwise.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
        if down {
            self.hang_up();
        }
    }

    fn meet(&self, what: &str) -> Option<Fault> {
        let mut state = self.state();
        state.calls.push(what.to_owned());
        state.faults.get_mut(what).and_then(VecDeque::pop_front)
    }

    /// Ends every connection.
    pub fn hang_up(&self) {
        self.cut.notify_waiters();
    }

    /// Ends every connection; the caller's own future goes with it.
    async fn cut(&self, fault: &Fault) -> ! {
        if *fault == Fault::Kill {
            self.refuses.store(REFUSED_AT_START, Ordering::SeqCst);
        }
        self.hang_up();
        std::future::pending().await
    }

    /// Takes an upload in.
    fn take(&self, kind: &str, what: String, bytes: usize) -> Result<(), RpcError> {
        let mut state = self.state();
        if kind == "units" {
            // It replaces the one before.
            state.revisions.insert(what);
            return Ok(());
        }
        match state.uploads.entry(what) {
            Entry::Vacant(entry) => {
                entry.insert(bytes);
            }
            Entry::Occupied(entry) => {
                let text = format!("{kind} {} already exists", entry.key());
                return Err(RpcError::new(ErrorCode::AlreadyExists, text));
            }
        }
        Ok(())
    }

    fn lets_in(&self, given: &Credentials) -> bool {
        match &*self.proof.lock() {
            Some(proof) => given == proof,
            None => *given.password == **self.password.lock(),
        }
    }

    fn may(&self) -> bool {
        *self.access.lock() == "superuser"
    }
}

struct Api(Arc<Fake>);

fn facades(scope: &Scope, migration_target: &[u32]) -> Vec<FacadeVersions> {
    let of = FacadeVersions::new;
    match scope {
        Scope::Controller => vec![
            of("Cloud", &[7, 8]),
            of("Controller", &[11, 12, 13, 14]),
            of("MigrationTarget", migration_target),
            of("ModelManager", &[10, 11]),
            of("Pinger", &[1]),
            of("SecretBackends", &[1]),
            of("UserManager", &[3]),
        ],
        Scope::Model(_) => {
            vec![
                of("Annotations", &[2]),
                of("Client", &[8]),
                of("Secrets", &[1, 2]),
                of("Uniter", &[19, 20]),
                of("Pinger", &[1]),
            ]
        }
    }
}

impl Api {
    fn let_in(&self, connection: &Connection, given: &Credentials) -> Result<LoggedIn, RpcError> {
        if !self.0.lets_in(given) {
            return Err(RpcError::bad_login());
        }
        let servers = self.0.servers.lock().clone();
        let node = |text: &String| {
            let (host, port) = text.rsplit_once(':').unwrap();
            HostPort { scope: "local-cloud".to_owned(), ..HostPort::new(host, port.parse().unwrap()) }
        };
        let model_tag = match &connection.scope {
            Scope::Controller => String::new(),
            Scope::Model(uuid) => format!("model-{uuid}"),
        };
        let result = LoginResult {
            controller_tag: format!("controller-{}", self.0.uuid.lock()),
            model_tag,
            server_version: self.0.version.lock().clone(),
            servers: vec![servers.iter().map(node).collect()],
            user_info: Some(UserInfo {
                // A token tells the controller who comes.
                identity: "user-admin".to_owned(),
                controller_access: self.0.access.lock().clone(),
                ..UserInfo::default()
            }),
            facades: facades(&connection.scope, &self.0.migration_target.lock()),
            ..LoginResult::default()
        };
        Ok(LoggedIn { result, session: Arc::new(answers::Talk(self.0.clone())) })
    }
}

#[async_trait]
impl Service for Api {
    async fn login(&self, connection: &Connection, login: LoginRequest) -> Result<LoggedIn, RpcError> {
        if let Some(to) = &self.0.state().redirect {
            return Err(RpcError::redirect(to));
        }
        if let Some(Fault::Refuse(error)) = self.0.meet("Login") {
            return Err(error);
        }
        let given = Credentials {
            auth_tag: login.auth_tag,
            password: login.credentials,
            macaroons: login.macaroons,
            ..Credentials::default()
        };
        self.let_in(connection, &given)
    }

    async fn login_with_token(&self, connection: &Connection, token: SecretText) -> Result<LoggedIn, RpcError> {
        self.let_in(connection, &Credentials { password: token, ..Credentials::default() })
    }

    async fn authorize(&self, head: &RequestHead) -> Result<(), RpcError> {
        if self.0.lets_in(&head.credentials) { Ok(()) } else { Err(RpcError::bad_login()) }
    }

    async fn http(&self, request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        if let Route::Other(path) = &request.head.route {
            let name = request.head.query("url").unwrap_or(path).to_owned();
            self.0.meet(&name);
            let found = self.0.state().files.get(&name).cloned();
            let body = found.ok_or_else(|| RpcError::new(ErrorCode::NotFound, format!("{name} not found")))?;
            return Ok(HttpReply { status: StatusCode::OK, headers: HeaderMap::new(), body });
        }
        let (kind, what) = match &request.head.route {
            Route::MigrateCharm { object } => ("charms", object.clone()),
            Route::MigrateTools => ("tools", request.head.query("binaryVersion").unwrap_or_default().to_owned()),
            Route::MigrateResources => match request.head.query("unit") {
                Some(unit) => ("units", format!("{unit}/{}", request.head.query("name").unwrap_or_default())),
                None => ("resources", request.head.query("name").unwrap_or_default().to_owned()),
            },
            _ => return Err(RpcError::new(ErrorCode::NotFound, "404 page not found")),
        };
        let fault = self.0.meet(kind);
        match &fault {
            Some(Fault::Refuse(error)) => {
                // It has what it says that it has.
                if error.code == ErrorCode::AlreadyExists {
                    self.0.state().uploads.insert(what, 0);
                }
                return Err(error.clone());
            }
            Some(fault @ (Fault::Cut | Fault::Kill)) => self.0.cut(fault).await,
            Some(Fault::PutOff(status, wait)) => {
                let reply = HttpReply::text(*status, "too much to do");
                return Ok(match wait {
                    Some(wait) => reply.header(RETRY_AFTER, wait),
                    None => reply,
                });
            }
            _ if !self.0.may() => {
                return Err(RpcError::new(ErrorCode::Forbidden, "authorization failed: permission denied"));
            }
            _ => {}
        }
        self.0.state().params.insert(what.clone(), json!(request.head.raw_query()));
        let mut bytes = 0;
        while let Some(chunk) = request.chunk().await? {
            bytes += chunk.len();
            if fault == Some(Fault::CutWithin) {
                break;
            }
        }
        if fault == Some(Fault::CutWithin) {
            self.0.cut(&Fault::CutWithin).await;
        }
        self.0.take(kind, what, bytes)?;
        if let Some(fault @ Fault::LoseReply) = &fault {
            self.0.cut(fault).await;
        }
        let url = request.head.header("Juju-Curl").unwrap_or_default().to_owned();
        Ok(HttpReply::json(&json!({})).header(HeaderName::from_static("juju-curl"), &url))
    }

    async fn write_log(&self, _: &RequestHead) -> Result<Box<dyn LogWriter>, RpcError> {
        match self.0.meet("logtransfer") {
            Some(Fault::Refuse(error)) => Err(error),
            Some(fault @ (Fault::Cut | Fault::Kill)) => self.0.cut(&fault).await,
            fault => Ok(Box::new(Lines(self.0.clone(), fault))),
        }
    }
}

struct Lines(Arc<Fake>, Option<Fault>);

#[async_trait]
impl LogWriter for Lines {
    async fn write(&mut self, record: LogRecord) -> Result<(), RpcError> {
        self.0.state().lines.push(record);
        if self.1 == Some(Fault::CutWithin) {
            self.0.cut(&Fault::CutWithin).await;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), RpcError> {
        if self.1 == Some(Fault::LoseReply) {
            self.0.cut(&Fault::LoseReply).await;
        }
        Ok(())
    }
}
