//! `/migrate/charms`, `/migrate/tools`, `/migrate/resources`: the binaries of a model, as a migration master uploads them.

use std::io::{self, Read};

use hyper::Method;
use hyper::header::HeaderName;
use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::snapshot::{AgentBinary, BlobRef, Call as Step, Charm, Name, Query, Resource};
use ring::digest;
use serde_json::json;

use crate::controller::body::{Body, body};
use crate::controller::description::wanted::hex;
use crate::juju::http::{HttpReply, HttpRequest, RequestHead, Route};
use crate::juju::rpc::{ErrorCode, RpcError};
use crate::store::{Store, StoreError};

/// The header in which a charm's URL comes and goes.
const JUJU_CURL: &str = "juju-curl";
/// Digits of a charm's hash that its path has at least.
const SHA_DIGITS_MIN: usize = 7;

/// Makes an error of a request that is malformed.
pub fn bad(text: impl Into<String>) -> RpcError {
    RpcError::new(ErrorCode::BadRequest, text)
}

/// Returns the model that a master's request is for.
pub fn model_of(head: &RequestHead) -> Result<ModelUuid, RpcError> {
    let named = head.migration_model().ok_or_else(|| bad("missing model UUID header"))?;
    named.parse().map_err(|_| RpcError::new(ErrorCode::ModelNotFound, "model not found"))
}

/// What a request uploads, before its body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upload {
    /// A charm.
    Charm {
        /// Its URL.
        url: String,
        /// `NAME-DIGITS`, the digits being the first of the archive's SHA-256; empty for masters of Juju 3.3 and older.
        object: String,
    },
    /// An agent binary of this version.
    AgentBinary(String),
    /// A resource of an application.
    Resource(Resource),
    /// A request without bytes to keep, about this resource: a placeholder, or which revision a unit has. The description says
    /// both.
    Nothing(String),
}

/// What came of an upload.
#[derive(Debug)]
pub struct Received {
    /// The call that it stands for, whose blob is in the store, durable; none for [`Upload::Nothing`].
    pub step: Option<Step>,
    /// The reply once the step is done.
    pub reply: HttpReply,
}

/// A body that is in the store.
struct Stored {
    blob: BlobRef,
    sha256: String,
}

impl Upload {
    /// Reads the head of a request.
    ///
    /// Errors: what is wrong with it, in Juju's words.
    pub fn of(head: &RequestHead) -> Result<Self, RpcError> {
        match (&head.route, &head.method) {
            (Route::MigrateCharm { object }, &Method::PUT) => {
                let url = head.header(JUJU_CURL).filter(|url| !url.is_empty()).map(str::to_owned);
                let url = url.ok_or_else(|| bad("missing \"Juju-Curl\" header"))?;
                if digits_of(object).len() < SHA_DIGITS_MIN {
                    return Err(bad(format!("{object:?} is not a valid charm object")));
                }
                Ok(Self::Charm { url, object: object.clone() })
            }
            // Masters of Juju 3.3 and older.
            (Route::MigrateCharm { .. }, &Method::POST) => {
                Ok(Self::Charm { url: charm_url(head)?, object: String::new() })
            }
            (Route::MigrateTools, &Method::POST) => {
                let version = head.query("binaryVersion").filter(|version| !version.is_empty());
                let version = version.ok_or_else(|| bad("expected binaryVersion argument"))?;
                Ok(Self::AgentBinary(version.to_owned()))
            }
            (Route::MigrateResources, &Method::POST) => resource_of(head),
            (_, method) => Err(RpcError::new(ErrorCode::MethodNotAllowed, format!("unsupported method: {method:?}"))),
        }
    }

