//! `SerializedModelV2`: a model as controllers of Juju 4.0.12 and later send it, its database by tables and what lies outside.
//!
//! Only what is looked at is read here. Fields still move between releases: whoever passes an envelope on passes the JSON on.

use serde::{Deserialize, Serialize};

use crate::juju::params::values::common::is_default;

/// The envelope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SerializedModelV2 {
    /// The version of the tables: `4.1.0`.
    pub payload_version: String,
    /// The tables, YAML.
    #[serde(with = "crate::juju::params::values::bytes")]
    pub payload: Vec<u8>,
    /// Which model it is.
    pub model_info: SerializedModelInfo,
    /// Who may do what with the model and its offers.
    #[serde(skip_serializing_if = "is_default")]
    pub permissions: Vec<ModelPermission>,
    /// URLs of the charms that are uploaded.
    #[serde(skip_serializing_if = "is_default")]
    pub charms: Vec<String>,
    /// The agent binaries that are uploaded.
    #[serde(skip_serializing_if = "is_default")]
    pub tools: Vec<SerializedTools>,
    /// The resources that are uploaded.
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Vec<SerializedResource>,
}

/// `SerializedModelInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SerializedModelInfo {
    /// The model's UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// Its owner.
    pub qualifier: String,
    /// `iaas` or `caas`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its cloud.
    pub cloud: String,
    /// The cloud's region.
    #[serde(skip_serializing_if = "is_default")]
    pub cloud_region: String,
    /// The name of its credential.
    #[serde(skip_serializing_if = "is_default")]
    pub credential_name: String,
    /// Whose credential it is.
    #[serde(skip_serializing_if = "is_default")]
    pub credential_owner: String,
    /// `alive`.
    pub life: String,
    /// The migration, as the source calls it.
    pub source_migration_uuid: String,
}

/// `ModelPermission`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ModelPermission {
    /// `model` or `offer`.
    pub object_type: String,
    /// The model's or the offer's UUID.
    pub grant_on: String,
    /// The user.
    pub subject_name: String,
    /// `read`, `write`, `admin`; of an offer `read`, `consume`, `admin`.
    pub access: String,
}

/// `SerializedModelTools`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SerializedTools {
    /// Version, system and architecture: `4.1.0-ubuntu-amd64`.
    pub version: String,
    /// Where the source serves it.
    pub uri: String,
    /// SHA-256 in hexadecimal. The wire has no lower-case name for it.
    #[serde(rename = "SHA256")]
    pub sha256: String,
}

/// `SerializedModelResource`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SerializedResource {
    /// The application.
    pub application: String,
    /// The resource's name.
    pub name: String,
    /// Its revision.
    pub revision: i64,
    /// `file` or `oci-image`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `upload` or `store`.
    pub origin: String,
    /// SHA-384 in hexadecimal.
    pub fingerprint: String,
    /// Bytes.
    pub size: u64,
    /// When it came, RFC 3339.
    pub timestamp: String,
    /// Who uploaded it.
    #[serde(skip_serializing_if = "is_default")]
    pub username: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::juju::params::from_value;

    #[test]
    fn an_envelope_is_read_and_what_was_read_is_written_in_jujus_keys() {
        let golden = json!({
            "payload-version": "4.1.0", "payload": "bW9kZWw6IFtdCg==",
            "model-info": {
                "uuid": "9372c470-eead-45ec-89c3-c74c2b3cb633", "name": "prod", "qualifier": "admin", "type": "iaas",
                "cloud": "lxd", "cloud-region": "default", "credential-name": "default", "credential-owner": "admin",
                "life": "alive", "source-migration-uuid": "0a3c2c5e-9d8f-4b4f-8a63-1f0a5b6f7c11"
            },
            "permissions": [
                { "object-type": "model", "grant-on": "9372c470-eead-45ec-89c3-c74c2b3cb633", "subject-name": "bob",
                  "access": "read" }
            ],
            "charms": ["ch:amd64/postgresql-843"],
            "tools": [{ "version": "4.1.0-ubuntu-amd64", "uri": "/tools/4.1.0-ubuntu-amd64", "SHA256": "00ff" }],
            "resources": [
                { "application": "db", "name": "wal-g", "revision": 12, "type": "file", "origin": "store",
                  "fingerprint": "00ff", "size": 7, "timestamp": "2026-08-21T09:00:00Z" }
            ]
        });
        let mut sent = golden.clone();
        sent["leases"] = json!(null);
        sent["model-namespace"] = json!({ "model-uuid": "u", "namespace": "u" });
        sent["model-credential"] = json!({ "attributes": { "secret": "hidden" } });
        let envelope: SerializedModelV2 = from_value(&sent).unwrap();
        assert_eq!(envelope.payload, b"model: []\n");
        assert_eq!(json!(envelope), golden);
        assert!(!format!("{envelope:?}").contains("hidden"), "what proves a credential is not even read");
        let bare =
            json!({"payload-version": "4.0.12", "payload": "", "charms": null, "tools": null, "resources": null});
        assert!(from_value::<SerializedModelV2>(&bare).unwrap().charms.is_empty());
    }
}
