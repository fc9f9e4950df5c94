//! Macaroons, as far as a login with a password needs them: Juju's client is given one, proves the password at `/auth`
//! and comes back with both, which then stand for the password for a day.
//!
//! What is in them is signed, and nothing is kept: a macaroon is good on the controller that made it, also after a
//! restart, until it expires or the user's password changes.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, URL_SAFE_NO_PAD};
use ring::hmac::{self, HMAC_SHA256};
use serde_json::{Value, json};

/// For how long a login is good, as in Juju.
pub(super) const GOOD_FOR_MS: u64 = 24 * 3_600_000;
/// For how long a password that was proven may be turned into a login.
const TOKEN_GOOD_FOR_MS: u64 = 120_000;
/// What macaroons and tokens are, in their texts.
const LOGIN: &str = "login";
const PROOF: &str = "proof";
const TOKEN: &str = "token";
const SESSION: &str = "session";
const MIGRATION: &str = "migration";
/// The version of the client library's format in which macaroons travel.
const BAKERY_VERSION: u32 = 3;
const BASE64: GeneralPurpose = URL_SAFE_NO_PAD;

/// Signs and checks what one user is given. Another password makes another key.
pub(in crate::controller::embedded::api) struct Bakery {
    key: hmac::Key,
    user: String,
}

/// What a text says that this controller has made.
pub(in crate::controller::embedded::api) struct ProvenLogin<'a> {
    /// The user.
    pub user: &'a str,
    until_ms: u64,
}

/// Reads `kind user until nonce`.
fn told<'a>(text: &'a str, kind: &str) -> Option<ProvenLogin<'a>> {
    let mut words = text.split(' ');
    if words.next() != Some(kind) {
        return None;
    }
    let (user, until_ms) = (words.next()?, words.next()?.parse().ok()?);
    Some(ProvenLogin { user, until_ms })
}

fn signature(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text).as_ref().to_vec()
}

/// Signs two texts at once, as macaroons do.
fn signature_of_two(key: &[u8], one: &[u8], other: &[u8]) -> Vec<u8> {
    signature(key, &[signature(key, one), signature(key, other)].concat())
}

fn same(one: &[u8], other: &[u8]) -> bool {
    // Both signed again with a key that nobody has, so that no time tells how far they are the same.
    let key = hmac::Key::new(HMAC_SHA256, b"compare");
    hmac::verify(&key, one, hmac::sign(&key, other).as_ref()).is_ok()
}

/// Returns bytes of a macaroon, which are text or base64.
fn bytes(macaroon: &Value, plain: &str, coded: &str) -> Option<Vec<u8>> {
    if let Some(text) = macaroon.get(plain).and_then(Value::as_str) {
        return Some(text.as_bytes().to_vec());
    }
    decode(macaroon.get(coded)?.as_str()?)
}

/// Reads base64 of either alphabet, padded or not.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let plain: String = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    BASE64.decode(plain).ok()
}

/// Returns the user whom macaroons of a login are for, as they say: nothing is proven by that.
pub(in crate::controller::embedded::api) fn user_of(macaroons: &[Value]) -> Option<String> {
    let id = String::from_utf8(bytes(macaroons.first()?, "i", "i64")?).ok()?;
    told(&id, LOGIN).or_else(|| told(&id, MIGRATION)).map(|told| told.user.to_owned())
}

/// Returns the user whom a session token is for, as it says: nothing is proven by that.
pub(super) fn user_of_session(token: &str) -> Option<String> {
    let token = String::from_utf8(decode(token)?).ok()?;
    told(&token, SESSION).map(|told| told.user.to_owned())
}

/// Returns the user of a caveat that is to be proven, as it says.
pub(super) fn user_of_caveat(caveat: &str) -> Option<&str> {
    told(caveat, PROOF).map(|told| told.user)
}

impl Bakery {
    /// Makes the bakery of a user. `secret`: the controller's. `password`: whatever changes with the user's password.
    pub(in crate::controller::embedded::api) fn new(secret: &[u8], user: &str, password: &str) -> Self {
        let key = signature(secret, format!("{user} {password}").as_bytes());
        Self { key: hmac::Key::new(HMAC_SHA256, &key), user: user.to_owned() }
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        hmac::sign(&self.key, text).as_ref().to_vec()
    }

    fn text(&self, kind: &str, until_ms: u64, nonce: &str) -> String {
        format!("{kind} {} {until_ms} {nonce}", self.user)
    }

    /// Returns whether a text is this user's and still good.
    fn is_good(&self, text: &str, kind: &str, now_ms: u64) -> bool {
        told(text, kind).is_some_and(|told| told.user == self.user && told.until_ms > now_ms)
    }

