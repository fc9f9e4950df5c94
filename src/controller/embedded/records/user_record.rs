//! What is stored of a user, and what one may do in a model.

use serde::{Deserialize, Serialize};

use super::password::PasswordHash;
use crate::controller::embedded::view::Access;

/// The user that every controller begins with.
pub(in crate::controller::embedded) const ADMIN: &str = "admin";

/// What is stored of a user.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::controller::embedded) struct UserRecord {
    pub access: Access,
    /// None for a user who cannot log in.
    #[serde(default)]
    pub password: Option<PasswordHash>,
    /// Unix milliseconds; 0 where nobody noted it.
    #[serde(default)]
    pub created_ms: u64,
    /// The last login, Unix milliseconds; 0 for never.
    #[serde(default)]
    pub seen_ms: u64,
}

/// What a user may do in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::controller::embedded) enum ModelAccess {
    Read,
    Write,
    Admin,
}

impl ModelAccess {
    /// Returns Juju's word for it.
    pub(in crate::controller::embedded) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// Reads Juju's word.
    pub(in crate::controller::embedded) fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::Admin].into_iter().find(|access| access.as_str() == text)
    }
}
