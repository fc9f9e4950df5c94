//! `ModelManager` 9 to 11. Versions up to 10 name a model's owner, 11 its qualifier.

use serde::{Deserialize, Serialize};

use crate::juju::params::values::common::{EntityStatus, is_default};

/// `ModelSummariesRequest`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ModelSummariesRequest {
    /// Whose models.
    pub user_tag: String,
    /// Whether a superuser sees those of others as well.
    #[serde(skip_serializing_if = "is_default")]
    pub all: bool,
}

/// `UserModelList`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct UserModelList {
    /// The models.
    pub user_models: Vec<UserModel>,
}

/// `UserModel`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct UserModel {
    /// The model.
    pub model: Model,
    /// RFC 3339.
    pub last_connection: Option<String>,
}

/// `Model`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Model {
    /// The name.
    pub name: String,
    /// The UUID.
    pub uuid: String,
    /// `iaas` or `caas`.
    #[serde(rename = "type")]
    pub kind: String,
    /// 3.x: its owner's tag.
    #[serde(skip_serializing_if = "is_default")]
    pub owner_tag: String,
    /// 4.x: its owner.
    #[serde(skip_serializing_if = "is_default")]
    pub qualifier: String,
}

/// Declares what a controller tells of a model: the fields that every such struct has, then its own.
///
/// A struct that both hold, flattened, would be read without Go's rules.
macro_rules! told_of_a_model {
    ($(#[$doc:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, rename_all = "kebab-case")]
        pub struct $name {
            /// The name.
            pub name: String,
            /// `iaas` or `caas`.
            #[serde(rename = "type")]
            pub kind: String,
            /// The UUID.
            pub uuid: String,
            /// The controller's UUID.
            pub controller_uuid: String,
            /// Whether it is the controller's own model.
            pub is_controller: bool,
            /// The cloud's type.
            #[serde(skip_serializing_if = "is_default")]
            pub provider_type: String,
            /// Version 9: what machines run on unless told otherwise, `jammy`.
            #[serde(skip_serializing_if = "is_default")]
            pub default_series: String,
            /// The cloud.
            pub cloud_tag: String,
            /// Its region.
            #[serde(skip_serializing_if = "is_default")]
            pub cloud_region: String,
            /// The credential.
            #[serde(skip_serializing_if = "is_default")]
            pub cloud_credential_tag: String,
            /// 3.x: its owner's tag.
            #[serde(skip_serializing_if = "is_default")]
            pub owner_tag: String,
            /// 4.x: its owner.
            #[serde(skip_serializing_if = "is_default")]
            pub qualifier: String,
            /// `alive`.
            pub life: String,
            /// How it stands.
            pub status: EntityStatus,
            /// A migration that runs, or the last one if it failed.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub migration: Option<MigrationStatus>,
            /// 3.x: its support level.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub sla: Option<Sla>,
            /// The agent version that it runs.
            pub agent_version: Option<String>,
            $($own)*
        }
    };
}

told_of_a_model! {
    /// `ModelInfo`.
    ModelInfo {
        /// Version 9: what machines run on unless told otherwise, `ubuntu@22.04/stable`.
        #[serde(skip_serializing_if = "is_default")]
        pub default_base: String,
        /// Whether the cloud accepts the credential, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cloud_credential_validity: Option<bool>,
        /// Its users; a user who is no administrator sees only themselves.
        pub users: Vec<ModelUser>,
        /// Its machines; only for users who may write.
        pub machines: Vec<MachineInfo>,
        /// Its secret back-ends; only for users who may write.
        pub secret_backends: Vec<serde_json::Value>,
        /// What it can do.
        #[serde(skip_serializing_if = "is_default")]
        pub supported_features: Vec<Feature>,
    }
}

told_of_a_model! {
    /// `ModelSummary`.
    ModelSummary {
        /// What the user may do.
        pub user_access: String,
        /// When the user was last there, RFC 3339.
        pub last_connection: Option<String>,
        /// Machines, cores and units.
        pub counts: Vec<Count>,
    }
}

/// `ModelEntityCount`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    /// `machines`, `cores` or `units`.
    pub entity: String,
    /// How many.
    pub count: u64,
}

