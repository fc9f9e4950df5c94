//! The wire's two ends against each other, on loopback.

mod calls;
mod frames;
mod refusals;
mod requests;
mod strangers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::future::pending;
use hyper::header::HeaderName;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;
use crate::juju::http::{Credentials, HttpReply, HttpRequest, RequestHead, Route};
use crate::juju::logstream::{LogMessage, LogReader, LogRecord, LogWriter};
use crate::juju::params::admin::{
    HostPort, LoginRequest, LoginResult, RedirectErrorInfo, RedirectInfoResult, UserInfo,
};
use crate::juju::tls::{Authority, server_config};

const CONTROLLER: &str = "controller-8419cd78-4993-4c3a-928e-c646226beeee";
const MODEL: &str = "6d1f4b2e-0c53-4e0f-8f4c-3b8d6ac1a001";
const MOVED: &str = "6d1f4b2e-0c53-4e0f-8f4c-3b8d6ac1a002";
const MOVED_SILENTLY: &str = "6d1f4b2e-0c53-4e0f-8f4c-3b8d6ac1a003";

/// A controller that answers a few calls.
#[derive(Default)]
struct Fake {
    /// Lets `Door.Wait` return.
    door: Notify,
    /// Calls of `Door.Never` that were dropped.
    dropped: Arc<AtomicUsize>,
    /// What uploads brought: the route, and how many bytes.
    uploads: Mutex<Vec<(Route, usize)>>,
    /// Lines of log transfers.
    lines: Arc<Mutex<Vec<LogRecord>>>,
    /// Log transfers that have ended.
    finished: Arc<Notify>,
}

/// A running server and how to reach it.
struct Rig {
    fake: Arc<Fake>,
    server: Server,
    target: Target,
}

impl Rig {
    async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let authority = Authority::make().unwrap();
        let tls = server_config(&authority.issue(&[], &[]).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Arc::new(Fake::default());
        let service = FakeService(fake.clone());
        let server = Server::start(listener, tls, Arc::new(service), limits).unwrap();
        let mut target = Target::new(vec![server.address().to_string()], authority.cert_pem);
        // A loaded host is slow.
        target.timeout = std::time::Duration::from_secs(60);
        Self { fake, server, target }
    }

    async fn dial(&self) -> Client {
        Client::dial(&self.target, &Scope::Controller).await.unwrap()
    }

    async fn client(&self) -> Client {
        let client = self.dial().await;
        client.login(&login("secret")).await.unwrap();
        client
    }
}

fn login(password: &str) -> LoginRequest {
    LoginRequest { auth_tag: "user-admin".to_owned(), credentials: password.into(), ..LoginRequest::default() }
}

fn credentials() -> Credentials {
    Credentials { auth_tag: "user-admin".to_owned(), password: "secret".into(), ..Credentials::default() }
}

fn elsewhere() -> RedirectErrorInfo {
    RedirectErrorInfo {
        servers: vec![vec![HostPort::new("10.0.0.9", 17070)]],
        ca_cert: "CA".to_owned(),
        controller_tag: CONTROLLER.to_owned(),
        controller_alias: "dst".to_owned(),
    }
}

struct FakeService(Arc<Fake>);

#[async_trait]
impl Service for FakeService {
    async fn login(&self, connection: &Connection, login: LoginRequest) -> Result<LoggedIn, RpcError> {
        let (model_tag, facade) = match &connection.scope {
            Scope::Controller => (String::new(), "ModelManager"),
            Scope::Model(uuid) if uuid == MODEL => (format!("model-{uuid}"), "Door"),
            Scope::Model(uuid) if uuid == MOVED => return Err(RpcError::redirect(&elsewhere())),
            Scope::Model(uuid) if uuid == MOVED_SILENTLY => return Err(RpcError::redirect_to_be_asked()),
            Scope::Model(uuid) => return Err(RpcError::unknown_model(uuid)),
        };
        if &*login.credentials != "secret" {
            return Err(RpcError::bad_login());
        }
        let result = LoginResult {
            controller_tag: CONTROLLER.to_owned(),
            model_tag,
            server_version: "3.6.11".to_owned(),
            user_info: login
                .auth_tag
                .starts_with("user-")
                .then(|| UserInfo { identity: login.auth_tag, ..UserInfo::default() }),
            facades: vec![FacadeVersions::new(facade, &[9, 10]), FacadeVersions::new("Pinger", &[1])],
            ..LoginResult::default()
        };
        Ok(LoggedIn { result, session: Arc::new(FakeSession(self.0.clone())) })
    }

    async fn redirect_info(&self, _: &Connection) -> Result<RedirectInfoResult, RpcError> {
        Ok(RedirectInfoResult { servers: elsewhere().servers, ca_cert: elsewhere().ca_cert })
    }

    async fn authorize(&self, head: &RequestHead) -> Result<(), RpcError> {
        if head.credentials == credentials() { Ok(()) } else { Err(RpcError::bad_login()) }
    }

    async fn http(&self, request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        let mut bytes = 0;
        if request.head.migration_model() != Some(MODEL) {
            return Err(RpcError::new(ErrorCode::ModelNotFound, "model not found"));
        }
        while let Some(chunk) = request.chunk().await? {
            bytes += chunk.len();
        }
        self.0.uploads.lock().push((request.head.route.clone(), bytes));
        let url = request.head.header("Juju-Curl").unwrap_or_default().to_owned();
        Ok(HttpReply::json(&json!({"charm-url": url})).header(HeaderName::from_static("juju-curl"), &url))
    }

    async fn read_log(&self, head: &RequestHead, model: &str) -> Result<Box<dyn LogReader>, RpcError> {
        let lines = head.query("replay").map_or(0, |_| 2);
        if model == MODEL { Ok(Box::new(FakeLog { lines })) } else { Err(RpcError::unknown_model(model)) }
    }

    async fn write_log(&self, head: &RequestHead) -> Result<Box<dyn LogWriter>, RpcError> {
        if head.migration_model() != Some(MODEL) {
            return Err(RpcError::new(ErrorCode::ModelNotFound, "model not found"));
        }
        Ok(Box::new(Taken { lines: self.0.lines.clone(), finished: self.0.finished.clone() }))
    }
}

struct FakeSession(Arc<Fake>);

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Session for FakeSession {
    async fn call(&self, call: RpcCall) -> Result<Value, RpcError> {
        match call.method.as_str() {
            "Echo" => Ok(call.params),
            "Nothing" => Ok(Value::Null),
            "Wait" => {
                self.0.door.notified().await;
                Ok(json!({"waited": true}))
            }
            "Open" => {
                self.0.door.notify_one();
                Ok(json!({}))
            }
            "Never" => {
                let _counted = CountDrop(self.0.dropped.clone());
                pending().await
            }
            "Fail" => Err(RpcError::permission_denied()),
            "Panic" => panic!("a fault of a facade, for a test"),
            _ => Err(RpcError::unknown_method(&call)),
        }
    }
}

struct FakeLog {
    lines: usize,
}

#[async_trait]
impl LogReader for FakeLog {
    async fn next(&mut self) -> Option<LogMessage> {
        self.lines = self.lines.checked_sub(1)?;
        Some(LogMessage { message: format!("{} left", self.lines), ..LogMessage::default() })
    }
}

struct Taken {
    lines: Arc<Mutex<Vec<LogRecord>>>,
    finished: Arc<Notify>,
}

#[async_trait]
impl LogWriter for Taken {
    async fn write(&mut self, record: LogRecord) -> Result<(), RpcError> {
        self.lines.lock().push(record);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), RpcError> {
        self.finished.notify_one();
        Ok(())
    }
}
