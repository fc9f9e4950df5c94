//! The sample model as a controller of Juju 4.1 sends it, for tests.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Description;
use super::sample::Sample;
use super::wanted::Wanted;

fn description() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    Sample::default().write(dir.path());
    fs::read(dir.path().join("model.yaml")).unwrap()
}

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
         charm_source:\n- {{id: 0, name: local}}\n- {{id: 1, name: charmhub}}\n- {{id: 2, name: cmr}}\n\
         charm:\n\
         - {{uuid: c-2, source_id: 2, revision: 0, architecture_id: null, reference_name: loki}}\n\
         - {{uuid: c-0, source_id: 1, revision: 843, architecture_id: 0, reference_name: postgresql}}\n\
         - {{uuid: c-1, source_id: 0, revision: 2, architecture_id: 0, reference_name: webapp}}\n\
         application:\n- {{uuid: a-0, name: postgresql, life_id: 0, charm_uuid: c-0, space_uuid: s-0}}\n\
         - {{uuid: a-1, name: webapp, life_id: 0, charm_uuid: c-1, space_uuid: s-0}}\n\
         - {{uuid: a-2, name: loki, life_id: 0, charm_uuid: c-2, space_uuid: s-0}}\n\
         application_remote_offerer:\n\
         - {{uuid: r-0, application_uuid: a-2, offer_url: \"cos:admin/cos.loki\", offerer_model_uuid: o-0, macaroon: m}}\n\
         unit:\n- {{uuid: u-0, name: postgresql/0, life_id: 0, application_uuid: a-0, net_node_uuid: n-0, charm_uuid: c-0}}\n\
         workload_status_value:\n- {{id: 5, status: active}}\n\
         unit_agent_status_value:\n- {{id: 2, status: idle}}\n\
         unit_workload_status:\n- {{unit_uuid: u-0, status_id: 5, message: Primary, data: null, updated_at: null}}\n\
         unit_agent_status:\n- {{unit_uuid: u-0, status_id: 2, message: null, data: null, updated_at: null}}\n\
         a_table_of_another_release: []\n"
    )
}

/// Returns the sample in the envelope in which a controller of Juju 4.1 sends it.
pub(crate) fn envelope() -> Value {
    let uuid = Sample::default().uuid.to_string();
    let (mut charms, mut tools, mut resources) = (Vec::new(), Vec::new(), Vec::new());
    let resource = |application: &str, name: &str, revision: i64, kind: &str, fingerprint: &str, size: u64| {
        json!({
            "application": application, "name": name, "revision": revision, "type": kind, "origin": "store",
            "fingerprint": fingerprint, "size": size, "timestamp": "2026-08-21T09:00:00Z"
        })
    };
    for wanted in Description::parse(&description()).unwrap().wanted() {
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