/// `ModelMigrationStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MigrationStatus {
    /// What happens, in Juju's words.
    pub status: String,
    /// RFC 3339.
    pub start: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

/// `ModelSLAInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sla {
    /// `unsupported`, or what was bought.
    pub level: String,
    /// By whom.
    pub owner: String,
}

/// `ModelUserInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ModelUser {
    /// The model.
    pub model_tag: String,
    /// The user.
    pub user: String,
    /// For people.
    pub display_name: String,
    /// RFC 3339.
    pub last_connection: Option<String>,
    /// `read`, `write` or `admin`.
    pub access: String,
}

/// `ModelMachineInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct MachineInfo {
    /// The machine.
    pub id: String,
    /// What it is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware: Option<Hardware>,
    /// The cloud's id of it.
    #[serde(skip_serializing_if = "is_default")]
    pub instance_id: String,
    /// The cloud's name of it.
    #[serde(skip_serializing_if = "is_default")]
    pub display_name: String,
    /// How its agent stands.
    #[serde(skip_serializing_if = "is_default")]
    pub status: String,
}

/// `MachineHardware`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hardware {
    /// Cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u64>,
}

/// `SupportedFeature`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Feature {
    /// The name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Of the feature, if it has one.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::juju::params::from_value;

    /// What a controller writes of a model, without what its version adds.
    fn golden(version: u32) -> Value {
        let mut golden = json!({
            "name": "prod", "type": "iaas", "uuid": "9372c470-eead-45ec-89c3-c74c2b3cb633",
            "controller-uuid": "f06afa86-3461-42bb-86ed-6c2f5d7b0ac7", "is-controller": false,
            "provider-type": "lxd", "cloud-tag": "cloud-localhost", "cloud-region": "localhost",
            "cloud-credential-tag": "cloudcred-localhost_admin_default", "life": "alive",
            "status": { "status": "busy", "info": "migrating: exporting model", "since": "2026-08-21T09:00:00Z" },
            "migration": { "status": "exporting model", "start": "2026-08-21T09:00:00Z" },
            "agent-version": "3.6.11"
        });
        match version {
            11 => golden["qualifier"] = json!("admin"),
            _ => {
                golden["owner-tag"] = json!("user-admin");
                golden["sla"] = json!({ "level": "unsupported", "owner": "admin" });
            }
        }
        golden
    }

    /// Compares as Go does: the order of keys is nobody's business.
    fn same(written: &Value, golden: &Value) {
        let sorted = |value: &Value| -> Value {
            fn sort(value: &Value) -> Value {
                match value {
                    Value::Object(map) => {
                        let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.clone(), sort(value))).collect();
                        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
                        Value::Object(entries.into_iter().collect())
                    }
                    other => other.clone(),
                }
            }
            sort(value)
        };
        assert_eq!(sorted(written).to_string(), sorted(golden).to_string());
    }

    #[test]
    fn a_models_info_is_written_in_both_spellings() {
        for version in [10, 11] {
            let mut golden = golden(version);
            golden["cloud-credential-validity"] = json!(true);
            golden["users"] = json!([{
                "model-tag": "model-9372c470-eead-45ec-89c3-c74c2b3cb633", "user": "admin", "display-name": "admin",
                "last-connection": null, "access": "admin"
            }]);
            golden["machines"] =
                json!([{ "id": "0", "hardware": { "cores": 2 }, "instance-id": "i-0", "status": "started" }]);
            golden["secret-backends"] = json!([]);
            golden["supported-features"] = json!([{ "name": "juju", "description": "a version", "version": "3.6.11" }]);
            let info: ModelInfo = from_value(&golden).unwrap();
            same(&json!(info), &golden);
        }
    }

    #[test]
    fn a_models_summary_is_written_in_both_spellings() {
        for version in [9, 10, 11] {
            let mut golden = golden(version);
            if version == 9 {
                golden["default-series"] = json!("jammy");
            }
            golden["user-access"] = json!("admin");
            golden["last-connection"] = json!("2026-08-21T09:00:00Z");
            golden["counts"] = json!([{ "entity": "machines", "count": 2 }]);
            let summary: ModelSummary = from_value(&golden).unwrap();
            same(&json!(summary), &golden);
        }
    }
}