    /// Makes the macaroon of a login, which is good once its caveat has been proven at `location`.
    pub(in crate::controller::embedded::api) fn login(&self, location: &str, now_ms: u64) -> Value {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let until_ms = now_ms + GOOD_FOR_MS;
        let (id, caveat) = (self.text(LOGIN, until_ms, &nonce), self.text(PROOF, until_ms, &nonce));
        let signed = self.login_signature(&id, &caveat);
        let caveats = json!([{ "i": caveat, "v": nonce, "l": location }]);
        json!({ "c": caveats, "l": "juju", "i": id, "s64": BASE64.encode(signed) })
    }

    fn login_signature(&self, id: &str, caveat: &str) -> Vec<u8> {
        let nonce = id.rsplit(' ').next().unwrap_or_default();
        signature_of_two(&self.sign(id.as_bytes()), nonce.as_bytes(), caveat.as_bytes())
    }

    /// Makes what proves that the password was right.
    pub(in crate::controller::embedded::api) fn token(&self, now_ms: u64) -> String {
        self.signed(TOKEN, now_ms + TOKEN_GOOD_FOR_MS)
    }

    /// Makes a session token: a login without a password, for a day.
    pub(in crate::controller::embedded::api) fn session(&self, now_ms: u64) -> String {
        BASE64.encode(self.signed(SESSION, now_ms + GOOD_FOR_MS))
    }

    /// Checks a session token.
    pub(super) fn admits_session(&self, token: &str, now_ms: u64) -> bool {
        let token = decode(token).and_then(|bytes| String::from_utf8(bytes).ok());
        token.is_some_and(|token| self.is_signed(&token, SESSION, now_ms))
    }

    /// Makes a macaroon that is a login by itself, for the migration master of another controller.
    pub(in crate::controller::embedded::api) fn migration(&self, now_ms: u64) -> Value {
        let id = self.text(MIGRATION, now_ms + GOOD_FOR_MS, &uuid::Uuid::new_v4().simple().to_string());
        json!({ "c": [], "l": "juju", "i64": BASE64.encode(&id), "s64": BASE64.encode(self.sign(id.as_bytes())) })
    }

    fn signed(&self, kind: &str, until_ms: u64) -> String {
        let text = self.text(kind, until_ms, &uuid::Uuid::new_v4().simple().to_string());
        let signed = BASE64.encode(self.sign(text.as_bytes()));
        format!("{text} {signed}")
    }

    fn is_signed(&self, token: &str, kind: &str, now_ms: u64) -> bool {
        let Some((text, signed)) = token.rsplit_once(' ') else { return false };
        let genuine = decode(signed).is_some_and(|signed| same(&signed, &self.sign(text.as_bytes())));
        genuine && self.is_good(text, kind, now_ms)
    }

    /// Makes the macaroon that proves a caveat, for who has a token.
    pub(in crate::controller::embedded::api) fn discharge(
        &self,
        caveat: &str,
        token: &str,
        now_ms: u64,
    ) -> Option<Value> {
        if !self.is_signed(token, TOKEN, now_ms) || !self.is_good(caveat, PROOF, now_ms) {
            return None;
        }
        Some(json!({ "i": caveat, "l": "juju", "s64": BASE64.encode(self.sign(caveat.as_bytes())) }))
    }

    /// Checks the macaroons of a login: the first as this controller made it, and what proves its caveat, bound to it; or the
    /// one of a migration.
    pub(super) fn admits(&self, macaroons: &[Value], now_ms: u64) -> bool {
        let (login, proof) = match macaroons {
            [alone] => return self.admits_migration(alone, now_ms),
            [login, proof] => (login, proof),
            _ => return false,
        };
        let parts = (|| {
            let id = String::from_utf8(bytes(login, "i", "i64")?).ok()?;
            let [caveat] = login.get("c")?.as_array()?.as_slice() else { return None };
            let caveat = String::from_utf8(bytes(caveat, "i", "i64")?).ok()?;
            let proven = bytes(proof, "i", "i64")?;
            Some((id, caveat, proven, bytes(login, "s", "s64")?, bytes(proof, "s", "s64")?))
        })();
        let Some((id, caveat, proven, login_signed, proof_signed)) = parts else { return false };
        if proof.get("c").and_then(Value::as_array).is_some_and(|more| !more.is_empty()) {
            return false;
        }
        let root = self.login_signature(&id, &caveat);
        let bound = signature_of_two(&[0; 32], &root, &self.sign(caveat.as_bytes()));
        self.is_good(&id, LOGIN, now_ms)
            && self.is_good(&caveat, PROOF, now_ms)
            && proven == caveat.as_bytes()
            && same(&login_signed, &root)
            && same(&proof_signed, &bound)
    }
}

impl Bakery {
    fn admits_migration(&self, macaroon: &Value, now_ms: u64) -> bool {
        let parts = || Some((bytes(macaroon, "i", "i64")?, bytes(macaroon, "s", "s64")?));
        let Some((id, signed)) = parts() else { return false };
        // A caveat that was added changes the signature; none of ours has one.
        let bare = macaroon.get("c").and_then(Value::as_array).is_none_or(Vec::is_empty);
        bare && same(&signed, &self.sign(&id))
            && std::str::from_utf8(&id).is_ok_and(|id| self.is_good(id, MIGRATION, now_ms))
    }
}

