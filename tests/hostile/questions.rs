//! What a peer asks costs no other peer more than it may, however often it asks.

use std::sync::Arc;

use modelferry::engine::view::{Stand, State};
use modelferry::link::RightsChange;
use modelferry_protocol::codec::{Bounded, Bytes, Text};
use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::{
    COPIES_AT_ONCE_MAX, QUERIES_AT_ONCE_MAX, QUESTIONS_AT_ONCE_MAX, RELAYS_AT_ONCE_MAX, TRIES_AT_ONCE_MAX,
};
use modelferry_protocol::message::{Message, Request};
use modelferry_protocol::plan::{Answer, Payload, Precopying, Question, Verbatim};
use modelferry_protocol::snapshot::{BlobRef, Name};

use super::controller::{Held, MODEL};
use super::engines::{Host, third};
use super::liar::{Liar, mid, model, snapshot};
use super::memory_controller::{Gate, noise};

/// Questions of a flood.
const FLOOD: u64 = 200;

impl Liar {
    async fn send_question(&mut self, id: u64, question: Question) {
        self.say(Message::Request(Request { id, question })).await;
    }

    /// Waits for the answers to so many questions that begin with a number, and returns how many are refusals.
    async fn answers(&mut self, ids: std::ops::Range<u64>) -> u64 {
        let mut failed = 0;
        for _ in ids.clone() {
            failed += self
                .hear("an answer", |message| match message {
                    Message::Response(told) if ids.contains(&told.id) => {
                        Some(u64::from(matches!(told.answer, Answer::Failed(_))))
                    }
                    _ => None,
                })
                .await;
        }
        failed
    }
}

/// A blob that nobody has.
fn nowhere(number: u64) -> BlobRef {
    BlobRef { hash: Hash::of(&number.to_le_bytes()), bytes: 1000 }
}

/// A host, a liar, and an honest peer with a model that it can migrate to the host.
async fn three() -> (Host, Liar, Host) {
    let mut host = Host::start_apart("dst", None).await;
    let liar = Liar::beside(&mut host).await;
    let honest = third(&host, "src").await;
    honest.controller.hold(&[noise(1, 10_000)]);
    (host, liar, honest)
}

async fn comes_in(host: &Host, honest: &Host) {
    let moved = honest.migrate("src").await;
    honest.ends(moved, Stand::Moved).await;
    host.ends(moved, Stand::Moved).await;
}

/// One peer's questions held eight threads, and slowed another's migration from 0.26 to 9.2 s.
#[tokio::test(flavor = "multi_thread")]
async fn one_piece_of_work_of_a_flood_of_questions_is_done_at_a_time_and_another_peer_s_migration_waits_for_none() {
    let (host, mut liar, honest) = three().await;
    let gate = Arc::new(Gate::default());
    host.controller.inner().trouble.gate = Some(gate.clone());
    // One more than is read before one of them is answered.
    let first = QUESTIONS_AT_ONCE_MAX as u64 + 1;
    for id in 0..first {
        liar.send_question(id, Question::Known(model(id))).await;
    }
    // The first of them holds its thread until the other peer's migration has ended.
    while gate.state().came == 0 {
        tokio::task::yield_now().await;
    }
    comes_in(&host, &honest).await;
    assert_eq!((gate.state().inside, gate.state().came), (1, 1));
    gate.open();
    for id in first..FLOOD {
        liar.send_question(id, Question::Known(model(id))).await;
    }
    assert_eq!(liar.answers(0..FLOOD).await, 0);
    assert_eq!((gate.state().most, gate.state().came), (1, FLOOD as usize));
}

