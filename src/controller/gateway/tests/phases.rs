//! The cells of the table of phases, in order.

use super::*;
use crate::controller::gateway::RelayError;
use crate::controller::gateway::tests::script::{CONTROLLER, destination};
use crate::juju::logstream::{LogRecord, LogSender, StreamError};
use crate::juju::rpc::ErrorCode;
use crate::secret::SecretText;
use futures_util::FutureExt;
use modelferry_protocol::snapshot::Call as Step;

const NO_TIME: &str = "0001-01-01T00:00:00Z";

fn failed(text: &str) -> Option<Result<Value, RelayError>> {
    Some(Err(RelayError::Refused(RpcError::new(ErrorCode::NotSupported, text))))
}

#[tokio::test]
async fn a_master_is_let_in_by_its_secret_and_sees_the_destinations_facades_and_the_gateways_address() {
    let served = Served::start().await;
    let login = by_password(Secret::AUTH_TAG, &SECRET.password());
    let (_, result) = served.login(&Scope::Controller, &login).await.unwrap();
    assert_eq!(result.controller_tag, format!("controller-{CONTROLLER}"));
    assert_eq!(result.server_version, "4.1-beta2");
    assert_eq!(result.facades, destination(&[]).login.facades);
    assert_eq!(result.servers[0][0].to_string(), served.address());
    assert_eq!((result.model_tag.as_str(), result.user_info.unwrap().identity.as_str()), ("", Secret::AUTH_TAG));
    // Nothing was asked of the agent beyond what it remembers: a login is answered with the link down.
    assert!(served.script.asked().is_empty());
}

#[tokio::test]
async fn a_gateway_that_knows_no_destination_yet_says_so() {
    let served = Served::start().await;
    *served.script.destination.lock() = None;
    let login = by_password(Secret::AUTH_TAG, &SECRET.password());
    let refused = refusal(served.login(&Scope::Controller, &login).await);
    assert!(refused.message.contains("modelferry peers"), "{refused}");
}

#[tokio::test]
async fn what_a_source_asks_besides_is_passed_on_as_it_is_and_answered_as_the_destination_does() {
    let served = Served::start().await;
    let master = served.master().await;
    let params = json!({ "entities": null, "include-disabled": true });
    served.script.relayed.send_replace(Some(Ok(json!({ "results": [{ "result": { "username": "bob" } }] }))));
    let users = master.call_version("UserManager", 3, "", "UserInfo", params.clone()).await.unwrap();
    assert_eq!(users["results"][0]["result"]["username"], "bob");
    let passed = served.script.passed.lock().pop().unwrap();
    assert_eq!((passed.facade.as_str(), passed.version, passed.method.as_str()), ("UserManager", 3, "UserInfo"));
    assert_eq!(serde_json::from_slice::<Value>(&passed.params).unwrap(), params);
    for (facade, version, method) in [("Controller", 12, "IdentityProviderURL"), (FACADE, 6, "OfAReleaseToCome")] {
        master.call_version(facade, version, "", method, json!({})).await.unwrap();
        assert_eq!(served.script.passed.lock().pop().unwrap().method, method);
    }
    served.script.relayed.send_replace(failed("no such thing"));
    let refused = refusal(master.call_version("Controller", 12, "", "IdentityProviderURL", json!({})).await);
    assert_eq!((refused.message.as_str(), refused.code), ("no such thing", ErrorCode::NotSupported));
}

#[tokio::test]
async fn the_masters_login_changes_nothing_at_the_destination() {
    let served = Served::start().await;
    let master = served.master().await;
    for (facade, version, method) in [
        ("UserManager", 3, "AddUser"),
        ("ModelManager", 10, "DestroyModels"),
        ("Controller", 12, "InitiateMigration"),
        ("Controller", 12, "ConfigSet"),
    ] {
        let refused = refusal(master.call_version(facade, version, "", method, json!({})).await);
        assert_eq!(refused.code, ErrorCode::Unauthorized, "{method}");
    }
    assert!(served.script.asked().is_empty());
}

