//! Alarms about identities that two agents use, as the link finds them.

use std::sync::Arc;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::record::AlarmKind;

use super::claims::raise;
use super::core::Core;
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
                         `modelferry resolve {name} --acknowledge`, here and on the host of \"{name}\""
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
