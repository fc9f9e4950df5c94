//! Alarms about peers: recorded once, shown until an operator acknowledges them.

use modelferry_protocol::ids::{Epoch, ModelUuid, Pin};
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::record::{Alarm, AlarmKind, Body, Conflict};
use modelferry_protocol::switch::Cause;

use crate::engine::base::budget::Spending;
use crate::engine::base::entry::entry;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::engine::view::AlarmView;

/// Records an alarm, unless it stands already; reports whether it did.
pub async fn raise(core: &Core, peer: Pin, kind: AlarmKind, text: String) -> bool {
    let alarm = Alarm { peer, kind, text: Cause::cut(&text) };
    let stands = |ledger: &Ledger| {
        let mut of_kind = ledger.alarms().filter(|known| (known.peer, known.kind) == (peer, kind));
        // A conflict that has taken another turn is told anew.
        of_kind.any(|known| !matches!(kind, AlarmKind::Conflict(_)) || known.text == alarm.text)
    };
    // What a peer repeats with every connection is one alarm, and one record.
    if core.parts.journal.ledger(stands) {
        return false;
    }
    tracing::error!("ALARM: {text}");
    if !core.budgets.spend(peer, Spending::Alarm) {
        return false;
    }
    core.append(entry("agent", Body::Alarm(alarm))).await;
    true
}

/// Says of a model in service here that `name` serves an older copy of it, at epoch `theirs`.
pub fn of_older_copy(model: ModelUuid, own: Epoch, name: &str, theirs: Epoch) -> String {
    format!(
        "model {model} is live here at epoch {own} and was live on \"{name}\" at epoch {theirs} as well. The copy there freezes by itself if it came from \
         here, or this one from there; else `modelferry resolve {model} --keep-theirs {model}` on that host freezes it. Both may have taken \
         writes; read \"Two copies of one model\" in docs/in-doubt.md, then `modelferry resolve {name} --acknowledge`"
    )
}

/// Returns the stable word for a kind of alarm. `is_own`: whether it is about this agent itself.
fn word_for(kind: AlarmKind, is_own: bool) -> &'static str {
    match kind {
        AlarmKind::Journal if is_own => "journal",
        AlarmKind::Journal => "peer",
        AlarmKind::Witness => "witness",
        AlarmKind::Unproven => "unproven",
        AlarmKind::SetBack => "set-back",
        AlarmKind::Identity | AlarmKind::Cloned => "identity",
        AlarmKind::Conflict(_) => "conflict",
    }
}

impl Engine {
    /// Returns what an operator should know whatever else happens: conflicts, a journal that was set back, journals
    /// of peers that were replaced.
    pub fn alarms(&self) -> Vec<AlarmView> {
        let core = &self.0;
        let mut alarms: Vec<AlarmView> = core.halted().into_iter().map(|text| AlarmView::new("halted", text)).collect();
        let conflicts: Vec<Conflict> = core.parts.journal.ledger(|ledger| ledger.conflicts().cloned().collect());
        alarms.extend(conflicts.into_iter().map(|conflict| AlarmView {
            kind: "conflict".into(),
            text: format!(
                "model {0} was live here at epoch {1} and on {2} at epoch {3}; it is frozen here, and nothing is deleted; read \
                 \"Two copies of one model\" in docs/in-doubt.md before anything else. Then `modelferry resolve {0} --discard-frozen {0}` \
                 deletes the copy here, or `modelferry resolve {0} --keep-mine {0}` puts it back into service",
                conflict.model,
                conflict.epoch,
                core.parts.link.peer_by_pin(conflict.peer).map_or_else(|| conflict.peer.to_string(), |peer| format!("\"{}\"", peer.name)),
                conflict.peer_epoch
            ),
        }));
        let own = core.parts.link.pin();
        alarms.extend(core.parts.journal.ledger(|ledger| {
            ledger
                .alarms()
                .map(|alarm| {
                    let word = word_for(alarm.kind, alarm.peer == own);
                    AlarmView::new(word, alarm.text.to_string())
                })
                .collect::<Vec<_>>()
        }));
        alarms
    }
}
