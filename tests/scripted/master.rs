//! The migration master: a connection of its own for each phase, and the rules of Juju 3.6 of what aborts and what is repeated.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName};
use modelferry::controller::description::wanted::Wanted;
use modelferry::juju::http::{Credentials, HttpTarget, UploadBody};
use modelferry::juju::logstream::{LogRecord, LogSender};
use modelferry::juju::params::admin::LoginRequest;
use modelferry::juju::rpc::{Client, ClientError, Scope, Target};
use ring::digest;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Binary, Shared};

/// Versions of `MigrationTarget` that a 3.6 source speaks.
const TARGET: &[u32] = &[1, 2, 3, 4, 5, 6];
/// Pause before a worker that failed is started again.
const RESTART: Duration = Duration::from_millis(300);
/// For how long a port that takes no connection is tried.
const DIALLED_FOR: Duration = Duration::from_secs(3);
/// Tries of an agent.
const AGENT_TRIES: u32 = 20;
const VERSION: &str = "3.6.11";
const MODEL: HeaderName = HeaderName::from_static("x-juju-migration-model-uuid");

/// A phase, as Juju names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Quiesce,
    Import,
    Validation,
    Success,
    LogTransfer,
    Reap,
    Done,
    Abort,
    AbortDone,
}

impl Phase {
    pub fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::AbortDone)
    }
}

/// Where the target is, as the controller was told.
#[derive(Clone)]
pub struct Info {
    pub addresses: Vec<String>,
    pub ca_cert: String,
    pub controller_tag: String,
    pub auth_tag: String,
    pub password: String,
}

/// What ends a phase.
enum Failed {
    /// The migration aborts, with this reason.
    Aborts(String),
    /// The worker is started again, in the same phase.
    Again,
}

pub struct Master {
    pub shared: Arc<Shared>,
    pub info: Info,
}

fn aborts(error: impl std::fmt::Display) -> Failed {
    Failed::Aborts(error.to_string())
}

fn again(_: impl std::fmt::Display) -> Failed {
    Failed::Again
}

impl Master {
    fn target(&self) -> Target {
        Target::new(self.info.addresses.clone(), self.info.ca_cert.clone())
    }

