//! The controller's users.

use serde::{Deserialize, Serialize};

use super::Embedded;
use super::view::{Access, UserView};
use crate::controller::port::ControllerError;

/// The user that every controller begins with.
pub(super) const ADMIN: &str = "admin";
/// Bytes in a user's name.
const USER_BYTES_MAX: usize = 128;

/// What is stored of a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct UserRecord {
    pub access: Access,
}

impl Embedded {
    /// Returns the controller's users, by name.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn users(&self) -> Result<Vec<UserView>, ControllerError> {
        let users = self.inner.database.users::<UserRecord>()?;
        Ok(users.into_iter().map(|(name, UserRecord { access })| UserView { name, access }).collect())
    }

    /// Adds a user, or gives one another access level.
    ///
    /// Errors: [`ControllerError::Refused`] for a name that Juju would not take, and for making the
    /// administrator less than that.
    pub fn add_user(&self, name: &str, access: Access) -> Result<(), ControllerError> {
        if !is_user_name(name) {
            return Err(ControllerError::Refused(format!("\"{}\" is not a valid username", name.escape_default())));
        }
        if name == ADMIN && access != Access::Superuser {
            return Err(ControllerError::Refused(format!("\"{ADMIN}\" is the controller's owner and stays superuser")));
        }
        self.inner.database.write(|tables| tables.put_user(name, &UserRecord { access }).map(drop))
    }

    /// Removes a user.
    ///
    /// Errors: [`ControllerError::Refused`] for an unknown user and for the administrator.
    pub fn remove_user(&self, name: &str) -> Result<(), ControllerError> {
        if name == ADMIN {
            return Err(ControllerError::Refused(format!("cannot remove controller owner \"{ADMIN}\"")));
        }
        if self.inner.database.write(|tables| tables.remove_user(name))? {
            Ok(())
        } else {
            Err(ControllerError::Refused(format!("user \"{}\" not found", name.escape_default())))
        }
    }
}

/// Reports whether Juju would take `name`: letters, digits, `.+-` inside, and a domain for an external user.
fn is_user_name(name: &str) -> bool {
    let part = |part: &str| {
        let alphanumeric = |c: char| c.is_ascii_alphanumeric();
        part.starts_with(alphanumeric)
            && part.ends_with(alphanumeric)
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-'))
    };
    let (user, domain) = name.split_once('@').map_or((name, None), |(user, domain)| (user, Some(domain)));
    name.len() <= USER_BYTES_MAX && part(user) && domain.is_none_or(part)
}
