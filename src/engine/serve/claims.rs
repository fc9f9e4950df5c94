//! Judges the ownership reports of peers: the length of each journal, and the models that each side has in service.
//!
//! It decides no migration. It finds an agent that was set back, and a model with two owners: one was imported twice, or
//! an operator's last resort was taken although the other side lived. A copy is frozen here only where a signature proves that the owner
//! on the other side is the later one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::{Epoch, ModelUuid, Pin};
use modelferry_protocol::message::{Claim, Message, OwnershipReport, SignedHead};
use modelferry_protocol::ownership::{Judgement, Signer, Why, judge};
use modelferry_protocol::record::{AlarmKind, Body, Conflict, Halted};
use modelferry_protocol::switch::Cause;

use crate::engine::base::entry::entry;
use crate::engine::peer::alarms::{of_older_copy, raise};
use crate::engine::peer::in_service::in_service;
use crate::engine::peer::report::{self, tell};
use crate::engine::shared::core::{Core, HeardClaim};
use crate::engine::switchover::conflict;
use crate::link::{Session, verify_signature};

/// Acts on what a peer reports.
///
/// Errors: the report says what it does not prove. An alarm about the peer is recorded, nothing else follows from what is not proven,
/// and the caller ends the connection.
pub async fn heard(core: &Arc<Core>, session: &Session, claims: &OwnershipReport) -> Result<(), Unproven> {
    let (peer, journal) = (session.peer(), session.hello().journal);
    if let Some(what) = unproven_head(core, session, claims) {
        let name = session.peer_name();
        let text = format!(
            "the agent of \"{name}\" {what}. Nothing follows from it: the link to that agent alone is held back, and everything else \
             goes on. Look at its host; if it is not to be trusted, `modelferry unpair {name}`; else `modelferry resolve {name} \
             --acknowledge`"
        );
        raise(core, peer, AlarmKind::Unproven, text).await;
        return Err(Unproven);
    }
    if let Some(before) = core.parts.witness.note(peer, claims.head)
        && before.journal != journal
    {
        let text = format!(
            "the agent of \"{}\" has another journal than before: {journal} instead of {}. What it had promised is \
             lost there; see \"The journal cannot be trusted\" in docs/in-doubt.md; once you have looked at its controller, \
             `modelferry resolve {} --acknowledge`",
            session.peer_name(),
            before.journal,
            session.peer_name(),
        );
        raise(core, peer, AlarmKind::Journal, text).await;
    }
    if claims.is_halted {
        raise(core, peer, AlarmKind::SetBack, set_back_text(core, session)).await;
    }
    let seen = claims.seen.filter(|seen| core.halted().is_none() && is_of_the_future(core, seen));
    if let Some(seen) = &seen {
        halt(core, session, seen).await;
    }
    let judged = judged(core, session, claims).await;
    match core.halted() {
        Some(_) => yield_lost(core, session, &judged, seen.is_some()).await,
        None => compare(core, session, &judged).await,
    }
    alarm_of_unproven(core, session, &judged).await
}

/// Stops acting: a peer has proven that this journal was set back.
async fn halt(core: &Core, session: &Session, seen: &SignedHead) {
    let text = format!(
        "\"{}\" has seen record {} of this agent's journal, which ends at {}: the journal was set back, by a backup or \
         a machine's snapshot, or a clone of this host acts under the same identity. Nothing is thawed, committed or answered \
         any more; see \"The journal was set back\" in docs/in-doubt.md",
        session.peer_name(),
        seen.sequence,
        core.parts.journal.sequence()
    );
    let halted = Halted { peer: session.peer(), seen: seen.sequence, text: Cause::cut(&text) };
    core.append(entry("agent", Body::Halted(halted))).await;
    core.halt(text);
}

/// A report that says what it does not prove.
#[derive(Debug)]
pub struct Unproven;

/// Reports whether a head names a record of this agent's journal that there is not.
fn is_of_the_future(core: &Core, seen: &SignedHead) -> bool {
    seen.journal == core.parts.journal.id() && seen.sequence > core.parts.journal.sequence()
}

/// Returns what a report says of a journal and does not prove; nothing of one that may be acted on.
fn unproven_head(core: &Core, session: &Session, report: &OwnershipReport) -> Option<String> {
    let head = &report.head;
    let is_signed = verify_signature(session.peer_spki(), &head.signed_bytes(), &head.signature);
    if head.journal != session.hello().journal || !is_signed {
        return Some("shows a head of its journal that it has not signed".to_owned());
    }
    let seen = report.seen.as_ref().filter(|seen| is_of_the_future(core, seen))?;
    // A head that this agent has signed is nothing that the peer can make up.
    (!seen.is_signed_by(&core.parts.link.public_key())).then(|| {
        let (sequence, has) = (seen.sequence, core.parts.journal.sequence());
        format!(
            "says that it has seen record {sequence} of this agent's journal, which ends at {has}, and shows no signature of this \
             agent under it"
        )
    })
}

