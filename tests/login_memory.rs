//! What logins with a password leave behind. A process of its own, since nothing else may allocate meanwhile.

#[allow(dead_code, reason = "the other tests of memory use the rest")]
mod memory;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use modelferry::controller::embedded::Embedded;
use modelferry::controller::embedded::api::{Api, LastMigration, Migrator};
use modelferry::disk::Disk;
use modelferry::juju::params::admin::LoginRequest;
use modelferry::juju::rpc::{Client, Limits, RpcError, Scope, Server, Target};
use modelferry::juju::tls::server_config;
use modelferry::store::Store;
use modelferry_protocol::ids::ModelUuid;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use memory::{embedded_config, resident_bytes};

/// Bytes that may be left. A check takes 19 MiB while it lasts, and two last at once.
const LEFT_BYTES_MAX: u64 = 32 << 20;
const LOGINS: usize = 100;
const PASSWORD: &str = "open sesame";

struct Nothing;

#[async_trait]
impl Migrator for Nothing {
    fn last(&self, _: ModelUuid) -> Option<LastMigration> {
        None
    }

    async fn check(&self, _: ModelUuid, _: ModelUuid) -> Result<(), RpcError> {
        Ok(())
    }

    async fn begin(&self, _: ModelUuid, _: ModelUuid, _: &str) -> Result<String, RpcError> {
        Err(RpcError::plain("nothing migrates here"))
    }
}

async fn log_in(target: &Target) -> Client {
    let client = Client::dial(target, &Scope::Controller).await.unwrap();
    let login =
        LoginRequest { auth_tag: "user-admin".to_owned(), credentials: PASSWORD.into(), ..LoginRequest::default() };
    client.login(&login).await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_logins_at_once_leave_no_more_than_their_connections() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = Store::open(dir.path(), Disk::real()).unwrap();
    let embedded = Embedded::open(dir.path(), embedded_config(), store, Disk::real()).unwrap();
    embedded.set_password("admin", PASSWORD).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = listener.local_addr().unwrap();
    let tls = server_config(&embedded.api_leaf(listen).unwrap()).unwrap();
    let api = Api::new(embedded.clone(), Arc::new(Nothing), listen);
    let server = Server::start(listener, tls, Arc::new(api), Limits::default()).unwrap();
    let mut target = Target::new(vec![server.address().to_string()], embedded.view().unwrap().ca_cert);
    // A loaded host is slow.
    target.timeout = Duration::from_secs(60);
    let first = log_in(&target).await;
    let before = resident_bytes();
    let mut logins = JoinSet::new();
    for _ in 0..LOGINS {
        let target = target.clone();
        logins.spawn(async move { log_in(&target).await });
    }
    let clients = logins.join_all().await;
    let left = resident_bytes().saturating_sub(before);
    assert_eq!(server.connections(), (0, LOGINS + 1));
    assert!(left <= LEFT_BYTES_MAX, "{LOGINS} logins left {} KiB", left >> 10);
    drop((first, clients));
}
