//! What the facades tell, in both spellings, and to whom.

use serde_json::json;

use super::*;
use crate::controller::embedded::view::Access;
use crate::controller::status::ModelStatus;
use crate::juju::params::from_value;
use crate::juju::params::status::FullStatus;
use crate::juju::rpc::ErrorCode;

fn sample_tag() -> String {
    format!("model-{}", Sample::default().uuid)
}

#[tokio::test]
async fn models_are_listed_in_both_spellings() {
    let served = Served::start().await;
    let client = served.admin(&Scope::Controller).await;
    let asked = json!({ "user-tag": "user-admin", "all": true });
    let units = served.embedded().model("prod").unwrap().row.units;
    for (version, key, owner) in
        [(9, "owner-tag", "user-admin"), (10, "owner-tag", "user-admin"), (11, "qualifier", "admin")]
    {
        let listed = called(&client, "ModelManager", version, "ListModelSummaries", asked.clone()).await;
        let names: Vec<&str> =
            listed["results"].as_array().unwrap().iter().map(|it| it["result"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["controller", "prod"]);
        let prod = &listed["results"][1]["result"];
        assert_eq!(prod[key], owner, "{version}");
        let (absent, sla) = if version == 11 { ("owner-tag", "") } else { ("qualifier", "unsupported") };
        assert!(prod.get(absent).is_none(), "{version}: {prod}");
        assert_eq!(prod["sla"]["level"].as_str().unwrap_or(""), sla);
        assert_eq!(prod["sla"]["owner"].as_str().unwrap_or(""), "", "a client would show who bought nothing");
        assert_eq!(prod.get("default-series").is_some(), version == 9);
        assert_eq!((&prod["user-access"], &prod["life"]), (&json!("admin"), &json!("alive")));
        let counts = json!([{ "entity": "machines", "count": 2 }, { "entity": "units", "count": units }]);
        assert_eq!(prod["counts"], counts);
        let asked = json!({ "tag": "user-admin" });
        let listed = called(&client, "ModelManager", version, "ListModels", asked).await;
        assert_eq!(listed["user-models"][1]["model"][key], owner);
    }
}

#[tokio::test]
async fn a_model_is_shown_to_its_users_as_far_as_they_may_see_it() {
    let served = Served::with_reader().await;
    let asked = json!({ "entities": [{ "tag": sample_tag() }] });
    let client = served.admin(&Scope::Controller).await;
    let info = called(&client, "ModelManager", 10, "ModelInfo", asked.clone()).await;
    let info = &info["results"][0]["result"];
    assert!(info.get("error").is_none() && info.get("migration").is_none());
    assert_eq!(info["cloud-tag"], "cloud-openstack-eu");
    assert_eq!(info["users"].as_array().unwrap().len(), 2);
    assert_eq!(info["machines"].as_array().unwrap().len(), 2);
    assert_eq!(info["agent-version"], "3.6.23");
    assert_eq!(info["status"]["status"], "available");

    let bob = served.login(&Scope::Controller, "bob", PASSWORD).await.unwrap();
    let info = called(&bob, "ModelManager", 10, "ModelInfo", asked).await;
    let info = &info["results"][0]["result"];
    assert_eq!(info["users"][0]["user"], "bob");
    assert_eq!((info["users"].as_array().unwrap().len(), &info["machines"]), (1, &json!([])));
    let others = json!({ "user-tag": "user-admin" });
    let refused = refusal(bob.call_version("ModelManager", 10, "", "ListModelSummaries", others).await);
    assert_eq!((refused.message.as_str(), refused.code), ("permission denied", ErrorCode::Unauthorized));
    let all =
        called(&bob, "ModelManager", 10, "ListModelSummaries", json!({ "user-tag": "user-bob", "all": true })).await;
    assert_eq!(all["results"].as_array().unwrap().len(), 1, "`all` is for superusers");
}

#[tokio::test]
async fn a_model_that_is_not_here_cannot_be_told_from_one_that_is_hidden() {
    let served = Served::start().await;
    served.embedded().add_user("eve", Access::Login, Some(PASSWORD)).unwrap();
    let eve = served.login(&Scope::Controller, "eve", PASSWORD).await.unwrap();
    let nowhere = "model-3850c8cc-0cd0-4d53-8a6d-591b63024141";
    let asked = json!({ "entities": [{ "tag": sample_tag() }, { "tag": nowhere }, { "tag": "machine-0" }] });
    let told = called(&eve, "ModelManager", 10, "ModelInfo", asked).await;
    let denied = json!({ "error": { "message": "permission denied", "code": "unauthorized access" } });
    assert_eq!((&told["results"][0], &told["results"][1]), (&denied, &denied));
    assert_eq!(told["results"][2]["error"]["message"], "\"machine-0\" is not a valid model tag");
}

#[tokio::test]
async fn a_model_that_has_left_tells_its_users_where_it_went() {
    let (served, target) = (Served::start().await, EmbeddedRig::start("dst"));
    moved(served.embedded(), target.embedded()).await;
    let client = served.admin(&Scope::Controller).await;
    let asked = json!({ "entities": [{ "tag": sample_tag() }] });
    let told = called(&client, "ModelManager", 10, "ModelInfo", asked).await;
    let error = &told["results"][0]["error"];
    assert_eq!(error["code"], "redirection required");
    assert_eq!(error["info"]["ca-cert"], json!(target.embedded().view().unwrap().ca_cert));
    let listed = called(&client, "ModelManager", 10, "ListModels", json!({ "tag": "user-admin" })).await;
    assert_eq!(listed["user-models"].as_array().unwrap().len(), 1, "the controller's own is left");
}

#[tokio::test]
async fn the_full_status_is_what_status_shows() {
    let served = Served::start().await;
    let client = served.admin(&sample()).await;
    let told = called(&client, "Client", 8, "FullStatus", json!({ "patterns": null, "include-storage": true })).await;
    let status: FullStatus = from_value(&told).unwrap();
    let shown = ModelStatus::of(&served.embedded().description(Sample::default().uuid).unwrap());
    assert_eq!(status.machines.len(), 2);
    for (name, application) in shown.applications.iter() {
        let told = &status.applications[name];
        assert_eq!(told.workload_version, application.version);
        assert_eq!(told.status.status, application.application_status.current);
        assert_eq!(told.units.keys().collect::<Vec<_>>(), application.units.iter().map(|it| it.0).collect::<Vec<_>>());
        for (name, unit) in application.units.iter() {
            assert_eq!(told.units[name].workload_status.status, unit.workload_status.current);
            assert_eq!(told.units[name].leader, unit.leader);
        }
    }
    assert_eq!(status.applications["postgresql"].charm, "ch:amd64/postgresql-843");
    assert_eq!(status.model.name, "prod");
    assert!(status.controller_timestamp.is_some());
    let named = called(&client, "Client", 6, "FullStatus", json!({ "patterns": ["webapp"] })).await;
    assert!(named["applications"].get("webapp").is_some() && named["applications"].get("postgresql").is_none());
}

#[tokio::test]
async fn the_controllers_own_model_has_a_status_too() {
    let served = Served::start().await;
    let uuid = served.embedded().find("controller").unwrap().to_string();
    let client = served.admin(&Scope::Model(uuid)).await;
    let status = called(&client, "Client", 8, "FullStatus", json!({})).await;
    assert_eq!((&status["model"]["name"], &status["model"]["version"]), (&json!("controller"), &json!("3.6.23")));
    assert_eq!(status["machines"], json!({}));
}

#[tokio::test]
async fn users_are_told_to_superusers_and_each_to_itself() {
    let served = Served::start().await;
    served.embedded().set_password("bob", PASSWORD).unwrap();
    let client = served.admin(&Scope::Controller).await;
    let asked = json!({ "entities": null, "include-disabled": true });
    let told = called(&client, "UserManager", 3, "UserInfo", asked.clone()).await;
    let names: Vec<_> = told["results"].as_array().unwrap().iter().map(|it| it["result"]["username"].clone()).collect();
    assert_eq!(names, ["admin", "bob"]);
    assert_eq!(told["results"][0]["result"]["access"], "superuser");
    let bob = served.login(&Scope::Controller, "bob", PASSWORD).await.unwrap();
    let told = called(&bob, "UserManager", 3, "UserInfo", asked).await;
    assert_eq!(told["results"].as_array().unwrap().len(), 1);
    let asked = json!({ "entities": [{ "tag": "user-admin" }, { "tag": "user-bob" }, { "tag": "bob" }] });
    let told = called(&bob, "UserManager", 3, "UserInfo", asked).await;
    assert_eq!(told["results"][0]["error"]["message"], "permission denied");
    assert_eq!(told["results"][1]["result"]["username"], "bob");
    assert_eq!(told["results"][2]["error"]["message"], "\"bob\" is not a valid user tag");
}

#[tokio::test]
async fn the_controller_tells_about_itself() {
    let served = Served::start().await;
    let client = served.admin(&Scope::Controller).await;
    let view = served.embedded().view().unwrap();
    let ask = |method| called(&client, "Controller", 12, method, json!({}));
    let config = ask("ControllerConfig").await;
    assert_eq!(config["config"]["controller-uuid"], json!(view.uuid));
    assert_eq!(config["config"]["ca-cert"], json!(view.ca_cert));
    assert_eq!(ask("ControllerVersion").await, json!({ "version": "3.6.23", "git-commit": "" }));
    assert_eq!(ask("IdentityProviderURL").await, json!({ "result": "" }));
    assert_eq!(ask("AllModels").await["user-models"].as_array().unwrap().len(), 2);
    let asked = json!({ "entities": [{ "tag": sample_tag() }] });
    let units = served.embedded().model("prod").unwrap().row.units;
    let applications = served.embedded().description(Sample::default().uuid).unwrap().applications.len();
    for (version, key, owner) in [(12, "owner-tag", "user-admin"), (13, "qualifier", "admin")] {
        let told = called(&client, "Controller", version, "ModelStatus", asked.clone()).await;
        let model = &told["models"][0];
        assert_eq!((&model["unit-count"], &model["application-count"]), (&json!(units), &json!(applications)));
        assert_eq!(model[key], owner);
    }
    let info = called(&client, "Controller", 12, "ControllerAPIInfoForModels", asked).await;
    assert_eq!(info["results"][0]["addresses"], json!(["10.0.0.1:17070"]));
    let refused = refusal(client.call_version("Controller", 12, "", "DestroyController", json!({})).await);
    assert_eq!(refused.code, ErrorCode::NotImplemented);
}

#[tokio::test]
async fn a_watcher_tells_what_there_is_and_then_waits_for_a_change() {
    let served = Served::start().await;
    let client = served.admin(&sample()).await;
    let id = called(&client, "Client", 8, "WatchAll", json!({})).await["watcher-id"].as_str().unwrap().to_owned();
    let first = client.call_version("AllWatcher", 3, &id, "Next", json!({})).await.unwrap();
    let kinds: std::collections::BTreeSet<&str> =
        first["deltas"].as_array().unwrap().iter().map(|delta| delta[0].as_str().unwrap()).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["application", "machine", "model", "relation", "unit"]);
    let migration = MigrationRef { mid: MigrationId([1; 16]), model: Sample::default().uuid };
    let next = client.call_version("AllWatcher", 3, &id, "Next", json!({}));
    let change = async {
        // Answered while the other call waits.
        called(&client, "Pinger", 1, "Ping", json!({})).await;
        served.embedded().freeze(migration).await.unwrap();
    };
    let (next, ()) = tokio::join!(next, change);
    let deltas = next.unwrap()["deltas"].clone();
    assert_eq!((deltas.as_array().unwrap().len(), &deltas[0][0]), (1, &json!("model")));
    assert_eq!(deltas[0][2]["status"]["current"], "busy");
    let waiting = client.call_version("AllWatcher", 3, &id, "Next", json!({}));
    let stop = client.call_version("AllWatcher", 3, &id, "Stop", json!({}));
    let (waiting, stopped) = tokio::join!(waiting, stop);
    stopped.unwrap();
    assert_eq!(refusal(waiting).code, ErrorCode::Stopped);
}