/// A claim of a model that this agent serves or has a migration of.
struct Judged<'a> {
    claim: &'a Claim,
    /// The epoch at which the model is owned here.
    own: Epoch,
    /// Whether it is in service here.
    serves: bool,
    judgement: Judgement,
}

/// Judges what a peer claims to serve, and notes it.
async fn judged<'a>(core: &Core, session: &Session, report: &'a OwnershipReport) -> Vec<Judged<'a>> {
    let live: Vec<&Claim> = report.claims.iter().filter(|claim| claim.live).collect();
    let serving = if live.is_empty() { BTreeMap::new() } else { in_service(core).await };
    let is_halted = core.halted().is_some();
    let concerned: Vec<(&Claim, Epoch, Option<Pin>)> = core.parts.journal.ledger(|ledger| {
        let concerns = |model| is_halted || serving.contains_key(&model) || ledger.busy(model).is_some();
        let of_claim = |claim: &&'a Claim| {
            let own = serving.get(&claim.model).copied().unwrap_or_else(|| ledger.epoch(claim.model));
            (*claim, own, claim.seized.as_ref().and_then(|_| ledger.came_from(claim.model)))
        };
        live.iter().filter(|claim| concerns(claim.model)).map(of_claim).collect()
    });
    let parties = (core.parts.link.pin(), session.peer());
    let is_signed = |signer, bytes: &[u8], signature: &[u8]| match signer {
        Signer::Hearer => core.parts.link.has_signed(bytes, signature),
        Signer::Claimant => verify_signature(session.peer_spki(), bytes, signature),
    };
    let judged = concerned.into_iter().map(|(claim, own, came_from)| {
        let judgement = judge(claim, own, came_from, parties, is_signed);
        Judged { claim, own, serves: serving.contains_key(&claim.model), judgement }
    });
    let judged: Vec<Judged<'a>> = judged.collect();
    let proven = judged.iter().filter(|judged| matches!(judged.judgement, Judgement::Yields(_)));
    let proven: BTreeSet<ModelUuid> = proven.map(|judged| judged.claim.model).collect();
    let heard = |claim: &&Claim| HeardClaim {
        model: claim.model,
        epoch: claim.epoch,
        is_proven: proven.contains(&claim.model),
    };
    core.heard_serving(session.peer(), live.iter().map(heard).collect());
    judged
}

