//! `/auth`: where a client that logs in without a password proves it. This is what `juju login` asks for it for.

use std::net::IpAddr;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::bakery::{Bakery, decode, user_of, user_of_caveat, wrapped};
use crate::clock::now_ms;
use crate::controller::embedded::api::Api;
use crate::controller::port::ControllerError;
use crate::juju::http::{HttpReply, HttpRequest, RequestHead};
use crate::juju::params::admin::LoginResult;
use crate::juju::rpc::{ErrorCode, RpcError};

/// Bytes that a form may have.
const FORM_BYTES_MAX: usize = 16 << 10;
/// What Juju calls a password typed into a form.
const BY_PASSWORD: &str = "juju_userpass";
/// Where caveats are proven.
const AUTH: &str = "/auth";
const DISCHARGE: &str = "/auth/discharge";
const FORM: &str = "/auth/form";

/// Reports whether a path is served here, to whoever asks.
pub(super) fn is_served(path: &str) -> bool {
    matches!(path, DISCHARGE | FORM)
}

/// Reads the body of a form; nothing if it is too long.
pub(super) async fn read_form(request: &mut HttpRequest) -> Result<Option<Vec<u8>>, RpcError> {
    let mut body = Vec::new();
    while let Some(piece) = request.chunk().await? {
        if body.len() + piece.len() > FORM_BYTES_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}

fn bad(text: &str) -> HttpReply {
    reply(StatusCode::BAD_REQUEST, "bad request", text, None)
}

/// Makes an error of the client library for macaroons.
fn reply(status: StatusCode, code: &str, message: &str, info: Option<Value>) -> HttpReply {
    let mut body = json!({ "Code": code, "Message": message });
    if let Some(info) = info {
        body["Info"] = info;
    }
    HttpReply { status, ..HttpReply::json(&body) }
}

impl Api {
    /// Makes what signs a user's macaroons. An unknown user's are never good.
    pub(in crate::controller::embedded::api) fn bakery(&self, user: &str) -> Result<Bakery, ControllerError> {
        let secret = self.inner().identity.ca_key.as_bytes();
        Ok(Bakery::new(secret, user, &self.embedded.password_mark(user)?))
    }

    /// Answers a login without a password: with a macaroon, and where to prove it.
    pub(super) async fn ask_to_prove(&self, user: &str, host: &str) -> Result<LoginResult, RpcError> {
        let (user, location) = (user.to_owned(), format!("https://{host}{AUTH}"));
        let macaroon = self.blocking(move |api| Ok(api.bakery(&user)?.login(&location, now_ms()))).await?;
        Ok(LoginResult {
            bakery_discharge_required: Some(wrapped(&macaroon)),
            discharge_required: Some(macaroon),
            discharge_required_reason: "macaroon discharge required: authentication required".to_owned(),
            ..LoginResult::default()
        })
    }

    /// Returns the user of a login by macaroons; nothing if none of them is good.
    pub(super) async fn user_by(&self, macaroons: &[Vec<Value>]) -> Result<Option<String>, RpcError> {
        let macaroons = macaroons.to_vec();
        let look = move |api: &Self| {
            for login in &macaroons {
                let Some(user) = user_of(login) else { continue };
                if api.bakery(&user)?.admits(login, now_ms()) {
                    return Ok(Some(user));
                }
            }
            Ok(None)
        };
        self.blocking(look).await
    }

    /// Answers a request below `/auth`.
    pub(super) async fn prove(&self, path: &str, request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        if request.head.method != Method::POST {
            return Err(RpcError::new(
                ErrorCode::MethodNotAllowed,
                format!("{} method not allowed", request.head.method),
            ));
        }
        let Some(body) = read_form(request).await? else { return Ok(bad("the form is too long")) };
        match path {
            FORM => self.form(request.head.peer.ip(), &body).await,
            _ => self.discharge(&request.head, &body).await,
        }
    }

    /// Takes a user's name and password.
    async fn form(&self, address: IpAddr, body: &[u8]) -> Result<HttpReply, RpcError> {
        let Ok(form) = serde_json::from_slice::<Value>(body) else { return Ok(bad("can't unmarshal login request")) };
        let text = |key: &str| form["form"][key].as_str().unwrap_or_default().to_owned();
        let (user, password) = (text("user"), text("password"));
        if let Err(error) = self.check(address, &user, &password).await {
            return Ok(reply(StatusCode::UNAUTHORIZED, error.code.as_str(), &error.message, None));
        }
        let token = self.blocking(move |api| Ok(api.bakery(&user)?.token(now_ms()))).await?;
        let value = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, token);
        Ok(HttpReply::json(&json!({ "token": { "kind": BY_PASSWORD, "value": value } })))
    }

    /// Proves a caveat to a client that has a token, and tells others where to get one.
    async fn discharge(&self, head: &RequestHead, body: &[u8]) -> Result<HttpReply, RpcError> {
        let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let value = |plain: &str, coded: &str| {
            // Go's client puts its form into the query.
            let sent = |key: &str| form.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
            let of = |key: &str| head.query(key).map(str::to_owned).or_else(|| sent(key));
            of(plain).or_else(|| String::from_utf8(decode(&of(coded)?)?).ok())
        };
        let Some(caveat) = value("id", "id64") else { return Ok(bad("no caveat is named")) };
        let Some(user) = user_of_caveat(&caveat).map(str::to_owned) else { return Ok(bad("an unknown caveat")) };
        let Some(token) = value("token", "token64") else {
            let how = json!({ "InteractionMethods": { BY_PASSWORD: { "url": FORM } } });
            let text = "macaroon discharge required: authentication required";
            return Ok(reply(StatusCode::UNAUTHORIZED, "interaction required", text, Some(how)));
        };
        let proof = self.blocking(move |api| Ok(api.bakery(&user)?.discharge(&caveat, &token, now_ms()))).await?;
        match proof {
            Some(proof) => Ok(HttpReply::json(&json!({ "Macaroon": wrapped(&proof) }))),
            None => Ok(reply(StatusCode::UNAUTHORIZED, "unauthorized access", "invalid token", None)),
        }
    }
}
