//! Juju's versions: `3.6.23`, `4.0-beta2`, `3.6.1.1`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A version of Juju.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// `beta` and the like; empty for a release.
    tag: String,
    patch: u32,
    build: u32,
}

/// Text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid version {0:?}")]
pub struct BadVersion(String);

impl FromStr for Version {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        Self::read(text).ok_or_else(|| BadVersion(text.chars().take(80).collect()))
    }
}

impl Version {
    fn read(text: &str) -> Option<Self> {
        let (major, rest) = text.split_once('.')?;
        let minor_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (minor, rest) = rest.split_at(minor_end);
        let (tag, rest) = match rest.strip_prefix('-') {
            Some(tagged) => tagged.split_at(tagged.find(|c: char| !c.is_ascii_lowercase()).filter(|end| *end > 0)?),
            None if rest.is_empty() => ("", "0"),
            None => ("", rest.strip_prefix('.')?),
        };
        let (patch, build) = rest.split_once('.').unwrap_or((rest, "0"));
        let number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?;
        Some(Self {
            major: number(major)?,
            minor: number(minor)?,
            tag: tag.to_owned(),
            patch: number(patch)?,
            build: number(build)?,
        })
    }

    /// Returns the version of a release.
    pub const fn release(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, tag: String::new(), patch, build: 0 }
    }

    /// Reports whether this version's release series, its first two numbers, is later than `other`'s.
    pub fn is_later_series(&self, other: &Self) -> bool {
        (self.major, self.minor) > (other.major, other.minor)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        // Within a series, a version with a tag comes before any without.
        let tag = self.tag.is_empty().cmp(&other.tag.is_empty()).then_with(|| self.tag.cmp(&other.tag));
        let series = (self.major, self.minor).cmp(&(other.major, other.minor));
        series.then(tag).then((self.patch, self.build).cmp(&(other.patch, other.build)))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor, tag, patch, build } = self;
        match tag.as_str() {
            "" => write!(f, "{major}.{minor}.{patch}")?,
            tag => write!(f, "{major}.{minor}-{tag}{patch}")?,
        }
        if *build > 0 { write!(f, ".{build}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_juju_orders_them() {
        let ascending =
            ["2.9.43", "3.6-beta2", "3.6-rc1", "3.6.0", "3.6.1", "3.6.1.1", "3.6.10", "4.0-beta1", "4.0.2.1"];
        let versions: Vec<Version> = ascending.iter().map(|text| text.parse().unwrap()).collect();
        assert!(versions.is_sorted_by(|a, b| a < b));
        for (text, version) in ascending.iter().zip(&versions) {
            assert_eq!(version.to_string(), *text);
        }
    }

    #[test]
    fn text_that_is_no_version_is_refused() {
        for text in ["", "3", "3.", ".6", "3.x", "3.6.", "3.6-", "3.6-1", "3.6.1.2.3", "+3.6.1", "99999999999.1"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
