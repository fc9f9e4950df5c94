//! Passwords: hashed by argon2id, compared in constant time.

use std::sync::LazyLock;

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{self, Output, PasswordHasher, Salt, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};

use crate::controller::port::ControllerError;

/// Bytes in a password at most.
pub(super) const PASSWORD_BYTES_MAX: usize = 1024;

/// Blocks of memory that are reserved for a check, 33 MiB, of which 19 are used. The C library gives what has more than 32 MiB back
/// to the system at once; of what has less it keeps a piece for every thread that has ever checked a password.
const BLOCKS_RESERVED: usize = (33 << 20) / Block::SIZE;

/// A password's hash, with its salt and parameters: `$argon2id$v=19$m=19456,t=2,p=1$…`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::controller::embedded) struct PasswordHash(String);

// A hash can be tried against lists of passwords, so it does not go to logs.
impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// What the password of an unknown user is compared with, so that it takes as long.
static NOBODY: LazyLock<Option<PasswordHash>> = LazyLock::new(|| PasswordHash::of("nobody").ok());

/// Refuses what is no password.
pub(in crate::controller::embedded) fn check_strength(password: &str) -> Result<(), ControllerError> {
    let why = match password.len() {
        0 => "the password is empty",
        bytes if bytes > PASSWORD_BYTES_MAX => "the password has more than 1024 bytes",
        _ if password.chars().any(char::is_control) => "the password has control characters",
        _ => return Ok(()),
    };
    Err(ControllerError::Refused(why.to_owned()))
}

impl PasswordHash {
    /// Hashes a password: 19 MiB of memory, twice over.
    pub(in crate::controller::embedded) fn of(password: &str) -> Result<Self, ControllerError> {
        let failed =
            |error: password_hash::Error| ControllerError::Refused(format!("cannot hash the password: {error}"));
        let salt = SaltString::generate(&mut OsRng);
        let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(failed)?;
        Ok(Self(hash.to_string()))
    }

    /// Returns what is stored: it changes with the password, and with the salt.
    pub(in crate::controller::embedded) fn mark(&self) -> &str {
        &self.0
    }

    /// Compares a password with what is stored of a user, if anything is.
    pub(in crate::controller::embedded) fn matches(stored: Option<&Self>, password: &str) -> bool {
        if password.len() > PASSWORD_BYTES_MAX {
            return false;
        }
        let Some(hash) = stored.or(NOBODY.as_ref()) else { return false };
        let Ok(parsed) = password_hash::PasswordHash::new(&hash.0) else { return false };
        is_of(&parsed, password).unwrap_or(false) && stored.is_some()
    }
}

/// Reports whether a hash is this password's; nothing for a hash that cannot be read.
fn is_of(hash: &password_hash::PasswordHash<'_>, password: &str) -> Option<bool> {
    let (salt, wanted) = (hash.salt?, hash.hash?);
    let algorithm = Algorithm::try_from(hash.algorithm).ok()?;
    let version = Version::try_from(hash.version?).ok()?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(hash).ok()?);
    let mut bytes = [0; Salt::MAX_LENGTH];
    let salt = salt.decode_b64(&mut bytes).ok()?;
    let mut memory = Vec::with_capacity(BLOCKS_RESERVED);
    memory.resize(argon2.params().block_count(), Block::new());
    let mut found = vec![0; wanted.len()];
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut found, &mut memory).ok()?;
    // Outputs are compared in constant time.
    Some(Output::new(&found).ok()? == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_as_a_salted_hash_alone() {
        let (one, other) = (PasswordHash::of("sesame").unwrap(), PasswordHash::of("sesame").unwrap());
        assert_ne!(one, other, "no two salts are the same");
        assert!(one.0.starts_with("$argon2id$") && !one.0.contains("sesame"), "{}", one.0);
        assert!(PasswordHash::matches(Some(&one), "sesame"));
        assert!(!PasswordHash::matches(Some(&one), "Sesame"));
        assert!(!format!("{one:?}").contains("argon2"));
    }

    #[test]
    fn a_user_without_a_password_cannot_log_in_by_any() {
        for password in ["", "nobody", "sesame"] {
            assert!(!PasswordHash::matches(None, password), "{password}");
        }
    }

    #[test]
    fn what_is_no_password_is_refused() {
        assert!(check_strength("sesame").is_ok());
        for password in ["", "two\nlines", &"x".repeat(PASSWORD_BYTES_MAX + 1)] {
            assert!(check_strength(password).is_err(), "{password:?}");
        }
    }
}
