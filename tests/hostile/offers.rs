//! What a peer offers costs this side no more than it may, however often it offers.

use modelferry::engine::view::Stand;
use modelferry_protocol::ids::JournalId;
use modelferry_protocol::limits::{OFFERS_OPEN_MAX, OFFERS_PAST_MAX};
use modelferry_protocol::message::Message;

use super::controller::MODEL;
use super::engines::{Host, third};
use super::liar::{Liar, mid, model};
use super::memory_controller::noise;

/// Thirty thousand in a minute killed the agent, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn offers_beyond_what_one_peer_may_have_open_are_left_to_be_repeated_and_another_peer_s_model_comes_in() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    for number in 0..OFFERS_OPEN_MAX as u64 + 50 {
        liar.say(liar.offer(mid(number), model(number))).await;
    }
    liar.is_heard().await;
    assert_eq!(host.engine().migrations().len(), OFFERS_OPEN_MAX);
    let honest = third(&host, "src").await;
    honest.controller.hold(&[noise(1, 10_000)]);
    let moved = honest.migrate("src").await;
    honest.ends(moved, Stand::Moved).await;
    host.ends(moved, Stand::Moved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_offer_that_came_to_nothing_only_its_id_is_kept_after_some_more_and_it_is_never_taken_again() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    let offers = OFFERS_PAST_MAX as u64 + 40;
    for number in 0..offers {
        liar.say(liar.offer(mid(number), MODEL)).await;
        liar.say(liar.abort(mid(number))).await;
        liar.hear("the end", |message| match message {
            Message::Dropped(end) => (end.key.mid == mid(number)).then_some(()),
            _ => None,
        })
        .await;
    }
    liar.is_heard().await;
    for is_again in [false, true] {
        let known = host.engine().migrations().len();
        assert!((OFFERS_PAST_MAX..=OFFERS_PAST_MAX + 1).contains(&known), "{known}, after a restart: {is_again}");
        // The oldest, and the newest of those that are forgotten.
        for number in [0, offers - OFFERS_PAST_MAX as u64 - 2] {
            liar.say(liar.offer(mid(number), MODEL)).await;
            let cause = liar
                .hear("a refusal", |message| match message {
                    Message::Dropped(end) if end.key.mid == mid(number) => Some(end.cause.to_string()),
                    _ => None,
                })
                .await;
            assert_eq!(cause, "the offer came to nothing here before");
        }
        host.restart().await;
        liar = Liar::meet(liar.leave().await, &host).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_shows_another_journal_with_every_connection_costs_one_record() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    let before = host.engine().audit().await.unwrap().records;
    for number in 1..6 {
        liar = Liar::meet_with(liar.leave().await, &host, JournalId([number; 16])).await;
        liar.is_heard().await;
    }
    assert_eq!(host.engine().alarms().iter().filter(|alarm| alarm.kind == "peer").count(), 1);
    assert_eq!(host.engine().audit().await.unwrap().records - before, 1);
}
