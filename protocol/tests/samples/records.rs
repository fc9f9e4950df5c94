//! Journal records in every state, and the two frames of a pairing.

use modelferry_protocol::codec::{Bounded, Bytes, Text};
use modelferry_protocol::ids::{Hash, MigrationId, Pin};
use modelferry_protocol::pairing::{PairRequest, PairResponse};
use modelferry_protocol::record::{
    Acknowledged, Adoption, Alarm, AlarmKind, Body, Conflict, Destination, Discarded, Halted, Note, Orders, Pause,
    Precopy, PrecopyState, Reimported, Removed, Restored, Signed, Tombstones, When,
};
use modelferry_protocol::switch::relay;
use modelferry_protocol::switch::source::{self, SourceRecord, SourceState};
use modelferry_protocol::switch::target::{self, TargetRecord, TargetState};
use modelferry_protocol::switch::{Cause, Head, Profile, Terms};

use super::{JOURNAL, MID, MODEL, ROOT, card, handover, name, stamp};

pub const HEAD: Head =
    Head { mid: MID, model: MODEL, epoch_to: 2, peer: Pin([0xaa; 32]), journal: JOURNAL, profile: Profile::Embedded };

fn cause() -> Cause {
    Text::new("the budget is spent").unwrap()
}

fn source_states() -> Vec<SourceState> {
    let vote = Bytes::new(vec![0x99; 64]).unwrap();
    let arguments = Bytes::new(br#"{"controller-tag":"controller-1"}"#.to_vec()).unwrap();
    let answered = relay::Answered { root: ROOT, vote: vote.clone(), arguments };
    let handed = |reply: &str| source::Handed { root: ROOT, reply: Bytes::new(reply.as_bytes().to_vec()).unwrap() };
    vec![
        SourceState::Offered,
        SourceState::Freezing(source::Freezing { deadline_ms: 1_767_225_600_000 }),
        SourceState::Frozen(source::Frozen { root: ROOT, deadline_ms: 1_767_225_600_000 }),
        SourceState::Committed(source::Committed { root: ROOT, vote: vote.clone(), handover: handover() }),
        SourceState::Handed(handed("{}")),
        SourceState::Reaping(ROOT),
        SourceState::Moved(ROOT),
        SourceState::Aborting(cause()),
        SourceState::Aborted(cause()),
        SourceState::Reclaiming(source::Reclaiming { root: ROOT, cause: cause() }),
        SourceState::Reclaimed(3),
        SourceState::Relaying(relay::Relaying { root: None, deadline_ms: 1_767_225_600_000 }),
        SourceState::Relaying(relay::Relaying { root: Some(ROOT), deadline_ms: 1_767_225_600_000 }),
        SourceState::Answered(answered),
        SourceState::Seizing(source::Reclaiming { root: ROOT, cause: cause() }),
    ]
}

fn target_states() -> Vec<TargetState> {
    vec![
        TargetState::Receiving,
        TargetState::Importing(Hash([0x66; 32])),
        TargetState::Imported(Hash([0x66; 32])),
        TargetState::Staging(target::Staging { root: ROOT, imported: true }),
        TargetState::Prepared(ROOT),
        TargetState::Activating(target::Activating { root: ROOT, handover: handover(), stamp: stamp() }),
        TargetState::Live(target::Live { root: ROOT, adopt: handover().adopt, forced: None }),
        TargetState::Live(target::Live { root: ROOT, adopt: Bytes::default(), forced: Some(cause()) }),
        TargetState::Active(target::Active { root: ROOT, reply: Bytes::new(b"{}".to_vec()).unwrap() }),
        TargetState::Dropping(target::Dropping { root: Some(ROOT), cause: cause() }),
        TargetState::Dropping(target::Dropping { root: None, cause: cause() }),
        TargetState::Dropped(cause()),
        TargetState::Seizing(target::Seizure { root: ROOT, cause: cause() }),
        TargetState::Seized(target::Seizure { root: ROOT, cause: cause() }),
    ]
}

/// Every kind of body, in every state, with a name for its file.
pub fn bodies() -> Vec<(String, Body)> {
    let terms = Terms {
        mid: MID,
        model: MODEL,
        attempt: 1,
        name: name("prod"),
        owner: name("admin"),
        peer: name("eu"),
        controller: card(),
        freeze_ms_max: 600_000,
        skip_log: true,
        reap_hold_ms: 86_400_000,
    };
    let note = Note { mid: MID, text: Text::new("abort asked for").unwrap() };
    let mut bodies =
        vec![("terms".to_owned(), Body::Terms(terms.clone())), ("note".to_owned(), Body::Note(note.clone()))];
    let peer = Pin([0xaa; 32]);
    let conflict = Conflict { model: MODEL, peer, epoch: 1, peer_epoch: 2, cause: cause() };
    bodies.push(("conflict".to_owned(), Body::Conflict(conflict)));
    for kind in [
        AlarmKind::Journal,
        AlarmKind::SetBack,
        AlarmKind::Identity,
        AlarmKind::Conflict(MODEL),
        AlarmKind::Cloned,
        AlarmKind::Witness,
        AlarmKind::Unproven,
    ] {
        bodies.push((format!("alarm-{}", kind.name()), Body::Alarm(Alarm { peer, kind, text: cause() })));
    }
    bodies.push(("acknowledged".to_owned(), Body::Acknowledged(Acknowledged { peer, cause: cause() })));
    let epoch = 1 << 32;
    bodies.push(("restored".to_owned(), Body::Restored(Restored { model: MODEL, epoch, cause: cause() })));
    let (certificate, ca) = (name("AB:CD:01"), name("EF:23:45"));
    bodies.push(("signed".to_owned(), Body::Signed(Signed { certificate, ca, until_s: 1_767_225_600 })));
    bodies.push(("removed".to_owned(), Body::Removed(Removed { model: MODEL, cause: cause() })));
    bodies.push(("reimported".to_owned(), Body::Reimported(Reimported { model: MODEL, cause: cause() })));
    let mids = Bounded::new(vec![MID, MigrationId([0x12; 16])]).unwrap();
    bodies.push(("tombstones".to_owned(), Body::Tombstones(Tombstones { mids })));
    bodies.push(("destination".to_owned(), Body::Destination(Destination { mid: MID, controller: card() })));
    bodies.push(("halted".to_owned(), Body::Halted(Halted { peer, seen: 251, text: cause() })));
    let paused = Some(Pause { by: name("uid 0"), since_ms: 1_767_225_600_000 });
    let (until_ms, bits_per_second_max) = (Some(1_767_229_200_000), Some(20_000_000));
    for freeze in [When::Ready, When::At(1_767_225_600_000), When::Held] {
        let orders = Orders { mid: MID, freeze, until_ms, bits_per_second_max, paused: paused.clone() };
        bodies.push((format!("orders-{}", freeze.name()), Body::Orders(orders)));
    }
    bodies.push(("orders-none".to_owned(), Body::Orders(Orders::none(MID))));
    bodies.push(("discarded".to_owned(), Body::Discarded(Discarded { model: MODEL, peer, cause: cause() })));
    let precopy = Precopy {
        mid: MID,
        model: MODEL,
        number: 1,
        name: name("prod"),
        owner: name("admin"),
        peer,
        peer_name: name("eu"),
        controller: name("west"),
        state: PrecopyState::Copying,
    };
    for state in [
        PrecopyState::Copying,
        PrecopyState::Copied(1 << 33),
        PrecopyState::Adopted(Adoption { mid: MID, attempt: 1 }),
        PrecopyState::Aborted(cause()),
        PrecopyState::Failed(cause()),
    ] {
        bodies.push((format!("precopy-{}", state.name()), Body::Precopy(precopy.with(state))));
    }
    for state in source_states() {
        let relays = matches!(state, SourceState::Relaying(_) | SourceState::Answered(_));
        let profile = if relays { Profile::Gateway } else { Profile::Embedded };
        let unsealed = matches!(&state, SourceState::Relaying(relaying) if relaying.root.is_none());
        let suffix = if unsealed { "-unsealed" } else { "" };
        let record = SourceRecord { head: Head { profile, ..HEAD }, state };
        bodies.push((format!("source-{}{suffix}", record.state.name()), Body::Source(record)));
    }
    for state in target_states() {
        let suffix = match &state {
            TargetState::Dropping(dropping) if dropping.root.is_none() => "-rootless",
            TargetState::Live(live) if live.forced.is_some() => "-forced",
            _ => "",
        };
        bodies.push((format!("target-{}{suffix}", state.name()), Body::Target(TargetRecord { head: HEAD, state })));
    }
    bodies
}

pub fn pairing() -> (PairRequest, PairResponse) {
    let request = PairRequest { name: name("eu"), port: 17171, proof: [0xbb; 32] };
    (request, PairResponse { name: name("us"), proof: [0xcc; 32] })
}
