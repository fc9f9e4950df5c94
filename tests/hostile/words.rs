//! What a peer says about migrations moves its own, as far as it may, and nothing else.

use modelferry::engine::view::{Stand, State};
use modelferry_protocol::codec::Bytes;
use modelferry_protocol::ids::{Hash, MigrationId};
use modelferry_protocol::manifest::ChunkSet;
use modelferry_protocol::message::{
    Activated, BlobState, Chunks, Commit, End, Hold, Message, Request, Response, Sealed, Stage, Staged, Vote,
};
use modelferry_protocol::plan::{Answer, LogTaking, Payload, Question, Verbatim};
use modelferry_protocol::snapshot::{BlobRef, Call, LogSegment, Name, Performed, Reply};
use modelferry_protocol::switch::{Cause, CommitStamp, Handover};

use super::controller::{Held, MODEL};
use super::engines::{Host, third};
use super::liar::{Liar, mid, snapshot};
use super::memory_controller::noise;

async fn records(host: &Host) -> u64 {
    host.engine().audit().await.unwrap().records
}

/// Every word that a source may say about a migration, with a root that nobody sealed.
fn of_a_source(liar: &Liar, mid: MigrationId) -> Vec<Message> {
    let (key, root, cause) = (liar.key(mid), Hash::of(b"nothing"), Cause::cut("never mind"));
    let stage = Stage { key, id: 1, call: Call::Abort };
    vec![
        Message::Commit(Commit {
            key,
            root,
            epoch_to: 1,
            handover: Handover::default(),
            stamp: CommitStamp::default(),
        }),
        Message::Stage(stage),
        Message::Finished(key),
        Message::Unknown(key),
        Message::Abort(End { key, cause }),
    ]
}

/// Every word that a target may say.
fn of_a_target(liar: &Liar, mid: MigrationId) -> Vec<Message> {
    let (key, root) = (liar.key(mid), Hash::of(b"nothing"));
    let end = || End { key, cause: Cause::cut("never mind") };
    let performed = Performed::Done(Reply::default());
    vec![
        Message::Progress(key),
        Message::Prepared(Vote { key, root, nonce: 0, signature: Default::default() }),
        Message::Activated(Activated { key, root, reply: Default::default() }),
        Message::Dropped(end()),
        Message::Refused(end()),
        Message::Staged(Staged { key, id: 1, outcome: performed }),
    ]
}

/// Words about blobs that this side sends to nobody, and answers to questions that nobody asked.
fn about_nothing() -> Vec<Message> {
    let chunks = || Chunks { handle: 7, page: 0, ranges: ChunkSet::empty(1).complement().ranges() };
    vec![
        Message::BlobState(BlobState { handle: 7, held: true, pages: 1, bytes_held: 1 }),
        Message::Need(chunks()),
        Message::Held(chunks()),
        Message::BlobDone(7),
        Message::Hold(Hold { reason: Cause::cut("no room") }),
        Message::Response(Response { id: 7, answer: Answer::Bytes(0) }),
        Message::Cancel(7),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn words_about_what_was_never_begun_here_are_recorded_by_nobody_and_tracked_by_nobody() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    liar.is_heard().await;
    let before = records(&host).await;
    for number in 0..100 {
        let words = of_a_source(&liar, mid(number)).into_iter().chain(of_a_target(&liar, mid(number)));
        for word in words.chain(about_nothing()).collect::<Vec<_>>() {
            liar.say(word).await;
        }
    }
    liar.is_heard().await;
    assert_eq!((records(&host).await, host.engine().migrations().len()), (before, 0));
}

/// The steps of a migration are recorded once each; the last word of a source ends it.
#[tokio::test(flavor = "multi_thread")]
async fn words_about_an_open_offer_are_recorded_once_each_however_often_they_are_said() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    let root = liar.voted(&host, mid(1)).await;
    let voted = records(&host).await;
    for nonce in 0..500 {
        liar.say(liar.offer(mid(1), MODEL)).await;
        let snapshot = Bytes::default();
        liar.say(Message::Seal(Sealed { key: liar.key(mid(1)), root, nonce, snapshot })).await;
        let words = of_a_source(&liar, mid(1)).into_iter().take(4).chain(of_a_target(&liar, mid(1)));
        for word in words.collect::<Vec<_>>() {
            liar.say(word).await;
        }
    }
    liar.is_heard().await;
    assert_eq!((records(&host).await, host.held()), (voted, Held::Staged(mid(1))));
    // A word that finds the task busy is left to be repeated.
    for _ in 0..100 {
        liar.say(liar.abort(mid(1))).await;
        tokio::task::yield_now().await;
    }
    host.ends(mid(1), Stand::Reverted).await;
    let ended = records(&host).await;
    for _ in 0..100 {
        liar.say(liar.offer(mid(1), MODEL)).await;
        liar.say(liar.abort(mid(1))).await;
    }
    liar.is_heard().await;
    assert_eq!((records(&host).await, host.held()), (ended, Held::Absent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_about_another_peer_s_migration_moves_it_nowhere() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    let honest = third(&host, "src").await;
    honest.controller.hold(&[noise(1, 10_000)]);
    host.controller.inner().trouble.stall_stage = true;
    let moving = honest.migrate("src").await;
    host.until(moving, "it is staged", |view| view.state == State::Staging).await;
    let before = records(&host).await;
    let (bytes, root) = snapshot(moving, MODEL, BlobRef { hash: Hash::of(b""), bytes: 0 }).seal().unwrap();
    let seal = Sealed { key: liar.key(moving), root, nonce: 1, snapshot: Bytes::new(bytes).unwrap() };
    let mut words = of_a_source(&liar, moving);
    words.extend(of_a_target(&liar, moving));
    words.extend([Message::Seal(seal), liar.offer(moving, MODEL), liar.offer(mid(9), MODEL)]);
    for word in words {
        liar.say(word).await;
    }
    liar.is_heard().await;
    assert_eq!(records(&host).await, before);
    host.controller.inner().trouble.stall_stage = false;
    honest.ends(moving, Stand::Moved).await;
    assert_eq!(host.held(), Held::Live(Some(moving)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_taken_of_a_model_that_its_peer_has_handed_over_and_no_owner_is_changed_by_a_relayed_call() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    let blob = host.put(b"1 line\n");
    liar.voted(&host, mid(1)).await;
    let log = |mid| {
        let segment = LogSegment { name: Name::cut("1"), until_ms: 1, lines: 1, blob };
        Question::TakeLog(LogTaking { mid, segment })
    };
    let call = |method: &str| {
        let params = Payload::Inline(Bytes::new(b"{}".to_vec()).unwrap());
        let (facade, method) = (Name::cut("MigrationTarget"), Name::cut(method));
        Question::Relay(Box::new(Verbatim { id: mid(2), model: MODEL, facade, version: 1, method, params }))
    };
    let calls = ["Import", "Activate", "AdoptResources", "Abort"].map(call);
    let questions = [log(mid(1)), log(mid(3)), Question::LatestLogTime(mid(3))].into_iter().chain(calls);
    for (id, question) in (100..).zip(questions) {
        let asked = format!("{question:?}");
        liar.say(Message::Request(Request { id, question })).await;
        let is_refused = liar
            .hear("an answer", |message| match message {
                Message::Response(told) if told.id == id => Some(matches!(told.answer, Answer::Failed(_))),
                _ => None,
            })
            .await;
        assert!(is_refused, "{asked}");
    }
    assert_eq!(host.controller.inner().logs_taken, Vec::<u64>::new());
    assert_eq!(host.held(), Held::Staged(mid(1)));
}
