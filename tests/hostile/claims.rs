//! A word about a model's owner counts only with a signature that proves it.

use std::time::Duration;

use modelferry::engine::EngineError;
use modelferry::engine::view::{Stand, State};
use modelferry::link::CloseCode;
use modelferry_protocol::ids::{Hash, Pin};
use modelferry_protocol::limits::{EPOCH_FORCED_STEP, EPOCH_LEARNED_MAX};
use modelferry_protocol::message::{Claim, Commit, Message, SignedCommit, seized_bytes};
use modelferry_protocol::proof::Statement;
use modelferry_protocol::switch::CommitStamp;

use super::controller::{Held, MODEL};
use super::engines::{Host, third};
use super::liar::{Liar, mid};
use super::memory_controller::noise;

const ROOT: Hash = Hash([4; 32]);
/// No model comes to it.
const HUGE: u64 = 1 << 60;

fn conflicts(host: &Host) -> Vec<String> {
    host.engine().alarms().into_iter().filter(|alarm| alarm.kind == "conflict").map(|alarm| alarm.text).collect()
}

fn bare(epoch: u64) -> Claim {
    Claim { model: MODEL, epoch, live: true, commit: None, seized: None }
}

/// What the host has signed, or so it says: the commit at epoch 1 to `target`.
fn commit_of(host: &Host, liar: &Liar, target: Pin, sign: impl Fn(&[u8]) -> [u8; 64]) -> SignedCommit {
    let unsigned = liar.signed_commit(mid(9), ROOT, 1, CommitStamp::default());
    let statement = Statement::of_commit(&unsigned, MODEL, host.link().pin(), target);
    let stamp = CommitStamp { signature: sign(&statement.signed_bytes()).into(), ..CommitStamp::default() };
    SignedCommit { stamp, ..unsigned }
}

/// The claim of an agent that the host has handed the model to.
fn handed(host: &Host, liar: &Liar, epoch: u64) -> Claim {
    let commit = commit_of(host, liar, liar.raw.pin, |bytes| host.link().sign(bytes));
    Claim { commit: Some(commit), ..bare(epoch) }
}

/// The claim of an agent whose operator has put the model into service.
fn seized(host: &Host, liar: &Liar, epoch: u64) -> Claim {
    let signature = liar.raw.sign(&seized_bytes(MODEL, epoch, host.link().pin()));
    Claim { seized: Some(signature.into()), ..bare(epoch) }
}

/// Has the host hear a claim that it does not believe, and meets it anew.
async fn in_vain(mut liar: Liar, host: &Host, claim: Claim) -> Liar {
    let text = format!("{claim:?}");
    liar.say(liar.report_of(None, vec![claim])).await;
    assert_eq!(liar.closed().await.0, CloseCode::Violation as u64, "{text}");
    assert!(matches!(host.held(), Held::Live(_)), "{text}");
    Liar::meet(liar.raw, host).await
}

