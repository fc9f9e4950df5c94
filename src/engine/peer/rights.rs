//! Holds peers to their rights: what is received from them, sent to them, kept for them, and read by them.

use std::fmt;

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::{LastRecord, Ledger};
use modelferry_protocol::plan::{Finding, Level};
use modelferry_protocol::switch::target::TargetState;

use crate::engine::base::error::EngineError;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::link::Rights;

/// What is to be done with a peer's model, or for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Receive a model of the peer, or bytes ahead of it.
    Receive,
    /// Send a model of this agent's controller to the peer.
    Send,
    /// Keep a copy of a model of the peer.
    Keep,
}

/// A deed that the peer's rights here do not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    /// What is refused, and by which controller's agent.
    pub text: String,
    /// What allows it, to be typed on that agent's host.
    pub fix: String,
}

/// For who hears it on the other host.
impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; `{}` on the host of that controller allows it", self.text, self.fix)
    }
}

impl Forbidden {
    /// Returns it as what a check has found.
    pub fn finding(&self) -> Finding {
        let (text, fix) = (Text::cut(&*self.text), Text::cut(&*self.fix));
        Finding { level: Level::Fail, check: Text::cut("rights"), text, fix }
    }
}

/// Says what of `rights` stands against a deed. `own`: the name of the controller beside this agent.
fn against(rights: &Rights, own: &str, peer: &str, deed: Deed, owner: &str, name: &str) -> Option<Forbidden> {
    let (is_allowed, what, fix) = match deed {
        Deed::Receive => (
            rights.receive,
            format!("takes no models from \"{peer}\""),
            format!("modelferry peer set {peer} --receive on"),
        ),
        Deed::Send => {
            (rights.send, format!("sends no models to \"{peer}\""), format!("modelferry peer set {peer} --send on"))
        }
        Deed::Keep => {
            (rights.keep, format!("keeps no copies for \"{peer}\""), format!("modelferry peer set {peer} --keep on"))
        }
    };
    if !is_allowed {
        return Some(Forbidden { text: format!("controller \"{own}\" {what}"), fix });
    }
    if rights.names(owner, name) {
        return None;
    }
    let patterns: Vec<String> = rights.models.iter().map(|pattern| format!("'{pattern}'")).collect();
    let text = format!(
        "controller \"{own}\" exchanges no model \"{owner}/{name}\" with \"{peer}\", only {}",
        patterns.join(", ")
    );
    let more = shlex::try_quote(name).map_or_else(|_| "NAME".into(), |name| name.into_owned());
    let fix = format!("modelferry peer set {peer} --models {} {more}", patterns.join(" "));
    Some(Forbidden { text, fix })
}

/// Says what stands against a deed, and logs it.
pub async fn forbids(core: &Core, peer: Pin, deed: Deed, owner: &str, name: &str) -> Option<Forbidden> {
    let rights = core.parts.link.rights(peer);
    against(&rights, "", "", deed, owner, name)?;
    let (own, known) = names(core, peer).await;
    let forbidden = against(&rights, &own, &known, deed, owner, name)?;
    tracing::info!(peer = known, model = %format!("{owner}/{name}"), "refused: {}; `{}` allows it", forbidden.text, forbidden.fix);
    Some(forbidden)
}

/// Refuses to send a model to a peer.
///
/// Errors: [`EngineError::Forbidden`].
pub async fn ensure_sent(core: &Core, peer: Pin, owner: &str, name: &str) -> Result<(), EngineError> {
    match forbids(core, peer, Deed::Send, owner, name).await {
        Some(Forbidden { text, fix }) => Err(EngineError::Forbidden { text, fix }),
        None => Ok(()),
    }
}

/// Says that a peer would take more of the disk than its quota.
pub async fn beyond(core: &Core, peer: Pin, quota_bytes: u64, bytes: u64) -> Forbidden {
    let (own, known) = names(core, peer).await;
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let text = format!(
        "controller \"{own}\" lets migrations and copies from \"{known}\" hold {} MiB of its disk at once, and these would be {} MiB",
        mib(quota_bytes),
        mib(bytes)
    );
    let fix = format!("modelferry peer set {known} --quota {}MiB", mib(bytes));
    tracing::info!(peer = known, "refused: {text}; `{fix}` allows it");
    Forbidden { text, fix }
}

