//! Who still needs the gateway by which a model left.

use serde::{Deserialize, Serialize};

use crate::controller::gateway::Way;
use crate::engine::base::gateways::visitors::Visits;

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

impl GatewayUseView {
    /// Makes the view of who has come.
    pub fn of(visits: Vec<Visits>) -> Self {
        let is_used = visits.iter().any(|visits| visits.open > 0);
        let last_ms = visits.iter().map(|visits| visits.last_ms).max();
        let visitors = visits.into_iter().map(|Visits { who, from, way, last_ms, open }| VisitorView {
            who,
            from,
            way,
            connections: open,
            last_ms,
        });
        Self { visitors: visitors.collect(), unused_since_ms: last_ms.filter(|_| !is_used) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_unused_since_the_last_visitor_unless_one_is_connected() {
        let visits = |open, last_ms| Visits {
            who: "user-bob".to_owned(),
            from: "10.0.0.7".to_owned(),
            way: Way::Carried,
            last_ms,
            open,
        };
        assert_eq!(GatewayUseView::of(Vec::new()).unused_since_ms, None);
        assert_eq!(GatewayUseView::of(vec![visits(0, 5), visits(0, 9)]).unused_since_ms, Some(9));
        assert_eq!(GatewayUseView::of(vec![visits(1, 5), visits(0, 9)]).unused_since_ms, None);
    }
}