#[tokio::test]
async fn prechecks_are_passed_on_and_another_model_or_the_controllers_is_refused_here() {
    let served = Served::start().await;
    let master = served.master().await;
    call(&master, "Prechecks", info()).await.unwrap();
    assert_eq!(served.script.asked(), ["prechecks"]);
    let passed = served.script.passed.lock().pop().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&passed.params).unwrap(), info(), "facade-versions and all");
    served.script.relayed.send_replace(failed("model with same UUID already exists"));
    assert_eq!(refusal(call(&master, "Prechecks", info()).await).message, "model with same UUID already exists");
    served.script.asked();

    let with = |key: &str, value: &str| {
        let mut info = info();
        info[key] = json!(value);
        info
    };
    let other = "00000000-0000-4000-8000-000000000001";
    let own = Sample::default().uuid;
    for (version, params, text) in [
        (6, with("uuid", other), "no other"),
        (6, with("uuid", "none"), "not a valid model tag"),
        (6, with("uuid", ""), "empty UUID not valid"),
        (6, with("name", "controller"), "controllers can't be migrated"),
        (7, json!({ "uuid": own.to_string(), "name": "controller", "qualifier": "admin" }), "controllers can't be"),
        (8, envelope(own, "controller"), "controllers can't be migrated"),
        (8, envelope(other.parse().unwrap(), "prod"), "no other"),
    ] {
        let refused = refusal(master.call_version(FACADE, version, "", "Prechecks", params).await);
        assert!(refused.message.contains(text), "{version}: {refused}");
    }
    assert!(served.script.asked().is_empty(), "the destination hears of none of them");
}

#[tokio::test]
async fn an_import_is_answered_with_the_destinations_result_and_not_before() {
    let served = Served::start().await;
    let master = served.master().await;
    served.script.imported.send_replace(None);
    let mut import = Box::pin(call(&master, "Import", serialized(&yaml())));
    tokio::select! {
        _ = &mut import => panic!("answered before the destination"),
        () = served.script.until_asked("import") => {}
    }
    // A ping is answered meanwhile: a client that misses one takes the connection for broken.
    master.call_version("Pinger", 1, "", "Ping", json!({})).await.unwrap();
    assert!(import.as_mut().now_or_never().is_none());
    served.script.imported.send_replace(Some(Ok(json!({}))));
    assert_eq!(import.await.unwrap(), json!({}));
    let Some(Step::Import(blob)) = served.script.steps.lock().pop() else { panic!("no import") };
    assert_eq!(served.store.read(blob, u64::MAX).unwrap(), yaml(), "byte for byte");

    served.script.imported.send_replace(failed("granting permission: user \"eve\" is deleted"));
    let refused = refusal(call(&master, "Import", serialized(&yaml())).await);
    assert_eq!(refused.message, "granting permission: user \"eve\" is deleted");
    assert_eq!(refused.code, ErrorCode::NotSupported, "its code as well");
}

#[tokio::test]
async fn an_envelope_is_imported_as_it_came() {
    let served = Served::start().await;
    let master = served.master().await;
    let sent = envelope(Sample::default().uuid, "prod");
    master.call_version(FACADE, 8, "", "Import", sent.clone()).await.unwrap();
    let Some(Step::ImportOpaque(opaque)) = served.script.steps.lock().pop() else { panic!("no import") };
    assert_eq!(&*opaque.kind, "juju/8");
    let kept = served.store.read(opaque.blob, u64::MAX).unwrap();
    assert_eq!(String::from_utf8(kept).unwrap(), sent.to_string(), "in its own order of keys");
}

