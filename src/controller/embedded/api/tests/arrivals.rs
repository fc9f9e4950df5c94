//! A migration master that moves a model here, played by the client of `juju`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use ring::digest;
use serde_json::json;

use super::*;
use crate::controller::description::Description;
use crate::controller::description::wanted::{Wanted, hex};
use crate::controller::embedded::tests::config;
use crate::controller::embedded::view::{Access, ModelState};
use crate::controller::master::uploader;
use crate::juju::http::{Credentials, HttpReply, HttpTarget, UploadError};
use crate::juju::logstream::{LogRecord, LogSender};
use crate::juju::rpc::ErrorCode;

const FACADE: &str = "MigrationTarget";
const VERSION: u32 = 6;
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// A controller that takes models of real ones, which only tests let it.
async fn target() -> Served {
    target_of("3.6.23").await
}

/// Likewise, of some Juju version.
pub(super) async fn target_of(version: &str) -> Served {
    let mut config = config("dst");
    config.version = version.to_owned();
    config.accept_live_models = true;
    let rig = EmbeddedRig::start_as(config);
    for user in ["admin", "bob"] {
        rig.embedded().set_password(user, PASSWORD).unwrap();
    }
    Served::serve(rig).await
}

pub(super) fn yaml() -> Vec<u8> {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::read(Sample::default().write(dir.path())).unwrap()
}

pub(super) fn info() -> Value {
    let sample = Sample::default();
    json!({
        "uuid": sample.uuid.to_string(), "name": sample.name, "owner-tag": "user-admin", "agent-version": "3.6.23",
        "controller-agent-version": "0.0.0", "facade-versions": {}, "model-description": STANDARD.encode(yaml()),
    })
}

fn serialized() -> Value {
    json!({ "bytes": STANDARD.encode(yaml()), "charms": null, "tools": null, "resources": null })
}

pub(super) fn of_sample() -> Value {
    json!({ "model-tag": format!("model-{}", Sample::default().uuid) })
}

async fn call(client: &Client, method: &str, params: Value) -> Result<Value, ClientError> {
    client.call_version(FACADE, VERSION, "", method, params).await
}

async fn import(client: &Client) {
    assert_eq!(call(client, "Import", serialized()).await.unwrap(), json!({}));
}

fn credentials(user: &str) -> Credentials {
    Credentials { auth_tag: format!("user-{user}"), password: PASSWORD.into(), ..Credentials::default() }
}

async fn send(
    served: &Served,
    user: &str,
    method: Method,
    path: &str,
    url: Option<&str>,
    body: &[u8],
) -> Result<HttpReply, UploadError> {
    send_by(served, credentials(user), method, path, url, body).await
}

async fn send_by(
    served: &Served,
    credentials: Credentials,
    method: Method,
    path: &str,
    url: Option<&str>,
    body: &[u8],
) -> Result<HttpReply, UploadError> {
    let target = HttpTarget {
        address: served.server.address().to_string(),
        ca_cert: served.embedded().view().unwrap().ca_cert,
        credentials,
        client_version: "3.6.11".to_owned(),
    };
    uploader::upload(&target, &Sample::default().uuid.to_string(), (method, path), url, body).await
}

fn sha256(body: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, body).as_ref())
}

async fn put_charm(served: &Served, url: &str, sha256: &str, body: &[u8]) -> Result<HttpReply, UploadError> {
    put_charm_by(served, credentials("admin"), url, sha256, body).await
}

async fn put_charm_by(
    served: &Served,
    credentials: Credentials,
    url: &str,
    sha256: &str,
    body: &[u8],
) -> Result<HttpReply, UploadError> {
    let path = format!("/migrate/charms/charm-{}", &sha256[..7]);
    send_by(served, credentials, Method::PUT, &path, Some(url), body).await
}

/// Uploads everything that the sample names, except what `without` names.
async fn upload(served: &Served, without: &str) {
    upload_by(served, &credentials("admin"), without).await;
}

