//! A text that nobody but its user may see: a password, or a token that logs in.

use std::ops::Deref;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A password or a token. `Debug` does not show it, and its memory is overwritten when it is dropped.
///
/// The copies that libraries make are out of reach: a JSON parser's buffer, a request's header.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(Zeroizing<String>);

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl Deref for SecretText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_and_written_as_a_text_and_shown_to_no_log() {
        let secret: SecretText = serde_json::from_str("\"sesame\"").unwrap();
        assert_eq!((&*secret, serde_json::to_string(&secret).unwrap().as_str()), ("sesame", "\"sesame\""));
        assert_eq!(format!("{secret:?} {secret:#?}"), "SecretText(…) SecretText(…)");
    }
}
