//! What a peer may do here, as an operator has set it.

use std::fmt;
use std::str::FromStr;

use glob::Pattern;
use serde::{Deserialize, Serialize};

use crate::config::parse_size;

/// Maximum number of patterns of one peer. Whoever needs more has no rule.
pub const PATTERNS_MAX: usize = 64;
/// Maximum length of a pattern, bytes: an owner and a name.
const PATTERN_BYTES_MAX: usize = 512;
/// The word for no quota, and what is behind the number of one in the file.
const NO_QUOTA: &str = "none";
const BYTES: &str = " bytes";
/// The pattern that all names match.
const ANY: &str = "*";

/// What a peer may do here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// Whether models are received from it, and pre-copies.
    pub receive: bool,
    /// Whether models of this agent's controller are sent to it.
    pub send: bool,
    /// Whether copies of its models are kept here.
    pub keep: bool,
    /// Whether it may read every model, and not only those that were exchanged with it.
    pub read: bool,
    /// The models that may be received, sent and kept, by name; all if there is none.
    pub models: Vec<ModelPattern>,
    /// What migrations and copies from it may hold of the disk here at once.
    pub quota: Quota,
}

impl Default for Rights {
    fn default() -> Self {
        Self { receive: true, send: true, keep: false, read: false, models: Vec::new(), quota: Quota::default() }
    }
}

impl Rights {
    /// Reports whether models of this name may be exchanged with the peer.
    pub fn names(&self, owner: &str, name: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| pattern.matches(owner, name))
    }

    /// Returns these rights with `change` applied.
    pub fn with(&self, change: RightsChange) -> Self {
        let mut models = change.models.unwrap_or_else(|| self.models.clone());
        if models.iter().any(|pattern| pattern.0.as_str() == ANY) {
            models.clear();
        }
        Self {
            receive: change.receive.unwrap_or(self.receive),
            send: change.send.unwrap_or(self.send),
            keep: change.keep.unwrap_or(self.keep),
            read: change.read.unwrap_or(self.read),
            models,
            quota: change.quota.unwrap_or(self.quota),
        }
    }
}

/// Bytes, or no bound. Written as a word, so that a file that was cut does not lift it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quota(Option<u64>);

impl Quota {
    /// Returns the most bytes; `None`: no bound.
    pub fn bytes(self) -> Option<u64> {
        self.0
    }
}

impl FromStr for Quota {
    type Err = String;

    /// Reads `none`, or a size such as `50GiB`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            NO_QUOTA => Ok(Self(None)),
            size => parse_size(size).map(|bytes| Self(Some(bytes))),
        }
    }
}

impl TryFrom<String> for Quota {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_suffix(BYTES) {
            Some(bytes) => bytes.parse().map(|bytes| Self(Some(bytes))).map_err(|_| format!("`{text}` is no quota")),
            None => text.parse(),
        }
    }
}

impl From<Quota> for String {
    fn from(quota: Quota) -> Self {
        quota.0.map_or_else(|| NO_QUOTA.to_owned(), |bytes| format!("{bytes}{BYTES}"))
    }
}

/// A change of a peer's rights. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RightsChange {
    pub receive: Option<bool>,
    pub send: Option<bool>,
    pub keep: Option<bool>,
    pub read: Option<bool>,
    /// Replaces the patterns; `*` among them allows all models.
    pub models: Option<Vec<ModelPattern>>,
    pub quota: Option<Quota>,
}

/// A glob for names of models. With `/` it is compared with `OWNER/NAME`, else with the name alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelPattern(Pattern);

impl ModelPattern {
    fn matches(&self, owner: &str, name: &str) -> bool {
        match self.0.as_str().contains('/') {
            true => self.0.matches(&format!("{owner}/{name}")),
            false => self.0.matches(name),
        }
    }
}

impl FromStr for ModelPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX || text.contains(char::is_control) {
            return Err(format!("a pattern is a name or a glob of at most {PATTERN_BYTES_MAX} bytes, such as 'web-*'"));
        }
        Pattern::new(text).map(Self).map_err(|error| format!("`{}` is no pattern: {}", text.escape_debug(), error.msg))
    }
}

impl TryFrom<String> for ModelPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ModelPattern> for String {
    fn from(pattern: ModelPattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(patterns: &[&str]) -> Rights {
        let models = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        Rights::default().with(RightsChange { models: Some(models), ..RightsChange::default() })
    }

    #[test]
    fn a_pattern_is_compared_with_the_name_and_one_with_a_slash_with_the_owner_too() {
        let rights = only(&["web-*", "ann/db?"]);
        assert!(rights.names("admin", "web-1") && rights.names("bob", "web-"));
        assert!(rights.names("ann", "db1") && !rights.names("bob", "db1") && !rights.names("ann", "db12"));
        assert!(!rights.names("admin", "my-web-1") && !rights.names("web-1", "x"));
    }

    #[test]
    fn without_a_pattern_and_with_a_star_all_models_are_meant() {
        for rights in [Rights::default(), only(&["web-*", "*"]), only(&[])] {
            assert!(rights.models.is_empty() && rights.names("admin", "shop"));
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_in_words() {
        for text in ["", "[", "a***b", "a\nb", &"x".repeat(PATTERN_BYTES_MAX + 1)] {
            let refused = text.parse::<ModelPattern>().unwrap_err();
            assert!(refused.contains("pattern"), "{refused}");
        }
    }

    #[test]
    fn a_quota_is_a_size_or_none_and_is_written_to_the_byte() {
        assert_eq!("1.5MiB".parse::<Quota>().unwrap().bytes(), Some(3 << 19));
        assert_eq!("none".parse::<Quota>().unwrap().bytes(), None);
        assert!("much".parse::<Quota>().unwrap_err().contains("such as 50GiB"));
        for quota in [Quota(None), Quota(Some(0)), Quota(Some(123_456_789))] {
            assert_eq!(Quota::try_from(String::from(quota)), Ok(quota));
        }
        assert!(Quota::try_from("12 byt".to_owned()).is_err(), "a number that was cut is none");
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let rights = only(&["web-*"]).with(RightsChange { keep: Some(true), ..RightsChange::default() });
        assert_eq!(rights, Rights { keep: true, ..only(&["web-*"]) });
        assert_eq!(Rights::default().with(RightsChange::default()), Rights::default());
    }
}
