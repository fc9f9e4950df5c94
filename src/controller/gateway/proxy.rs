//! Connections that are carried to the destination's API: of agents that follow no redirect, of consumers of offers, of users.
//!
//! Calls and their answers are carried, one by one. Everything else that a client might ask of this port, such as a charm's
//! archive, it asks of the destination itself, whose addresses it learns from this connection.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Gateway, Visitor, Way};
use crate::controller::port::MigrationRef;
use crate::juju::params::admin::{LoginRequest, LoginResult};
use crate::juju::params::from_value;
use crate::juju::rpc::{Client, ClientError, Connection, ErrorCode, LoggedIn, RpcCall, RpcError, Session};

/// The version of `Admin` that every client speaks.
const ADMIN: u32 = 3;

/// Characters of a visitor's tag that are remembered.
const WHO_CHARS_MAX: usize = 128;

/// A login that was carried to the destination.
struct Proxied {
    client: Client,
    _visit: Visit,
}

/// Notes the end of a connection that was carried.
struct Visit {
    gateway: Gateway,
    migration: MigrationRef,
    visitor: Visitor,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.gateway.relay().left(self.migration, &self.visitor);
    }
}

impl Visitor {
    /// Returns who logs in on a connection.
    pub(super) fn of(connection: &Connection, login: &LoginRequest, way: Way) -> Self {
        // An external user shows a macaroon and no name.
        let who = if login.auth_tag.is_empty() { "user" } else { &login.auth_tag };
        Self { who: who.chars().take(WHO_CHARS_MAX).collect(), from: connection.peer.ip().to_string(), way }
    }
}

impl Gateway {
    /// Makes a login at the destination, and carries the connection's calls there.
    pub(super) async fn proxied(
        &self,
        migration: MigrationRef,
        connection: &Connection,
        login: &LoginRequest,
    ) -> Result<LoggedIn, RpcError> {
        let (scope, visitor) = (&connection.scope, Visitor::of(connection, login, Way::Carried));
        let connection = self.relay().connect(migration).await?;
        let client = Client::over(connection, scope).await.map_err(unanswered)?;
        let answer = client.call_version("Admin", ADMIN, "", "Login", json!(login)).await.map_err(unanswered)?;
        let result = from_value::<LoginResult>(&answer);
        let mut result = result.map_err(|error| RpcError::plain(format!("the destination's login reply: {error}")))?;
        if login.auth_tag.is_empty() || login.auth_tag.starts_with("user-") {
            // A client keeps these addresses, and may have no other way than by this one.
            result.servers = vec![self.inner.servers.clone()];
        }
        self.relay().came(migration, &visitor);
        let visit = Visit { gateway: self.clone(), migration, visitor };
        Ok(LoggedIn { result, session: Arc::new(Proxied { client, _visit: visit }) })
    }
}

#[async_trait]
impl Session for Proxied {
    async fn call(&self, call: RpcCall) -> Result<Value, RpcError> {
        let RpcCall { facade, version, id, method, params } = call;
        self.client.call_version(&facade, version, &id, &method, params).await.map_err(unanswered)
    }
}

/// What a client is told where the destination has not answered as it should.
fn unanswered(error: ClientError) -> RpcError {
    match error {
        ClientError::Answer(error) => error,
        ClientError::Closed => RpcError::new(ErrorCode::Stopped, "the connection to the destination has ended"),
        other => RpcError::plain(format!("the destination cannot be reached: {other}")),
    }
}
