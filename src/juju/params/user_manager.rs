//! `UserManager` 3.

use serde::{Deserialize, Serialize};

use super::Entity;

/// `UserInfoRequest`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct UserInfoRequest {
    /// Which users; all if none is named.
    pub entities: Vec<Entity>,
    /// Whether disabled users are meant as well.
    pub include_disabled: bool,
}

/// `UserInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct UserInfo {
    /// The name.
    pub username: String,
    /// For people.
    pub display_name: String,
    /// `login`, `add-model` or `superuser`.
    pub access: String,
    /// Who added the user.
    pub created_by: String,
    /// RFC 3339.
    pub date_created: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_connection: Option<String>,
    /// Whether the user may not log in.
    pub disabled: bool,
}
