//! Juju's API of the embedded controller, asked as its clients ask: two agents, and this program's own client.

use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modelferry::juju::params::admin::LoginRequest;
use modelferry::juju::rpc::{Client, ClientError, ErrorCode, Scope, Target};
use modelferry::sample::Sample;
use serde_json::{Value, json};

use super::host::Host;

const PASSWORD: &str = "open sesame";

/// A host whose controller serves its API, started, with an administrator who can log in.
struct Served {
    host: Host,
    ca: String,
    uuid: String,
    address: String,
}

impl Served {
    fn start(name: &'static str) -> Self {
        Self::with(name, "")
    }

    /// Likewise, with more of the section `[embedded]`.
    fn with(name: &'static str, embedded: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut host = Host::with(name, &format!("{embedded}[embedded.api]\nlisten = \"127.0.0.1:{port}\""));
        host.start();
        host.add_users();
        let file = host.dir.path().join("pw");
        std::fs::write(&file, PASSWORD).unwrap();
        host.run(&["embedded", "user", "set-password", "admin", "--password-file", file.to_str().unwrap()]).ok();
        let shown = host.run(&["show-controller", "--format", "json"]).json();
        let details = &shown[name]["details"];
        let text = |key: &str| details[key].as_str().unwrap().to_owned();
        let (ca, uuid) = (text("ca-cert"), text("uuid"));
        Self { host, ca, uuid, address: format!("127.0.0.1:{port}") }
    }

