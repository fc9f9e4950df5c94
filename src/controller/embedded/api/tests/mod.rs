//! The API, asked by the client of `juju::rpc` over a real port.

mod arrivals;
mod envelopes;
mod facades;
mod logins;
mod logs;
mod migrations;

use std::sync::Arc;

use async_trait::async_trait;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{Api, LastMigration, Migrator};
use crate::controller::description::sample::Sample;
use crate::controller::embedded::tests::EmbeddedRig;
use crate::controller::embedded::{Blobs, Embedded};
use crate::controller::files::OwnFiles;
use crate::controller::port::{Departure, MigrationRef};
use crate::juju::params::admin::LoginRequest;
use crate::juju::rpc::{Client, ClientError, Limits, RpcError, Scope, Server, Target};
use crate::juju::tls::server_config;

const PASSWORD: &str = "open sesame";

/// Migrations that a test plays.
#[derive(Default)]
struct Played {
    last: Mutex<Option<LastMigration>>,
    refusal: Mutex<Option<RpcError>>,
    begun: Mutex<Vec<(ModelUuid, ModelUuid, String)>>,
    frozen_for_good: Mutex<Option<String>>,
}

#[async_trait]
impl Migrator for Played {
    fn last(&self, _: ModelUuid) -> Option<LastMigration> {
        self.last.lock().clone()
    }

    fn frozen_for_good(&self, _: ModelUuid) -> Option<String> {
        self.frozen_for_good.lock().clone()
    }

    async fn check(&self, _: ModelUuid, _: ModelUuid) -> Result<(), RpcError> {
        self.refusal.lock().clone().map_or(Ok(()), Err)
    }

    async fn begin(&self, model: ModelUuid, controller: ModelUuid, actor: &str) -> Result<String, RpcError> {
        self.check(model, controller).await?;
        self.begun.lock().push((model, controller, actor.to_owned()));
        Ok(format!("{model}:0"))
    }
}

/// A controller with its API, which listens.
struct Served {
    rig: EmbeddedRig,
    played: Arc<Played>,
    server: Server,
}

impl Served {
    /// Starts a controller whose administrator has a password, with the sample model.
    async fn start() -> Self {
        let rig = EmbeddedRig::start("src");
        rig.with_model();
        rig.embedded().set_password("admin", PASSWORD).unwrap();
        Self::serve(rig).await
    }

    /// Likewise, where bob may only read the model.
    async fn with_reader() -> Self {
        let of = |access| format!("  - name: bob\n    created-by: admin\n    access: {access}");
        Self::with_description(|told| {
            assert!(told.contains(&of("admin")));
            told.replace(&of("admin"), &of("read"))
        })
        .await
    }

    /// Likewise, with constraints of the model, as YAML.
    async fn with_constraints(constraints: &str) -> Self {
        Self::with_description(|told| format!("{told}\nconstraints: {constraints}\n")).await
    }

    async fn with_description(change: impl Fn(&str) -> String) -> Self {
        let rig = EmbeddedRig::start("src");
        let dir = rig.files(&Sample::default());
        let path = dir.join("model.yaml");
        let told = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, change(&told)).unwrap();
        rig.embedded().import(&path, &Blobs::Dir(dir), &mut OwnFiles).unwrap();
        for user in ["admin", "bob"] {
            rig.embedded().set_password(user, PASSWORD).unwrap();
        }
        Self::serve(rig).await
    }

    async fn serve(rig: EmbeddedRig) -> Self {
        let played = Arc::new(Played::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let tls = server_config(&rig.embedded().api_leaf(listen).unwrap()).unwrap();
        let api = Api::new(rig.embedded().clone(), played.clone(), listen);
        let server = Server::start(listener, tls, Arc::new(api), Limits::default()).unwrap();
        Self { rig, played, server }
    }

    fn embedded(&self) -> &Embedded {
        self.rig.embedded()
    }

    async fn dial(&self, scope: &Scope) -> Client {
        let ca = self.embedded().view().unwrap().ca_cert;
        Client::dial(&Target::new(vec![self.server.address().to_string()], ca), scope).await.unwrap()
    }

    async fn login(&self, scope: &Scope, user: &str, password: &str) -> Result<Client, ClientError> {
        let client = self.dial(scope).await;
        client.login(&by_password(user, password)).await?;
        Ok(client)
    }

    /// Logs in as the administrator.
    async fn admin(&self, scope: &Scope) -> Client {
        self.login(scope, "admin", PASSWORD).await.unwrap()
    }
}

fn by_password(user: &str, password: &str) -> LoginRequest {
    LoginRequest { auth_tag: format!("user-{user}"), credentials: password.into(), ..LoginRequest::default() }
}

fn sample() -> Scope {
    Scope::Model(Sample::default().uuid.to_string())
}

/// What a controller refused.
fn refusal<T>(outcome: Result<T, ClientError>) -> RpcError {
    match outcome {
        Err(ClientError::Answer(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

/// Moves the sample model from one controller to the address of another, as an engine does.
async fn moved(from: &Embedded, to: &Embedded) {
    let migration = MigrationRef { mid: MigrationId([1; 16]), model: Sample::default().uuid };
    from.freeze(migration).await.unwrap();
    from.redirect(migration, &to.controller_card()).await.unwrap();
    from.reap(migration).await.unwrap();
}

/// Calls a method that must succeed.
async fn called(client: &Client, facade: &str, version: u32, method: &str, params: Value) -> Value {
    client.call_version(facade, version, "", method, params).await.unwrap()
}