/// python-libjuju reads the settings of every model that it is told of. Without them its watcher ended with a KeyError, and
/// no model could be connected to.
#[tokio::test]
async fn a_watcher_tells_a_models_settings() {
    let served = Served::start().await;
    let client = served.admin(&sample()).await;
    let id = called(&client, "Client", 8, "WatchAll", json!({})).await["watcher-id"].as_str().unwrap().to_owned();
    let first = client.call_version("AllWatcher", 3, &id, "Next", json!({})).await.unwrap();
    let model = first["deltas"].as_array().unwrap().iter().find(|delta| delta[0] == "model").unwrap()[2].clone();
    let told = called(&client, "ModelConfig", 3, "ModelGet", json!({})).await;
    for (name, value) in told["config"].as_object().unwrap() {
        assert_eq!(model["config"][name], value["value"], "{name}");
    }
    let containers = first["deltas"].as_array().unwrap().iter().filter(|delta| delta[2]["container-type"] == "lxd");
    assert!(containers.count() > 0, "containers are machines as well");
    assert_eq!((&model["version"], &model["type"]), (&model["config"]["agent-version"], &json!("iaas")));
}

#[tokio::test]
async fn offers_are_listed_by_what_is_asked_for() {
    let served = Served::start().await;
    let client = served.admin(&Scope::Controller).await;
    let list = |filter: Value| {
        let params = json!({ "Filters": [filter] });
        called(&client, "ApplicationOffers", 4, "ListApplicationOffers", params)
    };
    let all = list(json!({ "model-name": "prod" })).await;
    let offers = all["results"].as_array().unwrap();
    for offer in offers {
        assert_eq!(offer["source-model-tag"], json!(sample_tag()));
        assert!(offer["offer-url"].as_str().unwrap().starts_with("admin/prod."));
    }
    assert_eq!(list(json!({ "model-name": "elsewhere" })).await["results"], json!([]));
}

