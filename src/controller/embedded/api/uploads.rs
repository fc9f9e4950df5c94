//! `/migrate/charms`, `/migrate/tools`, `/migrate/resources`: the binaries of a model that a migration master brings.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use hyper::Method;
use hyper::header::HeaderName;
use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::snapshot::{AgentBinary, BlobRef, Call as Step, Charm, Name, Query, Resource};
use ring::digest;
use serde_json::json;
use tokio::sync::mpsc;

use super::super::Inner;
use super::super::import::key;
use super::super::rehearsal::uploaded;
use super::Api;
use super::errors::{fault, model_not_found};
use crate::controller::description::wanted::hex;
use crate::controller::port::{ControllerError, Errand};
use crate::disk::blocking;
use crate::juju::http::{HttpReply, HttpRequest, RequestHead, Route};
use crate::juju::rpc::{ErrorCode, RpcError};

/// Pieces of a body that wait for the disk.
const PIECES_WAITING: usize = 4;
/// The header in which a charm's URL comes and goes.
const JUJU_CURL: &str = "juju-curl";
/// Digits of a charm's hash that its path has at least.
const SHA_DIGITS_MIN: usize = 7;

fn bad(text: impl Into<String>) -> RpcError {
    RpcError::new(ErrorCode::BadRequest, text)
}

/// A body that is in the store.
struct Stored {
    blob: BlobRef,
    sha256: String,
}

impl Api {
    /// Takes what a master uploads.
    pub(super) async fn take_upload(&self, request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        let model = migrated(&request.head)?;
        let look = self.clone();
        let errand = blocking(move || look.inner().in_mode(model, "importing")).await?;
        let (route, method) = (request.head.route.clone(), request.head.method.clone());
        match (route, method) {
            (Route::MigrateCharm { object }, Method::PUT) => {
                let url = request.head.header(JUJU_CURL).filter(|url| !url.is_empty()).map(str::to_owned);
                let url = url.ok_or_else(|| bad("missing \"Juju-Curl\" header"))?;
                let named = object.rsplit_once('-').map_or("", |(_, digits)| digits);
                if named.len() < SHA_DIGITS_MIN {
                    return Err(bad(format!("{object:?} is not a valid charm object")));
                }
                self.take_charm(errand, url, named, request).await
            }
            // Masters of Juju 3.3 and older.
            (Route::MigrateCharm { .. }, Method::POST) => {
                let url = charm_url(&request.head)?;
                self.take_charm(errand, url, "", request).await
            }
            (Route::MigrateTools, Method::POST) => self.take_agent_binary(errand, request).await,
            (Route::MigrateResources, Method::POST) => self.take_resource(errand, request).await,
            (_, method) => Err(RpcError::new(ErrorCode::MethodNotAllowed, format!("unsupported method: {method:?}"))),
        }
    }

    /// Takes a charm. `named`: the first digits of its SHA-256, as far as the path names them.
    async fn take_charm(
        &self,
        errand: Errand,
        url: String,
        named: &str,
        request: &mut HttpRequest,
    ) -> Result<HttpReply, RpcError> {
        // Nothing names what is stored until it is staged.
        let _stored = self.inner().store.lease_with_puts();
        let Stored { blob, sha256 } = self.store_body(request).await?;
        if !sha256.starts_with(named) {
            return Err(bad(format!("Uploaded charm sha256 ({sha256}) does not match sha in url ({named})")));
        }
        self.stage(errand, Step::UploadCharm(Charm { blob, ..Charm::named(Name::cut(&url)) })).await?;
        Ok(HttpReply::json(&json!({ "charm-url": url })).header(HeaderName::from_static(JUJU_CURL), &url))
    }

    async fn take_agent_binary(&self, errand: Errand, request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        let version = request.head.query("binaryVersion").filter(|version| !version.is_empty()).map(str::to_owned);
        let version = version.ok_or_else(|| bad("expected binaryVersion argument"))?;
        let _stored = self.inner().store.lease_with_puts();
        let Stored { blob, sha256 } = self.store_body(request).await?;
        if blob.bytes == 0 {
            return Err(bad("no agent binaries uploaded"));
        }
        self.stage(errand, Step::UploadAgentBinary(AgentBinary { version: Name::cut(&version), blob })).await?;
        let tools = json!([{ "version": version, "url": "", "sha256": sha256, "size": blob.bytes }]);
        Ok(HttpReply::json(&json!({ "tools": tools })))
    }

