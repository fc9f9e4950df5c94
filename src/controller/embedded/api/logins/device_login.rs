//! `/login`: the page where a user completes a login that a client began without naming one.
//!
//! `juju login HOST:PORT` of Juju 3.6 names no user and keeps no macaroon. It shows a code and the page's address instead, and
//! waits; who types the code there, with a name and a password, gives that client a session token.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{CONTENT_TYPE, HeaderName};
use hyper::{Method, StatusCode};

use super::bakery::user_of_session;
use super::local_login::read_form;
use crate::clock::now_ms;
use crate::controller::embedded::api::Api;
use crate::juju::http::{HttpReply, HttpRequest};
use crate::juju::params::admin::DeviceLogin;
use crate::juju::rpc::{ErrorCode, RpcError};

/// Where the page is.
pub(super) const PAGE: &str = "/login";
/// What a browser may do with the page: show it, within no other, and send its form back.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";

/// Writes a code as people read it: `BCDF-GHJK`.
fn shown(code: &str) -> String {
    let (one, other) = code.split_at(code.len() / 2);
    format!("{one}-{other}")
}

/// Reads a code as people type it.
fn typed(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_uppercase()).collect()
}

impl Api {
    /// Begins a login that is completed at the page.
    pub(super) fn begin_device(&self) -> Result<DeviceLogin, RpcError> {
        let at = self.servers.first().map(ToString::to_string).unwrap_or_default();
        let user_code = shown(&self.devices.begin()?);
        Ok(DeviceLogin { user_code, verification_uri: format!("https://{at}{PAGE}") })
    }

    /// Waits until the login with this code is completed, and returns a session token of its user.
    pub(super) async fn token_of_device(&self, user_code: &str) -> Result<String, RpcError> {
        let devices = Arc::clone(&self.devices);
        let user = devices.completed(&typed(user_code)).await?;
        self.blocking(move |api| Ok(api.bakery(&user)?.session(now_ms()))).await
    }

    /// Returns whose session token this is, while it is good.
    pub(super) async fn user_by_session(&self, token: &str) -> Result<Option<String>, RpcError> {
        let Some(user) = user_of_session(token) else { return Ok(None) };
        let token = token.to_owned();
        let look = move |api: &Self| Ok(api.bakery(&user)?.admits_session(&token, now_ms()).then_some(user));
        self.blocking(look).await
    }

    /// Answers a request for the page, or what was typed there.
    pub(super) async fn page(&self, request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        match request.head.method {
            Method::GET => Ok(page(StatusCode::OK, "", true)),
            Method::POST => {
                let Some(body) = read_form(request).await? else {
                    return Ok(page(StatusCode::BAD_REQUEST, "The form is too long.", true));
                };
                Ok(self.typed_there(request.head.peer.ip(), &body).await)
            }
            _ => Ok(page(StatusCode::METHOD_NOT_ALLOWED, "", true)),
        }
    }

    async fn typed_there(&self, address: IpAddr, body: &[u8]) -> HttpReply {
        let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let text = |key: &str| form.get(key).map(|text| text.trim().to_owned()).unwrap_or_default();
        let code = typed(&text("code"));
        let user = text("user").trim_end_matches("@local").to_owned();
        // As a file that holds one line ends.
        let password =
            form.get("password").map(|text| text.trim_end_matches(['\r', '\n']).to_owned()).unwrap_or_default();
        let no_code = "No login waits for this code. Type juju login again, and the code that it shows here.";
        // Before the password is looked at: a wrong code is no failure of the user's.
        if !self.devices.waits(&code) {
            return page(StatusCode::NOT_FOUND, no_code, true);
        }
        if let Err(error) = self.check(address, &user, &password).await {
            let (status, text) = match error.code {
                ErrorCode::TryAgain => {
                    (StatusCode::TOO_MANY_REQUESTS, "Too many wrong passwords. Try again in a minute.")
                }
                ErrorCode::Unauthorized => (StatusCode::UNAUTHORIZED, "The name or the password is wrong."),
                _ => (StatusCode::INTERNAL_SERVER_ERROR, "The controller cannot check the password now."),
            };
            return page(status, text, true);
        }
        if !self.devices.complete(&code, &user) {
            return page(StatusCode::NOT_FOUND, no_code, true);
        }
        tracing::info!(%address, user, "a login was completed at the login page");
        page(StatusCode::OK, "You are logged in. Go back to the terminal.", false)
    }
}

/// Makes the page. `note` is text of this program, never of a request.
fn page(status: StatusCode, note: &str, form: bool) -> HttpReply {
    let note = if note.is_empty() { String::new() } else { format!("<p><strong>{note}</strong></p>\n") };
    let form = if form {
        "<p>Go on only if you have typed <code>juju login</code> yourself just now.</p>\n\
         <form method=\"post\" action=\"/login\">\n\
         <p><label>Code <input name=\"code\" autocomplete=\"off\" autofocus required></label></p>\n\
         <p><label>User <input name=\"user\" autocomplete=\"username\" required></label></p>\n\
         <p><label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label></p>\n\
         <p><button>Log in</button></p>\n\
         </form>\n"
    } else {
        ""
    };
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Log in to the controller</title>\n\
         <h1>Log in to the controller</h1>\n{note}{form}</html>\n"
    );
    HttpReply::text(status, html)
        .header(CONTENT_TYPE, "text/html; charset=utf-8")
        .header(HeaderName::from_static("content-security-policy"), POLICY)
        .header(HeaderName::from_static("cache-control"), "no-store")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        assert_eq!(typed(&format!(" {} ", shown("BCDFGHJK").to_lowercase())), "BCDFGHJK");
    }
}
