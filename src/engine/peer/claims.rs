//! Exchanges ownership reports with peers: the length of each journal, and the models that each side has in service.
//!
//! It decides no migration. It finds an agent that was set back, and a model with two owners: one was imported twice, or
//! an operator's last resort was taken although the other side lived. The one with the smaller epoch freezes it at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::{Epoch, ModelUuid, Pin};
use modelferry_protocol::ledger::{Holding, Ledger};
use modelferry_protocol::message::{Claim, Message, OwnershipReport, SignedHead};
use modelferry_protocol::record::{Alarm, AlarmKind, Body, Conflict, Halted};
use modelferry_protocol::switch::Cause;

use super::in_service::in_service;
use crate::engine::base::budget::Spending;
use crate::engine::base::core::Core;
use crate::engine::base::engine::Engine;
use crate::engine::base::entry::entry;
use crate::engine::switchover::conflict;
use crate::engine::view::AlarmView;
use crate::link::{CloseCode, Session, verify_signature};

/// Makes what this agent tells `peer`: of every model that the two ever shared, and of every other one in service here.
pub async fn of(core: &Core, peer: Pin) -> Message {
    of_serving(core, peer, &in_service(core).await)
}

fn of_serving(core: &Core, peer: Pin, serving: &BTreeMap<ModelUuid, Epoch>) -> Message {
    let seen = core.parts.witness.seen(peer);
    let journal = &core.parts.journal;
    let head = SignedHead::new(journal.id(), journal.sequence(), |bytes| core.parts.link.sign(bytes));
    let shared: BTreeMap<ModelUuid, Holding> = core.parts.journal.ledger(|ledger| ledger.shared_with(peer).collect());
    let of_shared = shared.iter().map(|(model, holding)| match serving.get(model) {
        Some(epoch) => Claim { model: *model, epoch: *epoch, live: true },
        None => Claim { model: *model, epoch: holding.epoch, live: false },
    });
    let others = serving.iter().filter(|(model, _)| !shared.contains_key(*model));
    let others = others.map(|(model, epoch)| Claim { model: *model, epoch: *epoch, live: true });
    let claims: Vec<Claim> = of_shared.chain(others).collect();
    Message::OwnershipReport(OwnershipReport {
        head,
        seen,
        claims: Bounded::truncated(claims),
        is_halted: core.halted().is_some(),
    })
}

