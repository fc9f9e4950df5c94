//! The first message of a connection, and what two agents agree on by it.

use crate::card::ControllerCard;
use crate::codec::{Decode, Encode};
use crate::ids::JournalId;
use crate::text::Name;
use crate::version::{Feature, FeatureNames, Versions};

/// First message on a control stream, from both sides. It is the same in every version of the protocol, so that agents of
/// two versions find the one that both speak: see [`agree`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The versions that the agent speaks.
    pub versions: Versions,
    /// The optional features that it has, by name. Names that the other side does not know mean nothing to it.
    pub features: FeatureNames,
    /// The agent's own version, for people.
    pub agent: Name,
    /// The agent's journal.
    pub journal: JournalId,
    /// The last sequence number of that journal.
    pub sequence: u64,
    /// The last sequence number this agent has seen of the peer's journal; 0 for none.
    pub sequence_seen: u64,
    /// The controller beside the agent.
    pub controller: ControllerCard,
}

/// What holds for a connection, once both sides have said `Hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The version that both speak on it.
    pub version: u16,
    features: Vec<Feature>,
}

impl Agreed {
    /// Reports whether both sides have a feature.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }
}

/// Two agents that speak no common version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("agent {} speaks {own}, agent {} speaks {other}; upgrade the older one", .agent.escape_debug(), .other_agent.escape_debug())]
pub struct NoCommonVersion {
    agent: String,
    own: Versions,
    other_agent: String,
    other: Versions,
}

/// Returns what holds between an agent that says `own` and one that says `other`.
///
/// Errors: [`NoCommonVersion`].
pub fn agree(own: &Hello, other: &Hello) -> Result<Agreed, NoCommonVersion> {
    let version = own.versions.common(other.versions).ok_or_else(|| NoCommonVersion {
        agent: own.agent.to_string(),
        own: own.versions,
        other_agent: other.agent.to_string(),
        other: other.versions,
    })?;
    let says = |hello: &Hello, feature: Feature| hello.features.iter().any(|name| &**name == feature.name());
    let features = Feature::ALL.into_iter().filter(|feature| says(own, *feature) && says(other, *feature)).collect();
    Ok(Agreed { version, features })
}
