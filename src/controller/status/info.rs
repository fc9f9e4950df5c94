//! What Juju prints of a status, a base, a version and a space, wherever they stand.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::controller::description::Description;
use crate::controller::description::spaces::SpaceRef;
use crate::controller::description::status::Status;

/// A status, as Juju prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusInfo {
    /// Juju's word: `started`, `active`, `idle`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current: String,
    /// What there is to say about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Since when, as Juju prints times: `29 Jan 2025 15:51:17Z`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub since: String,
    /// The version of the agent that reports it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
}

impl StatusInfo {
    /// Reports whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn of(status: &Status) -> Self {
        Self {
            current: status.value.clone(),
            message: status.message.clone(),
            since: juju_time(&status.updated),
            version: String::new(),
        }
    }

    pub(super) fn of_agent(status: &Status, version: &str) -> Self {
        Self { version: version.to_owned(), ..Self::of(status) }
    }
}

/// What a machine or a charm runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// `ubuntu`.
    pub name: String,
    /// `24.04`; with its risk where that is not the usual one.
    pub channel: String,
}

impl Base {
    pub(super) fn new(name: &str, channel: &str) -> Option<Self> {
        // The risk of a base's channel is not shown where it is the usual one.
        let channel = channel.trim_end_matches("/stable");
        (!name.is_empty() && !channel.is_empty()).then(|| Self { name: name.to_owned(), channel: channel.to_owned() })
    }
}

/// Returns a time out of a description as Juju prints it, in UTC; nothing for none, and for Go's zero time.
pub(super) fn juju_time(rfc3339: &str) -> String {
    let time = rfc3339.parse::<Timestamp>().ok().filter(|time| time.as_millisecond() > 0);
    time.map_or_else(String::new, |time| time.strftime("%d %b %Y %H:%M:%SZ").to_string())
}

/// Returns the number of an agent's version: of `3.6.23-ubuntu-amd64` it is `3.6.23`.
pub(super) fn version_number(tools: &str) -> &str {
    tools.split('-').next().unwrap_or(tools)
}

/// Returns the name of the space that a reference leads to; the reference itself where it leads nowhere.
pub(super) fn space_name<'a>(description: &'a Description, reference: &'a str) -> &'a str {
    match description.space_of(reference) {
        SpaceRef::Named(name) => name,
        SpaceRef::Dangling | SpaceRef::Untold => reference,
    }
}
