//! Compares what both journals know about the owners of a model, and chooses the epoch of an offer. Records what an
//! operator asserts when a model enters service without a migration.

use std::convert::Infallible;

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{Epoch, MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::{Ledger, NotOffered};
use modelferry_protocol::limits::EPOCH_FORCED_STEP;
use modelferry_protocol::plan::{Answer, Finding, Knowledge, Level, Question};
use modelferry_protocol::record::{Acknowledged, Body, Entry, Note, Reimported, Removed, Restored};
use modelferry_protocol::switch::Cause;

use super::report::tell_all;
use crate::controller::checks::target::TWO_COPIES;
use crate::controller::port::{MigrationRef, Presence};
use crate::engine::base::conversation::Conversation;
use crate::engine::base::entry::{entry, of_operator};
use crate::engine::base::error::EngineError;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::engine::view::FindingView;
use crate::link::verify_signature;

/// Attempt numbers that are believed of a peer: no model is migrated more often, and a lie cannot use the numbers up.
const ATTEMPTS_MAX: u32 = 1 << 30;
/// An id that no migration has, to ask a controller about a model itself.
pub(in crate::engine) const NO_MIGRATION: MigrationId = MigrationId([0; 16]);
/// The check that compares what the two journals know.
pub const CHECK: &str = "owner";

/// Answers what is known here of a model's ownership.
pub async fn known(core: &Core, asker: Pin, model: ModelUuid) -> Answer {
    let is_present = match core.parts.arrival.probe(MigrationRef { mid: NO_MIGRATION, model }).await {
        Ok(presence) => presence != Presence::Absent,
        Err(error) => return Answer::Failed(Text::cut(error.to_string())),
    };
    let mut knowledge = core.parts.journal.ledger(|ledger| Knowledge {
        epoch: ledger.epoch(model),
        attempt_free: ledger.attempt_free(model),
        handed_to: ledger.handed_to(model),
        is_present,
        signature: Default::default(),
    });
    knowledge.signature = core.parts.link.sign(&knowledge.signed_bytes(model, asker)).into();
    Answer::Known(Box::new(knowledge))
}

/// Asks the peer what it knows of a model's ownership.
///
/// Errors: [`EngineError::Unanswered`] if the connection ends; [`EngineError::Peer`] for an answer that is none.
pub async fn ask(core: &Core, conversation: &Conversation, model: ModelUuid) -> Result<Knowledge, EngineError> {
    let failed = |text: &str| EngineError::Peer { peer: conversation.session.peer_name(), text: text.to_owned() };
    match conversation.ask(Question::Known(model)).await? {
        Answer::Known(knowledge) => {
            let signed = knowledge.signed_bytes(model, core.parts.link.pin());
            match verify_signature(conversation.session.peer_spki(), &signed, &knowledge.signature) {
                true => Ok(*knowledge),
                false => Err(failed("its answer about the model's ownership is not signed by it")),
            }
        }
        Answer::Failed(text) => Err(failed(&text)),
        _ => Err(failed("it answered another question")),
    }
}

/// Returns the epoch at which the model is offered to a target with this knowledge.
///
/// Errors: [`NotOffered`].
pub fn offer_epoch(ledger: &Ledger, own: Pin, model: ModelUuid, there: &Knowledge) -> Result<Epoch, NotOffered> {
    ledger.offer_epoch(model, there.epoch, there.handed_to == Some(own))
}

/// Returns the number of the next attempt to migrate the model, free on both sides.
pub fn attempt(ledger: &Ledger, model: ModelUuid, there: &Knowledge) -> u32 {
    let believed = if there.attempt_free < ATTEMPTS_MAX { there.attempt_free } else { 0 };
    ledger.attempt_free(model).max(believed)
}

/// Returns the number under which a target shows an attempt: the source's, unless another migration of the model has it.
pub fn attempt_here(ledger: &Ledger, model: ModelUuid, offered: u32) -> u32 {
    if offered >= ATTEMPTS_MAX || ledger.has_attempt(model, offered) { ledger.attempt_free(model) } else { offered }
}

/// Returns the note that stays of an epoch that was learned: the evidence. Nothing where none was.
pub fn evidence(ledger: &Ledger, mid: MigrationId, model: ModelUuid, peer: &str, there: &Knowledge) -> Option<Body> {
    (there.epoch > ledger.epoch(model)).then(|| {
        let signature: String = there.signature.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!(
            "the offer goes beyond epoch {}, which the agent of \"{peer}\" has signed to know: {signature}",
            there.epoch
        );
        Body::Note(Note { mid, text: Cause::cut(text) })
    })
}

/// Judges a model by what the two journals know of its owners; nothing where the target knows no more than this side.
pub fn finding(core: &Core, model: ModelUuid, name: &str, peer: &str, there: &Knowledge) -> Option<Finding> {
    let own = core.parts.link.pin();
    let (epoch, offered) =
        core.parts.journal.ledger(|ledger| (ledger.epoch(model), offer_epoch(ledger, own, model, there)));
    let found = |level, text: String, fix: String| {
        Some(Finding { level, check: Text::cut(CHECK), text: Text::cut(text), fix: Text::cut(fix) })
    };
    match offered {
        Ok(_) if there.epoch <= epoch => None,
        Ok(offered) => {
            let known = there.epoch;
            found(
                Level::Pass,
                format!("{peer} knows an earlier owner, at epoch {known}; the model goes there at {offered}"),
                String::new(),
            )
        }
        Err(NotOffered::Superseded { own, known }) => found(
            Level::Fail,
            format!(
                "{peer} knows a later owner of the model, at epoch {known}; the copy here is of epoch {own}, so it is the older \
                 one, as far as the two journals tell"
            ),
            format!("modelferry show-model {name} # compare it with the later copy; then read {TWO_COPIES}"),
        ),
        Err(error @ NotOffered::TooLarge { .. }) => {
            found(Level::Fail, error.to_string(), format!("modelferry events # on the host of {peer}"))
        }
    }
}

/// Says of two copies of one model which is the newer, in place of what the target alone can say of its own.
pub fn compare(core: &Core, model: ModelUuid, peer: &str, there: &Knowledge, finding: FindingView) -> FindingView {
    if !there.is_present || !finding.fix.contains(TWO_COPIES) {
        return finding;
    }
    let (here, there) = (core.parts.journal.ledger(|ledger| ledger.epoch(model)), there.epoch);
    let newer = match here.cmp(&there) {
        std::cmp::Ordering::Less => format!(
            "the copy on {peer} is the newer one, as far as the journals tell: it is of epoch {there}, the one here of epoch {here}"
        ),
        std::cmp::Ordering::Greater => format!(
            "the copy here is the newer one, as far as the journals tell: it is of epoch {here}, the one on {peer} of epoch {there}"
        ),
        std::cmp::Ordering::Equal => "the journals do not tell which copy is the newer one".to_owned(),
    };
    FindingView {
        text: format!("{}; {newer}", finding.text),
        fix: format!(
            "modelferry show-model {model} # here, and on the host of {peer}; compare the two, then read {TWO_COPIES}"
        ),
        ..finding
    }
}

impl Engine {
    /// Notes that a model was put into service here out of a backup.
    ///
    /// `asserted`: whether the operator says that the controller which had it is lost; then every other copy loses.
    pub async fn restored(&self, model: ModelUuid, asserted: bool, actor: &str) {
        let core = &self.0;
        let what =
            if asserted { "restored from a backup: its controller is lost, says" } else { "restored from a backup by" };
        let cause = Cause::cut(format!("{what} the operator ({actor})"));
        let step = if asserted { EPOCH_FORCED_STEP } else { 0 };
        let epoch = core.parts.journal.ledger(|ledger| ledger.epoch(model)).saturating_add(step);
        core.append(entry(actor, Body::Restored(Restored { model, epoch, cause }))).await;
        tell_all(core).await;
    }

    /// Notes that an operator has removed a model here, so that nobody is told that it was lost should the database be lost later.
    pub async fn removed(&self, model: ModelUuid, actor: &str) {
        let cause = of_operator("removed by the operator", "", actor);
        let body = Body::Removed(Removed { model, cause });
        self.note_if(entry(actor, body), move |ledger| ledger.is_live(model)).await;
    }

    /// Notes that an operator has imported a model from its files.
    pub async fn imported(&self, model: ModelUuid, actor: &str) {
        let cause = of_operator("imported again by the operator", "", actor);
        let body = Body::Reimported(Reimported { model, cause });
        self.note_if(entry(actor, body), move |ledger| ledger.is_removed(model)).await;
    }

    /// Records what has entered or left service without a migration, if `wanted` says that the journal knows the model. Tells
    /// the peers in any case: one of them may have a copy of it.
    async fn note_if(&self, entry: Entry, wanted: impl FnOnce(&Ledger) -> bool + Send + 'static) {
        let decide = move |ledger: &Ledger| Ok(if wanted(ledger) { vec![entry] } else { Vec::new() });
        let Ok(()) = self.0.decide::<Infallible>(decide).await;
        tell_all(&self.0).await;
    }

    /// Ends the alarms about a peer, or about this agent's own journal: an operator says that their causes are gone. A link
    /// that was held back opens again.
    ///
    /// `peer`: its name here, or the name of the controller here.
    /// Errors: [`EngineError::UnknownPeer`], [`EngineError::NoAlarm`].
    pub async fn acknowledge(&self, peer: &str, reason: &str, actor: &str) -> Result<(), EngineError> {
        let core = &self.0;
        let pin = match core.parts.link.peer(peer) {
            Some(known) => known.pin,
            None if *core.parts.arrival.card().await?.name == *peer => core.parts.link.pin(),
            None => return Err(EngineError::UnknownPeer(peer.to_owned())),
        };
        if !core.parts.journal.ledger(|ledger| ledger.alarms().any(|alarm| alarm.peer == pin)) {
            return Err(EngineError::NoAlarm(peer.to_owned()));
        }
        let cause = of_operator("acknowledged by operator", reason, actor);
        core.append(entry(actor, Body::Acknowledged(Acknowledged { peer: pin, cause }))).await;
        core.parts.link.release(pin);
        Ok(())
    }
}
