//! `Controller` 11 to 14.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::model::model_manager::MachineInfo;
use super::values::common::is_default;
use crate::juju::rpc::RpcError;

/// `InitiateMigrationArgs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct InitiateMigrationArgs {
    /// Which models, and where to.
    pub specs: Vec<MigrationSpec>,
    /// Whether it is only checked.
    #[serde(skip_serializing_if = "is_default")]
    pub dry_run: bool,
}

/// `MigrationSpec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct MigrationSpec {
    /// The model.
    pub model_tag: String,
    /// Where to.
    pub target_info: TargetInfo,
}

/// `MigrationTargetInfo`. A password and the like are neither read nor kept: the agents authenticate each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct TargetInfo {
    /// The controller.
    pub controller_tag: String,
    /// What the client calls it.
    pub controller_alias: String,
    /// `host:port` of its API.
    pub addrs: Vec<String>,
    /// CA certificate, PEM.
    pub ca_cert: String,
    /// The user there.
    pub auth_tag: String,
}

/// `InitiateMigrationResult`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct InitiateMigrationResult {
    /// The model.
    pub model_tag: String,
    /// Why it has not begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<RpcError>,
    /// Empty after a dry run.
    pub migration_id: String,
}

/// `ModelStatusResults`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelStatusResults {
    /// In the order in which they were asked for.
    pub models: Vec<ModelStatus>,
}

/// `ModelStatus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ModelStatus {
    /// The model.
    pub model_tag: String,
    /// `alive`.
    pub life: String,
    /// `iaas` or `caas`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Machines.
    pub hosted_machine_count: u64,
    /// Applications.
    pub application_count: u64,
    /// Units.
    pub unit_count: u64,
    /// 3.x: its owner's tag.
    #[serde(skip_serializing_if = "is_default")]
    pub owner_tag: String,
    /// 4.x: its owner.
    #[serde(skip_serializing_if = "is_default")]
    pub qualifier: String,
    /// By name.
    #[serde(skip_serializing_if = "is_default")]
    pub applications: Vec<ApplicationName>,
    /// Machines.
    #[serde(skip_serializing_if = "is_default")]
    pub machines: Vec<MachineInfo>,
    /// Why there is nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<RpcError>,
}

/// `ModelApplicationInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApplicationName {
    /// The application.
    pub name: String,
}

/// `ControllerConfigResult`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigResult {
    /// Settings by name.
    pub config: BTreeMap<String, Value>,
}

/// `StringResult`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StringResult {
    /// The text.
    pub result: String,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<RpcError>,
}

/// `ControllerVersionResults`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct VersionResult {
    /// Of Juju.
    pub version: String,
    /// Of its sources.
    pub git_commit: String,
}

/// `ControllerAPIInfoResult`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiInfo {
    /// `host:port` of its API.
    pub addresses: Vec<String>,
    /// CA certificate, PEM.
    pub cacert: String,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<RpcError>,
}

/// `UserAccess`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct UserAccess {
    /// Whose.
    pub user_tag: String,
    /// `login`, `add-model` or `superuser`.
    pub access: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::juju::params::from_value;

    #[test]
    fn what_jujus_client_sends_to_start_a_migration_is_read() {
        let sent = json!({ "specs": [{
            "model-tag": "model-9372c470-eead-45ec-89c3-c74c2b3cb633",
            "target-info": {
                "controller-tag": "controller-f06afa86-3461-42bb-86ed-6c2f5d7b0ac7", "controller-alias": "west",
                "addrs": ["10.0.0.9:17070"], "ca-cert": "PEM", "auth-tag": "user-admin", "password": "secret"
            }
        }] });
        let args: InitiateMigrationArgs = from_value(&sent).unwrap();
        let target = &args.specs[0].target_info;
        assert_eq!((target.controller_alias.as_str(), target.addrs[0].as_str()), ("west", "10.0.0.9:17070"));
        assert!(!args.dry_run, "a client before 3.6.13 does not say");
        assert!(!format!("{args:?}").contains("secret"), "the password is not even read");
    }

    #[test]
    fn a_models_counts_are_written_in_both_spellings() {
        let of = |owner_tag: &str, qualifier: &str| {
            let (owner_tag, qualifier) = (owner_tag.to_owned(), qualifier.to_owned());
            json!(ModelStatus { model_tag: "model-x".into(), owner_tag, qualifier, ..ModelStatus::default() })
        };
        let golden = json!({
            "model-tag": "model-x", "life": "", "type": "", "hosted-machine-count": 0, "application-count": 0,
            "unit-count": 0, "owner-tag": "user-admin"
        });
        assert_eq!(of("user-admin", ""), golden);
        assert_eq!(of("", "admin")["qualifier"], "admin");
        assert!(of("", "admin").get("owner-tag").is_none());
    }
}