pub(super) async fn upload_by(served: &Served, credentials: &Credentials, without: &str) {
    let description = Description::parse(&yaml()).unwrap();
    let binaries = Sample::default().binaries();
    for wanted in description.wanted().iter().filter(|wanted| wanted.to_string() != without) {
        let (_, body) = binaries.iter().find(|(path, _)| *path == wanted.path()).unwrap();
        let resource = |application: &str, name: &str, revision: i64, kind: &str| {
            format!(
                "/migrate/resources?application={application}&name={name}&revision={revision}&type={kind}&origin=store\
                 &path=&description=&size=1&fingerprint=00&timestamp=1"
            )
        };
        let path = match wanted {
            Wanted::Charm { url, .. } => {
                let reply = put_charm_by(served, credentials.clone(), url, &sha256(body), body).await.unwrap();
                assert_eq!(reply.headers.get("juju-curl").unwrap(), url.as_str());
                continue;
            }
            Wanted::AgentBinary { version, .. } => format!("/migrate/tools?binaryVersion={version}"),
            Wanted::File { application, name, revision, .. } => resource(application, name, *revision, "file"),
            Wanted::OciImage { application, name, revision } => resource(application, name, *revision, "oci-image"),
        };
        send_by(served, credentials.clone(), Method::POST, &path, None, body).await.unwrap();
    }
    let of_unit = "/migrate/resources?unit=postgresql%2F0&name=wal-g&revision=12&type=file&origin=store&timestamp=1";
    send_by(served, credentials.clone(), Method::POST, of_unit, None, b"").await.unwrap();
}

pub(super) fn state(served: &Served) -> Option<ModelState> {
    let models = served.embedded().models().unwrap();
    models.iter().find(|row| row.uuid == Sample::default().uuid.to_string()).map(|row| row.state)
}

