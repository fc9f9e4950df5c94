//! When a proof of identity ends: read out of tokens and macaroons, which are not checked here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// How the caveat of a macaroon begins that ends it.
const TIME_BEFORE: &str = "time-before ";

/// Returns when a JSON web token ends, Unix seconds; nothing for one that does not, and for what is no token.
pub(in crate::controller) fn of_token(token: &str) -> Option<u64> {
    let mut parts = token.trim().split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next().filter(|_| parts.next().is_none())?);
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    serde_json::from_slice::<Value>(&claims).ok()?["exp"].as_u64()
}

/// Returns when the first of macaroons ends, Unix seconds; nothing if none does.
pub(in crate::controller) fn of_macaroons(lists: &[Vec<Value>]) -> Option<u64> {
    lists.iter().flatten().filter_map(earliest).min()
}

/// Looks through every text of a macaroon: its versions keep their caveats under different keys.
fn earliest(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => {
            let at: jiff::Timestamp = text.strip_prefix(TIME_BEFORE)?.parse().ok()?;
            u64::try_from(at.as_second()).ok()
        }
        Value::Array(list) => list.iter().filter_map(earliest).min(),
        Value::Object(map) => map.values().filter_map(earliest).min(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_end_of_a_token_is_read_and_of_nothing_else() {
        let token = |claims: &Value| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
        assert_eq!(of_token(&token(&json!({ "exp": 1_795_000_000_u64 }))), Some(1_795_000_000));
        assert_eq!(of_token(&token(&json!({ "sub": "system:serviceaccount" }))), None);
        for other in ["", "s3cret", "a.b", "a.b.c", "a.b.c.d"] {
            assert_eq!(of_token(other), None, "{other}");
        }
    }

    #[test]
    fn the_first_end_of_several_macaroons_counts_whatever_their_version() {
        let second =
            json!({ "c": [{ "i": "declared username bob" }, { "i": "time-before 2026-11-30T12:00:00Z" }], "l": "x" });
        let first = json!({ "caveats": [{ "cid": "time-before 2026-11-30T11:00:00.5Z" }] });
        assert_eq!(of_macaroons(&[vec![second.clone()], vec![first]]), Some(1_796_036_400));
        assert_eq!(of_macaroons(&[vec![second]]), Some(1_796_040_000));
        assert_eq!(of_macaroons(&[vec![json!({ "c": [{ "i": "declared username bob" }] })]]), None);
    }
}
