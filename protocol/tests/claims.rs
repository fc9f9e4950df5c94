//! A claim counts only with a signature that proves it.

#[allow(dead_code, reason = "the tests of proofs use the rest")]
#[path = "samples/proof.rs"]
mod proof;

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{MigrationId, Pin};
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::limits::{EPOCH_FORCED_STEP, EPOCH_LEARNED_MAX};
use modelferry_protocol::message::{Claim, SignedCommit, seized_bytes};
use modelferry_protocol::ownership::{Judgement, Signer, Why, judge};
use modelferry_protocol::proof::Statement;
use modelferry_protocol::record::{Body, Conflict, Restored};
use modelferry_protocol::switch::source::{SourceRecord, SourceState};
use modelferry_protocol::switch::target::{Activating, Active, Seizure, TargetRecord, TargetState};
use modelferry_protocol::switch::{CommitStamp, Head, Profile, Signature};
use ring::signature::{ED25519, UnparsedPublicKey};

use proof::{JOURNAL, MID, MODEL, ROOT, key, pin};

/// Seeds of keys: who hears a claim, who makes it, and somebody else.
const HEARER: u8 = 1;
const CLAIMANT: u8 = 2;
const OTHER: u8 = 3;

fn head(number: u8, epoch_to: u64, peer: Pin) -> Head {
    let mid = MigrationId([number; 16]);
    Head { mid, model: MODEL, epoch_to, peer, journal: JOURNAL, profile: Profile::Embedded }
}

fn came(number: u8, epoch_to: u64, from: u8) -> Body {
    let state = TargetState::Active(Active { root: ROOT, reply: Default::default() });
    Body::Target(TargetRecord { head: head(number, epoch_to, pin(from)), state })
}

fn restored(epoch: u64) -> Body {
    Body::Restored(Restored { model: MODEL, epoch, cause: Text::default() })
}

fn ledger(bodies: &[Body]) -> Ledger {
    let mut ledger = Ledger::default();
    bodies.iter().for_each(|body| ledger.apply(body));
    ledger
}

fn sign(seed: u8, bytes: &[u8]) -> Signature {
    let signature: [u8; 64] = key(seed).sign(bytes).as_ref().try_into().unwrap();
    signature.into()
}

/// The commit of a migration at an epoch, to `target`, signed with the key of `seed`.
fn commit(epoch_to: u64, source: u8, target: u8, seed: u8) -> SignedCommit {
    let unsigned = SignedCommit {
        mid: MID,
        epoch_to,
        root: ROOT,
        journal: JOURNAL,
        stamp: CommitStamp { time_ms: 5, ..CommitStamp::default() },
    };
    let signature = sign(seed, &Statement::of_commit(&unsigned, MODEL, pin(source), pin(target)).signed_bytes());
    SignedCommit { stamp: CommitStamp { signature, ..unsigned.stamp.clone() }, ..unsigned }
}

fn bare(epoch: u64) -> Claim {
    Claim { model: MODEL, epoch, live: true, commit: None, seized: None }
}

fn handed(epoch: u64, commit: SignedCommit) -> Claim {
    Claim { commit: Some(commit), ..bare(epoch) }
}

fn seized(epoch: u64, seed: u8, hearer: u8) -> Claim {
    Claim { seized: Some(sign(seed, &seized_bytes(MODEL, epoch, pin(hearer)))), ..bare(epoch) }
}

/// What the hearer makes of a claim of the claimant, by its ledger, where the model is in service at `epoch`.
fn judged(claim: &Claim, epoch: u64, ledger: &Ledger) -> Judgement {
    use ring::signature::KeyPair;
    judge(claim, epoch, ledger.came_from(MODEL), (pin(HEARER), pin(CLAIMANT)), |signer, bytes, signature| {
        let seed = if signer == Signer::Hearer { HEARER } else { CLAIMANT };
        UnparsedPublicKey::new(&ED25519, key(seed).public_key().as_ref()).verify(bytes, signature).is_ok()
    })
}

const HANDED: Judgement = Judgement::Yields(Why::HandedOver);
const TAKEN: Judgement = Judgement::Yields(Why::TakenBack);

#[test]
fn a_claim_without_a_signature_freezes_nothing_whatever_its_epoch() {
    let brought = ledger(&[came(1, 1, CLAIMANT)]);
    for epoch in [2, EPOCH_FORCED_STEP, EPOCH_LEARNED_MAX, 1 << 60, u64::MAX] {
        assert_eq!(judged(&bare(epoch), 1, &brought), Judgement::Unproven, "{epoch}");
    }
    for epoch in [0, 1] {
        assert_eq!(judged(&bare(epoch), 1, &brought), Judgement::Stays, "{epoch}");
    }
}

