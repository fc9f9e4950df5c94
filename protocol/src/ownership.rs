//! Judges what a peer claims of a model that is in service here as well. A claim counts only with a signature that proves it.

use crate::ids::{Epoch, Pin};
use crate::limits::EPOCH_LEARNED_MAX;
use crate::message::{Claim, seized_bytes};
use crate::proof::Statement;

/// What follows from a claim of a model that is in service here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// The epoch that is claimed is not the larger one: this copy stays in service.
    Stays,
    /// A signature proves a later owner: this copy is frozen.
    Yields(Why),
    /// The epoch that is claimed is the larger one, and nothing proves it: this copy stays in service.
    Unproven,
}

/// What a signature proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The hearer has handed the model over to the claimant.
    HandedOver,
    /// The claimant, from which the model came, has taken it back.
    TakenBack,
}

/// Whose signature is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The agent that hears the claim.
    Hearer,
    /// The agent that makes it.
    Claimant,
}

/// Judges a claim.
///
/// `epoch`: at which the model is in service at the agent `own`, which hears the claim of `peer`. `came_from`:
/// [`Ledger::came_from`](crate::ledger::Ledger::came_from). `is_signed`: whether the signer has signed the bytes.
pub fn judge(
    claim: &Claim,
    epoch: Epoch,
    came_from: Option<Pin>,
    (own, peer): (Pin, Pin),
    is_signed: impl Fn(Signer, &[u8], &[u8]) -> bool,
) -> Judgement {
    if claim.epoch <= epoch {
        return Judgement::Stays;
    }
    // What this agent has signed it has done, also where its journal has lost it; but it may have taken the model back since.
    let handed_over = || {
        claim.commit.as_ref().is_some_and(|commit| {
            let signed = Statement::of_commit(commit, claim.model, own, peer).signed_bytes();
            commit.epoch_to > epoch && is_signed(Signer::Hearer, &signed, &commit.stamp.signature)
        })
    };
    // The source alone may take back what it has handed over, unless an operator here has said otherwise since.
    let taken_back = || {
        claim.seized.as_ref().is_some_and(|signature| {
            let signed = seized_bytes(claim.model, claim.epoch, own);
            came_from == Some(peer) && is_signed(Signer::Claimant, &signed, signature)
        })
    };
    if claim.epoch > EPOCH_LEARNED_MAX {
        Judgement::Unproven
    } else if handed_over() {
        Judgement::Yields(Why::HandedOver)
    } else if taken_back() {
        Judgement::Yields(Why::TakenBack)
    } else {
        Judgement::Unproven
    }
}
