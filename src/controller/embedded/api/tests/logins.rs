//! Who may log in, and where a model's users are sent.

use bytes::Bytes;
use hyper::Method;
use serde_json::json;

use super::*;
use crate::controller::embedded::api::logins::bakery::bound;
use crate::controller::embedded::view::Access;
use crate::juju::http::{Credentials, HttpReply, HttpTarget, UploadBody, UploadError};
use crate::juju::rpc::ErrorCode;

#[tokio::test]
async fn a_login_tells_what_a_client_insists_on() {
    let served = Served::start().await;
    let client = served.dial(&Scope::Controller).await;
    let result = client.login(&by_password("admin", PASSWORD)).await.unwrap();
    let view = served.embedded().view().unwrap();
    assert_eq!(result.controller_tag, format!("controller-{}", view.uuid));
    assert_eq!((result.server_version.as_str(), result.model_tag.as_str()), ("3.6.23", ""));
    let info = result.user_info.unwrap();
    assert_eq!((info.identity.as_str(), info.controller_access.as_str()), ("user-admin", "superuser"));
    assert!(info.last_connection.is_none());
    assert_eq!(result.servers[0][0].to_string(), "10.0.0.1:17070", "the client stores these addresses");
    let names: Vec<&str> = result.facades.iter().map(|facade| facade.name.as_str()).collect();
    assert!(names.contains(&"ModelManager") && names.contains(&"UserManager") && !names.contains(&"Client"));

    let client = served.dial(&sample()).await;
    let result = client.login(&by_password("admin@local", PASSWORD)).await.unwrap();
    assert_eq!(result.model_tag, format!("model-{}", Sample::default().uuid));
    let info = result.user_info.unwrap();
    assert_eq!(info.model_access, "admin");
    assert!(info.last_connection.is_some(), "the login before this one");
    let names: Vec<&str> = result.facades.iter().map(|facade| facade.name.as_str()).collect();
    assert!(names.contains(&"Client") && names.contains(&"Pinger") && !names.contains(&"ModelManager"));
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_are_refused_alike() {
    let served = Served::start().await;
    for (user, password) in [("admin", "guess"), ("nobody", PASSWORD), ("bob", PASSWORD), ("bob", "guess")] {
        for scope in [Scope::Controller, sample()] {
            let refused = refusal(served.login(&scope, user, password).await);
            assert_eq!(refused, RpcError::bad_login(), "{user} {password}");
        }
    }
}

#[tokio::test]
async fn a_machine_and_a_login_without_credentials_are_refused_in_jujus_words() {
    let served = Served::start().await;
    let client = served.dial(&Scope::Controller).await;
    let nobody = client.login(&LoginRequest::default()).await;
    assert_eq!(refusal(nobody).code, ErrorCode::NoCredentials);
    let machine =
        LoginRequest { auth_tag: "machine-0".into(), credentials: PASSWORD.into(), ..LoginRequest::default() };
    assert_eq!(refusal(served.dial(&sample()).await.login(&machine).await), RpcError::bad_login());
}

#[tokio::test]
async fn a_password_that_was_replaced_is_no_longer_good() {
    let served = Served::start().await;
    served.embedded().set_password("admin", "another").unwrap();
    assert!(served.login(&Scope::Controller, "admin", PASSWORD).await.is_err());
    assert!(served.login(&Scope::Controller, "admin", "another").await.is_ok());
    // Another access level leaves it as it is.
    served.embedded().add_user("admin", Access::Superuser, None).unwrap();
    assert!(served.login(&Scope::Controller, "admin", "another").await.is_ok());
    assert!(served.embedded().set_password("carol@external", "secret").is_err(), "not kept here");
}

#[tokio::test]
async fn a_model_admits_its_users_and_nobody_else() {
    let served = Served::with_reader().await;
    served.embedded().add_user("eve", Access::Login, Some(PASSWORD)).unwrap();
    let client = served.dial(&sample()).await;
    let bob = client.login(&by_password("bob", PASSWORD)).await.unwrap();
    assert_eq!(bob.user_info.unwrap().model_access, "read");
    let refused = refusal(served.login(&sample(), "eve", PASSWORD).await);
    assert_eq!((refused.message.as_str(), refused.code), ("permission denied", ErrorCode::Unauthorized));
    let unknown = Scope::Model("3850c8cc-0cd0-4d53-8a6d-591b63024141".into());
    let refused = refusal(served.login(&unknown, "admin", PASSWORD).await);
    assert_eq!(refused, RpcError::unknown_model("3850c8cc-0cd0-4d53-8a6d-591b63024141"));
}

#[tokio::test]
async fn who_guesses_is_told_to_try_again_later() {
    let served = Served::start().await;
    for _ in 0..10 {
        assert_eq!(refusal(served.login(&Scope::Controller, "admin", "guess").await), RpcError::bad_login());
    }
    let refused = refusal(served.login(&Scope::Controller, "admin", PASSWORD).await);
    assert_eq!(refused.code, ErrorCode::TryAgain, "also with the right password: it cannot be told apart");
}

#[tokio::test]
async fn a_migrated_model_sends_its_users_on_and_hides_from_others() {
    let (served, target) = (Served::start().await, EmbeddedRig::start("dst"));
    served.embedded().add_user("eve", Access::Login, Some(PASSWORD)).unwrap();
    moved(served.embedded(), target.embedded()).await;
    let there = target.embedded().view().unwrap();
    // Juju looks at no password here, and lets consumers of offers, who are nobody, pass as well.
    for user in ["admin", "bob", "jujuanonymous"] {
        let Err(ClientError::Redirected(redirect)) = served.login(&sample(), user, "").await else { panic!("{user}") };
        assert!(!redirect.follow, "the client prints what to type");
        assert_eq!(redirect.to.servers[0][0].to_string(), there.addresses[0]);
        assert_eq!(redirect.to.ca_cert, there.ca_cert);
        assert_eq!(redirect.to.controller_tag, format!("controller-{}", there.uuid));
        assert_eq!(redirect.to.controller_alias, "dst");
    }
    for user in ["eve", "nobody"] {
        assert_eq!(refusal(served.login(&sample(), user, PASSWORD).await), RpcError::bad_login(), "{user}");
    }
    let client = served.dial(&sample()).await;
    let info = called(&client, "Admin", 3, "RedirectInfo", serde_json::json!({})).await;
    assert_eq!(info["ca-cert"], serde_json::json!(there.ca_cert));
    let here = served.dial(&Scope::Controller).await;
    let refused = refusal(here.call_version("Admin", 3, "", "RedirectInfo", serde_json::json!({})).await);
    assert_eq!(refused.message, "not redirected");
}

#[tokio::test]
async fn a_user_who_was_removed_can_ask_nothing_more() {
    let served = Served::start().await;
    served.embedded().add_user("eve", Access::Superuser, Some(PASSWORD)).unwrap();
    let client = served.login(&Scope::Controller, "eve", PASSWORD).await.unwrap();
    called(&client, "Controller", 12, "AllModels", serde_json::json!({})).await;
    served.embedded().remove_user("eve").unwrap();
    let refused = refusal(client.call_version("Controller", 12, "", "AllModels", serde_json::json!({})).await);
    assert_eq!(refused.message, "permission denied");
}

async fn posted(served: &Served, path: &str, body: String) -> Result<Value, UploadError> {
    let reply = sent(served, Method::POST, path, body).await?;
    Ok(serde_json::from_slice(&reply.body).unwrap())
}

/// Sends a request of nobody.
async fn sent(served: &Served, method: Method, path: &str, body: String) -> Result<HttpReply, UploadError> {
    by(served, Credentials::default(), method, path, body).await
}

async fn by(
    served: &Served,
    credentials: Credentials,
    method: Method,
    path: &str,
    body: String,
) -> Result<HttpReply, UploadError> {
    let target = HttpTarget {
        address: served.server.address().to_string(),
        ca_cert: served.embedded().view().unwrap().ca_cert,
        credentials,
        client_version: "3.6.11".to_owned(),
    };
    let (pieces, body_pieces) = tokio::sync::mpsc::channel(1);
    pieces.send(Ok(Bytes::from(body))).await.unwrap();
    drop(pieces);
    target.send(method, path, &[], UploadBody::pieces(body_pieces)).await
}

#[tokio::test]
async fn a_client_without_a_password_is_asked_for_it_once() {
    let served = Served::start().await;
    let without = LoginRequest { auth_tag: "user-admin".into(), ..LoginRequest::default() };
    let client = served.dial(&Scope::Controller).await;
    let asked = called(&client, "Admin", 3, "Login", json!(without)).await;
    let login = asked["bakery-discharge-required"]["m"].clone();
    assert_eq!(login["c"][0]["l"], "https://10.0.0.1:17070/auth");
    let caveat = login["c"][0]["i"].as_str().unwrap();
    let discharge = |more: &str| {
        let id: String = form_urlencoded::byte_serialize(caveat.as_bytes()).collect();
        let path = format!("/auth/discharge?id={id}{more}");
        let served = &served;
        async move { posted(served, &path, String::new()).await }
    };
    let Err(UploadError::Refused { status, .. }) = discharge("").await else { panic!("not asked to interact") };
    assert_eq!(status.as_u16(), 401);
    let form = |password: &str| json!({ "form": { "user": "admin", "password": password } }).to_string();
    assert!(posted(&served, "/auth/form", form("guess")).await.is_err());
    let token = posted(&served, "/auth/form", form(PASSWORD)).await.unwrap();
    assert_eq!(token["token"]["kind"], "juju_userpass");
    let token: String = form_urlencoded::byte_serialize(token["token"]["value"].as_str().unwrap().as_bytes()).collect();
    let proof = discharge(&format!("&token64={token}&token-kind=juju_userpass")).await.unwrap();
    let macaroons = vec![bound(&login, &proof["Macaroon"]["m"])];
    for auth_tag in ["user-admin", ""] {
        let login = LoginRequest { auth_tag: auth_tag.into(), macaroons: macaroons.clone(), ..LoginRequest::default() };
        let result = served.dial(&Scope::Controller).await.login(&login).await.unwrap();
        assert_eq!(result.user_info.unwrap().identity, "user-admin");
    }
    served.embedded().set_password("admin", "another").unwrap();
    let login = LoginRequest { auth_tag: "user-admin".into(), macaroons, ..LoginRequest::default() };
    let again = refusal(served.dial(&Scope::Controller).await.login(&login).await);
    assert_eq!(again.code, ErrorCode::DischargeRequired, "a new password has to be proven anew");
}

/// What `juju login HOST:PORT` of Juju 3.6 does: it asks for a code, and a user types it at the login page.
#[tokio::test]
async fn a_client_that_names_no_user_is_logged_in_by_whoever_types_its_code() {
    let served = Served::start().await;
    let client = served.dial(&Scope::Controller).await;
    let Err(ClientError::Answer(refused)) = client.login_with_token("").await else { panic!("no token is needed") };
    assert_eq!(refused.code, ErrorCode::SessionTokenInvalid, "with this code the client begins a device login");
    let early = client.call_version("Admin", 4, "", "GetDeviceSessionToken", json!({})).await;
    assert_eq!(refusal(early).code, ErrorCode::BadRequest);
    let began = client.call_version("Admin", 4, "", "LoginDevice", json!({})).await.unwrap();
    assert_eq!(began["verification-uri"], "https://10.0.0.1:17070/login");
    let code = began["user-code"].as_str().unwrap();
    let typed = |code: &str, password: &str| {
        let form = [("code", code), ("user", "admin@local"), ("password", password)];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let served = &served;
        async move { sent(served, Method::POST, "/login", body).await }
    };
    let waiting = client.call_version("Admin", 4, "", "GetDeviceSessionToken", json!({}));
    let at_the_page = async {
        let form = sent(&served, Method::GET, "/login", String::new()).await.unwrap();
        assert!(String::from_utf8(form.body).unwrap().contains("<form method=\"post\" action=\"/login\">"));
        for (code, password, status) in [("BBBB-BBBB", PASSWORD, 404), (code, "guess", 401)] {
            let Err(UploadError::Refused { status: told, .. }) = typed(code, password).await else { panic!("{code}") };
            assert_eq!(told.as_u16(), status);
        }
        let done = typed(&code.to_lowercase(), &format!("{PASSWORD}\n")).await.unwrap();
        assert!(String::from_utf8(done.body).unwrap().contains("You are logged in."));
        assert!(typed(code, PASSWORD).await.is_err(), "it is good once");
    };
    let (token, ()) = tokio::join!(waiting, at_the_page);
    let token = token.unwrap()["session-token"].as_str().unwrap().to_owned();
    let result = client.login_with_token(&token).await.unwrap();
    assert_eq!(result.user_info.unwrap().identity, "user-admin");
    let result = served.dial(&sample()).await.login_with_token(&token).await.unwrap();
    assert_eq!(result.user_info.unwrap().model_access, "admin");
    let bearer = Credentials { password: token.clone().into(), ..Credentials::default() };
    let health = |credentials: Credentials| {
        let served = &served;
        async move { by(served, credentials, Method::POST, "/migrate/tools", String::new()).await }
    };
    let Err(UploadError::Refused { status, .. }) = health(bearer.clone()).await else { panic!("no model is named") };
    assert_eq!(status.as_u16(), 400, "the token is a login for HTTP requests as well");
    served.embedded().set_password("admin", "another").unwrap();
    let Err(UploadError::Refused { status, .. }) = health(bearer).await else { panic!("the password has changed") };
    assert_eq!(status.as_u16(), 401);
    let again = served.dial(&Scope::Controller).await.login_with_token(&token).await;
    assert!(matches!(again, Err(ClientError::Answer(error)) if error.code == ErrorCode::SessionTokenInvalid));
}

/// Whoever asks for a page is no client for that: there may be thousands of them.
#[tokio::test]
async fn who_asks_for_the_login_page_still_counts_as_one_who_never_logs_in() {
    let served = Served::start().await;
    let tls = crate::juju::tls::client_config(&served.embedded().view().unwrap().ca_cert).unwrap();
    let mut stream = crate::juju::rpc::dial::secure(&tls, &served.server.address().to_string()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /login HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    assert_eq!(served.server.connections(), (1, 0));
}