    async fn take_resource(&self, errand: Errand, request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        let asked = |key: &str| request.head.query(key).filter(|text| !text.is_empty()).map(str::to_owned);
        let name = asked("name").ok_or_else(|| bad("missing name"))?;
        let revision = asked("revision").and_then(|text| text.parse().ok()).ok_or_else(|| bad("invalid revision"))?;
        let (application, time) = (asked("application"), asked("timestamp"));
        let application = match (application, asked("unit")) {
            (Some(application), None) => application,
            // Which revision a unit has stands in the description as well.
            (None, Some(unit)) => return Ok(resource_reply(&format!("{unit}/{name}"))),
            (Some(_), Some(_)) => return Err(bad("application and unit can't be set at the same time")),
            (None, None) => return Err(bad("missing application/unit")),
        };
        let id = format!("{application}/{name}");
        if time.is_some() {
            let _stored = self.inner().store.lease_with_puts();
            let Stored { blob, .. } = self.store_body(request).await?;
            let (application, name) = (Name::cut(&application), Name::cut(&name));
            let query = Query::default();
            self.stage(errand, Step::UploadResource(Resource { application, name, revision, query, blob })).await?;
        }
        Ok(resource_reply(&id))
    }

    /// Stores a request's body as it comes. One that breaks off is not taken for a whole.
    async fn store_body(&self, request: &mut HttpRequest) -> Result<Stored, RpcError> {
        let (pieces, source) = mpsc::channel(PIECES_WAITING);
        let api = self.clone();
        // Not `blocking`: it waits for the pieces that this task feeds it.
        let storing = tokio::task::spawn_blocking(move || {
            let sha256 = digest::Context::new(&digest::SHA256);
            let mut body = Body { source, piece: Bytes::new(), ended: false, sha256 };
            let blob = api.inner().store.put(&mut body).map_err(ControllerError::storage)?;
            Ok(Stored { blob, sha256: hex(body.sha256.finish().as_ref()) })
        });
        loop {
            let piece = request.chunk().await?;
            let ended = piece.is_none();
            // Nobody takes it where the disk failed, which the task says.
            if pieces.send(piece).await.is_err() || ended {
                break;
            }
        }
        let stored = storing.await.map_err(|_| RpcError::plain("the upload could not be stored"))?;
        stored.map_err(|error: ControllerError| fault(&error))
    }

    async fn stage(&self, errand: Errand, step: Step) -> Result<(), RpcError> {
        let api = self.clone();
        let staged = blocking(move || {
            if let Step::UploadCharm(_) = step {
                api.inner().refuse_another(errand, &step)?;
            }
            api.inner().perform(errand, &step)
        });
        staged.await.map_err(|error| match error {
            ControllerError::Refused(text) => bad(text),
            other => fault(&other),
        })
    }
}

impl Inner {
    /// Refuses a charm that was uploaded before with other bytes. A real controller gives a local one another revision
    /// then, and refuses one of a store as well.
    fn refuse_another(&self, errand: Errand, step: &Step) -> Result<(), ControllerError> {
        let not_found = || ControllerError::ModelNotFound(errand.model.to_string());
        let description = self.description_of(self.known(errand.model)?.description.ok_or_else(not_found)?)?;
        let (blob, wanted) = uploaded(step, &description)?;
        let path = key(wanted);
        let held = self.database.binaries(errand.model)?;
        match held.iter().find(|(known, of)| *known == path && of.hash != blob.hash) {
            None => Ok(()),
            Some((_, known)) => Err(ControllerError::Refused(format!(
                "{wanted} was uploaded already with BLAKE3 {}, now with {}",
                known.hash, blob.hash
            ))),
        }
    }
}

/// Returns a charm's URL, of whose parts a query is made: `ch:amd64/jammy/ubuntu-25`.
fn charm_url(head: &RequestHead) -> Result<String, RpcError> {
    let part = |key: &str| head.query(key).filter(|text| !text.is_empty());
    let name = part("name").ok_or_else(|| bad("missing charm name"))?;
    let revision = part("revision").and_then(|text| text.parse::<u64>().ok());
    let revision = revision.ok_or_else(|| bad("revision not valid"))?;
    let at: String = [part("arch"), part("series")].into_iter().flatten().map(|part| format!("{part}/")).collect();
    Ok(format!("{}:{at}{name}-{revision}", part("schema").unwrap_or("local")))
}

/// Returns the model that a master's request is for.
pub(super) fn migrated(head: &RequestHead) -> Result<ModelUuid, RpcError> {
    let named = head.migration_model().ok_or_else(|| bad("missing model UUID header"))?;
    named.parse().map_err(|_| model_not_found())
}

fn resource_reply(id: &str) -> HttpReply {
    HttpReply::json(&json!({ "id": id, "timestamp": jiff::Timestamp::now().to_string() }))
}

/// A body whose pieces come from another task; none is its end.
struct Body {
    source: mpsc::Receiver<Option<Bytes>>,
    piece: Bytes,
    ended: bool,
    sha256: digest::Context,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && !self.ended {
            match self.source.blocking_recv() {
                Some(Some(piece)) => self.piece = piece,
                Some(None) => self.ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        self.sha256.update(&buffer[..count]);
        Ok(count)
    }
}
