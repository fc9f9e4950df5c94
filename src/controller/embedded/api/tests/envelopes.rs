//! A migration master of Juju 4, played by the client of `juju`: versions 7 and 8 of `MigrationTarget`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::arrivals::{info, of_sample, state, target_of, upload_by};
use super::*;
use crate::controller::description::sample_envelope::envelope;
use crate::controller::embedded::view::ModelState;
use crate::juju::http::Credentials;
use crate::juju::rpc::ErrorCode;

async fn call(client: &Client, version: u32, method: &str, params: Value) -> Result<Value, ClientError> {
    client.call_version("MigrationTarget", version, "", method, params).await
}

#[tokio::test]
async fn a_master_of_juju_4_0_names_a_models_qualifier() {
    let served = target_of("4.0.3").await;
    let client = served.admin(&Scope::Controller).await;
    let mut asked = info();
    let owner = asked.as_object_mut().unwrap().remove("owner-tag").unwrap();
    assert_eq!(refusal(call(&client, 7, "Prechecks", asked.clone()).await).message, "empty Owner not valid");
    asked["qualifier"] = json!("admin");
    assert_eq!(call(&client, 7, "Prechecks", asked.clone()).await.unwrap(), json!({}));
    assert_eq!(refusal(call(&client, 6, "Prechecks", asked.clone()).await).message, "empty Owner not valid");
    asked["owner-tag"] = owner;
    assert_eq!(call(&client, 6, "Prechecks", asked).await.unwrap(), json!({}));
}

/// A controller of 4.1 writes a local charm's URL without an architecture if it knows none.
#[tokio::test]
async fn an_envelope_whose_charm_has_no_architecture_passes_the_prechecks() {
    let served = target_of("4.1.0").await;
    let client = served.admin(&Scope::Controller).await;
    let mut sent = envelope();
    let charms = sent["charms"].as_array_mut().unwrap();
    let local = charms.iter_mut().find(|url| url.as_str().is_some_and(|url| url.starts_with("local:"))).unwrap();
    *local = json!("local:webapp-2");
    assert_eq!(call(&client, 8, "Prechecks", sent).await.unwrap(), json!({}));
}

#[tokio::test]
async fn a_master_of_juju_4_1_moves_a_model_by_its_tables_with_a_macaroon_for_a_password() {
    let served = target_of("4.1.0").await;
    let by_password = served.admin(&Scope::Controller).await;
    let made = call(&by_password, 8, "CreateMigrationMacaroon", json!({})).await.unwrap();
    let macaroons = vec![vec![made["macaroon"].clone()]];
    let login = LoginRequest { auth_tag: "user-admin".into(), macaroons: macaroons.clone(), ..LoginRequest::default() };
    let client = served.dial(&Scope::Controller).await;
    client.login(&login).await.unwrap();
    assert_eq!(call(&client, 8, "Prechecks", envelope()).await.unwrap(), json!({}));
    assert_eq!(call(&client, 8, "Import", envelope()).await.unwrap(), json!({}));
    // As a master of 4.1 sends them: a user without a password, and a cookie.
    let credentials = Credentials { auth_tag: "user-admin".into(), macaroons, ..Credentials::default() };
    upload_by(&served, &credentials, "").await;
    assert_eq!(call(&client, 8, "CheckMachines", of_sample()).await.unwrap(), json!({ "results": [] }));
    for method in ["Activate", "AdoptResources"] {
        assert_eq!(call(&client, 8, method, of_sample()).await.unwrap(), json!({}), "{method}");
    }
    assert_eq!(state(&served), Some(ModelState::Live));
    let status = called(&served.admin(&sample()).await, "Client", 8, "FullStatus", json!({})).await;
    let unit = &status["applications"]["postgresql"]["units"]["postgresql/0"];
    assert_eq!((&unit["machine"], &unit["workload-status"]["status"]), (&json!("0"), &json!("active")));
    assert_eq!(
        (&unit["workload-status"]["info"], &unit["agent-status"]["status"]),
        (&json!("Primary"), &json!("idle"))
    );
    assert_eq!(status["applications"]["postgresql"]["charm"], "ch:amd64/postgresql-843");
    // Juju makes an application up for what the model consumes, with a charm that has no URL.
    assert_eq!(status["applications"].get("loki"), None);
    assert_eq!(status["remote-applications"]["loki"]["offer-url"], "cos:admin/cos.loki");
    let machine = &status["machines"]["0"];
    assert_eq!((&machine["instance-id"], &machine["agent-status"]["status"]), (&json!("i-0"), &json!("started")));
    assert!(machine["containers"]["0/lxd/0"].is_object());
    assert_eq!(status["model"]["version"], "4.1.0");
    let bob = served.login(&sample(), "bob", PASSWORD).await.unwrap();
    called(&bob, "Client", 8, "FullStatus", json!({})).await;
}

#[tokio::test]
async fn an_envelope_that_is_not_understood_is_refused_before_anything_is_kept() {
    let served = target_of("4.1.0").await;
    let client = served.admin(&Scope::Controller).await;
    let with = |key: &str, value: Value| {
        let mut envelope = envelope();
        envelope[key] = value;
        envelope
    };
    let mut nameless = envelope();
    nameless["model-info"]["source-migration-uuid"] = json!("");
    let other = STANDARD.encode("model:\n- {uuid: another}\n");
    for (envelope, text) in [
        (nameless, "empty SourceMigrationUUID not valid"),
        (
            with("payload-version", json!("9.9.9")),
            "the model's tables have version 9.9.9; versions 4.0.12 and 4.1.0 are understood",
        ),
        (with("payload", json!(other)), "not a model description: the payload's model is `another`"),
        (with("payload", json!("")), "not a model description: it has no `payload.model`"),
        (
            with("permissions", json!([{ "object-type": "model", "subject-name": "ghost" }])),
            "cannot initiate migration as the users granted access to the model do not exist\non the destination controller. To resolve this issue you can add the following\nusers to the destination controller or remove them from the current model:\n  - ghost",
        ),
    ] {
        for method in ["Prechecks", "Import"] {
            let refused = refusal(call(&client, 8, method, envelope.clone()).await).message;
            assert!(refused.ends_with(text), "{method}: {refused}");
        }
    }
    assert_eq!(state(&served), None);
    let older = refusal(call(&client, 7, "CreateMigrationMacaroon", json!({})).await);
    assert_eq!(older.code, ErrorCode::NotImplemented);
    served.embedded().add_user("bob", crate::controller::embedded::view::Access::Login, Some(PASSWORD)).unwrap();
    let bob = served.login(&Scope::Controller, "bob", PASSWORD).await.unwrap();
    assert_eq!(refusal(call(&bob, 8, "CreateMigrationMacaroon", json!({})).await).message, "permission denied");
}
