//! `Admin`: who logs in, what they may do, and where a model went.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use modelferry_protocol::ids::ModelUuid;

use super::device_login::PAGE;
use super::local_login::is_served;
use crate::controller::embedded::api::caller::{Subject, rights};
use crate::controller::embedded::api::errors::{denied, fault};
use crate::controller::embedded::api::session::{ClientSession, facades};
use crate::controller::embedded::api::{Api, time};
use crate::controller::embedded::contents::users::Known;
use crate::controller::embedded::records::record::ModelRecord;
use crate::controller::embedded::records::user_record::ModelAccess;
use crate::controller::embedded::view::{Access, ModelState};
use crate::controller::port::ControllerError;
use crate::disk::blocking;
use crate::juju::http::{Credentials, HttpReply, HttpRequest, RequestHead, Route};
use crate::juju::logstream::{LogReader, LogWriter};
use crate::juju::params::admin::{
    DeviceLogin, HostPort, LoginRequest, LoginResult, RedirectErrorInfo, RedirectInfoResult, UserInfo,
};
use crate::juju::params::tag;
use crate::juju::rpc::{Connection, ErrorCode, LoggedIn, RpcError, Scope, Service, shown};
use crate::secret::SecretText;

#[async_trait]
impl Service for Api {
    async fn login(&self, connection: &Connection, login: LoginRequest) -> Result<LoggedIn, RpcError> {
        let outcome = self.admit(connection, &login).await;
        if let Err(error) = &outcome {
            let (peer, user) = (connection.peer, shown(&login.auth_tag));
            // Of a guesser who is refused unseen, the first refusal has been logged.
            if error.code != ErrorCode::TryAgain {
                tracing::info!(%peer, ?user, "login refused: {error}");
            }
        }
        outcome
    }

    async fn login_with_token(&self, connection: &Connection, token: SecretText) -> Result<LoggedIn, RpcError> {
        let user = self.user_by_session(&token).await?;
        // With this code Juju's client begins a login that is completed at the page.
        let invalid = || RpcError::new(ErrorCode::SessionTokenInvalid, "invalid session token");
        let user = user.ok_or_else(invalid)?;
        let model = self.model_for(connection, Some(&user), false).await?;
        let name = user.clone();
        let known = self.blocking(move |api| api.embedded.known(&name)).await?.ok_or_else(invalid)?;
        self.welcome(connection, &user, model.as_ref(), known)
    }

    async fn begin_device_login(&self, _: &Connection) -> Result<DeviceLogin, RpcError> {
        self.begin_device()
    }

    async fn device_token(&self, user_code: String) -> Result<SecretText, RpcError> {
        self.token_of_device(&user_code).await.map(SecretText::from)
    }

    async fn redirect_info(&self, connection: &Connection) -> Result<RedirectInfoResult, RpcError> {
        let not_redirected = || RpcError::plain("not redirected");
        let Scope::Model(named) = &connection.scope else { return Err(not_redirected()) };
        let Ok(uuid) = named.parse() else { return Err(not_redirected()) };
        let (_, to) = self.record(uuid).await?.ok_or_else(not_redirected)?;
        let to = to.ok_or_else(not_redirected)?;
        Ok(RedirectInfoResult { servers: to.servers, ca_cert: to.ca_cert })
    }

    fn is_open(&self, head: &RequestHead) -> bool {
        matches!(&head.route, Route::Other(path) if is_served(path) || path == PAGE)
    }

    async fn authorize(&self, head: &RequestHead) -> Result<(), RpcError> {
        match &head.route {
            Route::ModelLog(named) => {
                let uuid = named.parse().map_err(|_| unknown(named))?;
                let (record, _) = self.record(uuid).await?.ok_or_else(|| unknown(named))?;
                let (user, known) = self.sender(head).await?;
                rights(&record, &user, known.access).map(drop).ok_or_else(denied)
            }
            Route::LogTransfer | Route::MigrateCharm { .. } | Route::MigrateTools | Route::MigrateResources => {
                match self.sender(head).await?.1.access {
                    Access::Superuser => Ok(()),
                    _ => Err(RpcError::new(ErrorCode::Forbidden, "permission denied")),
                }
            }
            _ => Err(RpcError::new(ErrorCode::NotFound, "404 page not found")),
        }
    }