/// Freezes the models here that have to yield. Of others that are in service on both sides both agents show it.
async fn compare(core: &Arc<Core>, session: &Session, judged: &[Judged<'_>]) {
    let (peer, name) = (session.peer(), session.peer_name());
    let mut has_to_hear = false;
    for Judged { claim, own, judgement, .. } in judged.iter().filter(|judged| judged.serves) {
        let (model, theirs) = (claim.model, claim.epoch);
        match judgement {
            Judgement::Yields(why) => yield_model(core, session, claim, *own, *why).await,
            Judgement::Unproven => {}
            Judgement::Stays if !is_current(core, session) => {}
            // No rule tells which copy counts: no journal knows an owner, or both operators have asserted that the other host is destroyed.
            Judgement::Stays if theirs == *own => {
                let text = format!(
                    "model {model} is in service here and on \"{name}\", both at epoch {own}: both take writes. Read \"Two copies of one \
                     model\" in docs/in-doubt.md; `modelferry resolve {model} --keep-mine {model}` on the host of the copy that counts, \
                     `modelferry resolve {model} --keep-theirs {model}` on the other one"
                );
                has_to_hear |= raise(core, peer, AlarmKind::Conflict(model), text).await;
            }
            Judgement::Stays => {
                let text = of_older_copy(model, *own, &name, theirs);
                raise(core, peer, AlarmKind::Conflict(model), text).await;
                has_to_hear = true;
            }
        }
    }
    if has_to_hear {
        Core::say(session, report::of(core, peer).await).await;
    }
}

/// Records an alarm of each claim that would freeze a model here if it were proven.
///
/// Errors: there is one. Nothing follows from it but the end of the connection.
async fn alarm_of_unproven(core: &Core, session: &Session, judged: &[Judged<'_>]) -> Result<(), Unproven> {
    let is_unproven = |judged: &&Judged<'_>| judged.serves && judged.judgement == Judgement::Unproven;
    let mut heard = Ok(());
    for Judged { claim: Claim { model, epoch, .. }, own, .. } in judged.iter().filter(is_unproven) {
        if !is_current(core, session) {
            break;
        }
        let name = session.peer_name();
        let text = format!(
            "the agent of \"{name}\" claims model {model} at epoch {epoch} and proves nothing: it shows no signature of this agent, nor of \
             the agent that the model came from. The model stays in service here, at epoch {own}, and the link to that agent alone is held \
             back. Read \"Two copies of one model\" in docs/in-doubt.md. If the copy here counts, `modelferry resolve {model} --keep-mine \
             {model}`; if the one there does, `modelferry resolve {model} --keep-theirs {model}`; if that agent is not to be trusted, \
             `modelferry unpair {name}`"
        );
        raise(core, session.peer(), AlarmKind::Conflict(*model), text).await;
        heard = Err(Unproven);
    }
    heard
}

/// Reports whether a connection is the one that is kept: what another one brings may be older than what was heard since.
fn is_current(core: &Core, session: &Session) -> bool {
    let state = core.parts.link.watch(session.peer()).borrow().clone();
    state.session().is_some_and(|kept| kept.id() == session.id())
}

/// Says of a peer that was set back what may be in service there although it is here.
fn set_back_text(core: &Core, session: &Session) -> String {
    let name = session.peer_name();
    let live: Vec<String> = core.parts.journal.ledger(|ledger| {
        let live = ledger.shared_with(session.peer()).filter(|(_, holding)| holding.live);
        live.map(|(model, _)| model.to_string()).collect()
    });
    let models = if live.is_empty() {
        String::new()
    } else {
        format!(". These models are live here, and may be live there as well: {}", live.join(", "))
    };
    format!(
        "the agent of \"{name}\" has found its journal to be older than what was seen of it here, and has stopped acting: it was set back, \
         or a clone of its host acts under the same identity{models}. See \"The journal was set back\" in docs/in-doubt.md; once that is \
         mended, `modelferry resolve {name} --acknowledge`"
    )
}

/// Freezes what is live in this controller and proven to be another's, although this journal knows of no such
/// migration: the journal was set back, so the records that tell of it are the ones that are missing. Nothing is deleted.
///
/// `first`: whether the peer has yet to hear that this agent has stopped acting.
async fn yield_lost(core: &Arc<Core>, session: &Session, judged: &[Judged<'_>], first: bool) {
    let peer = session.peer();
    let mut frozen = Vec::new();
    for Judged { claim, own, judgement, .. } in judged {
        let Judgement::Yields(why) = judgement else { continue };
        let model = claim.model;
        let is_known = core.parts.journal.ledger(|ledger| ledger.in_conflict(model) || ledger.busy(model).is_some());
        // Frozen before it is recorded: a model that is not in service here is in no conflict, and no record says otherwise.
        if !is_known && conflict::freeze_now(core, model, *own).await {
            tracing::error!(%model, "CONFLICT: frozen here, as it is live on the peer at epoch {}", claim.epoch);
            core.append(entry("agent", Body::Conflict(conflict_of(session, claim, *own, *why)))).await;
            frozen.push(Claim { model, epoch: *own, live: true, commit: None, seized: None });
        }
    }
    let Message::OwnershipReport(now) = report::of(core, peer).await else { return };
    // The peer hears once that they were live here, so that both sides show the conflict; then how it is now.
    if !frozen.is_empty() {
        let claims = Bounded::truncated(frozen);
        Core::say(session, Message::OwnershipReport(OwnershipReport { claims, ..now.clone() })).await;
        Core::say(session, Message::OwnershipReport(now)).await;
    } else if first {
        Core::say(session, Message::OwnershipReport(now)).await;
    }
}

/// Freezes a model that has a later owner, as the owner's claim proves. Nothing is deleted.
async fn yield_model(core: &Arc<Core>, session: &Session, claim: &Claim, own: Epoch, why: Why) {
    let (model, theirs) = (claim.model, claim.epoch);
    tracing::error!(%model, "CONFLICT: the model is live here at epoch {own} and there at epoch {theirs}; freezing it here");
    core.append(entry("agent", Body::Conflict(conflict_of(session, claim, own, why)))).await;
    tell(core, session.peer()).await;
    conflict::end(core, model, own);
}

/// Makes the record of a conflict that a claim proves, with the evidence.
fn conflict_of(session: &Session, claim: &Claim, own: Epoch, why: Why) -> Conflict {
    let (what, signature) = match why {
        Why::HandedOver => (
            "this agent has signed that it handed the model over",
            claim.commit.as_ref().map(|commit| &commit.stamp.signature),
        ),
        Why::TakenBack => ("the agent that it came from has signed that it took the model back", claim.seized.as_ref()),
    };
    let signature: String =
        signature.into_iter().flat_map(|bytes| bytes.iter()).map(|byte| format!("{byte:02x}")).collect();
    let cause = Cause::cut(format!("{what}: {signature}"));
    Conflict { model: claim.model, peer: session.peer(), epoch: own, peer_epoch: claim.epoch, cause }
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
