//! `MigrationTarget` 1 to 8; the envelope of 8 is in [`serialized_model`](super::serialized_model).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::juju::params::values::common::is_default;

/// `MigrationModelInfo`: a model that wants to come. What a source can do besides is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct MigrationModelInfo {
    /// The model's UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// Up to version 6: its owner, a user's tag.
    #[serde(skip_serializing_if = "is_default")]
    pub owner_tag: String,
    /// Version 7: its owner.
    #[serde(skip_serializing_if = "is_default")]
    pub qualifier: String,
    /// The agent version it runs.
    pub agent_version: String,
    /// The version of its controller; `0.0.0` where a master does not tell.
    pub controller_agent_version: String,
    /// Its description; empty from sources before 3.6.
    #[serde(with = "crate::juju::params::values::bytes")]
    pub model_description: Vec<u8>,
}

/// `SerializedModel`: a model's description. Masters send nothing else in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SerializedModel {
    /// The description, YAML.
    #[serde(with = "crate::juju::params::values::bytes")]
    pub bytes: Vec<u8>,
}

/// `ModelArgs`, and as much of `ActivateModelArgs` and `AdoptResourcesArgs` as a controller without machines uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ModelArgs {
    /// The model.
    pub model_tag: String,
}

/// `BytesResult`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct BytesResult {
    /// What was asked for.
    #[serde(with = "crate::juju::params::values::bytes")]
    pub result: Vec<u8>,
}

/// `CreateMigrationMacaroonResult`, of version 8: a login by itself, which a master shows in the place of a password.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateMigrationMacaroonResult {
    /// The macaroon, as JSON of its second version.
    pub macaroon: Value,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::juju::params::from_value;

    #[test]
    fn what_a_master_sends_is_read() {
        let info: MigrationModelInfo = from_value(&json!({
            "uuid": "u", "name": "prod", "owner-tag": "user-admin", "agent-version": "3.6.11",
            "controller-agent-version": "0.0.0", "facade-versions": {"Agent": [3]}, "model-description": "YQ=="
        }))
        .unwrap();
        assert_eq!((info.owner_tag.as_str(), info.model_description.as_slice()), ("user-admin", &b"a"[..]));
        let golden = json!({
            "uuid": "u", "name": "prod", "qualifier": "admin", "agent-version": "4.0.3",
            "controller-agent-version": "4.0.3", "model-description": "YQ=="
        });
        let info: MigrationModelInfo = from_value(&golden).unwrap();
        assert_eq!((info.qualifier.as_str(), info.owner_tag.as_str()), ("admin", ""));
        assert_eq!(json!(info), golden);
        let model: SerializedModel =
            from_value(&json!({"bytes": "YQ==", "charms": null, "tools": null, "resources": null})).unwrap();
        assert_eq!(model.bytes, b"a");
        let macaroon = CreateMigrationMacaroonResult { macaroon: json!({ "c": [], "i64": "aQ", "s64": "cw" }) };
        assert_eq!(json!(macaroon), json!({"macaroon": {"c": [], "i64": "aQ", "s64": "cw"}}));
        assert_eq!(json!(BytesResult { result: b"a".to_vec() }), json!({"result": "YQ=="}));
    }
}
