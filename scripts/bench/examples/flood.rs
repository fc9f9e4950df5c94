//! A paired peer that asks an agent without a pause: `flood DIR ADDRESS CODE QUERY...`.
//!
//! Pairs itself with the agent by the code, then keeps as many questions under way as the agent reads: of each `QUERY`, a request of
//! the control socket as JSON, and of the questions that a source asks before it migrates. Prints the answers of each second, of which
//! an `F` counts the refusals.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use modelferry::disk::Disk;
use modelferry::link::{Identity, Link, LinkConfig, NewSession, Peers, Session};
use modelferry_protocol::codec::{Bounded, Text};
use modelferry_protocol::ids::{Hash, JournalId, ModelUuid};
use modelferry_protocol::limits::CALLS_MAX;
use modelferry_protocol::message::{Claim, ControllerCard, Hello, Message, OwnershipReport, Request, SignedHead};
use modelferry_protocol::plan::{Answer, ModelFacts, Question};
use modelferry_protocol::snapshot::{BlobRef, Name};
use modelferry_protocol::version::{Feature, Versions};

/// Questions under way.
const UNDER_WAY: u64 = 64;
const JOURNAL: JournalId = JournalId([7; 16]);

/// What is asked, one after the other.
fn questions(queries: &[String]) -> Vec<Question> {
    let blob = |number: usize| BlobRef { hash: Hash::of(&number.to_le_bytes()), bytes: 1 << 20 };
    let blobs = || Bounded::new((0..CALLS_MAX).map(blob).collect()).expect("as many as there may be");
    let facts = ModelFacts { uuid: ModelUuid([7; 16]), name: Name::cut("flood"), owner: Name::cut("admin"), ..ModelFacts::default() };
    let mut questions: Vec<Question> = queries.iter().map(|query| Question::Query(Text::cut(query))).collect();
    questions.extend([
        Question::Held(blobs()),
        Question::HeldEach(blobs()),
        Question::Known(ModelUuid([7; 16])),
        Question::Prechecks(Box::new(facts)),
        Question::Ping,
    ]);
    questions
}

/// A report that claims a model which nobody else has: it is compared with all that are in service there.
fn report(link: &Link, sequence: u64) -> Message {
    let head = SignedHead::new(JOURNAL, sequence, |bytes| link.sign(bytes));
    let claims = Bounded::new(vec![Claim { model: ModelUuid([9; 16]), epoch: 1, live: true, commit: None, seized: None }]).expect("one");
    Message::OwnershipReport(OwnershipReport { head, seen: None, claims, is_halted: false })
}

async fn flood(link: Link, session: Session, questions: Vec<Question>, under_way: Arc<AtomicU64>) {
    let _ = session.send(report(&link, 1)).await;
    for id in 0.. {
        while under_way.load(Relaxed) >= UNDER_WAY {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        under_way.fetch_add(1, Relaxed);
        let question = questions[id as usize % questions.len()].clone();
        if session.send(Message::Request(Request { id, question })).await.is_err() {
            return;
        }
        if id % 64 == 0 && session.send(report(&link, 2 + id)).await.is_err() {
            return;
        }
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().expect("flood DIR ADDRESS CODE QUERY...");
    let (dir, address, code) = (next(), next(), next());
    let questions = questions(&arguments.collect::<Vec<_>>());
    let (path, disk) = (Path::new(&dir), Disk::real());
    let identity = Identity::load_or_create(path, &disk).expect("an identity");
    let peers = Peers::load(path, &disk).expect("peers");
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = LinkConfig { listen, own_name: "flood".into(), ..LinkConfig::default() };
    let hello = Arc::new(|_| Hello {
        versions: Versions::OWN,
        features: Feature::names(),
        agent: Name::cut("flood"),
        journal: JOURNAL,
        sequence: 1,
        sequence_seen: 0,
        controller: ControllerCard { name: Name::cut("flood"), ..ControllerCard::default() },
    });
    let (link, mut sessions) = Link::start(config, identity, peers, hello).await.expect("a link");
    link.accept(code.parse().expect("a code"), &address, None).await.expect("a pairing");
    while let Some(NewSession { session, mut inbox, .. }) = sessions.recv().await {
        let under_way = Arc::new(AtomicU64::new(0));
        let asking = tokio::spawn(flood(link.clone(), session, questions.clone(), under_way.clone()));
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let (mut answered, mut failed) = (0, 0);
        loop {
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(Message::Response(told)) => {
                        under_way.fetch_sub(1, Relaxed);
                        answered += 1;
                        failed += u64::from(matches!(told.answer, Answer::Failed(_)));
                    }
                    Some(_) => {}
                    None => break,
                },
                _ = second.tick() => {
                    println!("{answered} F {failed}");
                    (answered, failed) = (0, 0);
                }
            }
        }
        asking.abort();
    }
}