    async fn login(&self, scope: Scope) -> Result<Client, ClientError> {
        let target = Target::new(vec![self.address.clone()], self.ca.clone());
        let client = Client::dial(&target, &scope).await?;
        let login =
            LoginRequest { auth_tag: "user-admin".to_owned(), credentials: PASSWORD.into(), ..LoginRequest::default() };
        client.login(&login).await.map(|_| client)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn call(client: &Client, facade: &str, version: u32, method: &str, params: Value) -> Value {
    client.call_version(facade, version, "", method, params).await.unwrap()
}

#[test]
fn a_migration_that_is_asked_for_over_jujus_api_moves_the_model_and_redirects_its_users() {
    let sample = Sample::default();
    let (src, dst) = (Served::start("src"), Served::start("dst"));
    src.host.pair(&dst.host);
    src.host.import(&sample);
    let model_tag = format!("model-{}", sample.uuid);
    let target = json!({
        "controller-tag": format!("controller-{}", dst.uuid), "controller-alias": "west",
        "addrs": [dst.address], "ca-cert": dst.ca, "auth-tag": "user-admin", "password": "not needed"
    });
    let specs = json!([{ "model-tag": model_tag, "target-info": target }]);
    runtime().block_on(async {
        let client = src.login(Scope::Controller).await.unwrap();
        let dry = json!({ "specs": specs, "dry-run": true });
        let told = call(&client, "Controller", 12, "InitiateMigration", dry).await;
        assert_eq!(told["results"][0], json!({ "model-tag": model_tag, "migration-id": "" }));
        assert_eq!(src.host.run(&["migrations", "--format", "json"]).json(), json!([]), "a dry run begins nothing");
        let told = call(&client, "Controller", 12, "InitiateMigration", json!({ "specs": specs })).await;
        let id = told["results"][0]["migration-id"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();
        assert_eq!(id, format!("{}:0", sample.uuid));
        src.host.run(&["wait", &id]).ok();
        let Err(ClientError::Redirected(redirect)) = src.login(Scope::Model(sample.uuid.clone())).await else {
            panic!("not redirected")
        };
        assert_eq!(redirect.to.servers[0][0].to_string(), dst.address);
        assert_eq!((redirect.to.ca_cert, redirect.to.controller_alias), (dst.ca.clone(), "west".to_owned()));
        let there = dst.login(Scope::Model(sample.uuid.clone())).await.unwrap();
        let status = call(&there, "Client", 8, "FullStatus", json!({ "include-storage": true })).await;
        assert_eq!(status["model"]["name"], json!(sample.name));
        let shown = dst.host.run(&["status", "-m", &sample.name, "--format", "json"]).json();
        for kind in ["machines", "applications"] {
            let keys = |tree: &Value| {
                tree[kind].as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>()
            };
            assert_eq!(keys(&status), keys(&shown), "{kind}");
        }
    });
    let events = src.host.migration(&sample.uuid).to_string();
    assert!(events.contains("juju user admin"), "the journal has who asked: {events}");
}

#[test]
fn a_refusal_over_jujus_api_is_in_jujus_words() {
    let sample = Sample::default();
    let (src, dst) = (Served::start("src"), Served::start("dst"));
    src.host.pair(&dst.host);
    src.host.import(&sample);
    dst.host.run(&["embedded", "user", "remove", "bob"]).ok();
    runtime().block_on(async {
        let client = src.login(Scope::Controller).await.unwrap();
        let initiate = |controller: &str| {
            let target = json!({ "controller-tag": format!("controller-{controller}"), "auth-tag": "user-admin" });
            let spec = json!({ "model-tag": format!("model-{}", sample.uuid), "target-info": target });
            let client = &client;
            async move {
                let told = call(client, "Controller", 12, "InitiateMigration", json!({ "specs": [spec] })).await;
                told["results"][0]["error"]["message"].as_str().unwrap().to_owned()
            }
        };
        let text = initiate(&dst.uuid).await;
        assert!(
            text.starts_with("cannot initiate migration as the users granted access to the model do not exist"),
            "{text}"
        );
        let text = initiate("3850c8cc-0cd0-4d53-8a6d-591b63024141").await;
        assert!(text.starts_with("connect to target controller: "), "{text}");
    });
    assert!(src.host.serves(&sample.name));
}

#[test]
fn the_store_that_is_written_for_jujus_client_leads_to_the_controller() {
    let src = Served::start("src");
    src.host.import(&Sample::default());
    let dir = src.host.dir.path().join("juju");
    let (dir, file) = (dir.to_str().unwrap(), src.host.dir.path().join("pw"));
    let with_password = ["--password-file", file.to_str().unwrap()];
    let args = [&["embedded", "client-config", "--juju-data", dir][..], &with_password].concat();
    let told = src.host.run(&args).ok();
    assert!(told.contains("juju models --all -c src"), "{told}");
    let read = |name: &str| std::fs::read_to_string(format!("{dir}/{name}")).unwrap();
    assert!(read("controllers.yaml").contains(&src.address) && read("controllers.yaml").contains(&src.uuid));
    assert!(read("accounts.yaml").contains(PASSWORD));
    assert!(read("models.yaml").contains("admin/"));
    src.host.run(&args).fails(1, "has a client store already");
}

#[test]
fn an_agent_without_the_section_listens_for_no_client() {
    let mut host = Host::new("src");
    host.start();
    let told = host.run(&["embedded", "client-config", "--juju-data", host.dir.path().join("juju").to_str().unwrap()]);
    assert!(told.fails(1, "has no API").contains("[embedded.api]"));
}

/// Commands about such a model said that the journal had lost its migration, and `status` raised an alarm about it.
#[test]
fn a_model_that_a_juju_controller_brings_is_said_to_be_so_and_can_be_refused_to_the_end() {
    let sample = Sample::default();
    let (dst, src) = (Served::with("dst", "accept-live-models = true\n"), Served::start("src"));
    dst.host.pair(&src.host);
    let files = sample.write(&dst.host.dir.path().join("sample")).unwrap();
    let bytes = STANDARD.encode(std::fs::read(&files.description).unwrap());
    let runtime = runtime();
    let master = runtime.block_on(async {
        let master = dst.login(Scope::Controller).await.unwrap();
        call(&master, "MigrationTarget", 6, "Import", json!({ "bytes": bytes })).await;
        master
    });
    let (name, uuid) = (sample.name.as_str(), sample.uuid.as_str());
    let brought = "being imported by a Juju controller, which logged in as admin from 127.0.0.1";
    for command in [
        &["abort", name][..],
        &["abort", uuid],
        &["show-migration", name],
        &["wait", name],
        &["embedded", "set", name, "a=b"],
        &["embedded", "remove", name],
        &["precheck", name, "src"],
        &["migrate", name, "src"],
    ] {
        let told = dst.host.run(command).fails(1, &format!("model \"admin/{name}\" is {brought}"));
        assert!(told.contains(&format!("modelferry resolve {uuid} --discard-frozen {uuid}")), "{command:?}: {told}");
        assert!(!told.contains("journal"), "{command:?}: {told}");
    }
    let told = dst.host.run(&["status"]).ok();
    assert!(told.contains(&format!("Model \"admin/{name}\" is {brought}. It began ")), "{told}");
    let status = dst.host.run(&["status", "--format", "json"]).json();
    assert_eq!(status["alarms"], json!([]));
    assert_eq!(status["arrivals"][0]["by"], "admin from 127.0.0.1");
    let shown = dst.host.run(&["show-model", name, "--format", "json"]).json();
    assert_eq!(shown[name]["status"]["migration"], brought);
    assert!(shown[name]["status"]["migration-start"].is_string(), "{shown}");
    assert!(dst.host.run(&["status", "-m", name]).ok().contains("migrating: being imported by a"));

    dst.host.run(&["resolve", uuid, "--discard-frozen", uuid]).ok();
    assert_eq!(dst.host.run(&["status", "--format", "json"]).json().get("arrivals"), None);
    dst.host.run(&["abort", name]).fails(1, "not found");
    let model = json!({ "model-tag": format!("model-{uuid}") });
    let refused = runtime.block_on(master.call_version("MigrationTarget", 6, "", "Activate", model));
    assert!(
        matches!(&refused, Err(ClientError::Answer(error)) if error.code == ErrorCode::ModelNotFound),
        "{refused:?}"
    );
    assert!(dst.host.run(&["events"]).ok().contains("discarded by operator, while a Juju controller brought it"));
}