    async fn http(&self, request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        match request.head.route.clone() {
            Route::Other(path) if path == PAGE => self.page(request).await,
            Route::Other(path) if is_served(&path) => self.prove(&path, request).await,
            Route::MigrateCharm { .. } | Route::MigrateTools | Route::MigrateResources => {
                self.take_upload(request).await
            }
            _ => Err(RpcError::new(ErrorCode::NotFound, "404 page not found")),
        }
    }

    async fn read_log(&self, head: &RequestHead, model: &str) -> Result<Box<dyn LogReader>, RpcError> {
        self.open_log(head, model).await
    }

    async fn write_log(&self, head: &RequestHead) -> Result<Box<dyn LogWriter>, RpcError> {
        self.take_log(head).await
    }
}

fn unknown(model: &str) -> RpcError {
    RpcError::unknown_model(model)
}

impl Api {
    /// Returns who sends a request, by macaroons or a password.
    async fn sender(&self, head: &RequestHead) -> Result<(String, Known), RpcError> {
        let Credentials { auth_tag, password, macaroons, .. } = &head.credentials;
        let by_tag = tag::user_of(auth_tag).map(str::to_owned);
        if auth_tag.is_empty()
            && let Some(user) = self.user_by_session(password).await?
        {
            let name = user.clone();
            let known = self.blocking(move |api| api.embedded.known(&name)).await?;
            return known.map(|known| (user, known)).ok_or_else(RpcError::bad_login);
        }
        let user = if by_tag.is_none() { self.user_by(macaroons).await? } else { by_tag };
        let user = user.ok_or_else(RpcError::bad_login)?;
        let known = match self.proven(&user, macaroons).await? {
            Some(known) => known,
            None => self.check(head.peer.ip(), &user, password).await?,
        };
        Ok((user, known))
    }

    /// Returns a model, and where its users are sent.
    async fn record(&self, model: ModelUuid) -> Result<Option<(ModelRecord, Option<RedirectErrorInfo>)>, RpcError> {
        let look = move |api: &Self| {
            let Some(record) = api.inner().database.model(model)? else { return Ok(None) };
            let to = api.inner().redirection(&record)?;
            Ok(Some((record, to)))
        };
        self.blocking(look).await
    }

