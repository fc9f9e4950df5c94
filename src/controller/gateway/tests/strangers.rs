//! Whoever has no business here, and bytes that mean nothing.

use super::*;

#[tokio::test]
async fn a_wrong_secret_a_wrong_name_and_the_macaroon_of_another_migration_are_refused() {
    let served = Served::start().await;
    let (good, other) = (SECRET.password(), Secret([8; 32]));
    for (tag, password) in [
        (Secret::AUTH_TAG, ""),
        (Secret::AUTH_TAG, other.password().as_str()),
        (Secret::AUTH_TAG, &good[1..]),
        ("user-admin", &good),
        ("machine-0", &good),
        ("user-jujuanonymous", ""),
        ("", ""),
    ] {
        let refused = refusal(served.login(&Scope::Controller, &by_password(tag, password)).await);
        assert_eq!(refused.message, "invalid entity name or password", "{tag}");
    }
    for macaroon in [other.macaroon(migration_ref().mid), SECRET.macaroon(MigrationId([2; 16])), json!({}), json!(null)]
    {
        let login = LoginRequest { macaroons: vec![vec![macaroon]], ..LoginRequest::default() };
        refusal(served.login(&Scope::Controller, &login).await);
    }
    served.script.migrations.lock().clear();
    refusal(served.login(&Scope::Controller, &by_password(Secret::AUTH_TAG, &good)).await);
    assert!(served.script.asked().is_empty());
}

#[tokio::test]
async fn garbage_costs_its_sender_an_error_and_nobody_else_anything() {
    let served = Served::start().await;
    let master = served.master().await;
    let deep = (0..100).fold(json!(0), |inner, _| json!([inner]));
    for (version, method, params) in [
        (6, "Import", json!({})),
        (6, "Import", json!({ "bytes": "not base64!" })),
        (6, "Import", json!({ "bytes": 7 })),
        (6, "Import", deep.clone()),
        (6, "Import", serialized(b"\xff\xfe")),
        (6, "Import", serialized(b"a: [unclosed")),
        (8, "Import", json!({ "model-info": { "uuid": "x" } })),
        (8, "Import", json!({ "model-info": [] })),
        (6, "Prechecks", json!({ "uuid": [1] })),
        (6, "Activate", json!({ "model-tag": "machine-0" })),
        (6, "Activate", json!({ "model-tag": of_sample()["model-tag"], "source-ca-cert": "x".repeat(5000) })),
        (6, "Abort", json!(null)),
        (6, "CheckMachines", json!([])),
    ] {
        refusal(master.call_version(FACADE, version, "", method, params).await);
    }
    assert!(served.script.asked().is_empty());
    call(&master, "Abort", of_sample()).await.unwrap();
}
