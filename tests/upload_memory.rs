//! What uploads to a real controller take of an agent's memory. A process of its own, since nothing else may allocate meanwhile.

#[allow(dead_code, reason = "the other tests of memory use the rest")]
mod memory;

use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use hyper::header::HeaderName;
use modelferry::config::{JujuAccess, JujuConfig, JujuSecret};
use modelferry::controller::embedded::{Blobs, Embedded};
use modelferry::controller::files::OwnFiles;
use modelferry::controller::juju::Juju;
use modelferry::controller::port::{Arrival, MigrationRef, ModelReader};
use modelferry::disk::Disk;
use modelferry::juju::http::{HttpReply, HttpRequest, RequestHead};
use modelferry::juju::params::admin::{LoginRequest, LoginResult};
use modelferry::juju::rpc::{
    Connection, FacadeVersions, Limits, LoggedIn, RpcCall, RpcError, Server, Service, Session,
};
use modelferry::juju::tls::{Authority, server_config};
use modelferry::sample::Sample;
use modelferry::store::Store;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::snapshot::Call as Step;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use memory::{embedded_config, peak_bytes, resident_bytes};

/// Bytes of the model's binaries.
const BINARIES_BYTES: u64 = 192 << 20;
/// Bytes that their uploads may take. The controller's end is in the same process and counted too.
const GROWN_BYTES_MAX: u64 = 64 << 20;
const CONTROLLER: &str = "8419cd78-4993-4c3a-928e-c646226beeee";

/// A controller that takes everything in and keeps nothing.
struct Taker;

#[async_trait]
impl Service for Taker {
    async fn login(&self, _: &Connection, _: LoginRequest) -> Result<LoggedIn, RpcError> {
        let facades = vec![FacadeVersions::new("MigrationTarget", &[7]), FacadeVersions::new("ModelManager", &[11])];
        let result = LoginResult {
            controller_tag: format!("controller-{CONTROLLER}"),
            server_version: "4.1.0".to_owned(),
            facades,
            ..LoginResult::default()
        };
        Ok(LoggedIn { result, session: Arc::new(Self) })
    }

    async fn authorize(&self, _: &RequestHead) -> Result<(), RpcError> {
        Ok(())
    }

    async fn http(&self, request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        while request.chunk().await?.is_some() {}
        let url = request.head.header("Juju-Curl").unwrap_or_default().to_owned();
        Ok(HttpReply::json(&json!({})).header(HeaderName::from_static("juju-curl"), &url))
    }
}

#[async_trait]
impl Session for Taker {
    async fn call(&self, call: RpcCall) -> Result<Value, RpcError> {
        Ok(match call.method.as_str() {
            "ModelInfo" => json!({ "results": [{ "error": { "message": "database not found" } }] }),
            "CheckMachines" => json!({ "results": [] }),
            _ => json!({}),
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_192_mib_fit_into_64_mib() {
    let authority = Authority::make().unwrap();
    let tls = server_config(&authority.issue(&[], &[]).unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start(listener, tls, Arc::new(Taker), Limits::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("ca.pem"), &authority.cert_pem).unwrap();
    fs::write(path("password"), "secret").unwrap();

    let store = Store::open(dir.path(), Disk::real()).unwrap();
    let embedded = Embedded::open(dir.path(), embedded_config(), store.clone(), Disk::real()).unwrap();
    let sample = Sample { size_bytes: BINARIES_BYTES, ..Sample::default() };
    let files = sample.write(&path("sample")).unwrap();
    embedded.import(&files.description, &Blobs::Dir(files.blobs), &mut OwnFiles).unwrap();
    let model = sample.uuid.parse().unwrap();
    let calls = embedded.preview(model).await.unwrap().calls;

    let access = JujuAccess::Given {
        endpoints: vec![server.address().to_string()],
        ca_cert: path("ca.pem"),
        user: "admin".to_owned(),
        secret: JujuSecret::Password(path("password")),
    };
    let config = JujuConfig { name: "west".to_owned(), access };
    let juju = Juju::open(dir.path(), config, Vec::new(), store, Disk::real()).unwrap();
    let migration = MigrationRef { mid: MigrationId([1; 16]), model };
    juju.perform(migration, &calls[0]).await.unwrap();
    let before = resident_bytes();
    // 5 resets the peak.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let uploads = calls.iter().filter(|call| !call.imports() && call.blob().is_some_and(|blob| blob.bytes > 0));
    let mut sent = 0;
    for call in uploads.filter(|call| !matches!(call, Step::ImportEntries(_))) {
        juju.perform(migration, call).await.unwrap();
        sent += call.blob().unwrap().bytes;
    }
    assert!(sent > BINARIES_BYTES / 2, "only {sent} bytes were sent");
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown <= GROWN_BYTES_MAX, "the uploads took {} MiB", grown >> 20);
}