/// Acts on what a peer reports.
///
/// Errors: the report says what it does not prove. An alarm about the peer is recorded, nothing else follows from the report, and
/// the caller ends the connection.
pub async fn heard(core: &Arc<Core>, session: &Session, claims: &OwnershipReport) -> Result<(), Unproven> {
    let (peer, journal) = (session.peer(), session.hello().journal);
    if let Some(what) = unproven(core, session, claims) {
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
    if core.halted().is_some() {
        yield_lost(core, session, claims, false).await;
        return Ok(());
    }
    if let Some(seen) = claims.seen.filter(|seen| is_of_the_future(core, seen)) {
        let has = core.parts.journal.sequence();
        let text = format!(
            "\"{}\" has seen record {} of this agent's journal, which ends at {has}: the journal was set back, by a backup or \
             a machine's snapshot, or a clone of this host acts under the same identity. Nothing is thawed, committed or answered \
             any more; see \"The journal was set back\" in docs/in-doubt.md",
            session.peer_name(),
            seen.sequence
        );
        let halted = Halted { peer, seen: seen.sequence, text: Cause::cut(&text) };
        core.append(entry("agent", Body::Halted(halted))).await;
        core.halt(text);
        yield_lost(core, session, claims, true).await;
        return Ok(());
    }
    compare(core, session, claims).await;
    Ok(())
}

/// A report that says what it does not prove.
#[derive(Debug)]
pub struct Unproven;

/// Reports whether a head names a record of this agent's journal that there is not.
fn is_of_the_future(core: &Core, seen: &SignedHead) -> bool {
    seen.journal == core.parts.journal.id() && seen.sequence > core.parts.journal.sequence()
}

/// Returns what a report says and does not prove; nothing of one that may be acted on.
fn unproven(core: &Core, session: &Session, report: &OwnershipReport) -> Option<String> {
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

/// Finds the models that are in service on both sides, and freezes those here that have to yield.
async fn compare(core: &Arc<Core>, session: &Session, claims: &OwnershipReport) {
    let (peer, name) = (session.peer(), session.peer_name());
    let live: Vec<Claim> = claims.claims.iter().filter(|claim| claim.live).copied().collect();
    core.heard_serving(peer, live.clone());
    if live.is_empty() {
        return;
    }
    let serving = in_service(core).await;
    let mut has_to_hear = false;
    for Claim { model, epoch: theirs, .. } in live {
        let Some(own) = serving.get(&model).copied() else { continue };
        // Of equal epochs exactly one must stay. But where no journal has ever known an owner, no rule tells which.
        let is_undecided = (own, theirs) == (0, 0);
        if !is_undecided && (own, core.parts.link.pin()) < (theirs, peer) {
            yield_model(core, peer, model, own, theirs).await;
        } else if is_undecided && is_current(core, session) {
            let text = format!(
                "model {model} is in service here and on \"{name}\", and no migration has moved it from one to the other: both take \
                 writes. Read \"Two copies of one model\" in docs/in-doubt.md; `modelferry resolve {model} --supersede {model}`, on \
                 the host of the copy that counts, freezes the other one"
            );
            has_to_hear |= raise(core, peer, AlarmKind::Conflict(model), text).await;
        } else if is_current(core, session) {
            let text = format!(
                "model {model} is live here at epoch {own} and was live on \"{name}\" at epoch {theirs} as well, which has to freeze \
                 its copy; both may have taken writes; read \"Two copies of one model\" in docs/in-doubt.md, then `modelferry \
                 resolve {name} --acknowledge`"
            );
            raise(core, peer, AlarmKind::Conflict(model), text).await;
            has_to_hear = true;
        }
    }
    if has_to_hear {
        Core::say(session, of(core, peer).await).await;
    }
}

/// Tells the alarms about a model in service twice anew, after an operator has chosen the copy here.
pub async fn chosen(core: &Core, model: ModelUuid, epoch: Epoch) {
    let kind = AlarmKind::Conflict(model);
    let of_kind =
        |ledger: &Ledger| ledger.alarms().filter(|alarm| alarm.kind == kind).map(|alarm| alarm.peer).collect();
    let peers: Vec<Pin> = core.parts.journal.ledger(of_kind);
    for known in core.parts.link.peers().into_iter().filter(|known| peers.contains(&known.pin)) {
        let name = &known.name;
        let text = format!(
            "model {model} is live here at epoch {epoch} by an operator's choice, and the copy on \"{name}\" freezes as soon as its \
             agent is connected; both may have taken writes; read \"Two copies of one model\" in docs/in-doubt.md, then `modelferry \
             resolve {name} --acknowledge`"
        );
        raise(core, known.pin, kind, text).await;
    }
}

/// Reports whether a connection is the one that is kept: what another one brings may be older than what was heard since.
fn is_current(core: &Core, session: &Session) -> bool {
    let state = core.parts.link.watch(session.peer()).borrow().clone();
    state.session().is_some_and(|kept| kept.id() == session.id())
}

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

/// Freezes what is live in this controller and live at a larger epoch on a peer, although this journal knows of no such
/// migration: the journal was set back, so the records that tell of it are the ones that are missing. Nothing is deleted.
///
/// `first`: whether the peer has yet to hear that this agent has stopped acting.
async fn yield_lost(core: &Arc<Core>, session: &Session, claims: &OwnershipReport, first: bool) {
    let peer = session.peer();
    core.heard_serving(peer, claims.claims.iter().filter(|claim| claim.live).copied().collect());
    let mut frozen = Vec::new();
    for claim in claims.claims.iter().filter(|claim| claim.live) {
        let (own, known) = core.parts.journal.ledger(|ledger| {
            (ledger.epoch(claim.model), ledger.in_conflict(claim.model) || ledger.busy(claim.model).is_some())
        });
        if known || (own, core.parts.link.pin()) >= (claim.epoch, peer) {
            continue;
        }
        // Frozen before it is recorded: a model that is not in service here is in no conflict, and no record says otherwise.
        if conflict::freeze_now(core, claim.model, own).await {
            let text = Conflict { model: claim.model, peer, epoch: own, peer_epoch: claim.epoch };
            tracing::error!(model = %claim.model, "CONFLICT: frozen here, as it is live on the peer at epoch {}", claim.epoch);
            core.append(entry("agent", Body::Conflict(text))).await;
            frozen.push(Claim { model: claim.model, epoch: own, live: true });
        }
    }
    let Message::OwnershipReport(now) = of(core, peer).await else { return };
    // The peer hears once that they were live here, so that both sides show the conflict; then how it is now.
    if !frozen.is_empty() {
        let claims = Bounded::truncated(frozen);
        Core::say(session, Message::OwnershipReport(OwnershipReport { claims, ..now.clone() })).await;
        Core::say(session, Message::OwnershipReport(now)).await;
    } else if first {
        Core::say(session, Message::OwnershipReport(now)).await;
    }
}

/// Freezes a model that is live with a larger epoch elsewhere. Nothing is deleted.
async fn yield_model(core: &Arc<Core>, peer: Pin, model: ModelUuid, epoch: Epoch, peer_epoch: Epoch) {
    tracing::error!(%model, "CONFLICT: the model is live here at epoch {epoch} and there at epoch {peer_epoch}; freezing it here");
    let conflict = Conflict { model, peer, epoch, peer_epoch };
    core.append(entry("agent", Body::Conflict(conflict))).await;
    tell(core, peer).await;
    conflict::end(core, model, epoch);
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
        let mut alarms: Vec<AlarmView> = core.halted().into_iter().map(|text| AlarmView::new("halted", text)).collect();
        let conflicts: Vec<Conflict> = core.parts.journal.ledger(|ledger| ledger.conflicts().cloned().collect());
        alarms.extend(conflicts.into_iter().map(|conflict| AlarmView {
            kind: "conflict".into(),
            text: format!(
                "model {0} was live here at epoch {1} and on {2} at epoch {3}; it is frozen here, and nothing is deleted; read \
                 \"Two copies of one model\" in docs/in-doubt.md before anything else",
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
