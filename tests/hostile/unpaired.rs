//! An operator can be rid of a peer at once, whatever that does.

use modelferry::engine::view::{Stand, State};
use modelferry::engine::{EngineError, ErrorKind, Resolution};
use modelferry::link::CloseCode;
use modelferry_protocol::message::{Message, Request};
use modelferry_protocol::plan::Question;
use modelferry_protocol::proof::{Proof, Statement, Verdict};

use super::controller::{Held, MODEL};
use super::engines::Host;
use super::liar::{LIAR, Liar, mid};

/// Unpairs the liar as the agent does: the link first, then what ran over it.
async fn unpair(host: &Host, liar: &Liar) -> modelferry::engine::Unpaired {
    host.link().unpair(LIAR).await.unwrap();
    host.engine().unpaired(liar.raw.pin, "test").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_an_open_offer_is_cut_off_at_once_and_its_migration_is_given_up() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    liar.say(liar.offer(mid(1), MODEL)).await;
    host.until(mid(1), "the offer is there", |view| view.state == State::Receiving).await;
    let unpaired = unpair(&host, &liar).await;
    assert_eq!(liar.closed().await.0, CloseCode::Unpaired as u64);
    assert_eq!((unpaired.ended.len(), unpaired.left.len()), (1, 0));
    let cause = host.ends(mid(1), Stand::Reverted).await.cause.unwrap();
    assert!(cause.contains("its peer was unpaired by operator (test)"), "{cause}");
}

/// What it asked for fills every queue, and nothing of the answers is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_reads_nothing_is_cut_off_at_once() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    liar.say(liar.offer(mid(1), MODEL)).await;
    host.until(mid(1), "the offer is there", |view| view.state == State::Receiving).await;
    liar.stop_reading();
    for id in 0..2_000 {
        let question = Message::Request(Request { id, question: Question::Networks });
        if !liar.try_say(question).await {
            break;
        }
    }
    let unpaired = unpair(&host, &liar).await;
    assert_eq!(liar.closed().await.0, CloseCode::Unpaired as u64);
    assert_eq!((unpaired.ended.len(), unpaired.left.len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_outlives_the_pairing_and_a_proof_of_its_source_decides_it() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    let root = liar.voted(&host, mid(1)).await;
    // The source alone may abort what this side has voted on.
    let refused = host.engine().abort(mid(1), "test").await.unwrap_err();
    assert!(matches!(refused, EngineError::Voted { .. }) && refused.kind() == ErrorKind::InDoubt, "{refused:?}");
    let unpaired = unpair(&host, &liar).await;
    assert_eq!(liar.closed().await.0, CloseCode::Unpaired as u64);
    assert_eq!((unpaired.ended.len(), unpaired.left.len()), (0, 1));
    assert_eq!((unpaired.left[0].state, host.held()), (State::Prepared, Held::Staged(mid(1))));
    let statement = Statement {
        verdict: Verdict::Commit,
        mid: mid(1),
        model: MODEL,
        epoch_to: 1,
        root: Some(root),
        source: liar.raw.pin,
        target: host.link().pin(),
        journal: liar.journal,
        time_ms: 1,
    };
    let proof = Proof { statement, key: liar.raw.public_key(), signature: liar.raw.sign(&statement.signed_bytes()) };
    let resolution = Resolution::Proof(Box::new(proof));
    host.engine().resolve(mid(1), resolution, "", "test").await.unwrap();
    host.ends(mid(1), Stand::Moved).await;
    assert_eq!(host.held(), Held::Live(Some(mid(1))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_gives_up_what_it_has_not_voted_on_and_the_source_is_told() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    liar.say(liar.offer(mid(1), MODEL)).await;
    host.until(mid(1), "the offer is there", |view| view.state == State::Receiving).await;
    host.engine().abort(mid(1), "test").await.unwrap();
    let cause = liar
        .hear("the end", |message| match message {
            Message::Dropped(end) => Some(end.cause.to_string()),
            _ => None,
        })
        .await;
    assert!(cause.contains("aborted by operator (test)"), "{cause}");
    host.ends(mid(1), Stand::Reverted).await;
}
