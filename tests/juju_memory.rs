//! What idle clients of Juju's API cost. A process of its own, since nothing else may allocate meanwhile.

#[allow(dead_code, reason = "the other tests of memory use the rest")]
mod memory;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use modelferry::juju::params::admin::{LoginRequest, LoginResult};
use modelferry::juju::rpc::{
    Client, Connection, FacadeVersions, Limits, LoggedIn, RpcCall, RpcError, Scope, Server, Service, Session, Target,
};
use modelferry::juju::tls::{Authority, server_config};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use memory::resident_bytes;

/// Bytes that 200 idle clients may cost. The clients' own ends are in the same process and counted too.
const IDLE_BYTES_MAX: u64 = 32 << 20;
const CLIENTS: usize = 200;

struct Quiet;

#[async_trait]
impl Service for Quiet {
    async fn login(&self, _: &Connection, _: LoginRequest) -> Result<LoggedIn, RpcError> {
        let facades = vec![FacadeVersions::new("ModelManager", &[10])];
        let result = LoginResult { server_version: "3.6.11".to_owned(), facades, ..LoginResult::default() };
        Ok(LoggedIn { result, session: Arc::new(Self) })
    }
}

#[async_trait]
impl Session for Quiet {
    async fn call(&self, call: RpcCall) -> Result<Value, RpcError> {
        Ok(call.params)
    }
}

#[tokio::test]
async fn two_hundred_idle_clients_fit_into_32_mib() {
    let authority = Authority::make().unwrap();
    let tls = server_config(&authority.issue(&[], &[]).unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start(listener, tls, Arc::new(Quiet), Limits::default()).unwrap();
    let mut target = Target::new(vec![server.address().to_string()], authority.cert_pem);
    // A loaded host is slow.
    target.timeout = Duration::from_secs(60);
    let mut clients = Vec::new();
    let mut before = 0;
    for number in 0..=CLIENTS {
        let client = Client::dial(&target, &Scope::Controller).await.unwrap();
        client.login(&LoginRequest::default()).await.unwrap();
        client.call("ModelManager", &[10], "Echo", json!({})).await.unwrap();
        if number == 0 {
            // The first one brings in code and tables that everybody shares.
            before = resident_bytes();
        }
        clients.push(client);
    }
    let cost = resident_bytes().saturating_sub(before);
    assert_eq!(server.connections(), (0, CLIENTS + 1));
    assert!(cost <= IDLE_BYTES_MAX, "{CLIENTS} idle clients cost {} KiB", cost >> 10);
}
