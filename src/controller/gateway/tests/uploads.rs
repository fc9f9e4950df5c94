//! `/migrate/charms`, `/migrate/tools`, `/migrate/resources`.

use futures_util::FutureExt;
use hyper::Method;
use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::Call as Step;

use super::*;
use crate::controller::gateway::RelayError;
use crate::controller::master::uploader;
use crate::juju::http::{HttpReply, HttpTarget, UploadError};

const TOOLS: &str = "/migrate/tools?binaryVersion=3.6.11-ubuntu-amd64";

async fn send(
    served: &Served,
    credentials: Credentials,
    model: &str,
    (method, path): (Method, &str),
    url: Option<&str>,
    body: &[u8],
) -> Result<HttpReply, UploadError> {
    let target = HttpTarget {
        address: served.address(),
        ca_cert: served.ca.clone(),
        credentials,
        client_version: "3.6.11".to_owned(),
    };
    uploader::upload(&target, model, (method, path), url, body).await
}

async fn upload(
    served: &Served,
    method: Method,
    path: &str,
    url: Option<&str>,
    body: &[u8],
) -> Result<HttpReply, UploadError> {
    send(served, credentials(), &Sample::default().uuid.to_string(), (method, path), url, body).await
}

/// Uploads an agent binary by these credentials.
pub(super) async fn send_tools(served: &Served, by: Credentials, body: &[u8]) -> Result<HttpReply, UploadError> {
    send(served, by, &Sample::default().uuid.to_string(), (Method::POST, TOOLS), None, body).await
}

fn refused_upload<T>(outcome: Result<T, UploadError>) -> (u16, String) {
    match outcome {
        Err(UploadError::Refused { status, error, .. }) => (status.as_u16(), error.message),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

fn object_of(body: &[u8]) -> String {
    let sum = ring::digest::digest(&ring::digest::SHA256, body);
    let digits: String = sum.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("webapp-{digits}")
}

#[tokio::test(flavor = "multi_thread")]
async fn binaries_are_taken_with_the_names_and_queries_that_the_master_wrote() {
    let served = Served::start().await;
    let (url, body) = ("local:noble/webapp-2", vec![5; 70_000]);
    let path = format!("/migrate/charms/{}", object_of(&body));
    let reply = upload(&served, Method::PUT, &path, Some(url), &body).await.unwrap();
    assert_eq!(reply.headers.get("juju-curl").unwrap(), url, "a master compares it");
    upload(&served, Method::POST, TOOLS, None, b"tools").await.unwrap();
    let query = "application=db&name=wal-g&revision=12&type=file&origin=store&path=a%2Fb&description=&size=7\
                 &fingerprint=00ff&timestamp=1&user=admin";
    upload(&served, Method::POST, &format!("/migrate/resources?{query}"), None, b"resource").await.unwrap();
    let steps = std::mem::take(&mut *served.script.steps.lock());
    let [Step::UploadCharm(charm), Step::UploadAgentBinary(binary), Step::UploadResource(resource)] = &steps[..] else {
        panic!("{steps:?}")
    };
    assert_eq!((&*charm.url, &*charm.object), (url, object_of(&body).as_str()));
    assert_eq!(&*binary.version, "3.6.11-ubuntu-amd64");
    assert_eq!((&*resource.application, &*resource.name, resource.revision), ("db", "wal-g", 12));
    assert_eq!(&*resource.query, query);
    for (blob, bytes) in [(charm.blob, body.as_slice()), (binary.blob, b"tools"), (resource.blob, b"resource")] {
        assert_eq!(served.store.read(blob, u64::MAX).unwrap(), bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_answered_when_the_agent_has_it_and_a_failure_of_staging_is_the_next_reply() {
    let served = Served::start().await;
    served.script.uploaded.send_replace(None);
    let mut sending = Box::pin(upload(&served, Method::POST, TOOLS, None, b"tools"));
    tokio::select! {
        _ = &mut sending => panic!("answered before the agent has it"),
        () = served.script.until_asked("upload") => {}
    }
    assert!(sending.as_mut().now_or_never().is_none());
    served.script.uploaded.send_replace(Some(Ok(json!({}))));
    sending.await.unwrap();
    let failed = RelayError::Refused(RpcError::plain("importing: user \"eve\" not found"));
    served.script.uploaded.send_replace(Some(Err(failed)));
    let (status, text) = refused_upload(upload(&served, Method::POST, TOOLS, None, b"more tools").await);
    assert_eq!((status, text.as_str()), (500, "importing: user \"eve\" not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_for_the_same_binary_are_refused_with_both_hashes() {
    let served = Served::start().await;
    let (held, sent) = (Hash([1; 32]), Hash([2; 32]));
    let what = "agent binary 3.6.11-ubuntu-amd64".to_owned();
    served.script.uploaded.send_replace(Some(Err(RelayError::OtherBytes { what, held, sent })));
    let (status, text) = refused_upload(upload(&served, Method::POST, TOOLS, None, b"tools").await);
    assert_eq!(status, 400);
    assert!(text.contains(&held.to_string()) && text.contains(&sent.to_string()), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn which_revision_a_unit_has_is_answered_here() {
    let served = Served::start().await;
    for path in [
        "/migrate/resources?unit=db%2F0&name=wal-g&revision=12&type=file&origin=store&timestamp=1",
        "/migrate/resources?application=db&name=wal-g&revision=12&type=file&origin=store",
    ] {
        upload(&served, Method::POST, path, None, b"").await.unwrap();
    }
    assert!(served.script.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_not_as_its_head_says_or_of_another_model_or_master_is_refused() {
    let served = Served::start().await;
    let (charm, url) = (b"zip".as_slice(), Some("local:noble/webapp-2"));
    let good = format!("/migrate/charms/{}", object_of(charm));
    for (method, path, url, body, status) in [
        (Method::PUT, "/migrate/charms/webapp-0000000", url, charm, 400),
        (Method::PUT, "/migrate/charms/webapp-00", url, charm, 400),
        (Method::PUT, &good, None, charm, 400),
        (Method::POST, "/migrate/tools", None, charm, 400),
        (Method::POST, TOOLS, None, b"".as_slice(), 400),
        (Method::POST, "/migrate/resources?name=a", None, charm, 400),
        (Method::GET, TOOLS, None, b"".as_slice(), 405),
        (Method::POST, "/migrate/elsewhere", None, charm, 404),
    ] {
        let (refused, text) = refused_upload(upload(&served, method, path, url, body).await);
        assert_eq!(refused, status, "{path}: {text}");
    }
    let other = "00000000-0000-4000-8000-000000000001";
    let (status, text) = refused_upload(send(&served, credentials(), other, (Method::POST, TOOLS), None, charm).await);
    assert!(status == 400 && text.contains(other), "{status} {text}");
    let stranger = Credentials { password: Secret([8; 32]).password().into(), ..credentials() };
    let (status, _) = refused_upload(send_tools(&served, stranger, charm).await);
    assert_eq!(status, 401);
    assert!(served.script.asked().is_empty());
}
