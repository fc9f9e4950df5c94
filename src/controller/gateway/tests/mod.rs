//! The gateway over a real port, asked by a scripted master; the agent behind it is scripted as well.

mod agents;
mod phases;
mod script;
mod strangers;
mod uploads;
mod users;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use self::script::Script;
use super::{Gateway, MigrationPhase, RelayedMigration, Secret};
use crate::controller::description::sample::Sample;
use crate::controller::port::MigrationRef;
use crate::disk::Disk;
use crate::juju::http::Credentials;
use crate::juju::params::admin::{LoginRequest, LoginResult};
use crate::juju::rpc::{Client, ClientError, RpcError, Scope, Server, Target};
use crate::juju::tls::{Authority, server_config};
use crate::store::Store;

const FACADE: &str = "MigrationTarget";
const VERSION: u32 = 6;
const SECRET: Secret = Secret([7; 32]);

fn migration_ref() -> MigrationRef {
    MigrationRef { mid: MigrationId([1; 16]), model: Sample::default().uuid }
}

/// A gateway that listens, for one migration of the sample model.
struct Served {
    script: Arc<Script>,
    server: Server,
    ca: String,
    store: Store,
    _dir: TempDir,
}

impl Served {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path(), Disk::real()).unwrap();
        let script = Arc::new(Script::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let authority = Authority::make().unwrap();
        let tls = server_config(&authority.issue(&[], &[listen.ip()]).unwrap()).unwrap();
        let ca = authority.cert_pem;
        let gateway = Gateway::new(script.clone(), store.clone(), listen, &[], ca.clone());
        let server = Server::start(listener, tls, Arc::new(gateway), Gateway::limits()).unwrap();
        Self { script, server, ca, store, _dir: dir }
    }

    fn address(&self) -> String {
        self.server.address().to_string()
    }

    async fn dial(&self, scope: &Scope) -> Client {
        Client::dial(&Target::new(vec![self.address()], self.ca.clone()), scope).await.unwrap()
    }

    async fn login(&self, scope: &Scope, login: &LoginRequest) -> Result<(Client, LoginResult), ClientError> {
        let client = self.dial(scope).await;
        let result = client.login(login).await?;
        Ok((client, result))
    }

    /// Logs in as the migration's master.
    async fn master(&self) -> Client {
        self.login(&Scope::Controller, &by_password(Secret::AUTH_TAG, &SECRET.password())).await.unwrap().0
    }

    /// Logs an agent of the model in.
    async fn agent(&self, tag: &str, version: &str) -> Result<(Client, LoginResult), ClientError> {
        let login = LoginRequest { client_version: version.to_owned(), ..by_password(tag, "its own") };
        self.login(&of_model(), &login).await
    }
}

fn of_model() -> Scope {
    Scope::Model(Sample::default().uuid.to_string())
}

fn by_password(tag: &str, password: &str) -> LoginRequest {
    LoginRequest { auth_tag: tag.to_owned(), credentials: password.into(), ..LoginRequest::default() }
}

fn credentials() -> Credentials {
    Credentials { auth_tag: Secret::AUTH_TAG.to_owned(), password: SECRET.password().into(), ..Credentials::default() }
}

fn migration(phase: MigrationPhase) -> RelayedMigration {
    RelayedMigration { migration_ref: migration_ref(), secret: SECRET, phase }
}

async fn call(client: &Client, method: &str, params: Value) -> Result<Value, ClientError> {
    client.call_version(FACADE, VERSION, "", method, params).await
}

/// What the gateway refused.
fn refusal<T>(outcome: Result<T, ClientError>) -> RpcError {
    match outcome {
        Err(ClientError::Answer(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

fn of_sample() -> Value {
    json!({ "model-tag": format!("model-{}", Sample::default().uuid) })
}

fn yaml() -> Vec<u8> {
    yaml_of(&Sample::default())
}

fn yaml_of(sample: &Sample) -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    std::fs::read(sample.write(dir.path())).unwrap()
}

fn serialized(yaml: &[u8]) -> Value {
    json!({ "bytes": STANDARD.encode(yaml), "charms": null, "tools": null, "resources": null })
}

fn info() -> Value {
    let sample = Sample::default();
    json!({
        "uuid": sample.uuid.to_string(), "name": sample.name, "owner-tag": "user-admin", "agent-version": "3.6.11",
        "controller-agent-version": "0.0.0", "facade-versions": { "Agent": [3] }, "model-description": "",
    })
}

/// An envelope of a model, as far as the gateway looks into it.
fn envelope(uuid: ModelUuid, name: &str) -> Value {
    let tables = format!("model:\n- {{uuid: {uuid}, name: {name}, qualifier: admin, type: iaas, cloud: c}}\n");
    json!({
        "payload-version": "4.1.0", "payload": STANDARD.encode(tables),
        "model-info": {
            "uuid": uuid.to_string(), "name": name, "qualifier": "admin", "type": "iaas", "cloud": "c", "life": "alive",
            "source-migration-uuid": "0a3c2c5e-9d8f-4b4f-8a63-1f0a5b6f7c11"
        },
        "a-key-of-another-release": { "b": 1, "a": 2 },
    })
}