#[tokio::test]
async fn an_import_of_another_model_of_the_controllers_or_of_other_bytes_is_refused() {
    let served = Served::start().await;
    let master = served.master().await;
    let other = Sample { uuid: "00000000-0000-4000-8000-000000000001".parse().unwrap(), ..Sample::default() };
    let controllers = Sample { name: "controller".to_owned(), ..Sample::default() };
    for (yaml, text) in [
        (yaml_of(&other), "no other"),
        (yaml_of(&controllers), "controllers can't be migrated"),
        (b"no description".to_vec(), "description"),
    ] {
        let refused = refusal(call(&master, "Import", serialized(&yaml)).await);
        assert!(refused.message.contains(text), "{refused}");
    }
    assert!(served.script.asked().is_empty());
    let (held, sent) = (modelferry_protocol::ids::Hash([1; 32]), modelferry_protocol::ids::Hash([2; 32]));
    let what = "the model description".to_owned();
    served.script.imported.send_replace(Some(Err(RelayError::OtherBytes { what, held, sent })));
    let refused = refusal(call(&master, "Import", serialized(&yaml())).await);
    assert_eq!(refused.code, ErrorCode::BadRequest);
    assert!(refused.message.contains(&held.to_string()) && refused.message.contains(&sent.to_string()));
}

#[tokio::test]
async fn check_machines_seals_and_gives_the_destinations_result() {
    let served = Served::start().await;
    let master = served.master().await;
    let found = json!({ "results": [{ "error": { "message": "instance i-7 is missing", "code": "" } }] });
    served.script.checked.send_replace(Some(Ok(found.clone())));
    assert_eq!(call(&master, "CheckMachines", of_sample()).await.unwrap(), found);
    assert_eq!(served.script.asked(), ["seal".to_owned(), format!("check {}", of_sample())]);
}

#[tokio::test]
async fn every_failure_of_check_machines_is_a_result_as_an_error_never_aborts_a_source() {
    let served = Served::start().await;
    let master = served.master().await;
    for (held, error) in [
        (&served.script.checked, RelayError::Refused(RpcError::plain("provider down"))),
        (&served.script.checked, RelayError::Ended("the freeze budget is spent".to_owned())),
        (&served.script.sealed, RelayError::Storage("no space".to_owned())),
    ] {
        held.send_replace(Some(Err(error.clone())));
        let results = call(&master, "CheckMachines", of_sample()).await.unwrap();
        let told = results["results"][0]["error"]["message"].as_str().unwrap();
        assert!(told.contains(&error.to_string()), "{told}");
        held.send_replace(Some(Ok(json!({}))));
    }
}

#[tokio::test]
async fn activate_is_held_until_it_may_be_answered_and_again_gets_the_same_answer() {
    let served = Served::start().await;
    let master = served.master().await;
    served.script.activated.send_replace(None);
    let arguments = json!({ "model-tag": of_sample()["model-tag"], "source-api-addrs": ["10.1.0.1:17070"] });
    let mut activate = Box::pin(call(&master, "Activate", arguments.clone()));
    tokio::select! {
        _ = &mut activate => panic!("answered before the vote"),
        () = served.script.until_asked(format!("activate {arguments}")) => {}
    }
    served.script.activated.send_replace(Some(Ok(json!({}))));
    assert_eq!(activate.await.unwrap(), json!({}));
    assert_eq!(call(&master, "Activate", arguments.clone()).await.unwrap(), json!({}));
    served.script.activated.send_replace(Some(Err(RelayError::Ended("the freeze budget is spent".to_owned()))));
    let refused = refusal(call(&master, "Activate", arguments).await);
    assert_eq!(refused.message, "the freeze budget is spent", "an error here makes the source abort");
}

#[tokio::test]
async fn adopt_resources_is_held_and_answered_with_the_destinations_reply() {
    let served = Served::start().await;
    let master = served.master().await;
    served.script.adopted.send_replace(None);
    let params = json!({ "model-tag": of_sample()["model-tag"], "source-controller-version": "3.6.11" });
    let mut adopt = Box::pin(call(&master, "AdoptResources", params.clone()));
    tokio::select! {
        _ = &mut adopt => panic!("answered before the destination"),
        () = served.script.until_asked(format!("adopt {params}")) => {}
    }
    served.script.adopted.send_replace(Some(Ok(json!({ "of": "the destination" }))));
    assert_eq!(adopt.await.unwrap(), json!({ "of": "the destination" }));
    assert_eq!(call(&master, "AdoptResources", params).await.unwrap(), json!({ "of": "the destination" }));
}