/// Says that it cannot be counted what a peer takes of the disk.
pub async fn uncounted(core: &Core, peer: Pin, why: &str) -> Forbidden {
    let (own, known) = names(core, peer).await;
    let text = format!("controller \"{own}\" cannot count what \"{known}\" takes of its disk: {why}");
    tracing::info!(peer = known, "refused: {text}");
    Forbidden { text, fix: format!("modelferry peer set {known} --quota none") }
}

/// Returns what the controller beside this agent is called, and what a peer is called here.
async fn names(core: &Core, peer: Pin) -> (String, String) {
    let known = core.parts.link.peer_by_pin(peer).map(|peer| peer.name).unwrap_or_default();
    // A real controller that is away has no name just now.
    let own = core.parts.arrival.card().await.map(|card| card.name.into_string()).unwrap_or_default();
    (own, known)
}

/// Says what stands against calls and streams to the controller here, which serve migrations and name no model.
pub async fn forbids_calls(core: &Core, peer: Pin) -> Option<Forbidden> {
    match core.parts.link.rights(peer).receive {
        true => None,
        false => forbids(core, peer, Deed::Receive, "", "").await,
    }
}

/// Reports whether a model was exchanged with a peer: sent from here, or brought by a migration that is decided.
fn is_exchanged(ledger: &Ledger, peer: Pin, model: ModelUuid) -> bool {
    let by_migration = |last: &LastRecord| {
        let is_it = last.peer() == peer && last.model() == model;
        is_it
            && match last {
                LastRecord::Source(_) => true,
                LastRecord::Target(record) => {
                    matches!(record.state, TargetState::Live(_) | TargetState::Active(_) | TargetState::Seized(_))
                }
            }
    };
    ledger.last_records().any(|(_, last)| by_migration(last))
        || ledger.precopies().any(|precopy| precopy.peer == peer && precopy.model == model)
}

impl Engine {
    /// Reports whether a peer may read a model: it may read every one, or this one was exchanged with it.
    pub fn may_read(&self, peer: Pin, model: ModelUuid) -> bool {
        let core = &self.0;
        core.parts.link.rights(peer).read || core.parts.journal.ledger(|ledger| is_exchanged(ledger, peer, model))
    }

    /// Reports whether a migration is one with this peer.
    pub fn is_with(&self, peer: Pin, mid: MigrationId) -> bool {
        self.0.parts.journal.ledger(|ledger| ledger.last_record(mid).is_some_and(|last| last.peer() == peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::RightsChange;

    fn told(change: RightsChange, deed: Deed) -> Option<Forbidden> {
        against(&Rights::default().with(change), "dst", "src", deed, "ann", "my shop")
    }

    #[test]
    fn a_peer_is_received_from_and_sent_to_and_nothing_is_kept_for_it_until_that_is_allowed() {
        let default = RightsChange::default;
        assert_eq!(told(default(), Deed::Receive), None);
        assert_eq!(told(default(), Deed::Send), None);
        let kept = told(default(), Deed::Keep).unwrap();
        assert_eq!(
            kept.to_string(),
            "controller \"dst\" keeps no copies for \"src\"; `modelferry peer set src --keep on` on the host of that controller allows it"
        );
        assert_eq!(told(RightsChange { keep: Some(true), ..default() }, Deed::Keep), None);
        let off = RightsChange { receive: Some(false), send: Some(false), ..default() };
        assert!(told(off.clone(), Deed::Receive).unwrap().fix.ends_with("peer set src --receive on"));
        assert!(told(off, Deed::Send).unwrap().fix.ends_with("peer set src --send on"));
    }

    #[test]
    fn a_model_whose_name_no_pattern_matches_is_refused_with_the_line_that_adds_it() {
        let only =
            |pattern: &str| RightsChange { models: Some(vec![pattern.parse().unwrap()]), ..RightsChange::default() };
        let refused = told(only("web-*"), Deed::Receive).unwrap();
        assert!(refused.text.contains("\"ann/my shop\"") && refused.text.contains("only 'web-*'"), "{refused}");
        assert_eq!(refused.fix, "modelferry peer set src --models 'web-*' 'my shop'");
        assert_eq!(told(only("ann/my*"), Deed::Receive), None);
    }
}
