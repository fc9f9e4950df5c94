//! Raises an alarm when the link finds that two agents use one identity.

use std::sync::Arc;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::record::{Acknowledged, Alarm, AlarmKind, Body};
use modelferry_protocol::switch::Cause;

use crate::engine::base::entry::entry;
use crate::engine::peer::alarms::raise;
use crate::engine::shared::core::Core;
use crate::link::Double;

/// Holds back again what an alarm that nobody has acknowledged is about, and raises an alarm for whatever the link finds.
pub async fn follow(core: Arc<Core>) {
    let held: Vec<Pin> = core.parts.journal.ledger(|ledger| {
        ledger.alarms().filter(|alarm| alarm.kind == AlarmKind::Identity).map(|alarm| alarm.peer).collect()
    });
    held.into_iter().for_each(|peer| core.parts.link.hold(peer));
    let mut found = core.parts.link.doubles();
    loop {
        let now = found.borrow_and_update().clone();
        for (peer, double) in now {
            let name = core.parts.link.peer_by_pin(peer).map_or_else(|| peer.to_string(), |peer| peer.name);
            let (kind, text) = match double {
                Double::Met([one, other]) => (
                    AlarmKind::Identity,
                    format!(
                        "two agents use this identity: \"{name}\", at {one} and at {other}. The link to it is held back; see \"Two \
                         agents use one identity\" in docs/in-doubt.md; once one of them is off for good, `modelferry resolve {name} \
                         --acknowledge`"
                    ),
                ),
                Double::Told => (
                    AlarmKind::Cloned,
                    format!(
                        "two agents use this identity, this agent's own: \"{name}\" has met another one, and holds the link to both \
                         back; see \"Two agents use one identity\" in docs/in-doubt.md; once the other one is off for good, \
                         `modelferry resolve NAME --acknowledge` on the host of \"{name}\", NAME being this agent there, opens the \
                         link again; this alarm ends with that"
                    ),
                ),
            };
            raise(&core, peer, kind, text).await;
        }
        if found.changed().await.is_err() {
            return;
        }
    }
}

/// Ends the alarm that another agent uses this agent's identity, once the peer that met both takes connections again: somebody
/// has said there that one of the two is off for good. What else stands about the peer goes on standing.
pub async fn taken_again(core: &Core, peer: Pin) {
    let is_cloned = move |alarm: &&Alarm| (alarm.peer, alarm.kind) == (peer, AlarmKind::Cloned);
    if !core.parts.journal.ledger(|ledger| ledger.alarms().any(|alarm| is_cloned(&alarm))) {
        return;
    }
    core.parts.link.release(peer);
    let ended = core.decide::<()>(move |ledger| {
        let cause = Cause::cut("the peer takes this agent's connections again");
        let others = ledger.alarms().filter(|alarm| alarm.peer == peer && !is_cloned(alarm)).cloned();
        let acknowledged = Body::Acknowledged(Acknowledged { peer, cause });
        Ok(std::iter::once(acknowledged).chain(others.map(Body::Alarm)).map(|body| entry("peer", body)).collect())
    });
    // Refused by nobody.
    let _ = ended.await;
}
