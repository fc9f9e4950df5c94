//! A peer that is an agent of another version: it knows no patches, refuses them, or dies of them.

use std::sync::Arc;
use std::time::Duration;

use modelferry::config::Patches;
use modelferry::disk::Disk;
use modelferry::engine::EngineError;
use modelferry::engine::view::Stand;
use modelferry::link::{CloseCode, Identity, Limit, Link, LinkConfig, NewSession, Peers};
use modelferry_protocol::codec::{Bounded, Bytes, Text};
use modelferry_protocol::ids::{Hash, JournalId, Pin};
use modelferry_protocol::message::{
    BlobState, ControllerCard, Hello, Message, OwnershipReport, Request, Response, SignedHead,
};
use modelferry_protocol::plan::{Answer, Knowledge, Question, Room};
use modelferry_protocol::snapshot::{BlobRef, Name};
use modelferry_protocol::version::{Feature, FeatureNames, Versions};
use tokio::sync::mpsc;

use super::controller::MODEL;
use super::engines::{Host, pair_with};
use super::memory_controller::noise;

/// Generous: nothing is claimed about time here.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the peer does when it is asked about patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ways {
    /// It does not have the feature; a question about it would end the connection.
    KnowsNone,
    /// It says that it makes none.
    Refuses,
    /// It begins to make a blob, and dies of it.
    Dies,
}

/// What a source has asked of it, and offered.
#[derive(Debug, Default)]
struct Heard {
    held_each: u32,
    rebuild: u32,
    offered: Vec<BlobRef>,
}

struct Foreign<'a> {
    ways: Ways,
    /// Its own link, whose key signs what it says of a model's owners.
    link: &'a Link,
    /// The agent that asks.
    asker: Pin,
    /// The binary it lacks.
    lacking: BlobRef,
    heard: Heard,
}

impl Foreign<'_> {
    /// Talks over one connection. Reports whether it was offered what it lacks; else the connection is over.
    async fn talk(&mut self, new: NewSession) -> bool {
        let NewSession { session, mut inbox, chunks: _chunks, .. } = new;
        let head = SignedHead::new(JournalId([9; 16]), 0, |bytes| self.link.sign(bytes));
        let claims = OwnershipReport { head, seen: None, claims: Bounded::default(), is_halted: false };
        let _ = session.send(Message::OwnershipReport(claims)).await;
        while let Some(message) = inbox.recv().await {
            match message {
                Message::Request(Request { id, question }) => match self.answer(question) {
                    Some(answer) => _ = session.send(Message::Response(Response { id, answer })).await,
                    None => session.close(CloseCode::Malformed, "a question that is not known"),
                },
                Message::Offer(offer) => _ = session.send(Message::Progress(offer.key)).await,
                Message::BlobOffer(offer) if offer.blob == self.lacking => return true,
                Message::BlobOffer(offer) => {
                    self.heard.offered.push(offer.blob);
                    let bytes_held = offer.blob.bytes;
                    let state = BlobState { handle: offer.handle, held: true, pages: 0, bytes_held };
                    let _ = session.send(Message::BlobState(state)).await;
                }
                _ => {}
            }
        }
        false
    }

    fn answer(&mut self, question: Question) -> Option<Answer> {
        match question {
            Question::Prechecks(_) => Some(Answer::Findings(Bounded::default())),
            Question::Networks => Some(Answer::Networks(Box::default())),
            Question::Ping => Some(Answer::Bytes(1_795_000_000_000)),
            Question::Known(model) => {
                let mut knowledge = Knowledge::default();
                let signature = self.link.sign(&knowledge.signed_bytes(model, self.asker));
                knowledge.signature = Bytes::new(signature.to_vec()).unwrap();
                Some(Answer::Known(Box::new(knowledge)))
            }
            Question::Held(_) => Some(Answer::Room(Room { bytes_held: 0, bytes_free: 1 << 40, bytes_kept: 0 })),
            Question::HeldEach(blobs) => {
                self.heard.held_each += 1;
                let held = |blob: &BlobRef| if *blob == self.lacking { 0 } else { blob.bytes };
                match self.ways {
                    Ways::KnowsNone => None,
                    Ways::Refuses => Some(Answer::Failed(Text::cut("no patches here"))),
                    Ways::Dies => Some(Answer::HeldEach(Bounded::truncated(blobs.iter().map(held).collect()))),
                }
            }
            Question::Rebuild(_) => {
                self.heard.rebuild += 1;
                None
            }
            other => panic!("nobody asks {other:?} before the bytes are there"),
        }
    }
}