    /// Stores the body as it comes, and checks it as far as the head tells. One that breaks off is not taken for a whole.
    ///
    /// Nothing names the stored blob yet: the caller holds a lease.
    pub async fn receive(self, store: &Store, request: &mut HttpRequest) -> Result<Received, RpcError> {
        match self {
            Self::Charm { url, object } => {
                let Stored { blob, sha256 } = store_body(store, request).await?;
                let named = digits_of(&object);
                if !sha256.starts_with(named) {
                    return Err(bad(format!("Uploaded charm sha256 ({sha256}) does not match sha in url ({named})")));
                }
                let step = Step::UploadCharm(Charm { url: Name::cut(&url), object: Name::cut(&object), blob });
                let reply = HttpReply::json(&json!({ "charm-url": url }));
                Ok(Received { step: Some(step), reply: reply.header(HeaderName::from_static(JUJU_CURL), &url) })
            }
            Self::AgentBinary(version) => {
                let Stored { blob, sha256 } = store_body(store, request).await?;
                if blob.bytes == 0 {
                    return Err(bad("no agent binaries uploaded"));
                }
                let step = Step::UploadAgentBinary(AgentBinary { version: Name::cut(&version), blob });
                let tools = json!([{ "version": version, "url": "", "sha256": sha256, "size": blob.bytes }]);
                Ok(Received { step: Some(step), reply: HttpReply::json(&json!({ "tools": tools })) })
            }
            Self::Resource(resource) => {
                let Stored { blob, .. } = store_body(store, request).await?;
                let reply = resource_reply(&format!("{}/{}", &*resource.application, &*resource.name));
                Ok(Received { step: Some(Step::UploadResource(Resource { blob, ..resource })), reply })
            }
            Self::Nothing(id) => Ok(Received { step: None, reply: resource_reply(&id) }),
        }
    }
}

/// Returns the digits of a charm's hash in its path.
fn digits_of(object: &str) -> &str {
    object.rsplit_once('-').map_or("", |(_, digits)| digits)
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

fn resource_of(head: &RequestHead) -> Result<Upload, RpcError> {
    let asked = |key: &str| head.query(key).filter(|text| !text.is_empty());
    let name = asked("name").ok_or_else(|| bad("missing name"))?;
    let revision = asked("revision").and_then(|text| text.parse().ok()).ok_or_else(|| bad("invalid revision"))?;
    let application = match (asked("application"), asked("unit")) {
        (Some(application), None) => application,
        (None, Some(unit)) => return Ok(Upload::Nothing(format!("{unit}/{name}"))),
        (Some(_), Some(_)) => return Err(bad("application and unit can't be set at the same time")),
        (None, None) => return Err(bad("missing application/unit")),
    };
    if asked("timestamp").is_none() {
        return Ok(Upload::Nothing(format!("{application}/{name}")));
    }
    let query = Query::new(head.raw_query().to_owned()).map_err(|_| bad("the query is too long"))?;
    let (application, name) = (Name::cut(application), Name::cut(name));
    Ok(Upload::Resource(Resource { application, name, revision, query, blob: BlobRef::default() }))
}

fn resource_reply(id: &str) -> HttpReply {
    HttpReply::json(&json!({ "id": id, "timestamp": jiff::Timestamp::now().to_string() }))
}

async fn store_body(store: &Store, request: &mut HttpRequest) -> Result<Stored, RpcError> {
    let (feed, body) = body();
    let store = store.clone();
    // Not `disk::blocking`: it waits for the pieces that this task feeds it.
    let storing = tokio::task::spawn_blocking(move || {
        let mut summed = Summed { body, sha256: digest::Context::new(&digest::SHA256) };
        let blob = store.put(&mut summed)?;
        Ok(Stored { blob, sha256: hex(summed.sha256.finish().as_ref()) })
    });
    loop {
        let piece = request.chunk().await?;
        let ended = piece.is_none();
        // Nobody takes it where the disk failed, which the task says.
        if feed.send(piece).await.is_err() || ended {
            break;
        }
    }
    let stored = storing.await.map_err(|_| RpcError::plain("the upload could not be stored"))?;
    stored.map_err(|error: StoreError| {
        tracing::error!(%error, "an upload cannot be stored");
        RpcError::plain(format!("the upload could not be stored: {error}"))
    })
}

/// A body, and the sum of what was read of it.
struct Summed {
    body: Body,
    sha256: digest::Context,
}

impl Read for Summed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(buffer)?;
        self.sha256.update(&buffer[..count]);
        Ok(count)
    }
}
