//! The secret by which a migration master logs in: one for each migration, made by us, and of no use at the destination.
//!
//! A 3.6 master shows it as a password. A 4.1 source exchanges the password for a macaroon first; that macaroon is made of the
//! secret as well, so that nothing else has to be kept.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelferry_protocol::ids::MigrationId;
use serde_json::{Value, json};

/// A migration's login secret. It is kept in the journal, and shown to the source controller alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

/// Prints no secret.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// The user that the master logs in as: `auth-tag` of the `target-info`.
    pub const AUTH_TAG: &str = "user-modelferry";

    /// Returns the password of the `target-info`.
    pub fn password(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.derived("password", MigrationId::default()))
    }

    /// Returns the macaroon of a migration, as JSON of its second version. The source never looks into it, and shows it as it is.
    pub fn macaroon(&self, mid: MigrationId) -> Value {
        let signature = URL_SAFE_NO_PAD.encode(self.derived("macaroon", mid));
        json!({ "c": [], "l": "modelferry", "i64": URL_SAFE_NO_PAD.encode(mid.0), "s64": signature })
    }

    /// Reports whether `shown` is the password.
    pub fn is_password(&self, shown: &str) -> bool {
        same(&self.password(), shown)
    }

    /// Reports whether one of the lists of macaroons begins with the macaroon of `mid`.
    pub fn is_macaroon(&self, mid: MigrationId, shown: &[Vec<Value>]) -> bool {
        let ours = self.macaroon(mid);
        let signature = |macaroon: &Value| macaroon["s64"].as_str().unwrap_or_default().to_owned();
        shown.iter().filter_map(|list| list.first()).any(|macaroon| same(&signature(&ours), &signature(macaroon)))
    }

    fn derived(&self, purpose: &str, mid: MigrationId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(purpose.as_bytes()).update(&mid.0);
        *hasher.finalize().as_bytes()
    }
}

/// Compares in a time that does not depend on where texts differ: hashes are compared, which a guesser does not choose.
fn same(ours: &str, shown: &str) -> bool {
    !ours.is_empty() && blake3::hash(ours.as_bytes()) == blake3::hash(shown.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MID: MigrationId = MigrationId([7; 16]);

    #[test]
    fn only_the_secret_of_the_migration_is_taken() {
        let (ours, other) = (Secret([1; 32]), Secret([2; 32]));
        assert!(ours.is_password(&ours.password()) && !ours.is_password(&other.password()) && !ours.is_password(""));
        let shown = |macaroon| vec![vec![macaroon]];
        assert!(ours.is_macaroon(MID, &shown(ours.macaroon(MID))));
        assert!(!ours.is_macaroon(MID, &shown(other.macaroon(MID))));
        assert!(!ours.is_macaroon(MID, &shown(ours.macaroon(MigrationId([8; 16])))));
        assert!(!ours.is_macaroon(MID, &[vec![], vec![json!({ "s64": "" }), json!(null)]]));
        assert_eq!(format!("{ours:?}"), "Secret(…)");
    }
}
