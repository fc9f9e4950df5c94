//! Who still needs the gateway by which a model left.

use serde::{Deserialize, Serialize};

use crate::controller::gateway::Way;

/// Who has come by the gateway for a model that left by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GatewayUseView {
    /// The visitors, the last one first.
    pub visitors: Vec<VisitorView>,
    /// Since when nobody has used the gateway, Unix milliseconds; nothing while somebody does, or if nobody ever has.
    pub unused_since_ms: Option<u64>,
}

/// An agent of the model, a user, or a consumer of its offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VisitorView {
    /// Its tag: `machine-0`, `user-bob`; `user-jujuanonymous` for a consumer of offers.
    pub who: String,
    /// The host that it came from.
    pub from: String,
    /// What became of it the last time.
    pub way: Way,
    /// Connections of it that the gateway carries now.
    pub connections: u32,
    /// When it came, or left, last, Unix milliseconds.
    pub last_ms: u64,
}