    /// Runs work that blocks on the disk.
    pub(in crate::controller::embedded::api) async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<R, ControllerError> + Send + 'static,
    ) -> Result<R, RpcError> {
        let api = self.clone();
        blocking(move || work(&api)).await.map_err(|error| fault(&error))
    }

    /// Checks a password.
    pub(in crate::controller::embedded::api) async fn check(
        &self,
        address: std::net::IpAddr,
        user: &str,
        password: &str,
    ) -> Result<Known, RpcError> {
        let turn = self.gate.enter(address, Instant::now()).await?;
        let (user, password) = (user.to_owned(), password.to_owned());
        let known = self.blocking(move |api| api.embedded.authenticate(&user, &password)).await?;
        drop(turn);
        if known.is_none() && self.gate.failed(address, Instant::now()) {
            tracing::warn!(%address, "too many wrong passwords: logins from this address are refused for a while");
        }
        known.ok_or_else(RpcError::bad_login)
    }

    /// Returns the model that a connection is about; for one that has moved, where the user is sent, if it is the user's.
    async fn model_for(
        &self,
        connection: &Connection,
        user: Option<&str>,
        anonymous: bool,
    ) -> Result<Option<ModelRecord>, RpcError> {
        let Scope::Model(named) = &connection.scope else { return Ok(None) };
        let uuid = named.parse().map_err(|_| unknown(named))?;
        let (record, to) = self.record(uuid).await?.ok_or_else(|| unknown(named))?;
        if record.model_state() != ModelState::Gone {
            return Ok(Some(record));
        }
        // Before the password is looked at, as in Juju; nobody else learns that there was such a model.
        Err(match (user, to) {
            (Some(user), Some(to)) if anonymous || self.had_access(&record, user).await? => RpcError::redirect(&to),
            _ => RpcError::bad_login(),
        })
    }

    async fn admit(&self, connection: &Connection, login: &LoginRequest) -> Result<LoggedIn, RpcError> {
        // External users log in by macaroons alone, and so may any user of this controller.
        let by_macaroons = if login.auth_tag.is_empty() { self.user_by(&login.macaroons).await? } else { None };
        let user = tag::user_of(&login.auth_tag).or(by_macaroons.as_deref());
        let anonymous = user == Some(tag::ANONYMOUS) && login.macaroons.is_empty();
        let model = self.model_for(connection, user, anonymous).await?;
        if anonymous {
            return Ok(self.logged_in(connection, None, model.as_ref(), None, ModelAccess::Read));
        }
        let Some(user) = user else {
            return Err(match login.auth_tag.as_str() {
                "" => RpcError::new(ErrorCode::NoCredentials, "no credentials provided"),
                // Machines and units: a controller that runs none knows none.
                _ => RpcError::bad_login(),
            });
        };
        let known = match &*login.credentials {
            "" => match self.proven(user, &login.macaroons).await? {
                Some(known) => known,
                None => return self.unproven(connection, user).await,
            },
            password => self.check(connection.peer.ip(), user, password).await?,
        };
        self.welcome(connection, user, model.as_ref(), known)
    }

    /// Lets a user in who has proven who it is.
    fn welcome(
        &self,
        connection: &Connection,
        user: &str,
        model: Option<&ModelRecord>,
        known: Known,
    ) -> Result<LoggedIn, RpcError> {
        let access = match model {
            None => ModelAccess::Read,
            Some(record) => rights(record, user, known.access).ok_or_else(denied)?,
        };
        Ok(self.logged_in(connection, Some(user), model, Some(known), access))
    }

    /// Returns what a user may do whose macaroons are good.
    async fn proven(&self, user: &str, macaroons: &[Vec<serde_json::Value>]) -> Result<Option<Known>, RpcError> {
        if self.user_by(macaroons).await?.as_deref() != Some(user) {
            return Ok(None);
        }
        let name = user.to_owned();
        self.blocking(move |api| api.embedded.known(&name)).await
    }

    /// Answers a login that proves nothing yet: with what is to be proven, and where.
    async fn unproven(&self, connection: &Connection, user: &str) -> Result<LoggedIn, RpcError> {
        let at = self.servers.first().map(ToString::to_string).unwrap_or_default();
        let result = self.ask_to_prove(user, &at).await?;
        let session = ClientSession::new(self.clone(), None, Subject::Controller, connection.peer.ip());
        Ok(LoggedIn { result, session: Arc::new(session) })
    }

    async fn had_access(&self, record: &ModelRecord, user: &str) -> Result<bool, RpcError> {
        let name = user.to_owned();
        let known = self.blocking(move |api| api.embedded.access_of(&name)).await?;
        Ok(record.access_of(user).is_some() || known == Some(Access::Superuser))
    }

    fn logged_in(
        &self,
        connection: &Connection,
        user: Option<&str>,
        model: Option<&ModelRecord>,
        known: Option<Known>,
        access: ModelAccess,
    ) -> LoggedIn {
        let subject = model.map_or(Subject::Controller, |record| Subject::Model(record.uuid));
        let inner = self.inner();
        let user_info = user.zip(known).map(|(user, known)| UserInfo {
            display_name: user.to_owned(),
            identity: tag::user(user),
            last_connection: time(known.seen_ms),
            controller_access: known.access.as_str().to_owned(),
            model_access: if model.is_some() { access.as_str().to_owned() } else { String::new() },
        });
        let result = LoginResult {
            servers: vec![self.servers.to_vec()],
            model_tag: model.map(|record| tag::model(&record.uuid.to_string())).unwrap_or_default(),
            controller_tag: tag::controller(&inner.identity.uuid.to_string()),
            facades: facades(subject, user.is_none()),
            server_version: inner.config.version.clone(),
            user_info,
            ..LoginResult::default()
        };
        let session = ClientSession::new(self.clone(), user.map(str::to_owned), subject, connection.peer.ip());
        LoggedIn { result, session: Arc::new(session) }
    }

    /// Returns the API's addresses as text.
    pub(in crate::controller::embedded::api) fn addresses(&self) -> Vec<String> {
        self.servers.iter().map(ToString::to_string).collect()
    }

    /// Reports whether an address is one of the API's.
    pub(in crate::controller::embedded::api) fn is_here(&self, address: &str) -> bool {
        HostPort::read(address).is_some_and(|at| self.servers.contains(&at))
    }
}
