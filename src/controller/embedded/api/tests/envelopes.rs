//! A migration master of Juju 4, played by the client of `juju`: versions 7 and 8 of `MigrationTarget`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::arrivals::{info, of_sample, state, target_of, upload_by, yaml};
use super::*;
use crate::controller::description::Description;
use crate::controller::description::wanted::Wanted;
use crate::controller::embedded::view::ModelState;
use crate::juju::http::Credentials;
use crate::juju::rpc::ErrorCode;

/// The sample's tables, as far as a controller of Juju 4.1 exports what is looked at.
fn tables() -> String {
    let uuid = Sample::default().uuid;
    format!(
        "model:\n- {{uuid: {uuid}, name: prod, qualifier: admin, type: iaas, cloud: openstack-eu, cloud_type: openstack}}\n\
         agent_version:\n- {{stream_id: 0, target_version: 4.1.0, latest_version: 4.1.0}}\n\
         os:\n- {{id: 0, name: ubuntu}}\n\
         machine:\n\
         - {{uuid: m-0, name: \"0\", net_node_uuid: n-0, life_id: 0, hostname: juju-0, nonce: null}}\n\
         - {{uuid: m-1, name: 0/lxd/0, net_node_uuid: n-1, life_id: 0, hostname: null}}\n\
         machine_parent:\n- {{machine_uuid: m-1, parent_uuid: m-0}}\n\
         machine_platform:\n- {{machine_uuid: m-0, os_id: \"0\", channel: 24.04/stable, architecture_id: 0}}\n\
         machine_status_value:\n- {{id: 1, status: started}}\n\
         machine_status:\n- {{machine_uuid: m-0, status_id: 1, message: \"\", data: null, updated_at: 2026-08-21T09:00:00Z}}\n\
         machine_cloud_instance:\n\
         - {{machine_uuid: m-0, life_id: 0, instance_id: i-0, display_name: null, arch: amd64, cpu_cores: 2}}\n\
         charm:\n\
         - {{uuid: c-0, source_id: 1, revision: 843, architecture_id: 0, reference_name: postgresql}}\n\
         application:\n- {{uuid: a-0, name: postgresql, life_id: 0, charm_uuid: c-0, space_uuid: s-0}}\n\
         unit:\n- {{uuid: u-0, name: postgresql/0, life_id: 0, application_uuid: a-0, net_node_uuid: n-0, charm_uuid: c-0}}\n\
         workload_status_value:\n- {{id: 5, status: active}}\n\
         unit_agent_status_value:\n- {{id: 2, status: idle}}\n\
         unit_workload_status:\n- {{unit_uuid: u-0, status_id: 5, message: Primary, data: null, updated_at: null}}\n\
         unit_agent_status:\n- {{unit_uuid: u-0, status_id: 2, message: null, data: null, updated_at: null}}\n\
         a_table_of_another_release: []\n"
    )
}

fn envelope() -> Value {
    let uuid = Sample::default().uuid.to_string();
    let (mut charms, mut tools, mut resources) = (Vec::new(), Vec::new(), Vec::new());
    let resource = |application: &str, name: &str, revision: i64, kind: &str, fingerprint: &str, size: u64| {
        json!({
            "application": application, "name": name, "revision": revision, "type": kind, "origin": "store",
            "fingerprint": fingerprint, "size": size, "timestamp": "2026-08-21T09:00:00Z"
        })
    };
    for wanted in Description::parse(&yaml()).unwrap().wanted() {
        match wanted {
            Wanted::Charm { url, .. } => charms.push(json!(url)),
            Wanted::AgentBinary { version, sha256, .. } => {
                tools.push(json!({ "version": version, "uri": "/tools", "SHA256": sha256 }));
            }
            Wanted::File { application, name, revision, sha384, bytes } => {
                resources.push(resource(application, name, *revision, "file", sha384, *bytes));
            }
            Wanted::OciImage { application, name, revision } => {
                resources.push(resource(application, name, *revision, "oci-image", "", 1));
            }
        }
    }
    let on_model = |user: &str, access: &str| json!({ "object-type": "model", "grant-on": uuid, "subject-name": user, "access": access });
    json!({
        "payload-version": "4.1.0", "payload": STANDARD.encode(tables()),
        "model-info": {
            "uuid": uuid, "name": "prod", "qualifier": "admin", "type": "iaas", "cloud": "openstack-eu",
            "cloud-region": "north", "life": "alive", "source-migration-uuid": "0a3c2c5e-9d8f-4b4f-8a63-1f0a5b6f7c11"
        },
        "model-namespace": { "model-uuid": uuid, "namespace": uuid },
        "permissions": [on_model("admin", "admin"), on_model("bob", "read"),
            json!({ "object-type": "offer", "grant-on": "o-0", "subject-name": "eve", "access": "consume" })],
        "charms": charms, "tools": tools, "resources": resources, "leases": null,
    })
}

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