/// Waits until the model is frozen here.
async fn frozen(host: &Host) {
    let wait = async {
        while !matches!(host.held(), Held::Frozen(_)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it is frozen");
}

/// A host that serves the model, and a liar that is paired with it.
async fn serving() -> (Host, Liar) {
    let mut host = Host::start_apart("src", None).await;
    let liar = Liar::beside(&mut host).await;
    host.controller.hold(&[noise(1, 10_000)]);
    host.engine().restored(MODEL, false, "test").await;
    (host, liar)
}

/// One such message froze the model, and the only exit that was offered deleted it.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_without_a_proof_freezes_nothing_and_costs_its_peer_alone_the_link() {
    let (mut host, mut liar) = serving().await;
    let honest = third(&host, "dst").await;
    let own = |bytes: &[u8]| liar.raw.sign(bytes);
    let made_up = [
        bare(HUGE),
        bare(1),
        bare(EPOCH_LEARNED_MAX),
        Claim { commit: Some(commit_of(&host, &liar, liar.raw.pin, own)), ..bare(1) },
        Claim {
            commit: Some(commit_of(&host, &liar, honest.link().pin(), |bytes| host.link().sign(bytes))),
            ..bare(1)
        },
        seized(&host, &liar, EPOCH_FORCED_STEP),
        // A true one is none for an epoch that no model comes to.
        handed(&host, &liar, HUGE),
    ];
    for claim in made_up {
        liar = in_vain(liar, &host, claim).await;
        let alarms = conflicts(&host);
        assert!(alarms.len() == 1 && alarms[0].contains("proves nothing"), "{alarms:?}");
        assert!(alarms[0].contains(&format!("`modelferry resolve {MODEL} --keep-mine {MODEL}`")), "{alarms:?}");
    }
    let moved = host.migrate("dst").await;
    host.ends(moved, Stand::Moved).await;
    assert_eq!(honest.held(), Held::Live(Some(moved)));
    host.restart().await;
    assert_eq!(conflicts(&host).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_a_model_that_is_on_its_way_elsewhere_stops_no_step_of_that() {
    let (host, mut liar) = serving().await;
    let honest = third(&host, "dst").await;
    honest.controller.inner().trouble.stall_stage = true;
    let moving = host.migrate("dst").await;
    host.until(moving, "the model is frozen", |view| view.state == State::Frozen).await;
    for claim in [bare(HUGE), bare(2), seized(&host, &liar, 2)] {
        liar.say(liar.report_of(None, vec![claim])).await;
        liar.is_heard().await;
    }
    honest.controller.inner().trouble.stall_stage = false;
    host.ends(moving, Stand::Moved).await;
    assert_eq!(honest.held(), Held::Live(Some(moving)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_agent_has_signed_freezes_its_copy_and_an_operator_keeps_it_for_good() {
    let (mut host, mut liar) = serving().await;
    liar.say(liar.report_of(None, vec![handed(&host, &liar, 1)])).await;
    frozen(&host).await;
    let alarms = conflicts(&host);
    assert!(alarms.len() == 1 && alarms[0].contains("it is frozen here"), "{alarms:?}");
    assert!(alarms[0].contains("--discard-frozen") && alarms[0].contains("--keep-mine"), "{alarms:?}");
    host.restart().await;
    frozen(&host).await;
    liar = Liar::meet(liar.leave().await, &host).await;
    host.engine().keep_mine(MODEL, "compared", "test").await.unwrap();
    assert!(matches!(host.held(), Held::Live(_)) && conflicts(&host).is_empty(), "{:?}", conflicts(&host));
    // The same signature proves nothing against what an operator has said since, whatever is claimed with it.
    liar.say(liar.report_of(None, vec![handed(&host, &liar, 1)])).await;
    liar.is_heard().await;
    let beyond = handed(&host, &liar, 1 + 2 * EPOCH_FORCED_STEP);
    in_vain(liar, &host, beyond).await;
    let events = host.engine().events_after(0).await.unwrap();
    let told = |what: &str| events.iter().any(|event| event.text.contains(what));
    assert!(told("this agent has signed that it handed the model over") && told("test: compared"), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_a_proof_has_frozen_can_be_discarded() {
    let (host, mut liar) = serving().await;
    liar.say(liar.report_of(None, vec![handed(&host, &liar, 1)])).await;
    frozen(&host).await;
    host.engine().discard(MODEL, "compared", "test").await.unwrap();
    assert_eq!(host.held(), Held::Absent);
    assert!(conflicts(&host).is_empty(), "{:?}", conflicts(&host));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_let_a_claim_without_a_proof_win() {
    let (host, liar) = serving().await;
    let refused = host.engine().keep_theirs(MODEL, "", "test").await;
    assert!(matches!(refused, Err(EngineError::NotClaimed(MODEL))), "{refused:?}");
    in_vain(liar, &host, bare(1)).await;
    host.engine().keep_theirs(MODEL, "compared", "test").await.unwrap();
    assert!(matches!(host.held(), Held::Frozen(_)));
    let alarms = conflicts(&host);
    assert!(alarms.len() == 1 && alarms[0].contains("it is frozen here"), "{alarms:?}");
}

/// A host that a liar has brought the model to.
async fn brought() -> (Host, Liar) {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    let root = liar.voted(&host, mid(1)).await;
    // A commit that its source has not signed is none.
    let Message::Commit(commit) = liar.commit(&host, mid(1), root) else { unreachable!() };
    let unsigned = CommitStamp { signature: [0; 64].into(), ..commit.stamp.clone() };
    liar.say(Message::Commit(Commit { stamp: unsigned, ..commit.clone() })).await;
    liar.is_heard().await;
    assert_eq!(host.held(), Held::Staged(mid(1)));
    liar.say(Message::Commit(commit)).await;
    host.ends(mid(1), Stand::Moved).await;
    (host, liar)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_takes_back_what_it_has_brought_until_an_operator_says_otherwise() {
    let (host, liar) = brought().await;
    let mut liar = in_vain(liar, &host, bare(1 + EPOCH_FORCED_STEP)).await;
    liar.say(liar.report_of(None, vec![seized(&host, &liar, 1 + EPOCH_FORCED_STEP)])).await;
    frozen(&host).await;
    host.engine().keep_mine(MODEL, "", "test").await.unwrap();
    assert!(matches!(host.held(), Held::Live(_)));
    let again = seized(&host, &liar, 1 + 3 * EPOCH_FORCED_STEP);
    in_vain(liar, &host, again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_shows_the_signature_under_which_the_model_was_handed_to_it() {
    let (mut host, liar) = brought().await;
    host.restart().await;
    let mut liar = Liar::meet(liar.leave().await, &host).await;
    liar.say(liar.report()).await;
    let pin = liar.raw.pin;
    let commit = liar
        .hear("the claim", |message| match message {
            Message::OwnershipReport(report) => report.claims.iter().find_map(|claim| claim.commit.clone()),
            _ => None,
        })
        .await;
    let signed = Statement::of_commit(&commit, MODEL, pin, host.link().pin()).signed_bytes();
    assert_eq!(*commit.stamp.signature, liar.raw.sign(&signed), "signatures of this kind are the same each time");
}
