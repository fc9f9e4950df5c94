//! What two agents agree on at the beginning of a connection: one version of the protocol, and the optional features
//! that both have.
//!
//! An agent speaks a range of versions; the newest that is in both ranges is spoken. A feature is a part of the protocol
//! that an agent may lack, under a name; names that an agent does not know mean nothing to it. So an agent and a later one
//! talk to each other, for as long as the later one still speaks some version of the earlier one's.

use crate::codec::{Bounded, Decode, Encode, Text};
use crate::limits::{FEATURE_BYTES_MAX, FEATURES_MAX, PROTOCOL_VERSION, PROTOCOL_VERSION_OLDEST};

/// The versions that an agent speaks, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Versions {
    /// The oldest.
    pub oldest: u16,
    /// The newest.
    pub newest: u16,
}

impl Versions {
    /// Those that this crate speaks.
    pub const OWN: Self = Self { oldest: PROTOCOL_VERSION_OLDEST, newest: PROTOCOL_VERSION };

    /// Returns the newest version that is in both ranges; nothing if there is none.
    pub fn common(self, other: Self) -> Option<u16> {
        let (oldest, newest) = (self.oldest.max(other.oldest), self.newest.min(other.newest));
        (oldest <= newest && other.oldest <= other.newest).then_some(newest)
    }
}

impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.oldest == self.newest {
            true => write!(f, "version {}", self.newest),
            false => write!(f, "versions {} to {}", self.oldest, self.newest),
        }
    }
}

/// A feature's name.
pub type FeatureName = Text<FEATURE_BYTES_MAX>;
/// The features that an agent has. The order means nothing, and neither does a name that comes twice.
pub type FeatureNames = Bounded<FeatureName, FEATURES_MAX>;

/// An optional part of the protocol that this crate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// A target makes blobs of others and patches: the questions `HeldEach` and `Rebuild`.
    Patches,
    /// What two Juju controllers say to each other passes through the agents as it is: the question `Relay`, `Cancel`, and
    /// byte streams.
    Relay,
}

impl Feature {
    /// Every feature.
    pub const ALL: [Self; 2] = [Self::Patches, Self::Relay];

    /// Returns its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patches => "patches",
            Self::Relay => "relay",
        }
    }

    /// Returns the names of all features, for a `Hello`.
    pub fn names() -> FeatureNames {
        Bounded::truncated(Self::ALL.map(|feature| Text::cut(feature.name())).to_vec())
    }
}
