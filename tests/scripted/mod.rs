//! A source controller made for tests: it answers what an agent asks of a Juju 3.6 controller, and its migration master goes
//! through the phases as Juju's does, with the same rules of what aborts and what is tried again.

mod master;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use hyper::{HeaderMap, StatusCode};
use modelferry::controller::description::Description;
use modelferry::controller::description::wanted::Wanted;
use modelferry::juju::http::{HttpReply, HttpRequest, RequestHead, Route};
use modelferry::juju::params::admin::{LoginRequest, LoginResult, UserInfo};
use modelferry::juju::rpc::{
    Connection, ErrorCode, FacadeVersions, Limits, LoggedIn, RpcCall, RpcError, Scope, Server, Service, Session,
};
use modelferry::juju::tls::{Authority, server_config};
use modelferry::sample::SampleFiles;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

pub use self::master::Phase;
use self::master::{Info, Master};

const CONTROLLER: &str = "0f6e2d3c-52c1-4b0e-8a5e-7d9f1c2b3a4d";
const OWN_MODEL: &str = "6d1f4b2e-0c53-4e0f-8f4c-3b8d6ac1a000";
const PASSWORD: &str = "secret";

/// A binary as the master uploads it.
pub struct Binary {
    pub wanted: Wanted,
    pub bytes: Vec<u8>,
}

/// The model.
pub struct Model {
    pub uuid: String,
    pub name: String,
    pub owner: String,
    pub description: String,
    pub binaries: Vec<Binary>,
    pub log: Vec<String>,
}

/// What the controller's database holds of the model's migrations.
#[derive(Default)]
pub struct State {
    /// Every phase of every migration, in order.
    pub phases: Vec<Phase>,
    /// What the last migration shows.
    pub message: String,
    /// How many migrations have begun.
    pub begun: u32,
    /// Whether the model was deleted here.
    pub is_gone: bool,
    /// Whether the reply to `Activate` is lost.
    pub lose_activate: bool,
    /// Whether `Abort` is lost.
    pub lose_abort: bool,
    /// What it was told of the target last.
    pub target: Option<Info>,
}

pub struct Shared {
    pub model: Model,
    pub state: Mutex<State>,
}

impl Shared {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A running controller.
pub struct JujuSource {
    pub shared: Arc<Shared>,
    pub address: String,
    ca_cert: String,
    _runtime: tokio::runtime::Runtime,
    _server: Server,
}

impl JujuSource {
    /// Starts a controller with the model of these files.
    pub fn start(files: &SampleFiles, owner: &str) -> Self {
        let description = fs::read_to_string(&files.description).unwrap();
        let told = Description::parse(description.as_bytes()).unwrap();
        let binaries = told
            .wanted()
            .iter()
            .map(|wanted| Binary { wanted: wanted.clone(), bytes: fs::read(files.blobs.join(wanted.path())).unwrap() });
        let model = Model {
            uuid: told.uuid.to_string(),
            name: told.name.clone(),
            owner: owner.to_owned(),
            binaries: binaries.collect(),
            description,
            log: vec!["2026-08-18T10:13:14Z".to_owned(), "2026-08-18T10:13:15Z".to_owned()],
        };
        let shared = Arc::new(Shared { model, state: Mutex::default() });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let authority = Authority::make().unwrap();
        let tls = server_config(&authority.issue(&[], &[]).unwrap()).unwrap();
        let (server, address) = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let server = Server::start(listener, tls, Arc::new(Api(shared.clone())), Limits::default()).unwrap();
            (server, address)
        });
        Self { shared, address, ca_cert: authority.cert_pem, _runtime: runtime, _server: server }
    }

    /// Returns the agent's configuration for this controller, whose files go into `dir`, and for a gateway to `peer`.
    pub fn configuration(&self, dir: &Path, name: &str, peer: &str, gateway: &str) -> String {
        fs::write(dir.join("source-ca.pem"), &self.ca_cert).unwrap();
        fs::write(dir.join("source-password"), PASSWORD).unwrap();
        let (at, address) = (dir.display(), &self.address);
        format!(
            "[controller]\nkind = \"juju\"\nname = \"{name}\"\nendpoints = [\"{address}\"]\nca-cert = \"{at}/source-ca.pem\"\n\
             password-file = \"{at}/source-password\"\n\n[gateways.{peer}]\nlisten = \"{gateway}\"\n"
        )
    }

    /// Returns the phases so far.
    pub fn phases(&self) -> Vec<Phase> {
        self.shared.state().phases.clone()
    }

    /// Returns the phase that the last migration is in.
    pub fn phase(&self) -> Option<Phase> {
        self.shared.state().phases.last().copied()
    }
}

struct Api(Arc<Shared>);

fn facades(scope: &Scope) -> Vec<FacadeVersions> {
    let of = FacadeVersions::new;
    match scope {
        Scope::Controller => vec![
            of("Cloud", &[7]),
            of("Controller", &[11, 12]),
            of("MigrationTarget", &[3, 4]),
            of("ModelManager", &[9, 10]),
            of("Pinger", &[1]),
            of("SecretBackends", &[1]),
            of("UserManager", &[3]),
        ],
        Scope::Model(_) => vec![of("Annotations", &[2]), of("Client", &[8]), of("Pinger", &[1])],
    }
}