/// Pairs such a peer with an agent, under the name `foreign`.
async fn paired(src: &Host, dir: &tempfile::TempDir, features: FeatureNames) -> (Link, mpsc::Receiver<NewSession>) {
    let identity = Identity::load_or_create(dir.path(), &Disk::real()).unwrap();
    let peers = Peers::load(dir.path(), &Disk::real()).unwrap();
    let config =
        LinkConfig { listen: "127.0.0.1:0".parse().unwrap(), own_name: "foreign".into(), ..LinkConfig::default() };
    let hello = Arc::new(move |_| Hello {
        versions: Versions::OWN,
        features: features.clone(),
        agent: Name::cut("another version"),
        journal: JournalId([9; 16]),
        sequence: 0,
        sequence_seen: 0,
        controller: ControllerCard { name: Name::cut("foreign"), ..ControllerCard::default() },
    });
    let (link, sessions) = Link::start(config, identity, peers, hello).await.unwrap();
    let (code, _) = src.link().offer(Some("foreign".into())).await.unwrap();
    link.accept(code, &src.link().local_addr().to_string(), Some("src".into())).await.unwrap();
    (link, sessions)
}

/// Migrates a model to such a peer until its binary is offered as any other, and returns what was heard before.
async fn offered_in_the_end(ways: Ways) -> Heard {
    let base = noise(1, 300_000);
    let edited: Vec<u8> = base.chunks(3000).flat_map(|some| [some, b"!".as_slice()].concat()).collect();
    // The first revision has gone elsewhere before, which is what the next is compared with.
    let (src, _west) = pair_with(&[b"version: 12\n".to_vec(), base], Patches::Auto).await;
    let precopied = src.engine().precopy(MODEL, "dst", None, "test").await.unwrap();
    src.ends(precopied.mid.parse().unwrap(), Stand::Copied).await;
    src.controller.hold(&[b"version: 12\n".to_vec(), edited.clone()]);
    src.link().limit(None, Limit::AtMost("1mbit".parse().unwrap())).await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    let features = if ways == Ways::KnowsNone { FeatureNames::default() } else { Feature::names() };
    let (link, mut sessions) = paired(&src, &dir, features).await;
    let lacking = BlobRef { hash: Hash::of(&edited), bytes: edited.len() as u64 };
    let asker = src.link().pin();
    let mut foreign = Foreign { ways, link: &link, asker, lacking, heard: Heard::default() };
    let talking = async {
        while let Some(new) = sessions.recv().await {
            if foreign.talk(new).await {
                return;
            }
        }
        panic!("the link is over");
    };
    let migrating = async {
        // Nothing is asked of a peer before the two have met.
        while let Err(EngineError::PeerDown { .. }) = src.engine().plan(MODEL, "foreign").await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        src.migrate("foreign").await;
        std::future::pending::<()>().await
    };
    tokio::select! {
        done = tokio::time::timeout(PATIENCE, talking) => done.expect("the binary is offered in the end"),
        () = migrating => {}
    }
    foreign.heard
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_does_not_know_patches_is_never_asked_about_them_and_sent_chunks() {
    let heard = offered_in_the_end(Ways::KnowsNone).await;
    assert_eq!((heard.held_each, heard.rebuild), (0, 0), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_refuses_patches_is_sent_chunks_over_the_same_connection() {
    let heard = offered_in_the_end(Ways::Refuses).await;
    assert_eq!((heard.held_each, heard.rebuild), (1, 0), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_of_a_patch_is_asked_to_apply_it_twice_and_then_sent_chunks() {
    let heard = offered_in_the_end(Ways::Dies).await;
    assert_eq!(heard.rebuild, 2, "{heard:?}");
    assert!(heard.offered.iter().any(|blob| blob.bytes < 30_000), "the patch itself: {heard:?}");
}