fn refused_upload<T>(outcome: Result<T, UploadError>) -> (u16, String) {
    match outcome {
        Err(UploadError::Refused { status, error, .. }) => (status.as_u16(), error.message),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

async fn log(served: &Served) -> LogSender {
    let ca = served.embedded().view().unwrap().ca_cert;
    let target = Target::new(vec![served.server.address().to_string()], ca);
    LogSender::open(&target, &Sample::default().uuid.to_string(), &credentials("admin"), "3.6.11").await.unwrap()
}

async fn activate(served: &Served, client: &Client) {
    import(client).await;
    upload(served, "").await;
    assert_eq!(call(client, "CheckMachines", of_sample()).await.unwrap(), json!({ "results": [] }));
    assert_eq!(state(served), Some(ModelState::Staged));
    assert_eq!(call(client, "Activate", of_sample()).await.unwrap(), json!({}));
}

#[tokio::test]
async fn a_master_moves_a_model_with_its_binaries_and_its_log() {
    let served = target().await;
    let client = served.admin(&Scope::Controller).await;
    let ca = call(&client, "CACert", json!({})).await.unwrap();
    assert_eq!(ca["result"], json!(STANDARD.encode(served.embedded().view().unwrap().ca_cert)));
    assert_eq!(call(&client, "Prechecks", info()).await.unwrap(), json!({}));
    activate(&served, &client).await;
    // A master that was killed before it noted its phase asks again, and goes on.
    assert_eq!(call(&client, "CheckMachines", of_sample()).await.unwrap(), json!({ "results": [] }));
    for method in ["Activate", "AdoptResources", "AdoptResources"] {
        assert_eq!(call(&client, method, of_sample()).await.unwrap(), json!({}), "{method}");
    }
    assert_eq!(state(&served), Some(ModelState::Live));
    assert!(!served.embedded().model("prod").unwrap().row.incomplete);

    assert_eq!(call(&client, "LatestLogTime", of_sample()).await.unwrap(), json!(NO_TIME));
    let mut sender = log(&served).await;
    for second in 1..=2 {
        let record = LogRecord {
            time: format!("2026-08-18T10:13:1{second}Z"),
            module: "juju.worker".to_owned(),
            level: "INFO".to_owned(),
            message: format!("line {second}"),
            entity: "machine-0".to_owned(),
            ..LogRecord::default()
        };
        sender.send(&record).await.unwrap();
    }
    sender.finish().await.unwrap();
    assert_eq!(call(&client, "LatestLogTime", of_sample()).await.unwrap(), json!("2026-08-18T10:13:12Z"));
    assert_eq!(super::logs::read(&served, "replay=true&noTail=true").await, ["line 1", "line 2"]);
    assert_eq!(
        refusal(call(&client, "Abort", of_sample()).await).message,
        "migration mode for the model is not importing"
    );
}

#[tokio::test]
async fn an_abort_leaves_nothing_and_a_second_try_succeeds() {
    let served = target().await;
    let client = served.admin(&Scope::Controller).await;
    import(&client).await;
    upload(&served, "").await;
    call(&client, "Abort", of_sample()).await.unwrap();
    assert_eq!(state(&served), None);
    assert_eq!(refusal(call(&client, "Abort", of_sample()).await).code, ErrorCode::ModelNotFound);
    activate(&served, &client).await;
    assert_eq!(state(&served), Some(ModelState::Live));
}

#[tokio::test]
async fn an_import_that_was_left_over_is_aborted_first() {
    let served = target().await;
    let client = served.admin(&Scope::Controller).await;
    import(&client).await;
    upload(&served, "").await;
    assert_eq!(call(&client, "Prechecks", info()).await.unwrap(), json!({}));
    import(&client).await;
    let check = call(&client, "CheckMachines", of_sample()).await.unwrap();
    assert_eq!(check["results"].as_array().unwrap().len(), 5, "nothing of the first try is left: {check}");
    activate(&served, &client).await;
    let again = refusal(call(&client, "Import", serialized()).await);
    assert!(again.message.starts_with("model with same UUID already exists"), "{again}");
    assert_eq!(call(&client, "AdoptResources", of_sample()).await.unwrap(), json!({}), "the live model is as it was");
}

#[tokio::test]
async fn a_copy_of_the_agents_own_migration_is_no_masters_to_delete() {
    let served = target().await;
    let client = served.admin(&Scope::Controller).await;
    let migration = MigrationRef { mid: MigrationId([1; 16]), model: Sample::default().uuid };
    let blob = served.embedded().store().put_bytes(&yaml()).unwrap();
    let step = modelferry_protocol::snapshot::Call::Import(blob);
    crate::controller::port::Arrival::perform(served.embedded(), migration, &step).await.unwrap();
    for (method, params) in [("Import", serialized()), ("Abort", of_sample()), ("Activate", of_sample())] {
        refusal(call(&client, method, params).await);
    }
    assert_eq!(state(&served), Some(ModelState::Importing));
}

#[tokio::test]
async fn a_live_model_of_a_real_controller_is_refused_with_the_reason() {
    let served = Served::serve(EmbeddedRig::start("dst")).await;
    served.embedded().set_password("admin", PASSWORD).unwrap();
    let client = served.admin(&Scope::Controller).await;
    for (method, params) in [("Prechecks", info()), ("Import", serialized())] {
        let refused = refusal(call(&client, method, params).await).message;
        assert!(refused.contains("it runs no machines"), "{method}: {refused}");
    }
    assert_eq!(state(&served), None);
}

#[tokio::test]
async fn missing_users_are_refused_in_jujus_words() {
    let served = target().await;
    served.embedded().remove_user("bob").unwrap();
    let client = served.admin(&Scope::Controller).await;
    for (method, params) in [("Prechecks", info()), ("Import", serialized())] {
        let refused = refusal(call(&client, method, params).await).message;
        let begin = "cannot initiate migration as the users granted access to the model do not exist\n";
        assert!(refused.starts_with(begin) && refused.ends_with("\n  - bob"), "{method}: {refused}");
    }
    let mut nameless = info();
    nameless["name"] = json!("");
    assert_eq!(refusal(call(&client, "Prechecks", nameless).await).message, "empty Name not valid");
}

#[tokio::test]
async fn a_charm_of_other_bytes_is_refused_with_both_hashes() {
    let served = target().await;
    let client = served.admin(&Scope::Controller).await;
    import(&client).await;
    let binaries = Sample::default().binaries();
    let (url, charm) = ("local:noble/webapp-2", &binaries[1].1);
    let other = &Sample { seed: 1, ..Sample::default() }.binaries()[1].1;
    let (of_charm, of_other) = (sha256(charm), sha256(other));
    let (status, text) = refused_upload(put_charm(&served, url, &of_charm, other).await);
    let expected = format!("Uploaded charm sha256 ({of_other}) does not match sha in url ({})", &of_charm[..7]);
    assert_eq!((status, text), (400, expected));
    // The same bytes again get the same answer: a real controller would number a local charm anew.
    let [first, again] =
        [put_charm(&served, url, &of_charm, charm).await, put_charm(&served, url, &of_charm, charm).await]
            .map(|reply| reply.unwrap())
            // The header `date` may differ.
            .map(|reply| (reply.status, reply.headers["juju-curl"].clone(), reply.body));
    assert_eq!(first, again);
    let (status, text) = refused_upload(put_charm(&served, url, &of_other, other).await);
    let hash = |bytes: &[u8]| modelferry_protocol::ids::Hash::of(bytes).to_string();
    assert!(status == 400 && text.contains(&hash(charm)) && text.contains(&hash(other)), "{status} {text}");
    // What the description tells of a charm of a store is held to as well.
    let url = "ch:amd64/postgresql-843";
    let (status, text) = refused_upload(put_charm(&served, "ch:amd64/unknown-1", &of_other, other).await);
    assert_eq!((status, text.as_str()), (400, "charm ch:amd64/unknown-1 is not named by the model description"));
    let (status, text) = refused_upload(put_charm(&served, url, &sha256(b"no zip"), b"no zip").await);
    assert!(status == 400 && text.contains(url), "{status} {text}");
}

#[tokio::test]
async fn masters_of_juju_3_3_upload_charms_by_post_and_name_them_in_the_query() {
    let served = target().await;
    let client = served.admin(&Scope::Controller).await;
    import(&client).await;
    let binaries = Sample::default().binaries();
    let post = |query: &'static str, body: &[u8]| {
        let (served, body) = (&served, body.to_vec());
        async move { send(served, "admin", Method::POST, &format!("/migrate/charms?{query}"), None, &body).await }
    };
    let local = "schema=local&arch=&user=&series=noble&name=webapp&revision=2";
    let reply = post(local, &binaries[1].1).await.unwrap();
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body, json!({ "charm-url": "local:noble/webapp-2" }));
    let of_store = "schema=ch&arch=amd64&series=&name=postgresql&revision=843";
    let reply = post(of_store, &binaries[0].1).await.unwrap();
    assert_eq!(reply.headers.get("juju-curl").unwrap(), "ch:amd64/postgresql-843");
    upload(&served, "charm local:noble/webapp-2").await;
    let check = call(&client, "CheckMachines", of_sample()).await.unwrap();
    assert_eq!(check, json!({ "results": [] }), "both have arrived");
    for (query, text) in [("name=webapp", "revision not valid"), ("revision=2", "missing charm name")] {
        let (status, said) = refused_upload(post(query, b"x").await);
        assert_eq!((status, said.as_str()), (400, text));
    }
    let (status, _) = refused_upload(send(&served, "admin", Method::GET, "/migrate/charms", None, b"").await);
    assert_eq!(status, 405);
}

