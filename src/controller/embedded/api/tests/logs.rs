//! A model's log, as `juju debug-log` reads it.

use super::*;
use crate::juju::http::Credentials;
use crate::juju::logstream::{LogTail, StreamError};

/// A controller whose sample model has a log of three lines.
async fn with_log() -> Served {
    let rig = EmbeddedRig::start("src");
    let dir = rig.files(&Sample::default());
    std::fs::create_dir_all(dir.join("logs")).unwrap();
    let line = |second| format!("2026-08-18T10:13:1{second}Z INFO machine-0 juju.worker: line {second}\n");
    std::fs::write(dir.join("logs/0001.log"), [line(1), line(2), line(3)].concat()).unwrap();
    rig.embedded().import(&dir.join("model.yaml"), &Blobs::Dir(dir.clone()), &mut OwnFiles).unwrap();
    rig.embedded().set_password("admin", PASSWORD).unwrap();
    Served::serve(rig).await
}

async fn open(served: &Served, password: &str, query: &str) -> Result<LogTail, StreamError> {
    let ca = served.embedded().view().unwrap().ca_cert;
    let target = Target::new(vec![served.server.address().to_string()], ca);
    let credentials =
        Credentials { auth_tag: "user-admin".to_owned(), password: password.into(), ..Credentials::default() };
    LogTail::open(&target, &Sample::default().uuid.to_string(), query, &credentials, "3.6.11").await
}

pub(super) async fn read(served: &Served, query: &str) -> Vec<String> {
    let mut tail = open(served, PASSWORD, query).await.unwrap();
    let mut lines = Vec::new();
    while let Some(line) = tail.next().await.unwrap() {
        let from = (line.entity.as_str(), line.level.as_str(), line.module.as_str());
        assert_eq!(from, ("machine-0", "INFO", "juju.worker"));
        lines.push(line.message);
    }
    lines
}

#[tokio::test]
async fn a_models_log_is_read_as_far_back_as_was_asked_for() {
    let served = with_log().await;
    assert_eq!(read(&served, "replay=true&noTail=true").await, ["line 1", "line 2", "line 3"]);
    assert_eq!(read(&served, "backlog=1&noTail=true").await, ["line 3"]);
    assert_eq!(read(&served, "maxLines=2").await, ["line 2", "line 3"]);
}

#[tokio::test]
async fn a_log_is_for_those_who_may_read_the_model() {
    let served = with_log().await;
    assert!(open(&served, "guess", "noTail=true").await.is_err());
    assert!(open(&served, PASSWORD, "noTail=true").await.is_ok());
}