#[tokio::test]
async fn the_cloud_and_who_may_use_it_is_told_to_superusers() {
    let served = Served::start().await;
    served.embedded().set_password("bob", PASSWORD).unwrap();
    let cloud = served.rig.embedded().view().unwrap().cloud;
    let asked =
        json!({ "entities": [{ "tag": format!("cloud-{cloud}") }, { "tag": "cloud-moon" }, { "tag": "moon" }] });
    let client = served.admin(&Scope::Controller).await;
    let told = called(&client, "Cloud", 7, "CloudInfo", asked.clone()).await;
    let info = &told["results"][0]["result"];
    assert!(info["type"].is_string());
    assert_eq!(info["users"], json!([{ "user": "admin", "display-name": "admin", "access": "admin" }]));
    assert_eq!(told["results"][1]["error"]["message"], "cloud \"moon\" not found");
    assert_eq!(told["results"][2]["error"]["message"], "\"moon\" is not a valid cloud tag");
    let bob = served.login(&Scope::Controller, "bob", PASSWORD).await.unwrap();
    let told = called(&bob, "Cloud", 7, "CloudInfo", asked).await;
    assert_eq!(told["results"][0]["error"]["message"], "permission denied");
}

#[tokio::test]
async fn a_models_constraints_are_told_by_jujus_names() {
    let served = Served::with_constraints("{version: 1, architecture: arm64, memory: 2048, tags: [fast]}").await;
    let client = served.admin(&sample()).await;
    let told = called(&client, "ModelConfig", 3, "GetModelConstraints", json!({})).await;
    assert_eq!(told, json!({ "constraints": { "arch": "arm64", "mem": 2048, "tags": ["fast"] } }));
    let client = served.admin(&Scope::Controller).await;
    let told = called(&client, "ModelConfig", 3, "GetModelConstraints", json!({})).await;
    assert_eq!(told, json!({ "constraints": {} }), "of the controller's own model nothing is asked");
}
