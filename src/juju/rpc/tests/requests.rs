//! HTTP requests and log streams.

use std::io;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName};
use tokio::sync::mpsc;

use super::*;
use crate::juju::http::{HttpTarget, UploadBody, UploadError};
use crate::juju::logstream::{LogSender, LogTail, StreamError};

const CURL: HeaderName = HeaderName::from_static("juju-curl");
const MIGRATES: HeaderName = HeaderName::from_static("x-juju-migration-model-uuid");

impl Rig {
    fn http(&self) -> HttpTarget {
        HttpTarget {
            address: self.target.addresses[0].clone(),
            ca_cert: self.target.ca_cert.clone(),
            credentials: credentials(),
            client_version: "3.6.11".to_owned(),
        }
    }
}

fn pieces(count: usize, end: Option<io::Error>) -> UploadBody {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for _ in 0..count {
            let _ = sender.send(Ok(Bytes::from(vec![7; 1 << 16]))).await;
        }
        if let Some(error) = end {
            let _ = sender.send(Err(error)).await;
        }
    });
    UploadBody::pieces(receiver)
}

#[tokio::test]
async fn an_upload_streams_and_its_reply_has_its_headers() {
    let rig = Rig::start().await;
    let headers = [(CURL, "ch:amd64/postgresql-429".to_owned()), (MIGRATES, MODEL.to_owned())];
    let path = "/migrate/charms/postgresql-3fe353c";
    let reply = rig.http().send(Method::PUT, path, &headers, pieces(40, None)).await.unwrap();
    assert_eq!(reply.headers[CURL], "ch:amd64/postgresql-429");
    assert_eq!(reply.body, br#"{"charm-url":"ch:amd64/postgresql-429"}"#);
    let route = Route::MigrateCharm { object: "postgresql-3fe353c".to_owned() };
    assert_eq!(*rig.fake.uploads.lock(), [(route, 40 << 16)]);
}

#[tokio::test]
async fn an_upload_without_a_body_and_one_of_another_kind_find_their_routes() {
    let rig = Rig::start().await;
    let headers = [(MIGRATES, MODEL.to_owned())];
    for path in ["/migrate/tools?binaryVersion=3.6.9-ubuntu-amd64", "/migrate/resources?name=image&unit=db%2F0"] {
        rig.http().send(Method::POST, path, &headers, UploadBody::empty()).await.unwrap();
    }
    let routes: Vec<Route> = rig.fake.uploads.lock().iter().map(|(route, _)| route.clone()).collect();
    assert_eq!(routes, [Route::MigrateTools, Route::MigrateResources]);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_taken_for_a_whole_one() {
    let rig = Rig::start().await;
    let headers = [(MIGRATES, MODEL.to_owned())];
    let body = pieces(3, Some(io::Error::other("the disk of the sender fails")));
    let sent = rig.http().send(Method::POST, "/migrate/tools", &headers, body).await;
    assert!(matches!(sent, Err(UploadError::Broken(_))), "{sent:?}");
    assert!(rig.fake.uploads.lock().is_empty());
}

#[tokio::test]
async fn a_refusal_is_read_in_each_of_its_forms() {
    let rig = Rig::start().await;
    let refusal = |sent: Result<HttpReply, UploadError>| match sent {
        Err(UploadError::Refused { status, error, .. }) => (status.as_u16(), *error),
        other => panic!("{other:?}"),
    };
    let expected = RpcError::new(ErrorCode::ModelNotFound, "model not found");
    for path in ["/migrate/tools", "/migrate/charms/x-1234567"] {
        let sent = rig.http().send(Method::POST, path, &[(CONTENT_TYPE, "x/y".to_owned())], pieces(20, None)).await;
        assert_eq!(refusal(sent), (404, expected.clone()), "{path}");
    }
    let mut stranger = rig.http();
    stranger.credentials.password = "wrong".into();
    let (status, error) = refusal(stranger.send(Method::POST, "/migrate/tools", &[], UploadBody::empty()).await);
    assert_eq!(status, 401);
    assert!(error.message.starts_with("authentication failed: invalid entity name or password"), "{error}");
}

#[tokio::test]
async fn health_is_for_everybody() {
    let rig = Rig::start().await;
    let mut stranger = rig.http();
    stranger.credentials = Credentials::default();
    let reply = stranger.send(Method::GET, "/health", &[], UploadBody::empty()).await.unwrap();
    assert_eq!(reply.body, b"running\n");
}

#[tokio::test]
async fn the_log_that_follows_a_model_arrives_in_order_and_its_end_is_noticed() {
    let rig = Rig::start().await;
    let mut sender = LogSender::open(&rig.target, MODEL, &credentials(), "3.6.11").await.unwrap();
    for number in 0..100 {
        let record = LogRecord { message: number.to_string(), level: "INFO".to_owned(), ..LogRecord::default() };
        sender.send(&record).await.unwrap();
    }
    sender.finish().await.unwrap();
    rig.fake.finished.notified().await;
    let lines = rig.fake.lines.lock();
    assert_eq!(lines.len(), 100);
    assert!(lines.iter().enumerate().all(|(number, line)| line.message == number.to_string()));
}

#[tokio::test]
async fn a_sender_that_just_leaves_ends_its_log_too() {
    let rig = Rig::start().await;
    let mut sender = LogSender::open(&rig.target, MODEL, &credentials(), "3.6.11").await.unwrap();
    sender.send(&LogRecord::default()).await.unwrap();
    drop(sender);
    rig.fake.finished.notified().await;
    assert_eq!(rig.fake.lines.lock().len(), 1);
}

#[tokio::test]
async fn a_stream_is_refused_by_its_first_line_and_a_stranger_before_it() {
    let rig = Rig::start().await;
    let refused = LogSender::open(&rig.target, MOVED, &credentials(), "3.6.11").await;
    let Err(StreamError::Refused(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.code, ErrorCode::ModelNotFound);
    let refused = LogSender::open(&rig.target, MODEL, &Credentials::default(), "3.6.11").await;
    let Err(StreamError::Dial(DialError::NoController { reason, .. })) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("401"), "{reason}");
}

#[tokio::test]
async fn a_models_log_is_read_to_its_end() {
    let rig = Rig::start().await;
    let mut log = LogTail::open(&rig.target, MODEL, "replay=true", &credentials(), "3.6.11").await.unwrap();
    assert_eq!(log.next().await.unwrap().unwrap().message, "1 left");
    assert_eq!(log.next().await.unwrap().unwrap().message, "0 left");
    assert_eq!(log.next().await.unwrap(), None);
}