#[tokio::test]
async fn the_log_is_taken_line_by_line_and_its_time_is_ours() {
    let served = Served::start().await;
    let master = served.master().await;
    assert_eq!(call(&master, "LatestLogTime", of_sample()).await.unwrap(), json!(NO_TIME));
    let target = Target::new(vec![served.address()], served.ca.clone());
    let model = Sample::default().uuid.to_string();
    let mut sender = LogSender::open(&target, &model, &credentials(), "3.6.11").await.unwrap();
    let record = LogRecord {
        time: "2026-08-18T10:13:14Z".to_owned(),
        location: "worker.go:12".to_owned(),
        message: "a line".to_owned(),
        labels: Some(json!({ "a": "b" })),
        ..LogRecord::default()
    };
    sender.send(&record).await.unwrap();
    sender.finish().await.unwrap();
    assert_eq!(*served.script.lines.lock(), [record], "with its place in the source and its labels");
    assert_eq!(call(&master, "LatestLogTime", of_sample()).await.unwrap(), json!("1970-01-01T00:00:01Z"));
    let other = "00000000-0000-4000-8000-000000000001";
    let refused = LogSender::open(&target, other, &credentials(), "3.6.11").await;
    assert!(matches!(refused, Err(StreamError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn abort_is_answered_and_refused_once_the_source_has_shown_success() {
    let served = Served::start().await;
    let master = served.master().await;
    assert_eq!(call(&master, "Abort", of_sample()).await.unwrap(), json!({}));
    served.script.stands(MigrationPhase::Aborted);
    let again = served.master().await;
    assert_eq!(call(&again, "Abort", of_sample()).await.unwrap(), json!({}), "a master that was restarted repeats it");
    let decided = "the migration has succeeded, it cannot be aborted any more".to_owned();
    served.script.aborted.send_replace(Some(Err(RelayError::Ended(decided.clone()))));
    assert_eq!(refusal(call(&again, "Abort", of_sample()).await).message, decided);
}

#[tokio::test]
async fn no_call_is_made_about_another_model() {
    let served = Served::start().await;
    let master = served.master().await;
    let other = json!({ "model-tag": "model-00000000-0000-4000-8000-000000000001" });
    for method in ["Activate", "AdoptResources", "LatestLogTime", "Abort", "CheckMachines"] {
        let refused = refusal(call(&master, method, other.clone()).await);
        assert!(refused.message.contains("no other"), "{method}: {refused}");
    }
    assert!(served.script.asked().is_empty());
}

#[tokio::test]
async fn a_macaroon_that_we_have_minted_is_a_login_and_goes_with_uploads() {
    let served = Served::start().await;
    let master = served.master().await;
    let made = master.call_version(FACADE, 8, "", "CreateMigrationMacaroon", json!({})).await.unwrap();
    assert!(served.script.asked().is_empty(), "the destination's own is none of the source's");
    let macaroons = vec![vec![made["macaroon"].clone()]];
    for tag in ["", Secret::AUTH_TAG] {
        let login = LoginRequest { auth_tag: tag.to_owned(), macaroons: macaroons.clone(), ..LoginRequest::default() };
        served.login(&Scope::Controller, &login).await.unwrap();
    }
    let by_cookie = Credentials { password: SecretText::default(), macaroons, ..credentials() };
    uploads::send_tools(&served, by_cookie, b"tools").await.unwrap();
    assert_eq!(served.script.asked(), ["upload"]);
}

#[tokio::test]
async fn the_ca_that_a_source_asks_for_is_the_one_that_it_will_meet() {
    let served = Served::start().await;
    let ca = call(&served.master().await, "CACert", json!({})).await.unwrap();
    assert_eq!(ca["result"], json!(STANDARD.encode(&served.ca)));
}