/// Wraps a macaroon as the client library does.
pub(super) fn wrapped(macaroon: &Value) -> Value {
    json!({ "m": macaroon, "v": BAKERY_VERSION, "ns": "std:" })
}

/// Binds a proof to its login, as a client does.
#[cfg(test)]
pub(in crate::controller::embedded::api) fn bound(login: &Value, proof: &Value) -> Vec<Value> {
    let (root, signed) = (bytes(login, "s", "s64").unwrap(), bytes(proof, "s", "s64").unwrap());
    let mut proof = proof.clone();
    proof["s64"] = json!(BASE64.encode(signature_of_two(&[0; 32], &root, &signed)));
    vec![login.clone(), proof]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_760_000_000_000;

    fn logged_in(bakery: &Bakery) -> Vec<Value> {
        let login = bakery.login("https://here/auth", NOW_MS);
        let caveat = login["c"][0]["i"].as_str().unwrap();
        bound(&login, &bakery.discharge(caveat, &bakery.token(NOW_MS), NOW_MS).unwrap())
    }

    #[test]
    fn a_password_that_was_proven_is_good_for_a_day() {
        let bakery = Bakery::new(b"secret", "admin", "hash");
        let macaroons = logged_in(&bakery);
        assert_eq!(user_of(&macaroons).as_deref(), Some("admin"));
        assert!(bakery.admits(&macaroons, NOW_MS + GOOD_FOR_MS - 1));
        assert!(!bakery.admits(&macaroons, NOW_MS + GOOD_FOR_MS));
        assert!(!Bakery::new(b"secret", "admin", "another").admits(&macaroons, NOW_MS), "the password has changed");
        assert!(!Bakery::new(b"another", "admin", "hash").admits(&macaroons, NOW_MS), "of another controller");
        assert!(!Bakery::new(b"secret", "eve", "hash").admits(&macaroons, NOW_MS));
    }

    #[test]
    fn a_session_token_and_a_macaroon_for_a_migration_are_good_for_a_day_and_for_nothing_else() {
        let bakery = Bakery::new(b"secret", "admin", "hash");
        let (token, macaroon) = (bakery.session(NOW_MS), bakery.migration(NOW_MS));
        assert_eq!(user_of_session(&token).as_deref(), Some("admin"));
        assert_eq!(user_of(std::slice::from_ref(&macaroon)).as_deref(), Some("admin"));
        let admits = |bakery: &Bakery, now_ms| {
            (bakery.admits_session(&token, now_ms), bakery.admits(std::slice::from_ref(&macaroon), now_ms))
        };
        assert_eq!(admits(&bakery, NOW_MS + GOOD_FOR_MS - 1), (true, true));
        assert_eq!(admits(&bakery, NOW_MS + GOOD_FOR_MS), (false, false));
        assert_eq!(admits(&Bakery::new(b"secret", "admin", "another"), NOW_MS), (false, false));
        assert_eq!(admits(&Bakery::new(b"secret", "eve", "hash"), NOW_MS), (false, false));
        assert!(!bakery.admits_session(&BASE64.encode(bakery.token(NOW_MS)), NOW_MS), "that proves a password alone");
        let with_caveat = {
            let mut more = macaroon.clone();
            more["c"] = json!([{ "i": "time-before never" }]);
            more
        };
        assert!(!bakery.admits(&[with_caveat], NOW_MS));
        let other_user = {
            let mut forged = macaroon;
            forged["i64"] = json!(BASE64.encode("migration admin 9999999999999 n"));
            forged
        };
        assert!(!bakery.admits(&[other_user], NOW_MS));
    }

    #[test]
    fn nothing_less_is_good() {
        let bakery = Bakery::new(b"secret", "admin", "hash");
        let whole = logged_in(&bakery);
        assert!(!bakery.admits(&whole[..1], NOW_MS), "without its proof");
        let (one, other) = (logged_in(&bakery), logged_in(&bakery));
        assert!(!bakery.admits(&[one[0].clone(), other[1].clone()], NOW_MS), "with the proof of another");
        let mut forged = whole.clone();
        forged[0]["i"] =
            json!(whole[0]["i"].as_str().unwrap().replace(&(NOW_MS + GOOD_FOR_MS).to_string(), "9999999999999"));
        assert!(!bakery.admits(&forged, NOW_MS));
        let caveat = whole[0]["c"][0]["i"].as_str().unwrap();
        assert!(bakery.discharge(caveat, "token admin 9999999999999 nonce AAAA", NOW_MS).is_none());
        let token = bakery.token(NOW_MS);
        assert!(bakery.discharge(caveat, &token, NOW_MS + TOKEN_GOOD_FOR_MS).is_none(), "too late");
        assert!(bakery.discharge("proof eve 9999999999999 nonce", &token, NOW_MS).is_none(), "for somebody else");
    }
}