    async fn dial(&self) -> Result<(Client, String), String> {
        let begun = tokio::time::Instant::now();
        let client = loop {
            match Client::dial(&self.target(), &Scope::Controller).await {
                Ok(client) => break client,
                Err(error) if begun.elapsed() >= DIALLED_FOR => return Err(error.to_string()),
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        };
        let login = LoginRequest {
            auth_tag: self.info.auth_tag.clone(),
            credentials: self.info.password.clone().into(),
            client_version: VERSION.to_owned(),
            ..LoginRequest::default()
        };
        let result = timeout(Duration::from_secs(60), client.login(&login)).await.map_err(|error| error.to_string())?;
        let result = result.map_err(|error| error.to_string())?;
        if result.controller_tag != self.info.controller_tag {
            return Err(format!("unexpected target controller UUID (got {})", result.controller_tag));
        }
        Ok((client, result.server_version))
    }

    async fn prechecks(&self, client: &Client) -> Result<(), ClientError> {
        let model = &self.shared.model;
        let params = json!({
            "uuid": model.uuid, "name": model.name, "owner-tag": format!("user-{}", model.owner),
            "agent-version": VERSION, "controller-agent-version": "0.0.0", "facade-versions": {},
            "model-description": STANDARD.encode(&model.description),
        });
        client.call("MigrationTarget", TARGET, "Prechecks", params).await.map(drop)
    }

    /// Does what `InitiateMigration` does, and lets the migration go its way.
    pub async fn begin(self) -> Result<(), String> {
        let (client, _) = self.dial().await.map_err(|error| format!("connect to target controller: {error}"))?;
        let said = |error: ClientError| format!("target prechecks failed: {error}");
        client.call("UserManager", &[3], "UserInfo", json!({ "entities": null })).await.map_err(said)?;
        client.call("Controller", &[11, 12], "IdentityProviderURL", json!({})).await.map_err(said)?;
        self.prechecks(&client).await.map_err(said)?;
        client.close().await;
        {
            let mut state = self.shared.state();
            if state.phases.last().is_some_and(|phase| !phase.is_end()) {
                return Err("failed to create migration: already in progress".to_owned());
            }
            state.begun += 1;
            state.message = "starting".to_owned();
            state.phases.push(Phase::Quiesce);
        }
        tokio::spawn(self.run());
        Ok(())
    }

    fn show(&self, message: &str) {
        self.shared.state().message = message.to_owned();
    }

    async fn run(self) {
        let mut phase = Phase::Quiesce;
        while !phase.is_end() {
            phase = match self.step(phase).await {
                Ok(next) => next,
                Err(Failed::Aborts(why)) => {
                    self.show(&format!("aborted, removing model from target controller: {why}"));
                    Phase::Abort
                }
                Err(Failed::Again) => {
                    sleep(RESTART).await;
                    continue;
                }
            };
            self.shared.state().phases.push(phase);
        }
    }

    async fn step(&self, phase: Phase) -> Result<Phase, Failed> {
        match phase {
            Phase::Quiesce => {
                for _ in 0..2 {
                    let (client, _) = self.dial().await.map_err(aborts)?;
                    self.prechecks(&client).await.map_err(aborts)?;
                    client.close().await;
                }
                Ok(Phase::Import)
            }
            Phase::Import => self.import().await.map_err(aborts).map(|()| Phase::Validation),
            Phase::Validation => self.validate().await,
            Phase::Success => {
                self.show("successful, waiting for agents to report back");
                let (client, _) = self.dial().await.map_err(again)?;
                let params = json!({ "model-tag": self.tag(), "source-controller-version": VERSION });
                client.call("MigrationTarget", TARGET, "AdoptResources", params).await.map_err(again)?;
                Ok(Phase::LogTransfer)
            }
            Phase::LogTransfer => self.transfer_log().await.map_err(again).map(|()| Phase::Reap),
            Phase::Reap => {
                self.shared.state().is_gone = true;
                Ok(Phase::Done)
            }
            Phase::Abort => {
                let lost = self.shared.state().lose_abort;
                if !lost && let Ok((client, _)) = self.dial().await {
                    // Errors are logged alone.
                    let _ = client.call("MigrationTarget", TARGET, "Abort", json!({ "model-tag": self.tag() })).await;
                }
                Ok(Phase::AbortDone)
            }
            Phase::Done | Phase::AbortDone => Ok(phase),
        }
    }

    fn tag(&self) -> String {
        format!("model-{}", self.shared.model.uuid)
    }

    async fn import(&self) -> Result<(), String> {
        self.show("importing model into target controller");
        let (client, version) = self.dial().await?;
        let params = json!({ "bytes": STANDARD.encode(&self.shared.model.description) });
        client.call("MigrationTarget", TARGET, "Import", params).await.map_err(|error| error.to_string())?;
        self.show("uploading model binaries into target controller");
        let credentials = Credentials {
            auth_tag: self.info.auth_tag.clone(),
            password: self.info.password.clone().into(),
            ..Credentials::default()
        };
        let http = HttpTarget {
            address: client.address().to_owned(),
            ca_cert: self.info.ca_cert.clone(),
            credentials,
            client_version: version,
        };
        for binary in &self.shared.model.binaries {
            self.upload(&http, binary).await.map_err(|error| format!("{}: {error}", binary.wanted))?;
        }
        client.close().await;
        Ok(())
    }

    async fn upload(&self, http: &HttpTarget, binary: &Binary) -> Result<(), String> {
        let sha256: String =
            digest::digest(&digest::SHA256, &binary.bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let mut headers = vec![(MODEL, self.shared.model.uuid.clone())];
        let query =
            |pairs: &[(&str, &str)]| form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let (method, path) = match &binary.wanted {
            Wanted::Charm { url, .. } => {
                headers.push((HeaderName::from_static("juju-curl"), url.clone()));
                headers.push((CONTENT_TYPE, "application/zip".to_owned()));
                (Method::PUT, format!("/migrate/charms/charm-{}", &sha256[..7]))
            }
            Wanted::AgentBinary { version, .. } => {
                (Method::POST, format!("/migrate/tools?{}", query(&[("binaryVersion", version)])))
            }
            Wanted::File { application, name, revision, .. } | Wanted::OciImage { application, name, revision } => {
                let revision = revision.to_string();
                let pairs = [
                    ("name", name.as_str()),
                    ("application", application),
                    ("revision", &revision),
                    ("timestamp", "1"),
                ];
                let kind = if matches!(binary.wanted, Wanted::File { .. }) { "file" } else { "oci-image" };
                let more = [("type", kind), ("origin", "upload"), ("path", "p"), ("size", "1"), ("fingerprint", "")];
                (Method::POST, format!("/migrate/resources?{}&{}", query(&pairs), query(&more)))
            }
        };
        let (pieces, body) = tokio::sync::mpsc::channel(4);
        let bytes = binary.bytes.clone();
        tokio::spawn(async move {
            for piece in bytes.chunks(64 << 10) {
                if pieces.send(Ok(bytes::Bytes::copy_from_slice(piece))).await.is_err() {
                    return;
                }
            }
        });
        let reply =
            http.send(method, &path, &headers, UploadBody::pieces(body)).await.map_err(|error| error.to_string())?;
        if let Wanted::Charm { url, .. } = &binary.wanted {
            let given = reply.headers.get("juju-curl").and_then(|given| given.to_str().ok());
            if given != Some(url) {
                return Err(format!("unexpectedly assigned {given:?}"));
            }
        }
        Ok(())
    }

    /// An agent goes where the gateway sends it, and looks whether the model is there; here it is content to be sent.
    async fn agent(&self) -> Result<(), String> {
        let scope = Scope::Model(self.shared.model.uuid.clone());
        let login = LoginRequest {
            auth_tag: "machine-0".to_owned(),
            credentials: "whatever it has".into(),
            client_version: VERSION.to_owned(),
            ..LoginRequest::default()
        };
        let mut last = String::new();
        for _ in 0..AGENT_TRIES {
            match Client::dial(&self.target(), &scope).await {
                Ok(client) => match client.login(&login).await {
                    // Either it is sent on, or the gateway answers its check itself.
                    Err(ClientError::Redirected(_)) | Ok(_) => return Ok(()),
                    Err(error) => last = error.to_string(),
                },
                Err(error) => last = error.to_string(),
            }
            sleep(Duration::from_millis(200)).await;
        }
        Err(last)
    }

    async fn validate(&self) -> Result<Phase, Failed> {
        self.show("validating, waiting for agents to report back");
        self.agent().await.map_err(|error| aborts(format!("validating, some agents reported failure: {error}")))?;
        let (client, _) = self.dial().await.map_err(again)?;
        let checked = client.call("MigrationTarget", TARGET, "CheckMachines", json!({ "model-tag": self.tag() })).await;
        let checked = checked.map_err(again)?;
        let count = checked["results"].as_array().map_or(0, Vec::len);
        if count > 0 {
            return Err(aborts(format!("machine sanity check failed, {count} errors found: {checked}")));
        }
        let params = json!({
            "model-tag": self.tag(), "controller-tag": "controller-0f6e2d3c-52c1-4b0e-8a5e-7d9f1c2b3a4d",
            "controller-alias": "source", "source-api-addrs": [], "source-ca-cert": "", "cross-model-uuids": Value::Null,
        });
        let lost = self.shared.state().lose_activate;
        client.call("MigrationTarget", TARGET, "Activate", params).await.map_err(aborts)?;
        match lost {
            true => Err(aborts("model activation failed, connection is shut down")),
            false => Ok(Phase::Success),
        }
    }

    async fn transfer_log(&self) -> Result<(), String> {
        let (client, version) = self.dial().await?;
        let said = |error: ClientError| error.to_string();
        client
            .call("MigrationTarget", TARGET, "LatestLogTime", json!({ "model-tag": self.tag() }))
            .await
            .map_err(said)?;
        let credentials = Credentials {
            auth_tag: self.info.auth_tag.clone(),
            password: self.info.password.clone().into(),
            ..Credentials::default()
        };
        let opened = LogSender::open(&self.target(), &self.shared.model.uuid, &credentials, &version).await;
        let mut log = opened.map_err(|error| error.to_string())?;
        for time in &self.shared.model.log {
            let record = LogRecord {
                time: time.clone(),
                level: "INFO".to_owned(),
                message: "from the source".to_owned(),
                entity: "machine-0".to_owned(),
                module: "juju.scripted".to_owned(),
                ..LogRecord::default()
            };
            log.send(&record).await.map_err(|error| error.to_string())?;
        }
        log.finish().await.map_err(|error| error.to_string())
    }
}
