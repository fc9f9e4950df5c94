//! Makes and sends this agent's ownership reports: how far its journal is, and which models it has in service, with what proves it.

use std::collections::BTreeMap;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::{Epoch, ModelUuid, Pin};
use modelferry_protocol::ledger::{Holding, Ledger};
use modelferry_protocol::message::{Claim, Message, OwnershipReport, SignedHead, seized_bytes};

use super::in_service::in_service;
use crate::engine::shared::core::Core;
use crate::link::CloseCode;

/// Makes what this agent tells `peer`: of every model that the two ever shared, and of every other one in service here.
pub async fn of(core: &Core, peer: Pin) -> Message {
    of_serving(core, peer, &in_service(core).await)
}

fn of_serving(core: &Core, peer: Pin, serving: &BTreeMap<ModelUuid, Epoch>) -> Message {
    let seen = core.parts.witness.seen(peer);
    let journal = &core.parts.journal;
    let head = SignedHead::new(journal.id(), journal.sequence(), |bytes| core.parts.link.sign(bytes));
    let mut claims = core.parts.journal.ledger(|ledger| claims_for(ledger, peer, serving));
    for (claim, _) in claims.iter_mut().filter(|(_, is_asserted)| *is_asserted) {
        claim.seized = Some(core.parts.link.sign(&seized_bytes(claim.model, claim.epoch, peer)).into());
    }
    let claims = claims.into_iter().map(|(claim, _)| claim).collect();
    Message::OwnershipReport(OwnershipReport {
        head,
        seen,
        claims: Bounded::truncated(claims),
        is_halted: core.halted().is_some(),
    })
}

/// Returns what this agent claims to `peer`, the models in service here first; and of each whether an operator has asserted it.
fn claims_for(ledger: &Ledger, peer: Pin, serving: &BTreeMap<ModelUuid, Epoch>) -> Vec<(Claim, bool)> {
    let asserted = ledger.asserted();
    let live = serving.iter().map(|(model, epoch)| {
        let commit = ledger.commit_of(*model, peer).cloned();
        (Claim { model: *model, epoch: *epoch, live: true, commit, seized: None }, asserted.contains(model))
    });
    let shared = ledger.shared_with(peer).filter(|(model, _)| !serving.contains_key(model));
    let others =
        shared.map(|(model, Holding { epoch, .. })| Claim { model, epoch, live: false, commit: None, seized: None });
    live.chain(others.map(|claim| (claim, false))).collect()
}

/// Tells a peer how far this journal is, and who serves what, if the peer is there.
pub async fn tell(core: &Core, peer: Pin) {
    let conversation = core.peer(peer).borrow().clone();
    if let Some(conversation) = conversation {
        Core::say(&conversation.session, of(core, peer).await).await;
    }
}

/// Tells every connected peer who serves what, after that has changed without a migration. Reads once what is in service here.
pub async fn tell_all(core: &Core) {
    let peers = core.parts.link.peers();
    if core.halted().is_some() {
        // A halted agent says nothing but how a new connection begins: with who serves what.
        for peer in peers {
            let state = core.parts.link.watch(peer.pin).borrow().clone();
            state.session().iter().for_each(|session| session.close(CloseCode::Done, "the claims have changed"));
        }
        return;
    }
    let connected = peers.iter().filter_map(|peer| Some((peer.pin, core.peer(peer.pin).borrow().clone()?)));
    let connected: Vec<_> = connected.collect();
    if connected.is_empty() {
        return;
    }
    let serving = in_service(core).await;
    for (peer, conversation) in connected {
        Core::say(&conversation.session, of_serving(core, peer, &serving)).await;
    }
}
