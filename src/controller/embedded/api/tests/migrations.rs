//! Migrations over the API: how they are shown, and how one is started.

use serde_json::json;

use super::*;
use crate::controller::embedded::view::Access;
use crate::juju::rpc::ErrorCode;

const TARGET: &str = "3850c8cc-0cd0-4d53-8a6d-591b63024141";

fn spec(model: &str, controller: &str) -> Value {
    json!({
        "model-tag": model,
        "target-info": {
            "controller-tag": controller, "controller-alias": "dst", "addrs": ["10.0.0.9:17070"], "ca-cert": "",
            "auth-tag": "user-admin", "password": "secret", "macaroons": null
        }
    })
}

fn sample_tag() -> String {
    format!("model-{}", Sample::default().uuid)
}

async fn initiated(client: &Client, spec: Value, dry_run: bool) -> Value {
    let mut params = json!({ "specs": [spec] });
    if dry_run {
        params["dry-run"] = json!(true);
    }
    called(client, "Controller", 12, "InitiateMigration", params).await["results"][0].clone()
}

#[tokio::test]
async fn a_migration_is_started_at_the_controller_that_is_named() {
    let served = Served::start().await;
    let client = served.admin(&Scope::Controller).await;
    let begun = initiated(&client, spec(&sample_tag(), &format!("controller-{TARGET}")), false).await;
    let uuid = Sample::default().uuid;
    assert_eq!(begun, json!({ "model-tag": sample_tag(), "migration-id": format!("{uuid}:0") }));
    let expected = vec![(uuid, TARGET.parse().unwrap(), "juju user admin".to_owned())];
    assert_eq!(*served.played.begun.lock(), expected);
}

#[tokio::test]
async fn a_dry_run_starts_nothing_and_says_what_stands_against_it() {
    let served = Served::start().await;
    let client = served.admin(&Scope::Controller).await;
    let target = format!("controller-{TARGET}");
    let well = initiated(&client, spec(&sample_tag(), &target), true).await;
    assert_eq!(well, json!({ "model-tag": sample_tag(), "migration-id": "" }));
    let text = "source prechecks failed: unit postgresql/0 not idle or executing (error)";
    *served.played.refusal.lock() = Some(RpcError::plain(text));
    for dry_run in [true, false] {
        let refused = initiated(&client, spec(&sample_tag(), &target), dry_run).await;
        assert_eq!(refused["error"]["message"], text);
        assert_eq!(refused["migration-id"], "");
    }
    assert!(served.played.begun.lock().is_empty());
}

#[tokio::test]
async fn what_cannot_be_migrated_is_refused_in_jujus_words() {
    let served = Served::start().await;
    let client = served.admin(&Scope::Controller).await;
    let own = format!("controller-{}", served.embedded().view().unwrap().uuid);
    let controller = format!("model-{}", served.embedded().find("controller").unwrap());
    let target = format!("controller-{TARGET}");
    let cases = [
        (spec("model-nonsense", &target), "model tag: \"model-nonsense\" is not a valid model tag"),
        (spec(&format!("model-{TARGET}"), &target), "model not found"),
        (spec(&sample_tag(), "nonsense"), "controller tag: \"nonsense\" is not a valid controller tag"),
        (spec(&controller, &target), "controllers can't be migrated"),
        (spec(&sample_tag(), &own), "model already attached to target controller"),
    ];
    for (spec, text) in cases {
        assert_eq!(initiated(&client, spec, false).await["error"]["message"], text);
    }
    let mut no_user = spec(&sample_tag(), &target);
    no_user["target-info"]["auth-tag"] = json!("machine-0");
    let refused = initiated(&client, no_user, false).await;
    assert_eq!(refused["error"]["message"], "auth tag: \"machine-0\" is not a valid user tag");
    assert!(served.played.begun.lock().is_empty());
}

#[tokio::test]
async fn only_a_superuser_starts_a_migration() {
    let served = Served::start().await;
    served.embedded().add_user("eve", Access::AddModel, Some(PASSWORD)).unwrap();
    let client = served.login(&Scope::Controller, "eve", PASSWORD).await.unwrap();
    let params = json!({ "specs": [spec(&sample_tag(), &format!("controller-{TARGET}"))] });
    let refused = refusal(client.call_version("Controller", 12, "", "InitiateMigration", params).await);
    assert_eq!((refused.message.as_str(), refused.code), ("permission denied", ErrorCode::Unauthorized));
    assert!(served.played.begun.lock().is_empty());
}

#[tokio::test]
async fn a_running_migration_is_shown_wherever_juju_shows_it() {
    let served = Served::start().await;
    let note = "uploading model binaries into target controller";
    *served.played.last.lock() =
        Some(LastMigration { note: note.to_owned(), started_ms: 1_760_000_000_000, ended_ms: None });
    let client = served.admin(&Scope::Controller).await;
    let asked = json!({ "entities": [{ "tag": sample_tag() }] });
    let info = called(&client, "ModelManager", 10, "ModelInfo", asked).await;
    let info = &info["results"][0]["result"];
    assert_eq!(info["migration"], json!({ "status": note, "start": "2025-10-09T08:53:20Z" }));
    assert_eq!(info["status"]["info"], format!("migrating: {note}"));
    let client = served.admin(&sample()).await;
    let status = called(&client, "Client", 8, "FullStatus", json!({ "patterns": null })).await;
    assert_eq!(status["model"]["model-status"]["info"], format!("migrating: {note}"));
}

#[tokio::test]
async fn a_frozen_model_shows_its_status_and_nothing_more() {
    let served = Served::start().await;
    let client = served.admin(&sample()).await;
    let migration = MigrationRef { mid: MigrationId([1; 16]), model: Sample::default().uuid };
    served.embedded().freeze(migration).await.unwrap();
    let status = called(&client, "Client", 8, "FullStatus", json!({})).await;
    assert_eq!(status["model"]["model-status"]["status"], "busy");
    let refused = refusal(client.call_version("ModelConfig", 3, "", "ModelGet", json!({})).await);
    assert_eq!((refused.code, &*refused.message), (ErrorCode::MigrationInProgress, "model migration in progress"));
    // One that no migration will thaw says why, in place of that.
    let why = "model is frozen here by a conflict".to_owned();
    *served.played.frozen_for_good.lock() = Some(why.clone());
    let refused = refusal(client.call_version("ModelConfig", 3, "", "ModelGet", json!({})).await);
    assert_eq!((refused.code, refused.message), (ErrorCode::MigrationInProgress, why));
    served.embedded().thaw(migration).await.unwrap();
    let told = called(&client, "ModelConfig", 3, "ModelGet", json!({})).await;
    assert_eq!(told["config"]["name"], json!({ "value": "prod", "source": "model" }));
}

#[tokio::test]
async fn users_are_sent_to_a_controller_by_the_name_that_whoever_migrated_had_for_it() {
    let (served, target) = (Served::start().await, EmbeddedRig::start("dst"));
    let client = served.admin(&Scope::Controller).await;
    let uuid = target.embedded().view().unwrap().uuid;
    let mut spec = spec(&sample_tag(), &format!("controller-{uuid}"));
    spec["target-info"]["controller-alias"] = json!("elsewhere");
    initiated(&client, spec, false).await;
    moved(served.embedded(), target.embedded()).await;
    let Err(ClientError::Redirected(redirect)) = served.login(&sample(), "admin", PASSWORD).await else {
        panic!("not redirected")
    };
    assert_eq!(redirect.to.controller_alias, "elsewhere");
}
