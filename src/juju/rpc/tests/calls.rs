//! Logins and calls, of our client at our server.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::limits::AGENT_SILENCE_MAX;
use super::*;

const KNOWN: &[u32] = &[8, 9, 10, 11];

async fn call(client: &Client, method: &str, params: Value) -> Result<Value, ClientError> {
    client.call("ModelManager", KNOWN, method, params).await
}

fn answer<T: std::fmt::Debug>(result: Result<T, ClientError>) -> RpcError {
    match result {
        Err(ClientError::Answer(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_login_opens_the_facades_of_its_connection() {
    let rig = Rig::start().await;
    let client = rig.dial().await;
    let result = client.login(&login("secret")).await.unwrap();
    assert_eq!((result.controller_tag.as_str(), result.model_tag.as_str()), (CONTROLLER, ""));
    assert_eq!(client.version("ModelManager", &[9]).unwrap(), 9);
    assert_eq!(client.version("ModelManager", KNOWN).unwrap(), 10);
    assert!(matches!(client.version("ModelManager", &[11]), Err(ClientError::NoCommonVersion { .. })));
    assert_eq!(call(&client, "Echo", json!({"a": [1, null]})).await.unwrap(), json!({"a": [1, null]}));
    assert_eq!(call(&client, "Nothing", json!({})).await.unwrap(), json!({}));
    assert_eq!(answer(call(&client, "Fail", json!({})).await), RpcError::permission_denied());
}

#[tokio::test]
async fn a_model_has_a_connection_of_its_own() {
    let rig = Rig::start().await;
    let client = Client::dial(&rig.target, &Scope::Model(MODEL.to_owned())).await.unwrap();
    assert_eq!(client.login(&login("secret")).await.unwrap().model_tag, format!("model-{MODEL}"));
    assert!(client.call("Door", KNOWN, "Echo", json!({})).await.is_ok());
    let client = Client::dial(&rig.target, &Scope::Model("no-model".to_owned())).await.unwrap();
    let error = answer(client.login(&login("secret")).await);
    assert_eq!(error.to_string(), r#"unknown model: "no-model" (model not found)"#);
}

#[tokio::test]
async fn replies_come_when_they_are_ready_and_not_in_the_order_of_the_calls() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    let (waited, ()) = tokio::join!(call(&client, "Wait", json!({})), async {
        call(&client, "Echo", json!({})).await.unwrap();
        call(&client, "Open", json!({})).await.unwrap();
    });
    assert_eq!(waited.unwrap(), json!({"waited": true}));
}

#[tokio::test]
async fn a_call_that_waits_is_dropped_when_its_connection_ends() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    let waiting = call(&client, "Never", json!({}));
    tokio::select! {
        answered = waiting => panic!("{answered:?}"),
        echoed = async {
            call(&client, "Echo", json!({})).await.unwrap();
            client.call_version("Pinger", 1, "", "Ping", json!({})).await
        } => assert_eq!(echoed.unwrap(), json!({})),
    }
    client.close().await;
    while rig.server.connections() != (0, 0) || rig.fake.dropped.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn calls_without_a_login_are_refused_as_juju_refuses_them() {
    let rig = Rig::start().await;
    let client = rig.dial().await;
    let error = answer(client.call_version("Machiner", 1, "", "Life", json!({})).await);
    assert_eq!(error.to_string(), r#"unknown facade type "Machiner" (not implemented)"#);
    let error = answer(client.call_version("Admin", 2, "", "Login", json!({})).await);
    assert_eq!(error, RpcError::unsupported_login());
    let error = answer(client.login_with_token("token").await);
    assert_eq!(error.code, ErrorCode::NotSupported);
}

#[tokio::test]
async fn a_wrong_password_may_be_followed_by_the_right_one_and_a_login_by_no_other() {
    let rig = Rig::start().await;
    let client = rig.dial().await;
    assert_eq!(answer(client.login(&login("wrong")).await), RpcError::bad_login());
    assert_eq!(rig.server.connections(), (1, 0));
    client.login(&login("secret")).await.unwrap();
    assert_eq!(rig.server.connections(), (0, 1));
    assert_eq!(answer(client.login(&login("secret")).await).message, "already logged in");
}

#[tokio::test]
async fn what_is_not_offered_is_refused_with_jujus_texts() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    for (facade, version, method, text) in [
        ("ModelManager", 3, "Echo", r#"unknown version 3 for facade type "ModelManager" (not implemented)"#),
        ("ModelManager", 0, "Echo", r#"unknown version 0 for facade type "ModelManager" (not implemented)"#),
        ("Controller", 12, "X", r#"unknown facade type "Controller" (not implemented)"#),
        ("Client", 8, "X", r#"facade "Client" not supported for controller API connection (not supported)"#),
        (
            "ModelManager",
            10,
            "Dance",
            r#"unknown method "Dance" at version 10 for facade type "ModelManager" (not implemented)"#,
        ),
    ] {
        assert_eq!(answer(client.call_version(facade, version, "", method, json!({})).await).to_string(), text);
    }
    let client = Client::dial(&rig.target, &Scope::Model(MODEL.to_owned())).await.unwrap();
    client.login(&login("secret")).await.unwrap();
    let error = answer(client.call_version("ModelManager", 10, "", "Echo", json!({})).await);
    assert_eq!(error.message, r#"facade "ModelManager" not supported for model API connection"#);
}

#[tokio::test]
async fn a_redirect_is_a_result_of_its_own_in_both_of_its_forms() {
    let rig = Rig::start().await;
    for (model, follow) in [(MOVED, false), (MOVED_SILENTLY, true)] {
        let client = Client::dial(&rig.target, &Scope::Model(model.to_owned())).await.unwrap();
        let Err(ClientError::Redirected(redirect)) = client.login(&login("secret")).await else {
            panic!("no redirect of {model}");
        };
        assert_eq!(redirect.follow, follow);
        assert_eq!(redirect.to.servers[0][0].to_string(), "10.0.0.9:17070");
        assert_eq!(redirect.to.controller_alias, if follow { "" } else { "dst" });
    }
}

#[tokio::test]
async fn a_facade_that_panics_costs_its_caller_an_error_and_nobody_a_connection() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    assert!(answer(call(&client, "Panic", json!({})).await).message.contains("ModelManager.Panic failed"));
    assert!(call(&client, "Echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn a_server_that_stops_ends_the_calls_that_wait() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    let (waited, ()) = tokio::join!(call(&client, "Never", json!({})), async {
        call(&client, "Echo", json!({})).await.unwrap();
        rig.server.stop().await;
    });
    assert!(matches!(waited, Err(ClientError::Closed)));
    client.closed().await;
    assert!(matches!(call(&client, "Echo", json!({})).await, Err(ClientError::Closed)));
}

#[tokio::test]
async fn of_several_addresses_one_that_answers_is_enough() {
    let mut rig = Rig::start().await;
    // Port 1 of this host has no listener.
    rig.target.addresses.insert(0, "127.0.0.1:1".to_owned());
    rig.client().await;
    rig.target.addresses.truncate(1);
    let failed = Client::dial(&rig.target, &Scope::Controller).await;
    assert!(matches!(failed, Err(ClientError::Dial(DialError::Unreachable { .. }))), "{failed:?}");
}

#[tokio::test]
async fn a_controller_of_another_ca_is_not_spoken_to() {
    let mut rig = Rig::start().await;
    rig.target.ca_cert = Authority::make().unwrap().cert_pem;
    let failed = Client::dial(&rig.target, &Scope::Controller).await;
    assert!(matches!(failed, Err(ClientError::Dial(DialError::NotProven { .. }))), "{failed:?}");
}

/// Waits for the next ping, by a clock that costs no time.
async fn ping_of<S: AsyncRead + AsyncWrite + Unpin>(server: &mut WebSocketStream<S>) -> Value {
    match server.next().await {
        Some(Ok(Frame::Text(text))) => serde_json::from_str(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_by_pings_and_one_whose_ping_is_not_answered_is_given_up() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let scope = Scope::Controller;
    let (client, server) = tokio::join!(Client::over(ours, &scope), accept_async(theirs));
    let (client, mut server) = (client.unwrap(), server.unwrap());
    for _ in 0..10 {
        let begun = Instant::now();
        let ping = ping_of(&mut server).await;
        assert_eq!((ping["type"].as_str(), ping["request"].as_str()), (Some("Pinger"), Some("Ping")));
        assert!(begun.elapsed() * 2 < AGENT_SILENCE_MAX, "servers would drop it");
        let answer = json!({ "request-id": ping["request-id"], "response": {} });
        server.send(Frame::text(answer.to_string())).await.unwrap();
    }
    assert!(!client.has_ended());
    let waiting = client.call_version("ModelManager", 9, "", "Wait", json!({}));
    let silent = async {
        ping_of(&mut server).await;
        ping_of(&mut server).await;
        // It stays open, and nobody answers.
        server.next().await
    };
    let (outcome, _) = tokio::join!(waiting, silent);
    assert!(matches!(outcome, Err(ClientError::Closed)), "{outcome:?}");
    assert!(client.has_ended());
}
