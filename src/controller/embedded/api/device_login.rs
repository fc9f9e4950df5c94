//! `/login`: the page where a user completes a login that a client began without naming one.
//!
//! `juju login HOST:PORT` of Juju 3.6 names no user and keeps no macaroon. It shows a code and the page's address instead, and
//! waits; who types the code there, with a name and a password, gives that client a session token.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderName};
use hyper::{Method, StatusCode};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::Api;
use super::bakery::user_of_session;
use super::local_login::read_form;
use crate::clock::now_ms;
use crate::juju::http::{HttpReply, HttpRequest};
use crate::juju::params::admin::DeviceLogin;
use crate::juju::rpc::{ErrorCode, RpcError};

/// Where the page is.
pub(super) const PAGE: &str = "/login";
/// Time to complete a login.
const COMPLETED_WITHIN: Duration = Duration::from_secs(600);
/// Logins that wait for their users. One more is refused with `try again`.
const WAITING_MAX: usize = 128;
/// Letters of a code: none that is mistaken for another, and no vowels, so that they make no words.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters in a code: 20^8 codes, of which at most [`WAITING_MAX`] are good.
const CODE_LETTERS: usize = 8;
/// What a browser may do with the page: show it, within no other, and send its form back.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";

/// Logins that have begun, by their codes.
#[derive(Debug, Default)]
pub(super) struct Devices {
    waiting: Mutex<HashMap<String, Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    until: Instant,
    /// Taken by whoever completes the login.
    complete: Option<oneshot::Sender<String>>,
    /// Taken by the client, which waits for the user's name.
    completed: Option<oneshot::Receiver<String>>,
}

impl Devices {
    /// Begins a login and returns its code.
    fn begin(&self) -> Result<String, RpcError> {
        let now = Instant::now();
        let mut waiting = self.waiting.lock();
        waiting.retain(|_, login| login.until > now);
        if waiting.len() >= WAITING_MAX {
            return Err(RpcError::new(ErrorCode::TryAgain, "too many logins wait for their users"));
        }
        let random = uuid::Uuid::new_v4();
        // Of a random UUID's bytes two have fixed bits: the seventh and the ninth.
        let letters = random.as_bytes().iter().enumerate().filter(|(at, _)| !matches!(at, 6 | 8));
        let code: String = letters
            .take(CODE_LETTERS)
            .map(|(_, byte)| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
            .collect();
        let (complete, completed) = oneshot::channel();
        let login = Waiting { until: now + COMPLETED_WITHIN, complete: Some(complete), completed: Some(completed) };
        waiting.insert(code.clone(), login);
        Ok(code)
    }

    /// Reports whether a login with this code waits for its user.
    fn waits(&self, code: &str) -> bool {
        self.waiting.lock().get(code).is_some_and(|login| login.complete.is_some() && login.until > Instant::now())
    }

    /// Gives the login with this code to a user. False: there is no such login, or no longer.
    fn complete(&self, code: &str, user: &str) -> bool {
        let mut waiting = self.waiting.lock();
        let login = waiting.get_mut(code).filter(|login| login.until > Instant::now());
        let complete = login.and_then(|login| login.complete.take());
        complete.is_some_and(|complete| complete.send(user.to_owned()).is_ok())
    }

    /// Waits until a user has completed the login with this code, and returns the user's name. The code is good for nothing
    /// afterwards, also if the future is dropped.
    async fn completed(&self, code: &str) -> Result<String, RpcError> {
        let expired = || RpcError::new(ErrorCode::LoginExpired, "nobody has completed the login in time");
        let taken = self.waiting.lock().get_mut(code).and_then(|login| Some((login.completed.take()?, login.until)));
        let (completed, until) = taken.ok_or_else(expired)?;
        let _forget = Forget { devices: self, code };
        timeout_at(until, completed).await.ok().and_then(Result::ok).ok_or_else(expired)
    }
}

/// Forgets a login when nobody waits for it any more.
struct Forget<'a> {
    devices: &'a Devices,
    code: &'a str,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.devices.waiting.lock().remove(self.code);
    }
}

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

    #[tokio::test]
    async fn a_code_is_good_once_and_as_people_type_it() {
        let devices = Devices::default();
        let code = devices.begin().unwrap();
        assert_eq!(typed(&format!(" {} ", shown(&code).to_lowercase())), code);
        assert!(devices.waits(&code));
        assert!(devices.complete(&code, "admin"));
        assert!(!devices.complete(&code, "eve"), "it was given to another user already");
        assert_eq!(devices.completed(&code).await.unwrap(), "admin");
        assert_eq!(devices.completed(&code).await.unwrap_err().code, ErrorCode::LoginExpired);
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_that_nobody_completes_expires_and_makes_room() {
        let devices = Devices::default();
        let codes: Vec<String> = (0..WAITING_MAX).map(|_| devices.begin().unwrap()).collect();
        assert_eq!(devices.begin().unwrap_err().code, ErrorCode::TryAgain);
        let begun = Instant::now();
        assert_eq!(devices.completed(&codes[0]).await.unwrap_err().code, ErrorCode::LoginExpired);
        assert!(begun.elapsed() >= COMPLETED_WITHIN);
        assert!(!devices.complete(&codes[1], "admin"), "too late");
        devices.begin().unwrap();
    }

    #[tokio::test]
    async fn a_client_that_leaves_takes_its_code_along() {
        let devices = Devices::default();
        let code = devices.begin().unwrap();
        let waiting = devices.completed(&code);
        assert!(tokio::time::timeout(Duration::ZERO, waiting).await.is_err());
        assert!(!devices.waits(&code));
    }
}
