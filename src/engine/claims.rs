//! What two agents tell each other of the models they have shared: how far their journals are, and who serves.
//!
//! It decides no migration. It finds an agent that was set back, and, where an operator's last resort was taken
//! although the other side lived, a model with two owners: the one with the smaller epoch freezes it at once.

use std::sync::Arc;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::{ModelUuid, Pin};
use modelferry_protocol::ledger::Holding;
use modelferry_protocol::message::{Claim, Claims, Message, Seen};
use modelferry_protocol::record::{Alarm, Body, Conflict};
use modelferry_protocol::switch::Cause;

use super::core::{Core, entry};
use super::switchover::conflict;
use super::{Engine, view::AlarmView};
use crate::link::Session;

/// Makes what this agent tells `peer`.
pub fn of(core: &Core, peer: Pin) -> Message {
    let seen = core.parts.witness.seen(peer);
    let sequence = core.parts.journal.sequence();
    let claims = core.parts.journal.ledger(|ledger| {
        let claim = |(model, Holding { epoch, live })| Claim { model, epoch, live };
        ledger.shared_with(peer).map(claim).collect()
    });
    Message::Claims(Claims { sequence, seen, claims: Bounded::truncated(claims) })
}

/// Hears what a peer tells.
pub async fn heard(core: &Arc<Core>, session: &Session, claims: &Claims) {
    let (peer, journal) = (session.peer(), session.hello().journal);
    let shown = Seen { journal, sequence: claims.sequence };
    if let Some(before) = core.parts.witness.note(peer, shown) {
        if before.journal != journal {
            let text = format!(
                "the agent of \"{}\" has another journal than before: {journal} instead of {}. What it had promised is \
                 lost there; see docs/in-doubt.md",
                session.peer_name(),
                before.journal
            );
            tracing::error!("{text}");
            core.append(entry("agent", Body::Alarm(Alarm { peer, text: Cause::cut(text) }))).await;
        } else if claims.sequence < before.sequence {
            tracing::error!(peer = %session.peer_name(), shown = claims.sequence, seen = before.sequence, "the peer was set back");
        }
    }
    let own = core.parts.journal.id();
    if let Some(seen) = claims.seen.filter(|seen| seen.journal == own && seen.sequence > core.parts.journal.sequence())
    {
        let has = core.parts.journal.sequence();
        core.halt(format!(
            "\"{}\" has seen record {} of this agent's journal, which ends at {has}: the journal was set back, by a backup or \
             a machine's snapshot. Nothing is thawed, committed or answered any more; see docs/in-doubt.md",
            session.peer_name(),
            seen.sequence
        ));
        return;
    }
    let mut outranked = false;
    for claim in claims.claims.iter().filter(|claim| claim.live) {
        let holding = core
            .parts
            .journal
            .ledger(|ledger| ledger.shared_with(peer).find(|(model, holding)| *model == claim.model && holding.live));
        let Some((model, holding)) = holding else { continue };
        // Equal epochs cannot be, unless somebody edited a journal; then too exactly one must stay.
        if (holding.epoch, core.parts.link.pin()) < (claim.epoch, peer) {
            yield_model(core, peer, model, holding, claim.epoch).await;
        } else {
            tracing::error!(%model, peer = %session.peer_name(), "the model is live on both sides; the other one has to freeze it");
            outranked = true;
        }
    }
    if outranked {
        Core::say(session, of(core, peer)).await;
    }
}

/// Freezes a model that is live with a larger epoch elsewhere. Nothing is deleted.
async fn yield_model(core: &Arc<Core>, peer: Pin, model: ModelUuid, holding: Holding, peer_epoch: u64) {
    tracing::error!(%model, "CONFLICT: the model is live here at epoch {} and there at epoch {peer_epoch}; freezing it here", holding.epoch);
    let conflict = Conflict { model, peer, epoch: holding.epoch, peer_epoch };
    core.append(entry("agent", Body::Conflict(conflict))).await;
    core.tell(peer).await;
    conflict::end(core, model, holding.epoch);
}

/// Keeps the witness on disk.
pub async fn keep_witness(core: Arc<Core>) {
    loop {
        core.parts.witness.changed().await;
        let witness = core.parts.witness.clone();
        if let Err(error) = Core::blocking(move || witness.save()).await {
            tracing::error!("what peers have shown of their journals is not on disk: {error}");
        }
    }
}

impl Engine {
    /// Returns what an operator should know whatever else happens: conflicts, a journal that was set back, journals
    /// of peers that were replaced.
    pub fn alarms(&self) -> Vec<AlarmView> {
        let core = &self.0;
        let mut alarms: Vec<AlarmView> =
            core.halted().into_iter().map(|text| AlarmView { kind: "halted".into(), text }).collect();
        let conflicts: Vec<Conflict> = core.parts.journal.ledger(|ledger| ledger.conflicts().cloned().collect());
        alarms.extend(conflicts.into_iter().map(|conflict| AlarmView {
            kind: "conflict".into(),
            text: format!(
                "model {0} was live here at epoch {1} and on {2} at epoch {3}; it is frozen here, and nothing is deleted; compare \
                 the two, then `modelferry resolve {0} --discard-frozen {0}`; see docs/in-doubt.md",
                conflict.model,
                conflict.epoch,
                core.parts.link.peer_by_pin(conflict.peer).map_or_else(|| conflict.peer.to_string(), |peer| format!("\"{}\"", peer.name)),
                conflict.peer_epoch
            ),
        }));
        alarms.extend(core.parts.journal.ledger(|ledger| {
            ledger
                .alarms()
                .map(|alarm| AlarmView { kind: "peer".into(), text: alarm.text.to_string() })
                .collect::<Vec<_>>()
        }));
        alarms
    }
}
