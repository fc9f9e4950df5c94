//! The head of an HTTP request: its path, query and credentials.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, COOKIE};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Uri};
use serde_json::Value;

use crate::juju::rpc::{ErrorCode, RpcError, Scope};
use crate::secret::SecretText;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/`, `/api`, `/model/UUID/api`: the API itself.
    Api(Scope),
    /// `/health`.
    Health,
    /// `/model/UUID/log`: a model's log.
    ModelLog(String),
    /// `/migrate/logtransfer`: the log of a model that moves here.
    LogTransfer,
    /// `/migrate/charms/NAME-HASH`: a charm; the object is empty for masters of 3.3 and older.
    MigrateCharm {
        /// `NAME-HASH`, where the hash is the first 7 or more digits of the archive's SHA-256.
        object: String,
    },
    /// `/migrate/tools`: agent binaries.
    MigrateTools,
    /// `/migrate/resources`: a resource, or which revision of it a unit has.
    MigrateResources,
    /// Any other path, for handlers that know it.
    Other(String),
}

impl Route {
    /// Reads a path.
    pub fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts[..] {
            [] | ["api"] => Self::Api(Scope::Controller),
            ["health"] => Self::Health,
            ["model", uuid, "api"] => Self::Api(Scope::Model(uuid.to_owned())),
            ["model", uuid, "log"] => Self::ModelLog(uuid.to_owned()),
            ["migrate", "logtransfer"] => Self::LogTransfer,
            ["migrate", "charms"] => Self::MigrateCharm { object: String::new() },
            ["migrate", "charms", object] => Self::MigrateCharm { object: object.to_owned() },
            ["migrate", "tools"] => Self::MigrateTools,
            ["migrate", "resources"] => Self::MigrateResources,
            _ => Self::Other(path.to_owned()),
        }
    }
}

/// Who sends an HTTP request, as they say. `Debug` shows the tag alone.
#[derive(Clone, Default, PartialEq)]
pub struct Credentials {
    /// The tag, such as `user-admin`; empty with a token.
    pub auth_tag: String,
    /// The password; with an empty tag it is a session token.
    pub password: SecretText,
    /// Macaroons, from cookies.
    pub macaroons: Vec<Vec<Value>>,
    /// What a machine was provisioned with.
    pub nonce: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("auth_tag", &self.auth_tag).finish_non_exhaustive()
    }
}

impl Credentials {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let basic = text(AUTHORIZATION.as_str()).strip_prefix("Basic ").and_then(|code| STANDARD.decode(code).ok());
        let basic = basic.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let (tag, password) = basic.split_once(':').unwrap_or_default();
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let macaroons = cookies
            .flat_map(|line| line.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .filter(|(name, _)| name.starts_with("macaroon-"))
            .filter_map(|(_, value)| serde_json::from_slice(&STANDARD.decode(value).ok()?).ok());
        Self {
            auth_tag: tag.to_owned(),
            password: password.into(),
            macaroons: macaroons.collect(),
            nonce: text("X-Juju-Nonce").to_owned(),
        }
    }
}

/// A request without its body.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// The client's address.
    pub peer: SocketAddr,
    /// What the path names.
    pub route: Route,
    /// GET, PUT, POST.
    pub method: Method,
    /// All headers.
    pub headers: HeaderMap,
    /// Who sends it.
    pub credentials: Credentials,
    query: Vec<(String, String)>,
    raw_query: String,
}

impl RequestHead {
    pub(crate) fn of(peer: SocketAddr, parts: &Parts) -> Self {
        Self {
            peer,
            route: Route::of(parts.uri.path()),
            method: parts.method.clone(),
            credentials: Credentials::of(&parts.headers),
            headers: parts.headers.clone(),
            query: query_of(&parts.uri),
            raw_query: parts.uri.query().unwrap_or_default().to_owned(),
        }
    }

    /// Returns the value of a key of the query.
    pub fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Returns the query as it was written, without `?`.
    pub fn raw_query(&self) -> &str {
        &self.raw_query
    }

    /// Returns a header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the model that a migration's request is for.
    pub fn migration_model(&self) -> Option<&str> {
        self.header("X-Juju-Migration-Model-UUID")
    }
}

fn query_of(uri: &Uri) -> Vec<(String, String)> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// A request whose sender was let pass.
#[derive(Debug)]
pub struct HttpRequest {
    /// What it asks for.
    pub head: RequestHead,
    body: Incoming,
}

impl HttpRequest {
    pub(crate) fn new(head: RequestHead, body: Incoming) -> Self {
        Self { head, body }
    }

    /// Returns the next piece of the body, none at its end. Its length is mostly not known before.
    ///
    /// The sender waits while nobody reads, so a handler that stores pieces as they come holds one at a time.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RpcError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| RpcError::new(ErrorCode::BadRequest, error.to_string()))?;
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}