/// A task that is dropped leaves its thread at work.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_connects_anew_gets_no_second_thread_for_its_questions() {
    let (host, mut liar, honest) = three().await;
    let gate = Arc::new(Gate::default());
    host.controller.inner().trouble.gate = Some(gate.clone());
    for _ in 0..3 {
        liar.send_question(0, Question::Known(model(0))).await;
        while gate.state().came == 0 {
            tokio::task::yield_now().await;
        }
        liar = Liar::meet(liar.leave().await, &host).await;
    }
    liar.is_heard().await;
    comes_in(&host, &honest).await;
    assert_eq!((gate.state().most, gate.state().came), (1, 1));
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_questions_of_a_peer_s_operators_are_answered_at_once_and_hold_up_neither_its_own_nor_another_s_migration()
 {
    let (host, mut liar, honest) = three().await;
    let before = host.queries.asked();
    host.queries.hold();
    for id in 0..FLOOD {
        liar.send_question(id, Question::Query(Text::cut("{}"))).await;
    }
    let too_many = FLOOD - QUERIES_AT_ONCE_MAX as u64;
    assert_eq!(liar.answers(QUERIES_AT_ONCE_MAX as u64..FLOOD).await, too_many);
    // The others still wait; a migration's questions of the same peer are answered.
    liar.send_question(FLOOD, Question::Known(model(0))).await;
    assert_eq!(liar.answers(FLOOD..FLOOD + 1).await, 0);
    comes_in(&host, &honest).await;
    assert_eq!(host.queries.asked() - before, QUERIES_AT_ONCE_MAX as u64);
    host.queries.answer();
    assert_eq!(liar.answers(0..QUERIES_AT_ONCE_MAX as u64).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_models_of_a_peer_are_tried_at_once_and_one_more_is_refused() {
    let (host, mut liar, _honest) = three().await;
    let description = host.put(b"writes: 0\n");
    host.controller.inner().trouble.stall_dry_run = true;
    liar.say(liar.offer(mid(1), model(1))).await;
    host.until(mid(1), "the offer is there", |view| view.state == State::Receiving).await;
    let (bytes, _) = snapshot(mid(1), model(1), description).seal().unwrap();
    let tries = TRIES_AT_ONCE_MAX as u64;
    for id in 0..tries + 10 {
        liar.send_question(id, Question::DryRun(Bytes::new(bytes.clone()).unwrap())).await;
    }
    assert_eq!(liar.answers(tries..tries + 10).await, 10);
    host.controller.inner().trouble.stall_dry_run = false;
    assert_eq!(liar.answers(0..tries).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_copies_that_a_peer_has_come_in_at_once_are_bounded_and_leave_another_s_copies_alone() {
    let (host, mut liar, honest) = three().await;
    let relays = RELAYS_AT_ONCE_MAX as u64;
    for id in 0..relays + 5 {
        // Its parameters never come.
        let call = Verbatim {
            id: mid(id),
            model: MODEL,
            facade: Name::cut("MigrationTarget"),
            version: 1,
            method: Name::cut("Prechecks"),
            params: Payload::Blob(nowhere(id)),
        };
        liar.send_question(id, Question::Relay(Box::new(call))).await;
    }
    assert_eq!(liar.answers(relays..relays + 5).await, 5);
    let copies = COPIES_AT_ONCE_MAX as u64;
    for id in 0..copies {
        let blobs = Bounded::new(vec![nowhere(id)]).unwrap();
        let (name, owner) = (Name::cut("shelf"), Name::cut("admin"));
        let copy = Precopying { mid: mid(1000 + id), model: model(id), name, owner, blobs };
        liar.send_question(1000 + id, Question::Precopy(Box::new(copy))).await;
    }
    // Each has taken the place of the one before.
    assert_eq!(liar.answers(1000..1000 + copies - 1).await, copies - 1);
    host.link().set_rights("src", RightsChange { keep: Some(true), ..RightsChange::default() }).await.unwrap();
    honest.engine().keep(MODEL, "src").await.unwrap();
    comes_in(&host, &honest).await;
    assert_eq!(honest.held(), Held::Absent);
}

/// Calls under one number were counted as one.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_call_under_the_number_of_one_that_is_under_way_is_refused() {
    let (_host, mut liar, _honest) = three().await;
    for number in 0..2 {
        let call = Verbatim {
            id: mid(number),
            model: MODEL,
            facade: Name::cut("MigrationTarget"),
            version: 1,
            method: Name::cut("Prechecks"),
            params: Payload::Blob(nowhere(number)),
        };
        liar.send_question(7, Question::Relay(Box::new(call))).await;
    }
    assert_eq!(liar.answers(7..8).await, 1);
}
