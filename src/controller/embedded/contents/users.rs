//! The controller's users: their access, and the passwords that they log in with.

use crate::clock::now_ms;
use crate::controller::embedded::Embedded;
use crate::controller::embedded::records::password::{PasswordHash, check_strength};
use crate::controller::embedded::records::user_record::{ADMIN, UserRecord};
use crate::controller::embedded::view::{Access, UserView};
use crate::controller::port::ControllerError;

/// Bytes in a user's name.
const USER_BYTES_MAX: usize = 128;

/// A user who may log in, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::controller::embedded) struct Known {
    pub access: Access,
    /// The login before this one, Unix milliseconds; 0 for none.
    pub seen_ms: u64,
}

impl Embedded {
    /// Returns the controller's users, by name.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn users(&self) -> Result<Vec<UserView>, ControllerError> {
        let users = self.inner.database.users::<UserRecord>()?;
        let view = |(name, user): (String, UserRecord)| UserView {
            name,
            access: user.access,
            password: user.password.is_some(),
            created_ms: user.created_ms,
            seen_ms: user.seen_ms,
        };
        Ok(users.into_iter().map(view).collect())
    }

    /// Adds a user, or gives one another access level, and a password if one is given: without, a new user cannot log in,
    /// and a known one keeps what there was.
    ///
    /// Errors: [`ControllerError::Refused`] for a name or password that is not taken, and for making the administrator
    /// less than that.
    pub fn add_user(&self, name: &str, access: Access, password: Option<&str>) -> Result<(), ControllerError> {
        if !is_user_name(name) {
            return Err(ControllerError::Refused(format!("\"{}\" is not a valid username", name.escape_default())));
        }
        if name == ADMIN && access != Access::Superuser {
            return Err(ControllerError::Refused(format!("\"{ADMIN}\" is the controller's owner and stays superuser")));
        }
        let password = password.map(|password| self.hash(name, password)).transpose()?;
        self.inner.database.write(|tables| {
            let before = tables.user::<UserRecord>(name)?;
            let mut user = before.unwrap_or_else(|| UserRecord { created_ms: now_ms(), ..UserRecord::default() });
            user.access = access;
            user.password = password.or(user.password);
            tables.put_user(name, &user).map(drop)
        })
    }

    /// Gives a user a password, in the place of the one before.
    ///
    /// Errors: [`ControllerError::Refused`] for an unknown user, and for a password that is not taken.
    pub fn set_password(&self, name: &str, password: &str) -> Result<(), ControllerError> {
        let hash = self.hash(name, password)?;
        self.inner.database.write(|tables| {
            let mut user = tables.user::<UserRecord>(name)?.ok_or_else(|| unknown(name))?;
            user.password = Some(hash);
            tables.put_user(name, &user).map(drop)
        })
    }

    fn hash(&self, name: &str, password: &str) -> Result<PasswordHash, ControllerError> {
        if name.contains('@') {
            let text = format!("\"{name}\" is an external user, whose password is not kept here");
            return Err(ControllerError::Refused(text));
        }
        check_strength(password)?;
        PasswordHash::of(password)
    }

    /// Removes a user.
    ///
    /// Errors: [`ControllerError::Refused`] for an unknown user and for the administrator.
    pub fn remove_user(&self, name: &str) -> Result<(), ControllerError> {
        if name == ADMIN {
            return Err(ControllerError::Refused(format!("cannot remove controller owner \"{ADMIN}\"")));
        }
        if self.inner.database.write(|tables| tables.remove_user(name))? { Ok(()) } else { Err(unknown(name)) }
    }

    /// Checks a user's password, and notes when the user logged in. Takes as long for an unknown user.
    ///
    /// Returns nothing for a wrong name or password; errors: [`ControllerError::Storage`].
    pub(in crate::controller::embedded) fn authenticate(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<Known>, ControllerError> {
        let user = self.inner.database.user::<UserRecord>(name)?;
        let hash = user.as_ref().and_then(|user| user.password.as_ref());
        if !PasswordHash::matches(hash, password) {
            return Ok(None);
        }
        self.known(name)
    }

    /// Notes that a user logs in by other means than the password; returns nothing for one who was removed.
    pub(in crate::controller::embedded) fn known(&self, name: &str) -> Result<Option<Known>, ControllerError> {
        // When somebody was last here may be lost by a crash.
        self.inner.database.write_soon(|tables| {
            let Some(mut user) = tables.user::<UserRecord>(name)? else { return Ok(None) };
            let known = Known { access: user.access, seen_ms: user.seen_ms };
            user.seen_ms = now_ms();
            tables.put_user(name, &user)?;
            Ok(Some(known))
        })
    }

    /// Returns what changes with a user's password; also for an unknown user, for whom it is nothing that anybody has.
    pub(in crate::controller::embedded) fn password_mark(&self, name: &str) -> Result<String, ControllerError> {
        let user = self.inner.database.user::<UserRecord>(name)?;
        Ok(user.and_then(|user| user.password).map_or_else(String::new, |password| password.mark().to_owned()))
    }

    /// Returns what a user may do on the controller now; nothing for one who has been removed.
    pub(in crate::controller::embedded) fn access_of(&self, name: &str) -> Result<Option<Access>, ControllerError> {
        Ok(self.inner.database.user::<UserRecord>(name)?.map(|user| user.access))
    }
}

fn unknown(name: &str) -> ControllerError {
    ControllerError::Refused(format!("user \"{}\" not found", name.escape_default()))
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