#[tokio::test]
async fn what_was_not_imported_and_uploaded_whole_is_not_activated() {
    let served = target().await;
    let client = served.admin(&Scope::Controller).await;
    assert_eq!(refusal(call(&client, "Activate", of_sample()).await).code, ErrorCode::ModelNotFound);
    let (status, _) = refused_upload(send(&served, "admin", Method::POST, "/migrate/tools", None, b"x").await);
    assert_eq!(status, 404);
    import(&client).await;
    let refused = refusal(call(&client, "Activate", of_sample()).await).message;
    assert_eq!(refused, "model \"admin/prod\" is not completely imported");
    upload(&served, "charm local:noble/webapp-2").await;
    let check = call(&client, "CheckMachines", of_sample()).await.unwrap();
    assert_eq!(check["results"][0]["error"]["message"], "charm local:noble/webapp-2 was not uploaded");
    refusal(call(&client, "Activate", of_sample()).await);
    assert_eq!(state(&served), Some(ModelState::Importing));
}

#[tokio::test]
async fn only_superusers_move_models_here() {
    let served = target().await;
    served.embedded().add_user("bob", Access::Login, Some(PASSWORD)).unwrap();
    let bob = served.login(&Scope::Controller, "bob", PASSWORD).await.unwrap();
    for (method, params) in [("Prechecks", info()), ("Import", serialized()), ("Abort", of_sample())] {
        assert_eq!(refusal(call(&bob, method, params).await).message, "permission denied", "{method}");
    }
    import(&served.admin(&Scope::Controller).await).await;
    let (status, text) = refused_upload(send(&served, "bob", Method::POST, "/migrate/tools", None, b"x").await);
    assert_eq!((status, text.as_str()), (403, "authorization failed: permission denied (forbidden)"));
}