#[test]
fn what_the_hearer_has_signed_and_forgotten_proves_that_it_handed_the_model_over() {
    let nothing = Ledger::default();
    let right = commit(1, HEARER, CLAIMANT, HEARER);
    assert_eq!(judged(&handed(1, right.clone()), 0, &nothing), HANDED);
    assert_eq!(judged(&handed(7, right.clone()), 0, &nothing), HANDED, "it has had later owners there");
    // It has taken the model back since, or an operator here has chosen this copy.
    for own in [1, 2, 1 + EPOCH_FORCED_STEP] {
        assert_eq!(judged(&handed(1 << 40, right.clone()), own, &nothing), Judgement::Unproven, "{own}");
    }
    for (other, what) in [
        (commit(1, HEARER, OTHER, HEARER), "to another agent"),
        (commit(1, HEARER, CLAIMANT, CLAIMANT), "signed by the claimant"),
        (commit(1, OTHER, CLAIMANT, OTHER), "of another source"),
        (SignedCommit { epoch_to: 2, ..right.clone() }, "of another epoch"),
        (SignedCommit { mid: MigrationId([9; 16]), ..right.clone() }, "of another migration"),
    ] {
        assert_eq!(judged(&handed(9, other), 0, &nothing), Judgement::Unproven, "{what}");
    }
    let of_another_model = Claim { model: Default::default(), ..handed(1, right.clone()) };
    assert_eq!(judged(&of_another_model, 0, &nothing), Judgement::Unproven);
    assert_eq!(judged(&handed(EPOCH_LEARNED_MAX + 1, right), 0, &nothing), Judgement::Unproven, "no model comes to it");
}

#[test]
fn the_source_alone_takes_back_what_it_has_brought() {
    let claim = seized(1 + EPOCH_FORCED_STEP, CLAIMANT, HEARER);
    assert_eq!(judged(&claim, 1, &ledger(&[came(1, 1, CLAIMANT)])), TAKEN);
    for (bodies, what) in [
        (vec![], "it has brought nothing"),
        (vec![came(1, 1, OTHER)], "another one has"),
        (vec![came(1, 1, CLAIMANT), came(2, 3, OTHER)], "another one has since"),
        (vec![came(1, 1, CLAIMANT), restored(1)], "an operator here has chosen this copy since"),
    ] {
        assert_eq!(judged(&claim, 1, &ledger(&bodies)), Judgement::Unproven, "{what}");
    }
    let brought = ledger(&[came(1, 1, CLAIMANT)]);
    for (other, what) in [
        (seized(1 + EPOCH_FORCED_STEP, OTHER, HEARER), "signed by another"),
        (seized(1 + EPOCH_FORCED_STEP, CLAIMANT, OTHER), "said to another"),
        (Claim { epoch: 2, ..claim.clone() }, "of another epoch"),
        (seized(EPOCH_LEARNED_MAX + 1, CLAIMANT, HEARER), "no model comes to it"),
    ] {
        assert_eq!(judged(&other, 1, &brought), Judgement::Unproven, "{what}");
    }
}

#[test]
fn a_ledger_keeps_the_signature_of_each_source_under_its_commit() {
    let stamp = CommitStamp { time_ms: 5, signature: sign(CLAIMANT, b"x") };
    let activating = |number, epoch_to, from| {
        let state =
            TargetState::Activating(Activating { root: ROOT, handover: Default::default(), stamp: stamp.clone() });
        Body::Target(TargetRecord { head: head(number, epoch_to, pin(from)), state })
    };
    let ledger =
        ledger(&[activating(1, 1, CLAIMANT), came(1, 1, CLAIMANT), activating(2, 3, OTHER), came(2, 3, OTHER)]);
    for (from, number, epoch_to) in [(CLAIMANT, 1, 1), (OTHER, 2, 3)] {
        let expected = SignedCommit::of(&head(number, epoch_to, pin(from)), ROOT, &stamp);
        assert_eq!(ledger.commit_of(MODEL, pin(from)), Some(&expected));
    }
    assert_eq!(ledger.commit_of(MODEL, pin(HEARER)), None);
}

#[test]
fn only_what_an_operator_has_asserted_is_claimed_as_seized() {
    let reclaimed =
        |epoch| Body::Source(SourceRecord { head: head(1, 1, pin(OTHER)), state: SourceState::Reclaimed(epoch) });
    let forced = TargetState::Seized(Seizure { root: ROOT, cause: Text::default() });
    let forced = Body::Target(TargetRecord { head: head(1, 1, pin(OTHER)), state: forced });
    assert!(ledger(&[reclaimed(1 + EPOCH_FORCED_STEP)]).asserted().contains(&MODEL), "taken back by force");
    assert!(!ledger(&[reclaimed(2)]).asserted().contains(&MODEL), "given back");
    assert!(ledger(&[came(1, 1, OTHER), restored(EPOCH_FORCED_STEP)]).asserted().contains(&MODEL));
    assert!(!ledger(&[came(1, 1, OTHER)]).asserted().contains(&MODEL));
    assert!(!ledger(&[forced]).asserted().contains(&MODEL), "a target takes nothing back");
    assert!(
        !ledger(&[reclaimed(1 + EPOCH_FORCED_STEP), came(2, 9 + EPOCH_FORCED_STEP, OTHER)]).asserted().contains(&MODEL)
    );
}

#[test]
fn a_conflict_that_an_operator_ended_with_the_copy_here_is_remembered_until_the_next() {
    let conflict = |epoch| Conflict { model: MODEL, peer: pin(OTHER), epoch, peer_epoch: 9, cause: Text::default() };
    let mut ledger = ledger(&[Body::Conflict(conflict(0))]);
    assert_eq!(ledger.lifted().count(), 0);
    ledger.apply(&restored(EPOCH_FORCED_STEP));
    assert_eq!(ledger.lifted().collect::<Vec<_>>(), [&conflict(0)]);
    ledger.apply(&Body::Conflict(conflict(EPOCH_FORCED_STEP)));
    assert_eq!(ledger.lifted().count(), 0);
}
