//! What a peer may do here is what an operator has let it do.

use std::collections::BTreeSet;

use modelferry::engine::view::{Direction, Stand};
use modelferry::engine::{EngineError, ErrorKind};
use modelferry::link::RightsChange;
use modelferry_protocol::codec::{Bounded, Bytes};
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::message::Message;
use modelferry_protocol::plan::{Answer, BackupRequest, Precopying, Question};
use modelferry_protocol::snapshot::{BlobRef, Name};

use super::controller::{Held, MODEL};
use super::engines::{Host, pair};
use super::liar::{LIAR, Liar, mid, model};
use super::memory_controller::noise;
use super::samples;

async fn set(host: &Host, peer: &str, change: RightsChange) {
    host.link().set_rights(peer, change).await.unwrap();
}

fn only(pattern: &str) -> RightsChange {
    RightsChange { models: Some(vec![pattern.parse().unwrap()]), ..RightsChange::default() }
}

/// Waits for the refusal of an offer.
async fn refused(liar: &mut Liar, mid: MigrationId) -> String {
    liar.hear("a refusal", |message| match message {
        Message::Refused(end) if end.key.mid == mid => Some(end.cause.to_string()),
        _ => None,
    })
    .await
}

fn precopy(mid: MigrationId) -> Question {
    let (name, owner) = (Name::cut("shelf"), Name::cut("admin"));
    let blobs = Bounded::new(vec![BlobRef::default()]).unwrap();
    Question::Precopy(Box::new(Precopying { mid, model: MODEL, name, owner, blobs }))
}

fn failed(answer: Answer) -> String {
    match answer {
        Answer::Failed(text) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_not_received_from_leaves_no_record_and_hears_what_allows_it() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    set(&host, LIAR, RightsChange { receive: Some(false), ..RightsChange::default() }).await;
    let before = host.engine().audit().await.unwrap().records;
    liar.say(liar.offer(mid(1), MODEL)).await;
    let line = "`modelferry peer set raw --receive on` on the host of that controller allows it";
    assert!(refused(&mut liar, mid(1)).await.ends_with(line));
    assert!(failed(liar.ask(precopy(mid(2))).await).ends_with(line));
    let Answer::Findings(found) = liar.ask(samples::prechecks()).await else { panic!("no findings") };
    assert_eq!((&*found[0].check, &*found[0].fix), ("rights", "modelferry peer set raw --receive on"));
    assert_eq!(host.engine().audit().await.unwrap().records, before);
    assert!(host.engine().migrations().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_peer_with_patterns_only_models_whose_names_match_are_received() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    set(&host, LIAR, only("web-*")).await;
    liar.say(liar.offer(mid(1), MODEL)).await;
    assert!(refused(&mut liar, mid(1)).await.contains("exchanges no model \"admin/shelf\" with \"raw\", only 'web-*'"));
    set(&host, LIAR, only("admin/sh*")).await;
    liar.say(liar.offer(mid(2), MODEL)).await;
    host.until(mid(2), "the offer is there", |_| true).await;
}

/// Three thousand copies that nobody had asked for were kept in six seconds.
#[tokio::test(flavor = "multi_thread")]
async fn of_three_thousand_copies_that_a_peer_wants_kept_none_is_until_that_is_allowed() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    let description = host.put(b"writes: 0\n");
    let keep = |liar: &Liar, number: u64| {
        let (snapshot, root) = liar.snapshot(mid(number), description);
        Question::Keep(BackupRequest { taken_s: 1, root, snapshot: Bytes::new(snapshot).unwrap() })
    };
    for number in 0..3_000 {
        let text = failed(liar.ask(keep(&liar, number)).await);
        assert!(text.contains("`modelferry peer set raw --keep on`"), "{text}");
    }
    assert!(host.store().kept().unwrap().is_empty());
    set(&host, LIAR, RightsChange { keep: Some(true), ..RightsChange::default() }).await;
    assert_eq!(liar.ask(keep(&liar, 1)).await, Answer::Bytes(description.bytes));
    assert_eq!(host.store().kept().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_a_peer_that_is_not_sent_to() {
    let (src, dst) = pair(&[noise(1, 10_000)]).await;
    set(&src, "dst", RightsChange { send: Some(false), ..RightsChange::default() }).await;
    set(&dst, "src", RightsChange { keep: Some(true), ..RightsChange::default() }).await;
    let forbidden = |error: EngineError| {
        assert_eq!(error.kind(), ErrorKind::Refused);
        match error {
            EngineError::Forbidden { fix, .. } => fix,
            EngineError::Prechecks(findings) => findings[0].fix.clone(),
            other => panic!("{other:?}"),
        }
    };
    let line = "modelferry peer set dst --send on";
    let migrated = src.engine().migrate(MODEL, "dst", Host::options(), "test").await;
    assert_eq!(forbidden(migrated.unwrap_err()), line);
    assert_eq!(forbidden(src.engine().precopy(MODEL, "dst", None, "test").await.unwrap_err()), line);
    assert_eq!(forbidden(src.engine().keep(MODEL, "dst").await.unwrap_err()), line);
    set(&src, "dst", RightsChange { send: Some(true), ..RightsChange::default() }).await;
    src.engine().keep(MODEL, "dst").await.unwrap();
    let moved = src.migrate("dst").await;
    src.ends(moved, Stand::Moved).await;
}

/// Each kind of message and of question, about the model that is in service here.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_of_a_peer_begins_a_migration_of_a_model_here() {
    let mut host = Host::start_apart("src", None).await;
    let mut liar = Liar::beside(&mut host).await;
    host.controller.hold(&[noise(1, 10_000)]);
    let all = RightsChange { keep: Some(true), read: Some(true), ..RightsChange::default() };
    set(&host, LIAR, all).await;
    let mut said = BTreeSet::from(["Hello", "OwnershipReport"]);
    for message in samples::messages() {
        let is_greeting = matches!(message, Message::Hello(_) | Message::OwnershipReport(_));
        said.insert(message.name());
        if let Message::Request(request) = &message {
            said.insert(request.question.name());
        }
        if !is_greeting {
            let frame = samples::about(message.to_frame(), MODEL, liar.journal);
            liar.say_frame(&frame).await;
            liar.is_heard().await;
        }
    }
    liar.say(liar.offer(mid(1), MODEL)).await;
    liar.say(liar.offer(mid(2), model(1))).await;
    liar.is_heard().await;
    let all: BTreeSet<&str> =
        Message::KINDS.iter().map(|(_, name)| *name).chain(Question::TAGS.iter().map(|(_, name)| *name)).collect();
    assert_eq!(all.difference(&said).collect::<Vec<_>>(), Vec::<&&str>::new(), "nobody says these");
    let begun: Vec<_> =
        host.engine().migrations().into_iter().filter(|view| view.direction == Direction::Source).collect();
    assert!(begun.is_empty(), "{begun:?}");
    assert_eq!(host.held(), Held::Live(None));
}
