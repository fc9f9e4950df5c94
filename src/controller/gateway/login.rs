//! `Admin`: who is let in, who is sent on, and who waits.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::master::MasterSession;
use super::{Gateway, MigrationPhase, RelayedMigration, Secret, Visitor, Way};
use crate::controller::master::log::model_of_log;
use crate::controller::master::upload::bad;
use crate::juju::http::{Credentials, HttpReply, HttpRequest, RequestHead, Route};
use crate::juju::logstream::LogWriter;
use crate::juju::params::admin::{LoginRequest, LoginResult, RedirectErrorInfo, RedirectInfoResult, UserInfo};
use crate::juju::params::tag;
use crate::juju::rpc::{Connection, ErrorCode, LoggedIn, RpcError, Scope, Service};

/// What a caller shows of itself.
pub(super) struct Shown<'a> {
    tag: &'a str,
    password: &'a str,
    macaroons: &'a [Vec<Value>],
}

impl<'a> Shown<'a> {
    /// Reads an HTTP request's credentials.
    pub fn of(credentials: &'a Credentials) -> Self {
        let Credentials { auth_tag, password, macaroons, .. } = credentials;
        Self { tag: auth_tag, password, macaroons }
    }

    fn at_login(login: &'a LoginRequest) -> Self {
        Self { tag: &login.auth_tag, password: &login.credentials, macaroons: &login.macaroons }
    }
}

#[async_trait]
impl Service for Gateway {
    async fn login(&self, connection: &Connection, login: LoginRequest) -> Result<LoggedIn, RpcError> {
        let outcome = self.admit(connection, &login).await;
        if let Err(error) = &outcome
            && error.code != ErrorCode::Redirect
        {
            let (peer, user) = (connection.peer, login.auth_tag.escape_debug().to_string());
            tracing::info!(%peer, user, scope = ?connection.scope, "a login at the gateway was refused: {error}");
        }
        outcome
    }

    async fn redirect_info(&self, connection: &Connection) -> Result<RedirectInfoResult, RpcError> {
        let Scope::Model(model) = &connection.scope else { return Err(RpcError::plain("not redirected")) };
        self.migration_of(model)?;
        let RedirectErrorInfo { servers, ca_cert, .. } = self.redirection()?;
        Ok(RedirectInfoResult { servers, ca_cert })
    }

    async fn authorize(&self, head: &RequestHead) -> Result<(), RpcError> {
        match &head.route {
            Route::LogTransfer | Route::MigrateCharm { .. } | Route::MigrateTools | Route::MigrateResources => {
                let known = self.master_by(&Shown::of(&head.credentials));
                known.map(drop).ok_or_else(RpcError::bad_login)
            }
            _ => Err(RpcError::new(ErrorCode::NotFound, "404 page not found")),
        }
    }

    async fn http(&self, request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        self.take_upload(request).await
    }

    async fn write_log(&self, head: &RequestHead) -> Result<Box<dyn LogWriter>, RpcError> {
        let model = model_of_log(head)?;
        let migration = self.master_by(&Shown::of(&head.credentials)).ok_or_else(RpcError::bad_login)?;
        if model != migration.migration_ref.model {
            return Err(bad(format!("this login moves model {}", migration.migration_ref.model)));
        }
        Ok(self.relay().open_log(migration.migration_ref).await?)
    }
}

impl Gateway {
    /// Returns the migration whose master shows this.
    pub(super) fn master_by(&self, shown: &Shown<'_>) -> Option<RelayedMigration> {
        if !shown.tag.is_empty() && shown.tag != Secret::AUTH_TAG {
            return None;
        }
        let mut known = self.relay().migrations().into_iter();
        known.find(|known| {
            let mid = known.migration_ref.mid;
            known.secret.is_password(shown.password) || known.secret.is_macaroon(mid, shown.macaroons)
        })
    }

    async fn admit(&self, connection: &Connection, login: &LoginRequest) -> Result<LoggedIn, RpcError> {
        let is_user = login.auth_tag.is_empty() || tag::user_of(&login.auth_tag).is_some();
        match &connection.scope {
            Scope::Controller => match self.master_by(&Shown::at_login(login)) {
                Some(migration) => self.welcome_master(migration),
                None => self.admit_user(connection, login).await,
            },
            Scope::Model(model) if is_user => self.admit_user_of(model, connection, login).await,
            Scope::Model(model) => {
                let migration = self.migration_of(model)?;
                self.admit_agent(migration, connection, login).await
            }
        }
    }

    fn welcome_master(&self, migration: RelayedMigration) -> Result<LoggedIn, RpcError> {
        let LoginResult { controller_tag, facades, server_version, .. } = self.destination()?.login.clone();
        let user_info = UserInfo {
            display_name: "modelferry".to_owned(),
            identity: Secret::AUTH_TAG.to_owned(),
            controller_access: "superuser".to_owned(),
            ..UserInfo::default()
        };
        let result = LoginResult {
            // Clients keep these addresses in the place of those that they dialled.
            servers: vec![self.inner.servers.clone()],
            controller_tag,
            facades,
            server_version,
            user_info: Some(user_info),
            ..LoginResult::default()
        };
        Ok(LoggedIn { result, session: Arc::new(MasterSession::new(self.clone(), migration)) })
    }

    /// Lets a user of the destination in, once a model has moved there by this gateway: a client that was told the gateway's
    /// address by the source follows no redirect of a login without a model.
    async fn admit_user(&self, connection: &Connection, login: &LoginRequest) -> Result<LoggedIn, RpcError> {
        let moved = self.relay().migrations().into_iter().find(|known| known.phase == MigrationPhase::Moved);
        let moved = moved.ok_or_else(RpcError::bad_login)?;
        self.proxied(moved.migration_ref, connection, login).await
    }

    /// Sends a user of a model to the destination. Consumers of its offers, who are nobody in particular, follow one hop alone
    /// and have made it by coming here.
    async fn admit_user_of(
        &self,
        model: &str,
        connection: &Connection,
        login: &LoginRequest,
    ) -> Result<LoggedIn, RpcError> {
        let migration = self.migration_of(model)?;
        match migration.phase {
            MigrationPhase::Aborted => Err(RpcError::unknown_model(model)),
            MigrationPhase::Running => {
                Err(RpcError::new(ErrorCode::MigrationInProgress, "model migration in progress, model is importing"))
            }
            MigrationPhase::Moved if tag::user_of(&login.auth_tag) == Some(tag::ANONYMOUS) => {
                self.proxied(migration.migration_ref, connection, login).await
            }
            MigrationPhase::Moved => {
                let redirection = self.redirection()?;
                self.relay().came(migration.migration_ref, &Visitor::of(connection, login, Way::Redirected));
                Err(RpcError::redirect(&redirection))
            }
        }
    }

    /// Returns where agents and users are sent: the same in every phase, as an agent keeps what it was told last.
    ///
    /// Errors: the destination has no address that means anything elsewhere. An agent drops loopback addresses from what it is
    /// told, and would be left with none.
    pub(super) fn redirection(&self) -> Result<RedirectErrorInfo, RpcError> {
        let destination = self.destination()?;
        let servers = destination.servers_elsewhere();
        if servers.is_empty() {
            let text = "the destination names no address but loopback ones, which nobody else can use; \
                        give its agent the controller's real addresses";
            return Err(RpcError::plain(text));
        }
        let controller_tag = destination.login.controller_tag.clone();
        let ca_cert = destination.ca_cert.clone();
        Ok(RedirectErrorInfo { servers, ca_cert, controller_tag, controller_alias: String::new() })
    }
}