#[async_trait]
impl Service for Api {
    async fn login(&self, connection: &Connection, login: LoginRequest) -> Result<LoggedIn, RpcError> {
        if &*login.credentials != PASSWORD {
            return Err(RpcError::bad_login());
        }
        let model_tag = match &connection.scope {
            Scope::Controller => String::new(),
            Scope::Model(uuid) => format!("model-{uuid}"),
        };
        let user_info =
            UserInfo { identity: login.auth_tag, controller_access: "superuser".to_owned(), ..UserInfo::default() };
        let result = LoginResult {
            controller_tag: format!("controller-{CONTROLLER}"),
            model_tag,
            server_version: "3.6.11".to_owned(),
            user_info: Some(user_info),
            facades: facades(&connection.scope),
            ..LoginResult::default()
        };
        Ok(LoggedIn { result, session: Arc::new(Talk(self.0.clone())) })
    }

    async fn authorize(&self, head: &RequestHead) -> Result<(), RpcError> {
        if &*head.credentials.password == PASSWORD { Ok(()) } else { Err(RpcError::bad_login()) }
    }

    async fn http(&self, request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        let Route::Other(path) = request.head.route.clone() else {
            return Err(RpcError::new(ErrorCode::NotFound, "404 page not found"));
        };
        let url = request.head.query("url");
        let found = self.0.model.binaries.iter().find(|binary| match &binary.wanted {
            Wanted::Charm { url: charm, .. } => Some(charm.as_str()) == url,
            Wanted::AgentBinary { version, .. } => path.ends_with(&format!("/tools/{version}")),
            Wanted::File { application, name, .. } | Wanted::OciImage { application, name, .. } => {
                path.ends_with(&format!("/applications/{application}/resources/{name}"))
            }
        });
        let body = found.map(|binary| binary.bytes.clone());
        let body = body.ok_or_else(|| RpcError::new(ErrorCode::NotFound, format!("{path} not found")))?;
        Ok(HttpReply { status: StatusCode::OK, headers: HeaderMap::new(), body })
    }
}

struct Talk(Arc<Shared>);

#[async_trait]
impl Session for Talk {
    async fn call(&self, call: RpcCall) -> Result<Value, RpcError> {
        match call.method.as_str() {
            "InitiateMigration" => self.initiate(&call).await,
            "ListModelSummaries" => Ok(json!({ "results": [{ "result": self.own() }, { "result": self.info() }] })),
            "ModelInfo" => Ok(json!({ "results": [self.shown()] })),
            "DumpModels" => Ok(json!({ "results": [{ "result": self.0.model.description }] })),
            "Clouds" => Ok(json!({ "clouds": {} })),
            "IdentityProviderURL" => Ok(json!({ "result": "" })),
            "UserInfo" => Ok(json!({ "results": [{ "result": { "username": "admin", "access": "superuser" } }] })),
            "ControllerConfig" => Ok(json!({ "config": {} })),
            _ => Err(RpcError::unknown_method(&call)),
        }
    }
}

impl Talk {
    fn own(&self) -> Value {
        json!({ "name": "controller", "uuid": OWN_MODEL, "owner-tag": "user-admin", "is-controller": true,
            "cloud-tag": "cloud-c", "status": { "status": "available" } })
    }

    fn info(&self) -> Value {
        let (model, state) = (&self.0.model, self.0.state());
        let migration = match state.begun {
            0 => Value::Null,
            number => json!({ "status": state.message, "start": format!("2026-02-02T00:00:{number:02}Z") }),
        };
        json!({ "name": model.name, "uuid": model.uuid, "type": "iaas", "owner-tag": format!("user-{}", model.owner),
            "is-controller": false, "agent-version": "3.6.11", "life": "alive", "migration": migration,
            "status": { "status": "available" }, "cloud-credential-validity": true })
    }

    fn shown(&self) -> Value {
        let is_gone = self.0.state().is_gone;
        match is_gone {
            true => json!({ "error": { "message": "permission denied", "code": "unauthorized access" } }),
            false => json!({ "result": self.info() }),
        }
    }

    async fn initiate(&self, call: &RpcCall) -> Result<Value, RpcError> {
        let target = &call.params["specs"][0]["target-info"];
        let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
        let info = Info {
            addresses: target["addrs"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            ca_cert: text("ca-cert"),
            controller_tag: text("controller-tag"),
            auth_tag: text("auth-tag"),
            password: text("password"),
        };
        self.0.state().target = Some(info.clone());
        let master = Master { shared: self.0.clone(), info };
        let answer = match master.begin().await {
            Ok(()) => json!({ "results": [{ "migration-id": format!("{}:0", self.0.model.uuid) }] }),
            Err(text) => json!({ "results": [{ "error": { "message": text, "code": "" } }] }),
        };
        Ok(answer)
    }
}
