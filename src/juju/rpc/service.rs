//! The traits that a server of Juju's API is built on: logins, and the calls of a session.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::call::RpcCall;
use crate::juju::http::{HttpReply, HttpRequest, RequestHead};
use crate::juju::logstream::{LogReader, LogWriter};
use crate::juju::params::admin::{DeviceLogin, LoginRequest, LoginResult, RedirectInfoResult};
use crate::juju::wire::error::{ErrorCode, RpcError};
use crate::juju::wire::scope::Scope;
use crate::secret::SecretText;

/// A client's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The client's address.
    pub peer: SocketAddr,
    /// What the connection speaks about.
    pub scope: Scope,
}

/// A successful login.
pub struct LoggedIn {
    /// The reply. Its `facades` are also the list that calls are checked against: a [`Session`] sees no other facade or version.
    pub result: LoginResult,
    /// Answers the calls of this connection, until it ends.
    pub session: Arc<dyn Session>,
}

/// A controller's API. One value serves every connection.
///
/// The wire itself does the rest: `Pinger`, unknown facades and versions, limits, a second login on one connection.
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use modelferry::juju::params::admin::{LoginRequest, LoginResult, UserInfo};
/// use modelferry::juju::rpc::{RpcCall, Connection, FacadeVersions, LoggedIn, RpcError, Scope, Service, Session};
/// use serde_json::{Value, json};
///
/// struct Controller;
/// struct User(String);
///
/// #[async_trait]
/// impl Service for Controller {
///     async fn login(&self, connection: &Connection, login: LoginRequest) -> Result<LoggedIn, RpcError> {
///         if &*login.credentials != "secret" {
///             return Err(RpcError::bad_login());
///         }
///         let mut result = LoginResult {
///             controller_tag: "controller-8419cd78-4993-4c3a-928e-c646226beeee".to_owned(),
///             server_version: "3.6.11".to_owned(),
///             user_info: Some(UserInfo { identity: login.auth_tag.clone(), ..UserInfo::default() }),
///             facades: vec![FacadeVersions::new("ModelManager", &[9, 10])],
///             ..LoginResult::default()
///         };
///         if let Scope::Model(uuid) = &connection.scope {
///             result.model_tag = format!("model-{uuid}");
///             result.facades = vec![FacadeVersions::new("Client", &[8])];
///         }
///         Ok(LoggedIn { result, session: Arc::new(User(login.auth_tag)) })
///     }
/// }
///
/// #[async_trait]
/// impl Session for User {
///     async fn call(&self, call: RpcCall) -> Result<Value, RpcError> {
///         match (call.facade.as_str(), call.method.as_str()) {
///             ("ModelManager", "ListModels") => Ok(json!({"user-models": []})),
///             _ => Err(RpcError::unknown_method(&call)),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Checks a login with a password, macaroons, or none of them (anonymous), and opens a session.
    ///
    /// A model that has moved answers with [`RpcError::redirect`], an unknown one with [`RpcError::unknown_model`].
    async fn login(&self, connection: &Connection, login: LoginRequest) -> Result<LoggedIn, RpcError>;

    /// Checks a login with a session token (`Admin` 4), and opens a session.
    async fn login_with_token(&self, _connection: &Connection, _token: SecretText) -> Result<LoggedIn, RpcError> {
        Err(RpcError::unsupported_login())
    }

    /// Begins a login that a user completes elsewhere, with a code (`Admin` 4, `LoginDevice`).
    async fn begin_device_login(&self, _connection: &Connection) -> Result<DeviceLogin, RpcError> {
        Err(RpcError::unsupported_login())
    }

    /// Waits until a user has completed the login with this code, and returns a session token
    /// (`Admin` 4, `GetDeviceSessionToken`). The future is dropped when the connection ends.
    async fn device_token(&self, _user_code: String) -> Result<SecretText, RpcError> {
        Err(RpcError::unsupported_login())
    }

    /// Answers `Admin.RedirectInfo`, which clients ask after [`RpcError::redirect_to_be_asked`].
    async fn redirect_info(&self, _connection: &Connection) -> Result<RedirectInfoResult, RpcError> {
        Err(RpcError::plain("not redirected"))
    }

    /// Reports whether an HTTP request is answered whoever sends it, by [`Service::http`]. Its connection goes on counting as
    /// one that never logs in.
    fn is_open(&self, _head: &RequestHead) -> bool {
        false
    }

    /// Checks who sends an HTTP request or opens a stream, before its body is read.
    ///
    /// Until this succeeds the connection counts as one that never logs in. Not called for `/health` and for requests that are
    /// [open](Service::is_open).
    async fn authorize(&self, _head: &RequestHead) -> Result<(), RpcError> {
        Err(RpcError::new(ErrorCode::NotFound, "404 page not found"))
    }

    /// Answers an HTTP request that [`Service::authorize`] let pass: `/migrate/charms` and others.
    async fn http(&self, _request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        Err(RpcError::new(ErrorCode::NotFound, "404 page not found"))
    }

    /// Whether `/health` answers that the controller runs.
    async fn healthy(&self) -> bool {
        true
    }

    /// Opens the log of a model, `/model/UUID/log`.
    async fn read_log(&self, _head: &RequestHead, _model: &str) -> Result<Box<dyn LogReader>, RpcError> {
        Err(RpcError::new(ErrorCode::NotSupported, "log streaming not supported"))
    }

    /// Takes in the log of a model that has moved here, `/migrate/logtransfer`.
    async fn write_log(&self, _head: &RequestHead) -> Result<Box<dyn LogWriter>, RpcError> {
        Err(RpcError::new(ErrorCode::NotSupported, "log transfer not supported"))
    }
}

/// One login's calls: what belongs to a connection, such as its watchers, lives here. It is dropped when the connection ends.
#[async_trait]
pub trait Session: Send + Sync + 'static {
    /// Answers one call. Calls of one connection run side by side, and one may wait for as long as it likes, as
    /// `AllWatcher.Next` does.
    ///
    /// When the connection ends, the future is dropped at its next await. Work that must not stop half-way belongs in a task of
    /// its own, which the call only waits for.
    ///
    /// `Value::Null` is sent as `{}`: clients wait for a response for ever.
    async fn call(&self, call: RpcCall) -> Result<Value, RpcError>;
}
